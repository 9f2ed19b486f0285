"""The graph of layers: symbolic tensors and the nodes that make them. It exists for order, shapes and names."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from lamella.core.graphs import GraphTensor
from lamella.core.shapes import Shape, TensorShape

if TYPE_CHECKING:
    from lamella.graph.layer import Layer

History = tuple["Layer", int, int]


class Operation(NamedTuple):
    """See Symbolic.op."""

    name: str
    type: str
    inputs: tuple[Symbolic, ...]
    outputs: tuple[Symbolic, ...]


class Symbolic(GraphTensor):
    """A tensor without a value: what `Input` returns and what a layer makes of it. None in the shape is free.

    Python's operators, given by `graph.connect`, make nodes of the graph; == is identity, as in Keras 2.
    """

    __slots__ = ("shape", "dtype", "name", "_keras_history", "__weakref__")
    __array_ufunc__ = None  # ndarray + Symbolic asks Symbolic

    def __init__(self, shape: Shape, dtype: str, name: str) -> None:
        self.shape: Shape = TensorShape(shape)
        self.dtype = dtype
        self.name = name
        self._keras_history: History  # (layer, node index, tensor index), set by the layer that makes the tensor

    @property
    def _keras_shape(self) -> Shape:
        return tuple(self.shape)

    @property
    def _uses_learning_phase(self) -> bool:
        """Whether what the tensor is made of differs between training and inference."""
        seen: dict[Node, None] = {}
        waiting = [node_of(self)]
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen[node] = None
                waiting += node.inbound_nodes
        return any(node.training is None and node.layer.uses_learning_phase for node in seen)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def get_shape(self) -> TensorShape:
        return TensorShape(self.shape)

    def set_shape(self, shape: Sequence[int | None]) -> None:
        """Fix sizes that are free; None leaves one as it is. Raises ValueError if it contradicts what is known."""
        given = tuple(shape)
        if len(given) != len(self.shape) or any(a is not None and b not in (None, a) for a, b in zip(given, self.shape)):
            raise ValueError(f"set_shape: {given} contradicts the shape {self.shape} of '{self.name}'")
        self.shape = TensorShape(b if a is None else a for a, b in zip(given, self.shape))

    @property
    def op(self) -> Operation:
        """What made the tensor: its name, its kind and its tensors, for scripts that walk a graph of TensorFlow."""
        node = node_of(self)
        return Operation(node.layer.name, type(node.layer).__name__, tuple(node.inputs), tuple(node.outputs))

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
        own: A model's node 0 is its own graph; its outputs are made by other layers.
        beside: The symbolic tensors among `arguments`, each once.
    """

    layer: Layer
    inputs: list[Symbolic]
    outputs: list[Symbolic]
    single: bool = True  # called on one tensor, not on a list
    arguments: dict[str, Any] = field(default_factory=dict)
    phase: bool | None = None
    own: bool = False
    beside: list[Symbolic] = field(default_factory=list)
    # Made when somebody asks for them: nodes of masks belong to no model that does not.
    _masks: list[Any] | None = field(default=None, init=False, repr=False)

    @property
    def training(self) -> bool | None:
        """The phase that the call's own argument gives it, else `phase`; None if it is that of the run."""
        given = self.arguments.get("training")
        return self.phase if given is None else bool(given)

    def __post_init__(self) -> None:
        for x in [] if self.own else self.reads:
            _readers.setdefault(x, weakref.WeakKeyDictionary())[self] = None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_masks": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        Node.__post_init__(self)

    @property
    def reads(self) -> list[Symbolic]:
        """All tensors that the call needs."""
        return [*self.inputs, *self.beside] if self.beside else self.inputs

    @property
    def inbound_nodes(self) -> list[Node]:
        """Those that make what the call needs."""
        return [node_of(x) for x in self.reads]

    # Keras's attributes, for scripts that walk a graph. As in Keras, an input reads itself, and nothing is before a model's own
    # graph, whose outputs are of other layers.

    @property
    def outbound_layer(self) -> Layer:
        return self.layer

    @property
    def input_tensors(self) -> list[Symbolic]:
        return self.inputs or self.outputs

    @property
    def output_tensors(self) -> list[Symbolic]:
        return self.outputs

    @property
    def input_shapes(self) -> list[Shape]:
        return [x.shape for x in self.input_tensors]

    @property
    def output_shapes(self) -> list[Shape]:
        return [x.shape for x in self.outputs]

    @property
    def input_masks(self) -> list[Any]:
        """The masks of `inputs` as symbolic tensors; None where there is no mask."""
        return [mask_of(x) for x in self.inputs] if self.inputs else [None] * len(self.outputs)

    @property
    def output_masks(self) -> list[Any]:
        """What the layer's compute_mask makes of the inputs and their masks.

        Raises:
            TypeError: The layer, or one before it, refuses the mask that comes.
        """
        return [mask_of(x) for x in self.outputs]

    @property
    def inbound_layers(self) -> list[Layer]:
        return [layer for layer, _, _ in self._before()]

    @property
    def node_indices(self) -> list[int]:
        return [index for _, index, _ in self._before()]

    @property
    def tensor_indices(self) -> list[int]:
        return [index for _, _, index in self._before()]

    def _before(self) -> list[History]:
        return [] if self.own else [x._keras_history for x in self.inputs]

    def get_config(self) -> dict[str, Any]:
        """Names and numbers, as Keras 2.2.5 gives them."""
        return {
            "outbound_layer": self.layer.name,
            "inbound_layers": [layer.name for layer in self.inbound_layers],
            "node_indices": self.node_indices,
            "tensor_indices": self.tensor_indices,
        }


