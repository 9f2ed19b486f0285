"""Function: the layer that K.mean(x) or x * 2 makes in the graph if x is a symbolic tensor."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamella.core import budget, registry
from lamella.core.atomic import Scope
from lamella.core.config import floatx
from lamella.core.configurable import Config
from lamella.core.dtype_name import dtype_name
from lamella.core.names import unique_name
from lamella.core.shapes import Shape, as_shape
from lamella.core.types import Value
from lamella.core.updates import current as pending
from lamella.core.user_array import for_user
from lamella.core.variable import Variable
from lamella.graph import arguments as args
from lamella.graph.broadcast import broadcast_shape
from lamella.graph.input_spec import InputSpec
from lamella.graph.layer import Layer
from lamella.graph.symbolic import Node, Symbolic, node_of
from lamella.graph.trial import Specs, shapes_of


@registry.register("layers")
class Function(Layer, self_contained=True):
    """A function of the backend, applied to what the layer is called on; K makes these, named k_mean_1, k_add_2 ...

    It has no weights: a K.variable among the arguments is read in each run and not trained, as in Keras 2, whose models do not
    find it either. What functions of Python among the arguments, such as K.rnn's step, read from outside are further inputs. A
    function of Variables alone has no inputs, nor does one that draws random numbers. Masks end here, as in a Lambda.
    Deviation from Keras 2.2.5, where a model cannot contain what no layer made: layers of such calls, as tf.keras 2 makes them.

    Args:
        function: A name in the registry's room "functions".
        arguments: Its positional arguments, in the form that `graph/arguments.py` describes.
        named: Its keyword arguments, in the same form.
        shapes: What it is known to return, [{"inputs": [[shape, dtype], ...], "outputs": ...}, ...]; what is not in there is
            found by calling the function on small arrays. They are saved, so that reading a file from a stranger computes
            nothing.

    Raises:
        ValueError: For an unknown function, arguments that it does not have or that no graph saves.
    """

    supports_masking = True
    makes_masks = False

    def __init__(
        self,
        function: str,
        arguments: Sequence[Any] = (),
        named: Mapping[str, Any] | None = None,
        shapes: Sequence[Mapping[str, Any]] = (),
        **kwargs: Any,
    ) -> None:
        if not isinstance(function, str):
            raise ValueError(f"Unknown function: {function!r}")
        found: Callable[..., Any] = registry.get("functions", function)
        if kwargs.get("name") is None:
            kwargs["name"] = unique_name(f"k_{function}")  # so that K.concatenate takes no number of Concatenate's names
        super().__init__(**kwargs)
        who = f"Function {self.name}"
        listed = isinstance(arguments, (list, tuple)) and isinstance(shapes, (list, tuple))
        if not listed or not isinstance(named, (dict, type(None))):
            raise ValueError(
                f"{who}: expected a list of arguments, a dict of named ones and a list of shapes, got {arguments!r}, "
                f"{named!r}, {shapes!r}"
            )
        self.function = function
        self.arguments = list(arguments)
        self.named = dict(named or {})
        self._function = found
        self._positional = args.read(self.arguments, who)
        self._named = {key: args.read(value, who) for key, value in self.named.items()}
        try:
            bound = inspect.signature(found).bind(*self._positional, **self._named)
        except TypeError as error:
            raise ValueError(f"{who}: {function}: {error}") from None
        places = sorted(args.places([self._positional, list(self._named.values())]))
        if places != list(range(len(places))) or not (places or self.variables or self._draws):
            raise ValueError(f"{who}: expected arguments that name the tensors 0, 1 ..., got {places}")
        self._places = len(places)
        self.input_spec = [InputSpec() for _ in places]
        self._gives_dtype = bound.arguments.get("dtype") is not None
        self._dtypes: tuple[str, ...] = ()  # of the inputs, which shapes alone do not tell
        self._has_sizes = False  # whether an input is what K.shape computes
        self._of_variables = False  # whether the inputs are functions of Variables alone
        self.outside: list[Symbolic] = []
        self._known: dict[Specs, Specs] = {_specs(e, "inputs", who): _specs(e, "outputs", who) for e in shapes}

    def call(self, inputs: Value) -> Value:
        values = inputs if isinstance(inputs, list) else [inputs]
        y = self._drawn() if self._draws and not values else self._run(values)
        return np.asarray(y) if isinstance(y, np.generic) else y

    @property
    def _draws(self) -> bool:
        return getattr(self._function, "draws", False) and not self.variables

    def _drawn(self) -> Value:
        """Random numbers: the same for all that read them in one run, as in Keras."""
        if pending.updates is None:
            return self._run([])
        if self not in pending.updates.drawn:
            pending.updates.drawn[self] = self._run([])
        return pending.updates.drawn[self]

    @property
    def has_functions(self) -> bool:  # type: ignore[override]
        """Whether functions of Python are among the arguments."""
        return any(map(callable, args.leaves([self._positional, list(self._named.values())])))

    def read_outside(self, tensors: Sequence[Symbolic]) -> None:
        """Say which symbolic tensors these functions read. Their values are the last inputs of each call."""
        self.input_spec = [InputSpec() for _ in range(self._places + len(tensors))]
        self.outside = list(tensors)

    def try_out(self, tensors: Sequence[Symbolic]) -> None:
        """Find the shapes that a call on these tensors returns.

        Raises:
            SymbolOutside: A function among the arguments reads other tensors.
            TypeError, ValueError: There is no such call.
        """
        self._read_kinds(tensors)
        self._outputs([x.shape for x in tensors])

    def _read_kinds(self, tensors: Sequence[Symbolic]) -> None:
        self._dtypes = tuple(x.dtype for x in tensors)
        self._of_variables = _are_of_variables(tensors)
        self._follow_sizes(tensors)

    def _run(self, inputs: list[Value]) -> Value:
        if not self.outside:
            return self._compute(inputs)
        count = len(inputs) - len(self.outside)
        read = dict(zip(self.outside, map(for_user, inputs[count:])))
        return Scope((pending, "outside", {**pending.outside, **read})).run(self._compute, inputs)

    def _compute(self, inputs: list[Value]) -> Value:
        named = {key: args.fill(value, inputs) for key, value in self._named.items()}
        y = self._function(*args.fill(self._positional, inputs), **named)
        # Where integers and fractions meet NumPy makes float64, in which layers of float32 would not take them.
        if (
            self._draws
            or self._gives_dtype
            or any(x.dtype == np.float64 for x in inputs)
            or (not inputs and any(v.dtype == "float64" for v in self.variables))
        ):
            return y
        return [_in_floatx(v) for v in y] if isinstance(y, list) else _in_floatx(y)

    def compute_output_shape(self, input_shape: Any) -> Any:
        found = self._outputs(input_shape if isinstance(input_shape, list) else [input_shape])
        return [shape for shape, _ in found] if len(found) > 1 else found[0][0]

    def compute_mask(self, inputs: Value, mask: Any = None) -> None:
        return None

    @property  # type: ignore[misc]
    def uses_learning_phase(self) -> bool:
        given = self.named.get("training", self.arguments[2] if len(self.arguments) > 2 else None)
        return self.function in ("in_train_phase", "in_test_phase") and given is None

    def get_config(self) -> Config:
        """The arguments of the constructor.

        Raises:
            NotImplementedError: A file cannot store an argument, or it draws random numbers and has no inputs.
        """
        if self._draws and not args.places([self._positional, list(self._named.values())]):
            raise NotImplementedError(
                f"Layer {self.name}: {self.function} without a tensor cannot be saved with the graph; call it in a Lambda or a "
                "layer's call()"
            )
        for value in args.lasting([self.arguments, self.named]):
            what = f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else repr(value)
            raise NotImplementedError(
                f"Layer {self.name}: {what} among the arguments of {self.function} cannot be saved with the graph; write a "
                "layer whose weight it is, or save the weights alone"
            )
        return super().get_config()

    def clone(self) -> Layer:
        """A copy, also with arguments that a file cannot store. Arrays and Variables are shared, as they are not weights."""
        copy = Function(self.function, self.arguments, self.named, self.shapes, name=self.name)
        copy.read_outside(self.outside)
        return copy

    @property
    def shapes(self) -> list[Config]:
        """The argument of the constructor, with the shapes that were found since."""
        return [
            {name: [[list(shape), dtype] for shape, dtype in specs] for name, specs in zip(("inputs", "outputs"), entry)}
            for entry in self._known.items()
            if entry[0]  # without inputs, the shape follows from the Variables
        ]

    # A function may be one of the backend's that pickle cannot name; its own name is what counts.
    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "_function"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _function=registry.get("functions", state["function"]))

    def _connect(self, tensors: list[Symbolic], single: bool, arguments: dict[str, Any]) -> Value:
        if arguments:
            raise ValueError(f"Function {self.name}: expected no arguments in a call, got {sorted(arguments)}")
        self._read_kinds(tensors)
        outputs = super()._connect(tensors, single, arguments)
        found = self._outputs([x.shape for x in tensors])
        for x, (_, dtype) in zip(outputs if isinstance(outputs, list) else [outputs], found):
            x.dtype = dtype_name(dtype)
        return outputs

    def _follow_sizes(self, tensors: Sequence[Symbolic]) -> None:
        """Find the shapes for inputs that K.shape computes: the zeros of a usual trial would be sizes of 0."""
        specs = tuple((x.shape, x.dtype) for x in tensors)
        self._has_sizes = any(map(_is_size, tensors))
        if specs in self._known or not self._has_sizes or budget.limited():
            return
        calls: dict[Node, None] = {}
        roots: dict[Symbolic, None] = {}
        waiting = [(x, False) for x in reversed(tensors)]
        while waiting:
            x, ready = waiting.pop()
            if not _is_size(x):
                roots[x] = None
            elif ready:
                calls[node_of(x)] = None
            elif node_of(x) not in calls:
                waiting += [(x, True), *((before, False) for before in reversed(node_of(x).inputs))]

        def call(values: list[Value]) -> Value:
            made = dict(zip(roots, values))
            for node in calls:
                given = [made[x] for x in node.inputs]
                y = node.layer.call(given[0] if node.single else given)
                made.update(zip(node.outputs, y if isinstance(y, list) else [y]))
            return self._run([made[x] for x in tensors])

        who = f"{self.function} (layer {self.name})"
        self._known[specs] = shapes_of(call, [(x.shape, x.dtype) for x in roots], who, self._constants())

    @property
    def variables(self) -> list[Variable]:
        """The Variables whose values each run reads: among the arguments, and in functions among these, such as K.rnn's step."""
        values = args.leaves([self._positional, list(self._named.values())])
        behind = [v for value in values for v in args.read_by(value)]
        return list(dict.fromkeys(v for v in [*values, *behind] if isinstance(v, Variable)))

    def _constants(self) -> list[Shape]:
        """The shapes of the arrays and Variables among the arguments."""
        values = args.leaves([self._positional, list(self._named.values())])
        return [v.shape for v in values if isinstance(v, (np.ndarray, Variable))]

    def _outputs(self, shapes: Sequence[Shape]) -> Specs:
        specs = tuple(zip(shapes, self._dtypes or (floatx(),) * len(shapes)))
        if specs not in self._known and self._has_sizes:
            return next(iter(self._known.values()))
        if specs not in self._known:
            # Functions of Variables alone are called by a class, not by a file.
            if budget.limited() and (self._draws or not self._of_variables):
                raise ValueError(f"Function {self.name}: the description does not say what it returns for {list(specs)}")
            rule = getattr(self._function, "specs_of", None)
            if rule is None:
                self._known[specs] = self._broadcast(specs) or self._tried(specs)
            else:
                bound = inspect.signature(self._function).bind(*self._positional, **self._named)
                bound.apply_defaults()
                # Without symbolic tensors, the tensors are the Variables.
                of = specs or tuple((v.shape, v.dtype) for v in self.variables)
                self._known[specs] = rule(of, bound.arguments) or self._tried(specs)
        return self._known[specs]

    def _tried(self, specs: Specs) -> Specs:
        return shapes_of(self._run, specs, f"{self.function} (layer {self.name})", self._constants())

    def _broadcast(self, specs: Specs) -> Specs | None:
        """What broadcasting gives for unknown sizes, of which no trial may find some that fit; None for other functions."""
        if not getattr(self._function, "broadcasts", False) or not any(None in shape for shape, _ in specs):
            return None
        ((constant, dtype),) = self._tried(tuple(((1,) * len(shape), dtype) for shape, dtype in specs))
        shape = broadcast_shape([constant, *(shape for shape, _ in specs)])
        return None if shape is None else ((shape, dtype),)


