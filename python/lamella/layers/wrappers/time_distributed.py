"""TimeDistributed. Source: Keras 2.2.5 keras/layers/wrappers.py."""

from __future__ import annotations

from typing import Any

from lamella.core.graphs import accepts_symbolic
from lamella.core.phase import current
from lamella.core.registry import register
from lamella.core.scopes import at_least_inside
from lamella.core.shapes import Shape
from lamella.core.types import Value
from lamella.graph.input_spec import InputSpec
from lamella.graph.layer import Layer
from lamella.graph.symbolic import Symbolic
from lamella.layers.wrappers.wrapper import Wrapper, call_inside
from lamella.ops import reshape
from lamella.ops.time_steps import stack_time, unstack_time


@accepts_symbolic("time")
def joined(x: Value) -> Any:
    """[N, T, ...] -> [N T, ...]."""
    return reshape(x, shape=(x.shape[0] * x.shape[1], *x.shape[2:]))


@accepts_symbolic("time")
def parted(x: Value, like: Value) -> Any:
    """[N T, ...] -> [N, T, ...], N and T being those of `like`."""
    return reshape(x, shape=(*like.shape[:2], *x.shape[1:]))


def _parted_specs(specs: Any, arguments: Any) -> Any:
    """A trial cannot find them: the first size of x is the product of two sizes of `like`."""
    (shape, dtype), (like, _) = specs
    return (((*like[:2], *shape[1:]), dtype),)


setattr(parted, "specs_of", _parted_specs)


@accepts_symbolic("masks")
def any_in_step(mask: Value) -> Any:
    """[N, T, ...] -> [N, T]: whether any of the rest holds."""
    return mask.any(axis=tuple(range(2, mask.ndim)))


@register("layers")
class TimeDistributed(Wrapper):
    """Applies a layer to each time step of [N, T, ...].

    If the batch size is not fixed, the layer is called once on all steps, as [N T, ...], with the mask. With a fixed batch size
    (batch_input_shape, batch_shape) it is called for each step, without a mask. The results differ if samples of a batch affect
    each other, as in BatchNormalization in training, and for dropout.

    Args:
        layer: The layer.

    Raises:
        ValueError: The input has less than three axes, or the layer returns several outputs.
    """

    supports_masking = True

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.input_spec = InputSpec(min_ndim=3)
        self._by_step = self.batch_input_shape is not None and self.batch_input_shape[0] is not None

    @property
    def makes_masks(self) -> bool:
        return self.layer.makes_masks

    @property
    def knows_its_shape(self) -> bool:
        return self.layer.knows_its_shape

    def _connect(self, tensors: list[Symbolic], single: bool, arguments: dict[str, Any]) -> Value:
        if not self.built:
            self._by_step = tensors[0].shape[0] is not None
        return super()._connect(tensors, single, arguments)

    def build(self, input_shape: Shape) -> None:  # type: ignore[override]  # needs it
        at_least_inside(self.name).run(self.layer.ensure_built, self._of_step(input_shape), self.dtype)
        self.input_spec = InputSpec(shape=(None, None, *input_shape[2:]))
        self.built = True

    @staticmethod
    def _of_step(shape: Shape) -> Shape:
        return (shape[0], *shape[2:])

    def call(self, inputs: Value, training: bool | None = None, mask: Any = None) -> Value:
        if training is None:
            training = current.training
        if self._by_step:
            return stack_time(*(call_inside(self.layer, x, training=training) for x in unstack_time(inputs)))
        y = call_inside(self.layer, joined(inputs), training=training, mask=None if mask is None else joined(mask))
        return parted(y, inputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        inner = self.layer.compute_output_shape(self._of_step(input_shape))
        if isinstance(inner, list):
            raise ValueError(f"Layer {self.name}: expected a layer with one output, {self.layer.name} has {len(inner)}")
        return (inner[0], input_shape[1], *inner[1:])

    def compute_mask(self, inputs: Value, mask: Any = None) -> Any:
        """What the layer's compute_mask makes of all steps at once; if that is None but a mask came: whether anything in the step
        counts. With a fixed batch size the mask that came.
        """
        if self._by_step:
            return mask
        made = self.layer.compute_mask(joined(inputs), None if mask is None else joined(mask))
        if made is not None:
            return parted(made, inputs)
        return mask if mask is None or len(mask.shape) == 2 else any_in_step(mask)
