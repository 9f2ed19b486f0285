"""Conv1D. Source: Keras 2.2.5 keras/layers/convolutional.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.core.configurable import Spec, given
from lamella.core.registry import register
from lamella.graph.input_spec import InputSpec
from lamella.layers.conv.convolution import Convolution
from lamella.layers.keras1 import keras1_names


@register("layers", "Convolution1D")
@keras1_names(sequence=True, nb_filter="filters", filter_length="kernel_size", subsample_length="strides")
class Conv1D(Convolution, self_contained=True):
    """activation(sum of windows of steps times kernel, + bias).

    Shapes:
        x [N, T, C] (or [N, C, T] with channels_first, transposed at the layer's edge), kernel [k, C, filters] in both formats
            -> [N, P, filters].

    Args:
        padding: "valid", "same", or "causal": (k - 1) * dilation_rate zeros before the first step and none after the last, so
            that step t of the output depends on no later step of the input.

    Unlike in Keras 2.2.5, strides and dilation_rate may both be above 1.
    """

    input_spec = InputSpec(ndim=3)
    rank = 1
    fixed = ("rank",)

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: int | Sequence[int] = 1,
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

    def resolve(self, names: Sequence[str]) -> None:
        super().resolve(names)
        if self.padding == "causal" and self.data_format != "channels_last":
            raise ValueError('When using causal padding in `Conv1D`, `data_format` must be "channels_last" (temporal data).')


Convolution1D = Conv1D
