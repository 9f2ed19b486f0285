"""K: placeholders, and functions that compute tensors of a graph."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lamella.core.config import floatx
from lamella.core.graphs import Assignment, GraphUpdate
from lamella.core.lists import to_list
from lamella.core.names import next_uid
from lamella.core.types import Array, Value
from lamella.core.updates import Updates
from lamella.core.variable import Variable
from lamella.graph.checked import as_tensor, checked
from lamella.graph.connect import in_graphs
from lamella.graph.input import Placeholder
from lamella.graph.losses_and_updates import Update
from lamella.graph.run import GraphRun
from lamella.graph.symbolic import Symbolic, readers
from lamella.ops.tape import Tensor, value_of

__all__ = ["Function", "function", "placeholder", "stop_gradient"]

# Further arguments of TensorFlow's session, which have no effect here.
_OF_SESSIONS = ("options", "run_metadata")


@in_graphs
def stop_gradient(variables: Value | Sequence[Value]) -> Value:
    """The value of `variables`, of any shape, as a constant, which gets no gradient; for a list, a list of constants."""
    if isinstance(variables, (list, tuple)):
        return [stop_gradient(x) for x in variables]
    return np.asarray(value_of(as_tensor(variables, "variables")))


@checked
def placeholder(
    shape: Sequence[int | None] | None = None,
    ndim: int | None = None,
    dtype: str | None = None,
    sparse: bool = False,
    name: str | None = None,
) -> Symbolic:
    """A symbolic tensor for functions of K and layers, which gets its value from K.function. For models use Input.

    Args:
        shape: The shape with the batch; None is an unknown size.
        ndim: The number of axes of unknown size, if no shape is given.
        dtype: The dtype; None is floatx.
        sparse: Must be False, because there are no sparse symbolic tensors.
        name: The name.

    Raises:
        ValueError: Neither shape nor ndim is given, or sparse is True.
    """
    if sparse:
        raise ValueError("expected sparse=False, because symbolic tensors are not sparse; feed K.to_dense of a matrix")
    if shape is None and ndim is None:
        raise ValueError("expected a shape, or the number of axes as ndim, got neither")
    sizes = (None,) * int(ndim or 0) if shape is None else tuple(shape)
    layer = Placeholder(batch_input_shape=sizes, dtype=dtype or floatx(), name=name or f"placeholder_{next_uid('placeholder')}")
    return layer.input


class Function:
    """A function from a list of values to a list of arrays, with NumPy's numbers for scalars. K.function makes it.

    Args:
        inputs: Any symbolic tensors: Inputs, placeholders, or outputs of layers. If K.learning_phase() is among them, the
            function takes a 0 or 1 at its position.
        outputs: Symbolic tensors, also of several models, Variables and arrays. Their common parts are computed once. Functions
            of Variables, such as `K.sum(v)`, are symbolic tensors. Functions of K that get only arrays compute at once.
        updates: Changes of state that are made after the outputs: pairs (Variable, new value), results of K.update or
            optimizer.get_updates, and model.updates. No other state changes. A new value that is not symbolic is a constant;
            K.update of a constant has changed the Variable already, and the calls do not repeat it.
        name: A name; it has no effect.
        **session_kwargs: `feed_dict` or `givens`, values for further symbolic tensors; each call reads them from the dict anew.
            `fetches`, further tensors to compute, such as results of K.print_tensor, and results of K.update. `options` and
            `run_metadata` have no effect.

    Raises:
        TypeError: inputs, outputs or updates is not a list.
        ValueError: The outputs need other inputs, or an argument has a wrong type.

    Source: Keras 2.2.5, TensorFlow backend.
    """

    def __init__(
        self,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        updates: Sequence[Any] | None = None,
        name: str | None = None,
        **session_kwargs: Any,
    ) -> None:
        for what, given in (("inputs", inputs), ("outputs", outputs), ("updates", updates or [])):
            if not isinstance(given, (list, tuple)):
                raise TypeError(f"`{what}` to a TensorFlow backend function should be a list or tuple.")
        fixed, given = _fixed(session_kwargs), session_kwargs.pop("fetches", None)
        fetches = [] if given is None else to_list(given, allow_tuple=True)
        for key in session_kwargs:
            if key not in _OF_SESSIONS:
                raise ValueError(f'Invalid argument "{key}" passed to K.function')
        self.inputs, self.outputs, self.name = list(inputs), list(outputs), name
        self._places = [i for i, x in enumerate(inputs) if isinstance(x, Symbolic)]
        phases = [i for i, x in enumerate(inputs) if isinstance(x, (int, np.int8))]
        if len(self._places) + len(phases) != len(inputs) or len(phases) > 1:
            raise ValueError(
                f"K.function: expected symbolic tensors as inputs, and at most one K.learning_phase(), got {self.inputs}"
            )
        self._phase = phases[0] if phases else None
        self._fixed = fixed
        self._updates = [update for entry in updates or [] for update in _updates(entry)]
        self._updates += [x for x in fetches if isinstance(x, (GraphUpdate, Update))]
        fetches = [x for x in fetches if not isinstance(x, (GraphUpdate, Update))]
        for x in (*outputs, *fetches):
            if not isinstance(x, (Symbolic, Variable, np.ndarray, np.generic, Tensor)):
                raise ValueError(f"K.function: expected tensors as outputs, got {x!r}")
        wanted = [x for x in (*outputs, *fetches) if isinstance(x, Symbolic)]
        wanted += [x for update in self._updates for x in _needed(update)]
        self._wanted = list(dict.fromkeys(wanted))
        self._shorter: dict[int, Function] = {}  # by the number of inputs with which it was called
        self._run_inputs = [*(inputs[i] for i in self._places), *fixed]
        self._made: GraphRun | None = None

    @property
    def _run(self) -> GraphRun:
        # Made at the first call: as in Keras, a function whose outputs need more than its inputs raises an error only then.
        if self._made is None:
            self._made = GraphRun(self._run_inputs, self._wanted)
        return self._made

    def _fixed_values(self) -> list[Any]:
        return [value_of(as_tensor(values[x], "a value")) for x, values in self._fixed.items()]

    def _with_first(self, count: int) -> Function:
        """This function without its last inputs, which Keras does not need if they have no effect on the outputs.

        Raises:
            ValueError: They have an effect.
        """
        found = copy.copy(self)
        found.inputs = self.inputs[:count]
        found._places = [i for i in self._places if i < count]
        found._phase = None if self._phase is None or self._phase >= count else self._phase
        given = len(self._places) + len(self._fixed)
        fixed = self._run_inputs[given - len(self._fixed) : given]
        found._run_inputs = [*(self.inputs[i] for i in found._places), *fixed]
        try:
            found._made = GraphRun(found._run_inputs, self._wanted)
        except ValueError:
            raise ValueError(f"K.function: expected {len(self.inputs)} values, got {count}") from None
        return found

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        if not isinstance(inputs, (list, tuple)):
            raise TypeError("`inputs` should be a list or tuple.")
        if len(inputs) < len(self.inputs):
            if len(inputs) not in self._shorter:
                self._shorter[len(inputs)] = self._with_first(len(inputs))
            return self._shorter[len(inputs)](inputs)
        # Keras does not read further values: scripts pass all values of train_function, the last of which is a learning phase.
        if len(inputs) == len(self.inputs) + 1 and self._phase is None and np.ndim(inputs[-1]) == 0:
            inputs = inputs[:-1]
        if len(inputs) != len(self.inputs):
            raise ValueError(f"K.function: expected {len(self.inputs)} values, got {len(inputs)}")
        arrays = [_fed(inputs[i], self.inputs[i]) for i in self._places]
        training = self._phase is not None and bool(inputs[self._phase])
        noted = Updates()
        values = dict(zip(self._wanted, self._run([*arrays, *self._fixed_values()], training, noted)))
        outputs = [np.array(values[x] if isinstance(x, Symbolic) else value_of(x)) for x in self.outputs]
        made: list[tuple[GraphUpdate, list[Array]]] = []
        for update in self._updates:
            if isinstance(update, GraphUpdate):
                made.append((update, [values[x] if isinstance(x, Symbolic) else np.array(value_of(x)) for x in update.tensors]))
            elif update.variable in noted:
                update.variable.assign(noted[update.variable])
        for change, of in made:
            change.apply(of)
        return [y if y.ndim else y[()] for y in outputs]


def function(inputs: Sequence[Any], outputs: Sequence[Any], updates: Sequence[Any] | None = None, **kwargs: Any) -> Function:
    """A `Function` with these arguments."""
    return Function(inputs, outputs, updates, **kwargs)


def _fixed(arguments: dict[str, Any]) -> dict[Symbolic, Mapping[Any, Any]]:
    """The tensors of feed_dict and givens, each with the dict that has its value; both are removed from the arguments."""
    found: dict[Symbolic, Mapping[Any, Any]] = {}
    for key in ("feed_dict", "givens"):
        given = arguments.pop(key, None) or {}
        values: Mapping[Any, Any] = given if isinstance(given, Mapping) else dict(given)
        for x, value in values.items():
            if not isinstance(x, Symbolic):
                raise ValueError(f"K.function: expected symbolic tensors and their values in {key}, got {x!r}")
            as_tensor(value, "a value")
            found[x] = values
    return found


def _updates(entry: Any) -> Iterator[GraphUpdate | Update]:
    """The changes for an entry of updates; none if K.update has already made it."""
    if isinstance(entry, (GraphUpdate, Update)):
        yield entry
    elif isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], Variable):
        yield Assignment(entry[0], entry[1] if isinstance(entry[1], Symbolic) else as_tensor(entry[1], "a new value"))
    elif not isinstance(entry, (Variable, np.ndarray, Tensor)):
        raise ValueError(
            f"K.function: expected updates as pairs (Variable, new value), or as K.update and optimizers return them, got {entry!r}"
        )


def _needed(update: GraphUpdate | Update) -> list[Any]:
    """The symbolic tensors that must be computed for an update."""
    if isinstance(update, GraphUpdate):
        return [x for x in update.tensors if isinstance(x, Symbolic)]
    v = update.variable
    calls = [n for n in readers(update.inputs) if n.added.get(v) is update or any(w is v for w in n.layer.weights)]
    return [x for node in calls for x in node.outputs[:1]]


def _fed(value: Any, like: Symbolic) -> Array:
    """The array of a value for the input `like`."""
    array = np.asarray(value_of(value), like.dtype)
    if array.ndim != len(like.shape) or any(d not in (None, n) for d, n in zip(like.shape, array.shape)):
        raise ValueError(f"K.function: cannot feed a value of shape {array.shape} for {like!r}")
    return array