# The nodes that read a tensor. They live as long as their layers: a model does not hold, or pickle, what others made of it.
_readers: weakref.WeakKeyDictionary[Symbolic, weakref.WeakKeyDictionary[Node, None]] = weakref.WeakKeyDictionary()


def readers(tensors: Iterable[Symbolic]) -> list[Node]:
    """The nodes that read the tensors, each once, tensor by tensor in the order of the calls."""
    return list(dict.fromkeys(node for x in tensors for node in _readers.get(x, ())))


def node_of(x: Symbolic) -> Node:
    """The node that made `x`."""
    layer, node_index, _ = x._keras_history
    return layer._inbound_nodes[node_index]


def mask_of(x: Symbolic) -> Any:
    """The symbolic mask of a tensor, or None. Each node's masks are made once."""
    waiting = [node_of(x)]
    while waiting:
        node = waiting[-1]
        before = [other for other in map(node_of, node.inputs) if other._masks is None] if node._masks is None else []
        waiting += before
        if not before:
            waiting.pop()
            if node._masks is None:
                node._masks = _masks_made_by(node, [_kept_mask(x) for x in node.inputs])
    return _kept_mask(x)


def masks_of_nodes(nodes: Sequence[Node], given: dict[Symbolic, Any]) -> dict[Symbolic, Any]:
    """The mask of each tensor that `nodes`, in order of their calls, make if the tensors in `given` have these masks."""
    masks = dict(given)
    for node in nodes:
        made = _masks_made_by(node, [masks[x] for x in node.inputs])
        for x, mask in zip(node.outputs, made, strict=True):
            masks.setdefault(x, mask)
    return masks


def _kept_mask(x: Symbolic) -> Any:
    masks = node_of(x)._masks
    assert masks is not None
    return masks[x._keras_history[2]]


def _masks_made_by(node: Node, given: list[Any]) -> list[Any]:
    if not node.inputs or (not node.layer.makes_masks and all(mask is None for mask in given)):
        return [None] * len(node.outputs)
    made = node.layer.compute_mask(node.inputs[0] if node.single else node.inputs, given[0] if node.single else given)
    return list(made) if isinstance(made, (list, tuple)) else [made] * len(node.outputs)
