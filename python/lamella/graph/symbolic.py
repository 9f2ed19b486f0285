"""The graph of layers: symbolic tensors, and the nodes that make them. It has order, shapes and names, but no values."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from lamella.core.dtype_name import DTypeName, dtype_name
from lamella.core.graphs import GraphTensor
from lamella.core.shapes import Shape, TensorShape, merged
from lamella.core.updates import computing

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
    """A tensor without a value: the result of `Input`, or of a layer's call on symbolic tensors. None in the shape allows any
    length.

    Python's operators, which `graph/connect.py` defines, make nodes of the graph. == compares identity, as in Keras 2.
    A tensor that depends on no Input, such as a function of Variables, lives: `graph/present_value.py` computes its value where
    one is needed.
    """

    __slots__ = ("shape", "dtype", "name", "_keras_history", "__weakref__")

    def __init__(self, shape: Shape, dtype: str, name: str) -> None:
        self.shape: Shape = TensorShape(shape)
        self.dtype: DTypeName = dtype_name(dtype)
        self.name = name
        self._keras_history: History  # (layer, node index, tensor index), set by the layer that makes the tensor

    @property
    def _keras_shape(self) -> Shape:
        """See `ops.tape.Tensor`."""
        return tuple(self.shape)

    @_keras_shape.setter
    def _keras_shape(self, shape: Sequence[int | None]) -> None:
        self.set_shape(shape)

    @property
    def _uses_learning_phase(self) -> bool:
        """Whether the tensor's value differs between training and inference."""
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
        """Set unknown sizes of the shape.

        Args:
            shape: The sizes; None leaves a size unchanged.

        Raises:
            ValueError: A size differs from the known one.
        """
        self.shape = TensorShape(merged(self.shape, shape, f"'{self.name}'"))

    @property
    def op(self) -> Operation:
        """The operation that made the tensor (name, type and inputs), for scripts that read graphs of TensorFlow.

        It is the layer's call; but an activation is an operation of its own, whose input is computed without it.
        """
        node = node_of(self)
        if node.last_op is None:
            node.last_op = node.layer.activation_op(node) or False
        if node.last_op:
            kind, before = node.last_op
            return Operation(f"{node.layer.name}/{kind}", kind, (before,), tuple(node.outputs))
        return Operation(node.layer.name, type(node.layer).__name__, tuple(node.inputs), tuple(node.outputs))

    def __repr__(self) -> str:
        return f"<Symbolic '{self.name}' shape={self.shape} dtype={self.dtype}>"


