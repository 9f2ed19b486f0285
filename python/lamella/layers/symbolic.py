"""The graph of layers: symbolic tensors and the nodes that make them. It exists for order, shapes and names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from lamella.core.shapes import Shape

if TYPE_CHECKING:
    from lamella.layers.base import Layer

History = tuple["Layer", int, int]


class Symbolic:
    """A tensor without a value: what `Input` returns and what a layer makes of it. None in the shape is free.

    Python's operators, given by `layers.connect`, make nodes of the graph; == is identity, as in Keras 2.
    """

    __slots__ = ("shape", "dtype", "name", "_keras_history", "__weakref__")
    __array_ufunc__ = None  # ndarray + Symbolic asks Symbolic

    def __init__(self, shape: Shape, dtype: str, name: str) -> None:
        self.shape = shape
        self.dtype = dtype
        self.name = name
        self._keras_history: History  # (layer, node index, tensor index), set by the layer that makes the tensor

    @property
    def _keras_shape(self) -> Shape:
        return self.shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def _no_value(self, *_: object, **__: object) -> NoReturn:
        raise TypeError(
            f"{self!r} is symbolic: it has no value; use the functions of lamella.backend and Python's arithmetic, compute "
            "inside the call() of a layer, or run a Model"
        )

    # With __getitem__ alone Python would take a tensor for a sequence without end.
    __array__ = __bool__ = __float__ = __int__ = __index__ = __len__ = __iter__ = __contains__ = _no_value

    def __repr__(self) -> str:
        return f"<Symbolic '{self.name}' shape={self.shape} dtype={self.dtype}>"


@dataclass(eq=False)
class Node:
    """One call of `layer`: the tensors that went in, those that came out, and the call's keyword arguments.

    Attributes:
        phase: The learning phase that this call keeps, see set_learning_phase. None: that of the run.
    """

    layer: Layer
    inputs: list[Symbolic]
    outputs: list[Symbolic]
    single: bool = True  # called on one tensor, not on a list
    arguments: dict[str, Any] = field(default_factory=dict)
    phase: bool | None = None

    @property
    def training(self) -> bool | None:
        """The phase that the call's own argument gives it, else `phase`; None if it is that of the run."""
        given = self.arguments.get("training")
        return self.phase if given is None else bool(given)

    @property
    def inbound_layers(self) -> list[Layer]:
        return [x._keras_history[0] for x in self.inputs]

    @property
    def inbound_nodes(self) -> list[Node]:
        return [node_of(x) for x in self.inputs]


def node_of(x: Symbolic) -> Node:
    """The node that made `x`."""
    layer, node_index, _ = x._keras_history
    return layer._inbound_nodes[node_index]
