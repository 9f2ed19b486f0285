"""Conv2D. Source: Keras 2.2.5 keras/layers/convolutional.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.core.configurable import Spec, given
from lamella.core.registry import register
from lamella.graph.input_spec import InputSpec
from lamella.layers.conv.convolution import Convolution
from lamella.layers.keras1 import keras1_names


@register("layers", "Convolution2D")
@keras1_names(kernel_axes=("nb_row", "nb_col"), nb_filter="filters")
class Conv2D(Convolution, self_contained=True):
    """activation(sum of windows of x times kernel, + bias).

    Shapes:
        x [N, H, W, C] (or [N, C, H, W] with channels_first, transposed at the layer's edge), kernel [kh, kw, C, filters] in
            both formats -> [N, P, Q, filters].

    Unlike in Keras 2.2.5, strides and dilation_rate may both be above 1.
    """

    input_spec = InputSpec(ndim=4)
    rank = 2
    fixed = ("rank",)

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = (1, 1),
        activation: Spec = None,
        use_bias: bool = True,
        kernel_initializer: Spec = "glorot_uniform",
        bias_initializer: Spec = "zeros",
        kernel_regularizer: Spec = None,
        bias_regularizer: Spec = None,
        activity_regularizer: Spec = None,
        kernel_constraint: Spec = None,
        bias_constraint: Spec = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(self.rank, **given(locals()), **kwargs)


Convolution2D = Conv2D