@dataclass(eq=False)
class Node:
    """One call of `layer`: the tensors that went in, those that came out, and the call's keyword arguments.

    Attributes:
        phase: The fixed learning phase of this call, see set_learning_phase; None for the phase of the run.
        own: Whether it is node 0 of a model, which is the model's own graph; its outputs come from other layers.
        beside: The symbolic tensors among `arguments`, each once.
        outside: Symbolic tensors that the call reads without an argument, because they are global names or attributes.
        again: What computes inputs of the call again from other inputs, see graph/inputs_again.py; None if nothing does.
        may_mask: Whether this layer, or one before it, makes masks.
        number: The number of the call, in the order of all calls.
        made_in_run: Whether a function that runs on values made it. The next run makes another one.
        made: The Variables that functions make in this call, see graph/made_in_calls.py.
    """

    layer: Layer
    inputs: list[Symbolic]
    outputs: list[Symbolic]
    single: bool = True  # called on one tensor, not on a list
    arguments: dict[str, Any] = field(default_factory=dict)
    phase: bool | None = None
    own: bool = False
    beside: list[Symbolic] = field(default_factory=list)
    outside: list[Symbolic] = field(default_factory=list)
    may_mask: bool = False
    again: Any = None
    made_in_run: bool = field(default_factory=computing, init=False)
    number: int = field(default_factory=itertools.count().__next__, init=False, repr=False)
    made: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)
    # What the last run of the call set in attributes, see graph/set_in_calls.py; None if it sets none.
    stored: Any = field(default=None, init=False, repr=False)
    # Values of the layer's attributes before and after the call, see graph/values_at_calls.py; None if they are not kept.
    values: Any = field(default=None, init=False, repr=False)
    values_after: Any = field(default=None, init=False, repr=False)
    # What the outputs of a function of K come from, found at the first use; see graph/function.py.
    sources: Any = field(default=None, init=False, repr=False)
    # Made at the first use: otherwise nodes of masks would be added to graphs that do not need them.
    _masks: list[Any] | None = field(default=None, init=False, repr=False)
    # The type and the input of the activation, found at the first use; False without an activation. See Symbolic.op.
    last_op: Any = field(default=None, init=False, repr=False)
    # How to compute the outputs without inputs, found at the first use; False if they depend on an Input.
    alone: Any = field(default=None, init=False, repr=False)
    # What this call adds to a model, found by trials or made at the first use: its losses as tensors, and its updates.
    added: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def training(self) -> bool | None:
        """The phase of the call's own argument, else `phase`; None for the phase of the run."""
        given = self.arguments.get("training")
        return self.phase if given is None else bool(given)

    def __post_init__(self) -> None:
        for x in [] if self.own else self.arguments_read:
            _readers.setdefault(x, weakref.WeakKeyDictionary())[self] = None

    def __getstate__(self) -> dict[str, Any]:
        state = vars(self) | {"_masks": None, "alone": None, "last_op": None, "added": {}}
        return state if self.stored is None else state | {"stored": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        Node.__post_init__(self)

    @property
    def reads(self) -> list[Symbolic]:
        """All tensors that the call needs."""
        return [*self.inputs, *self.beside, *self.outside] if self.beside or self.outside else self.inputs

    @property
    def arguments_read(self) -> list[Symbolic]:
        """The tensors among the arguments of the call."""
        return [*self.inputs, *self.beside] if self.beside else self.inputs

    def reads_more(self, tensors: Iterable[Symbolic]) -> bool:
        """Add tensors that the call reads from outside. Whether one of them is new."""
        known = set(self.outside)
        self.outside += dict.fromkeys(x for x in tensors if x not in known)
        return len(self.outside) > len(known)

    @property
    def is_computed(self) -> bool:
        """Whether a run calls the layer. An Input only gets a value. A function of Variables has no inputs, but is called."""
        return bool(self.inputs) or not self.layer.is_input

    @property
    def inbound_nodes(self) -> list[Node]:
        """The nodes that make the tensors that the call needs."""
        return [node_of(x) for x in self.reads]

    # Attributes of Keras, for scripts that read a graph. As in Keras, an input reads itself, and node 0 of a model, whose outputs
    # come from other layers, has no inbound layers.

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
        """The masks of `inputs` as symbolic tensors, or None."""
        return [mask_of(x) for x in self.inputs] if self.inputs else [None] * len(self.outputs)

    @property
    def output_masks(self) -> list[Any]:
        """The masks of the outputs, by the layer's compute_mask.

        Raises:
            TypeError: The layer, or one before it, does not support masking.
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
        """Names and indices, in the form of Keras 2.2.5."""
        return {
            "outbound_layer": self.layer.name,
            "inbound_layers": [layer.name for layer in self.inbound_layers],
            "node_indices": self.node_indices,
            "tensor_indices": self.tensor_indices,
        }


# The nodes that read a tensor. They exist as long as their layers: a model neither keeps nor pickles nodes of other models.
_readers: weakref.WeakKeyDictionary[Symbolic, weakref.WeakKeyDictionary[Node, None]] = weakref.WeakKeyDictionary()


def forget_reader(node: Node) -> None:
    """Remove a node from those that read its tensors."""
    for x in node.arguments_read:
        _readers[x].pop(node, None)


def readers(tensors: Iterable[Symbolic]) -> list[Node]:
    """The nodes that read the tensors, each once, for each tensor in the order of the calls."""
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
    """The mask of each tensor that `nodes` make, in order of their calls, if the tensors in `given` have these masks."""
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
    return as_many(made, len(node.outputs))


def as_many(made: Any, count: int) -> list[Any]:
    """The masks of `count` outputs, from what compute_mask returned. As in Keras, a list may be too short or too long."""
    return [*made, *[None] * count][:count] if isinstance(made, (list, tuple)) else [made] * count
