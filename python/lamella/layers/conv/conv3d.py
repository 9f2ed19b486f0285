"""Conv3D. Source: Keras 2.2.5 keras/layers/convolutional.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.core.configurable import Spec, given
from lamella.core.registry import register
from lamella.graph.input_spec import InputSpec
from lamella.layers.conv.convolution import Convolution
from lamella.layers.keras1 import keras1_names


@register("layers", "Convolution3D")
@keras1_names(kernel_axes=("kernel_dim1", "kernel_dim2", "kernel_dim3"), nb_filter="filters")
class Conv3D(Convolution, self_contained=True):
    """activation(sum of windows of volumes times kernel, + bias).

    Shapes:
        x [N, D, H, W, C] (or [N, C, D, H, W] with channels_first, transposed at the layer's edge), kernel
            [k1, k2, k3, C, filters] in both formats -> [N, O, P, Q, filters].

    Unlike in Keras 2.2.5, strides and dilation_rate may both be above 1.
    """

    input_spec = InputSpec(ndim=5)
    rank = 3
    fixed = ("rank",)

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = (1, 1, 1),
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


Convolution3D = Conv3D