def _is_size(x: Symbolic) -> bool:
    """Whether x depends only on sizes: it comes from K.shape, or from functions of such tensors."""
    return _sources(node_of(x)).sizes


def _are_of_variables(tensors: Sequence[Symbolic]) -> bool:
    """Whether functions of Variables compute all tensors: none comes from an input."""
    return all(_sources(node_of(x)).variables for x in tensors)


class _Sources(NamedTuple):
    """Whether the tensors of a call come from sizes alone, or from Variables alone."""

    sizes: bool
    variables: bool


def _sources(node: Node) -> _Sources:
    """Kept with the node: a chain of n functions would be walked n times, and one that reads tensors twice 2^n times."""
    if node.sources is None:
        layer = node.layer
        sizes = variables = False
        if isinstance(layer, Function):
            before = [_sources(node_of(x)) for x in node.inputs]  # known since the layer was called
            sizes = layer.function == "shape" or (bool(before) and all(each.sizes for each in before))
            variables = bool(before or layer.variables) and all(each.variables for each in before)
        node.sources = _Sources(sizes, variables)
    found: _Sources = node.sources
    return found


def _in_floatx(y: Value) -> Value:
    return y.astype(floatx()) if isinstance(y, (np.ndarray, np.generic)) and y.dtype == np.float64 else y


def _specs(entry: Any, key: str, who: str) -> Specs:
    try:
        specs = tuple((as_shape(shape), args.number_dtype(dtype)) for shape, dtype in entry[key])
    except (TypeError, KeyError, ValueError):
        specs = ()
    if not specs:
        raise ValueError(f"{who}: expected shapes and dtypes of inputs and outputs, got {entry!r}")
    return specs
