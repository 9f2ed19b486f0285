"""InputSpec: the requirements of a layer on its inputs, and their check, with the messages of Keras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lamella.core.shapes import Dim, Shape


@dataclass
class InputSpec:
    """The requirements on one input. None requires nothing.

    Args:
        dtype: Name of the dtype.
        shape: The shape, the batch axis included.
        ndim: Number of axes.
        max_ndim: Largest number of axes.
        min_ndim: Least number of axes.
        axes: A dict from axis to size.

    Source: Keras 2.2.5.
    """

    dtype: str | None = None
    shape: Shape | None = None
    ndim: int | None = None
    max_ndim: int | None = None
    min_ndim: int | None = None
    axes: Mapping[int, Dim] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.shape is not None:
            self.ndim = len(self.shape)


def check_inputs(
    name: str, specs: InputSpec | Sequence[InputSpec] | None, shapes: Sequence[Shape], dtypes: Sequence[str]
) -> None:
    """Raise ValueError if the inputs of the layer `name` do not meet its `input_spec`."""
    if specs is None:
        return
    wanted = [specs] if isinstance(specs, InputSpec) else list(specs)
    if len(wanted) != len(shapes):
        raise ValueError(
            f"Layer {name} expects {len(wanted)} inputs, but it received {len(shapes)} input tensors. "
            f"Input received: shapes {list(shapes)}"
        )
    for i, (spec, shape, dtype) in enumerate(zip(wanted, shapes, dtypes)):
        fault = _fault(spec, shape, dtype)
        if fault:
            raise ValueError(f"Input {i} is incompatible with layer {name}: {fault}")


def refuse_list(name: str, shapes: Sequence[Shape]) -> None:
    """Raise ValueError: the layer `name`, which computes with one tensor, was called on a list of tensors of these shapes."""
    if len(shapes) == 1:
        raise ValueError(f"Layer {name} expects a tensor, but it received a list that holds one, of shape {shapes[0]}")
    raise ValueError(
        f"Layer {name} expects 1 inputs, but it received {len(shapes)} input tensors. Input received: shapes {list(shapes)}"
    )


def _fault(spec: InputSpec, shape: Shape, dtype: str) -> str | None:
    ndim = len(shape)
    if spec.ndim is not None and ndim != spec.ndim:
        return f"expected ndim={spec.ndim}, found ndim={ndim}"
    if spec.max_ndim is not None and ndim > spec.max_ndim:
        return f"expected max_ndim={spec.max_ndim}, found ndim={ndim}"
    if spec.min_ndim is not None and ndim < spec.min_ndim:
        return f"expected min_ndim={spec.min_ndim}, found ndim={ndim}"
    if spec.dtype is not None and dtype != spec.dtype:
        return f"expected dtype={spec.dtype}, found dtype={dtype}"
    for axis, size in spec.axes.items():
        if size is not None and shape[axis] not in (size, None):
            return f"expected axis {axis} of input shape to have value {size} but got shape {shape}"
    if spec.shape is not None:
        for wanted, came in zip(spec.shape, shape):
            if wanted is not None and came is not None and wanted != came:
                return f"expected shape={spec.shape}, found shape={shape}"
    return None
