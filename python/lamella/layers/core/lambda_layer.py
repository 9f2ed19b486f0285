"""Lambda: a function as a layer. Source: Keras 2.2.5 keras/layers/core.py."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from lamella import ops
from lamella.core import budget
from lamella.core.atomic import Scope
from lamella.core.bound_function import bound_function, values_of
from lamella.core.config import floatx
from lamella.core.configurable import Config
from lamella.core.dtype_name import dtype_name
from lamella.core.graphs import SymbolOutside
from lamella.core.lists import to_list
from lamella.core.registry import register
from lamella.core.shapes import Shape, as_shape
from lamella.core.types import Value
from lamella.core.updates import current as pending
from lamella.core.user_array import for_user, from_user
from lamella.core.variable import Variable
from lamella.graph.inner_gradients import call_asking
from lamella.graph.layer import Layer
from lamella.graph.symbolic import Symbolic
from lamella.graph.trial import shapes_of
from lamella.graph.values_at_calls import note
from lamella.layers.core import lambda_config
from lamella.layers.core import lambda_functions as lambda_functions  # lists them
from lamella.ops.tape import Tensor

L = TypeVar("L", bound="Lambda")
# Whether the function returns a list, shape and dtype of each output, the symbolic tensors that it reads from outside.
_Found = tuple[bool, tuple[tuple[Shape, str], ...], list[Symbolic]]

# Symbolic tensors that a function may read from outside.
_MOST_READ = 64


@register("layers")
class Lambda(Layer):
    """function(inputs), in which the functions of K have their gradients.

    Variables inside the function are no weights of the layer: they are read, and not trained. Those that the function makes, also
    by layers such as `Dense(4)(x)`, are made in the first run of a call of the Lambda, and are the same in its later runs.
    A fraction beside float32 may make float64 of it in NumPy; what the function returns is then brought back to floatx.

    A file stores the name of the function. So a whole model can be saved if the function is one of K, or if the user has registered
    it (get_custom_objects, custom_object_scope, load_model(custom_objects=...)). A model with any other function works, trains and
    can be cloned, and its weights can be saved; saving the whole model raises NotImplementedError.

    Keras 2.2.5 writes the code of the function into the file, and runs the code that it reads. lamella neither writes nor reads
    code. If a file contains code, load_model(custom_objects={"the layer's name": function}) replaces it by the function.
    If output_shape is not a tuple and cannot be written to a file, the config contains the shape that was found.

    As in Keras, the function's variables from outside keep, for each call, the values that they have at this call, such as the
    counter of a loop that makes several Lambdas, or calls one several times.

    The function may also read symbolic tensors that are not its inputs. As in Keras 2.2.5, a model then computes them, but does
    not train layers that only these tensors need.

    K.gradients in the function differentiates what the function computes. If it asks for the gradient of one input with respect to
    another, or with respect to a tensor from outside, the answer depends on the graph around the layer. Then the function is called
    on the symbolic tensors, and the layers that it makes replace this layer. Such a model trains, but cannot be saved.

    Args:
        function: Called with the inputs, a tensor or a list of them, and the arguments; if it has an argument `mask`, with the
            inputs' masks, too. Returns a tensor or a list of tensors.
        output_shape: Shape of the output without the batch, or a function of the input shape, or of a list of them, with the
            batch, that returns the output's, or a list of them. None: found by calling the function on small arrays.
        mask: The mask of the output, or function(inputs, mask) that returns it. With None the output has no mask. As in Keras
            2.2.5, a mask of the input is not an error.
        arguments: Further arguments of the function, by name.

    Raises:
        TypeError: For an output_shape of another kind, and in a call if the function returns something that is not a tensor.
        ValueError: The function cannot be called on arrays of the inputs' shapes, and output_shape is not given.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Sequence[int | None] | Callable[..., Any] | None = None,
        mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"Layer {self.name}: expected a function, got {function!r}")
        if output_shape is not None and not callable(output_shape) and not isinstance(output_shape, (list, tuple)):
            raise TypeError(
                f"Layer {self.name}: In Lambda, `output_shape` must be a list, a tuple, or a function. Got {output_shape!r}"
            )
        if not isinstance(arguments, (Mapping, type(None))):
            raise TypeError(f"Layer {self.name}: expected arguments to be a dict, got {arguments!r}")
        self.function = function
        self._bound: _Bound | None = None  # what runs in the last call in a graph
        self.arguments = dict(arguments or {})
        self.mask = mask
        self.supports_masking = mask is not None
        self._output_shape = self._shape(output_shape) if isinstance(output_shape, (list, tuple)) else output_shape
        self._asks_the_graph = False  # whether a gradient depends on the graph around the layer
        self._takes_mask = _has_argument(function, "mask")
        self._dtypes: tuple[str, ...] = ()  # of the inputs, which shapes alone do not tell
        self._found: dict[Any, _Found] = {}  # by shapes and dtypes of the inputs
        self.read_under: dict[str, str] = {}  # the names in a file, of constructor's arguments

    @property
    def makes_masks(self) -> bool:
        return self.mask is not None

    def build(self, input_shape: Any) -> None:
        self._bind()
        super().build(input_shape)

    def _bind(self) -> None:
        """Take the values that the function's variables from outside have now, unless they are those of the last call."""
        bound = _Bound(self.function)
        if self._bound is None or not self._bound.is_like(bound):
            self._bound, self._found = bound, {}

    @property
    def _runs(self) -> Callable[..., Any]:
        return self.function if self._bound is None else self._bound.function

    def call(self, inputs: Value, mask: Any = None) -> Value:
        named = {**self.arguments, "mask": mask} if self._takes_mask else self.arguments
        y = from_user(self._runs(for_user(inputs), **named))
        if self.asks_gradients and any(value is None for value in to_list(y, allow_tuple=True)):
            self._asks_the_graph = True
            raise TypeError(f"Layer {self.name}: K.gradients found no way from the loss to the tensor within the function")
        wide = any(x.dtype == np.float64 for x in (inputs if isinstance(inputs, list) else [inputs]))
        if isinstance(y, (list, tuple)) and y:
            outputs = [self._tensor(value, wide) for value in y]
            return outputs if len(outputs) > 1 else outputs[0]
        return self._tensor(y, wide)

    def _tensor(self, value: Any, wide: bool) -> Value:
        """An output as a tensor; of floatx if it is of float64 and no input is."""
        if isinstance(value, Symbolic):
            value = value.compute()
        if isinstance(value, Variable):
            value = ops.reshape(value, shape=value.shape)
        elif isinstance(value, np.generic):
            value = np.asarray(value)
        if not isinstance(value, (np.ndarray, Tensor)) or value.dtype.kind not in "biuf":
            what = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
            raise TypeError(f"Layer {self.name}: expected its function to return a tensor or a list of tensors, got {what}")
        return value if wide or value.dtype != np.float64 or floatx() == "float64" else ops.cast(value, dtype=floatx())

    def compute_mask(self, inputs: Value, mask: Any = None) -> Any:
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self._output_shape is None:
            listed, specs, _ = self._specs(input_shape if isinstance(input_shape, list) else [input_shape])
            shapes = [shape for shape, _ in specs]
            return shapes if listed else shapes[0]
        if not callable(self._output_shape):
            first = input_shape[0] if isinstance(input_shape, list) else input_shape
            return (first[0], *self._output_shape)
        shape = self._output_shape(input_shape)
        if not isinstance(shape, (list, tuple)):
            raise ValueError(
                f"Layer {self.name}: `output_shape` function must return a tuple or a list of tuples. Got {shape!r}"
            )
        several = isinstance(shape, list) and all(isinstance(s, (list, tuple)) for s in shape)
        return [self._shape(s) for s in shape] if several else self._shape(shape)

    def _shape(self, given: Any) -> Shape:
        try:
            return as_shape(given)
        except ValueError as error:
            raise ValueError(f"Layer {self.name}: output_shape: {error}") from error

    def _specs(self, shapes: Sequence[Shape]) -> _Found:
        """What is found by calling the function on small arrays."""
        inputs = tuple(zip(shapes, self._dtypes or (floatx(),) * len(shapes)))
        if inputs not in self._found:
            if budget.limited() and lambda_config.is_ours(self.function):
                raise ValueError(f"Layer {self.name}: the description does not say its output_shape for {list(inputs)}")
            listed, count = False, len(inputs)
            outside: list[Symbolic] = []

            def call(values: list[Value]) -> Value:
                nonlocal listed
                read = dict(zip(outside, map(for_user, values[count:])))
                function = functools.partial(call_asking, self, self.call, values[:count] if count > 1 else values[0])
                y = Scope((pending, "outside", read)).run(function)
                listed = isinstance(y, list)
                return y

            while True:
                try:
                    specs = shapes_of(call, [*inputs, *((x.shape, x.dtype) for x in outside)], f"Layer {self.name}")
                    break
                except SymbolOutside as error:
                    more = [x for x in error.tensors if all(x is not known for known in outside)]
                    if len(outside) > _MOST_READ:
                        raise  # a function that calls a layer on such tensors makes new ones each time
                    if not more:  # K.gradients of a tensor from outside, whose value does not help
                        self._asks_the_graph = True
                        raise
                    outside += more
            self._found[inputs] = listed, specs, outside
        return self._found[inputs]

    def _connect(self, tensors: list[Symbolic], single: bool, arguments: dict[str, Any]) -> Value:
        self._dtypes = tuple(x.dtype for x in tensors)
        if self.built:
            self._bind()
        if self._output_shape is not None and _names(self.function, "gradients"):
            # The shape is known, so nothing else calls the function before the model runs.
            with contextlib.suppress(TypeError, ValueError):
                self._specs([x.shape for x in tensors])
        if self._asks_the_graph:
            return self._in_the_graph(tensors, single)
        try:
            outputs = super()._connect(tensors, single, arguments)
        except TypeError:
            if not self._asks_the_graph:
                raise
            return self._in_the_graph(tensors, single)
        values = {"_bound": self._bound, "arguments": dict(self.arguments)}
        note(self._inbound_nodes[-1], values, values)
        if self._output_shape is None:
            _, specs, outside = self._specs([x.shape for x in tensors])
            self._inbound_nodes[-1].reads_more(outside)
            for x, (_, dtype) in zip(outputs if isinstance(outputs, list) else [outputs], specs):
                x.dtype = dtype_name(dtype)
        return outputs

    def _in_the_graph(self, tensors: list[Symbolic], single: bool) -> Value:
        """What the function makes of symbolic tensors."""
        named = {**self.arguments, "mask": None} if self._takes_mask else self.arguments
        made = self._runs(tensors[0] if single else tensors, **named)
        return made[0] if isinstance(made, (list, tuple)) and len(made) == 1 else made

    def get_config(self) -> Config:
        """As Keras's, and the mask if there is one. A function without a name is in it as an object, which no file can store."""
        return self.base_config() | lambda_config.described(self, self._output_shape, self._calls_shape())

    def _calls_shape(self) -> Shape | None:
        """The shape of the output without the batch, if all calls have one output, and of the same shape."""
        shapes = {tuple(x.shape[1:] for x in node.outputs) for node in self._inbound_nodes}
        first = next(iter(shapes)) if len(shapes) == 1 else ()
        return first[0] if len(first) == 1 else None

    @classmethod
    def from_config(cls: type[L], config: Config) -> L:
        """Raises ValueError, naming the layer, for functions that are not there, and for marshalled code."""
        arguments, names = lambda_config.read(config)
        layer = cls(**arguments)
        layer.read_under = names
        return layer


class _Bound:
    """The function of a Lambda with the values that its variables from outside have now. A pickled layer binds it anew."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = bound_function(function)
        self._values = values_of(self.function)

    def is_like(self, other: _Bound) -> bool:
        """Whether the code is the same, and the values."""
        codes = (getattr(bound.function, "__code__", bound.function) for bound in (self, other))
        mine, others = self._values, other._values
        return len(set(codes)) == 1 and len(mine) == len(others) and all(a is b for a, b in zip(mine, others))

    def __deepcopy__(self, memo: object) -> _Bound:
        return self  # nothing in it changes

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()


def _names(function: Callable[..., Any], name: str) -> bool:
    """Whether the code of a Python function has such a global name or attribute."""
    return name in getattr(getattr(function, "__code__", None), "co_names", ())


def _has_argument(function: Callable[..., Any], name: str) -> bool:
    try:
        return name in inspect.signature(function).parameters
    except (ValueError, TypeError):  # of a function written in C
        return False
