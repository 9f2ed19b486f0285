"""Layer: owns weights, calls ops, and records its calls in the graph."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lamella.core import config
from lamella.core.checks import as_array
from lamella.core.configurable import Config, Configurable, described_class, own_arguments, plain
from lamella.core.lists import to_list
from lamella.core.names import unique_name
from lamella.core.phase import current
from lamella.core.registry import custom_object_scope
from lamella.core.scopes import inside
from lamella.core.shapes import Shape, as_shape
from lamella.core.types import Value
from lamella.core.updates import call_of, computing
from lamella.core.updates import current as pending
from lamella.core.user_array import of_lamella
from lamella.graph.arguments import symbols
from lamella.graph.constructors import resolving
from lamella.graph.inner_gradients import Asking, call_asking
from lamella.graph.input_spec import InputSpec, check_inputs, refuse_list
from lamella.graph.layer_trials import CallTrial
from lamella.graph.losses_and_updates import LossesAndUpdates
from lamella.graph.made_in_calls import kept
from lamella.graph.run_losses import RunLosses
from lamella.graph.symbolic import Node, Symbolic, mask_of, node_of
from lamella.graph.symbolic_calls import on_values, taking_symbols
from lamella.graph.weights import Weighted
from lamella.ops.tape import Tensor


@functools.cache
def takes_training(cls: type) -> bool:
    """Whether `call` of this class has an argument `training`."""
    return "training" in inspect.signature(cls.call).parameters  # type: ignore[attr-defined]


@functools.cache
def takes_mask(cls: type) -> bool:
    """Whether `call` of this class has an argument `mask`."""
    return "mask" in inspect.signature(cls.call).parameters  # type: ignore[attr-defined]


def _number_dtype(dtype: str | None, who: str) -> str | None:
    """The name of a dtype of real numbers, or None. Raises TypeError for any other."""
    if dtype is None:
        return None
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found.kind not in "biuf":
        raise TypeError(f"Layer {who}: expected the name of a dtype of real numbers, got dtype={dtype!r}")
    return found.name


class MaskNotSupported(TypeError):
    """The error of a layer that gets a mask and does not support masking."""


def symbolic_masks(tensors: Sequence[Symbolic]) -> list[Any] | None:
    """The symbolic masks of tensors; None if a user's compute_mask needs values, so that only a run has the masks."""
    try:
        return [mask_of(x) for x in tensors]
    except (TypeError, ValueError):
        return None


class Layer(LossesAndUpdates, Configurable, Asking):
    """Base class of all layers.

    A layer stores each constructor argument under its own name. It makes its weights in `build(input_shape)`, and computes the
    forward pass in `call(inputs)` with ops. A call on a symbolic tensor adds a node to the graph. A call on an array or a
    tape's Tensor computes the result.

    Unless its docstring says otherwise, inputs and outputs of a layer have its `dtype`, float32 or float64. A model converts
    the arrays that it is given.

    `class Dense(Layer, self_contained=True)` promises four things: the layer contains no other layers; `call` adds no losses;
    `call` updates only the Variables of `moved_by`; and `compute_output_shape` gives the shape of the output. Without the promise
    these facts are found by trial calls and checked in each call. A subclass does not inherit the promise.

    Args:
        name: Name of the layer; None for a default name.
        trainable: Whether its weights are trained.
        dtype: Name of the dtype of its weights; None for floatx.
        input_shape: For a first layer, the shape of the input without the batch axis.
        input_dim: n is the input_shape (n,).
        batch_input_shape: For a first layer, the shape of the input with the batch axis.
        batch_size: For a first layer, the size of the batch axis, with input_shape.
        input_dtype: For a first layer, the dtype of the input, as in Keras 1.
        weights: Initial weights, a list of arrays.

    Raises:
        TypeError: A keyword is unknown, or an argument is of the wrong type.

    Source: Keras 2.2.5 keras/engine/base_layer.py.
    """

    input_spec: InputSpec | list[InputSpec] | None = None
    supports_masking = False
    takes_lists = True  # whether its call computes with a list of tensors
    built = False
    is_input = False  # whether it only stands for a value
    given_dtype: str | None = None
    phase_given: bool | None = None  # the uses_learning_phase that a script set
    has_functions: bool = False  # whether its call calls functions of scripts
    shape_follows_call = False  # whether compute_output_shape reads attributes that call sets
    # The attributes that calls set and that are tensors of the graph: the value before, and the tensor of the last call. See
    # graph/set_in_calls.py.
    set_in_calls: Mapping[str, tuple[Any, Symbolic]] = {}
    # Attributes that differ between its calls in graphs, see graph/values_at_calls.py.
    differs_in_calls: frozenset[str] = frozenset()
    # Other layers of the graph whose weights it reads, in addition to the layers inside it.
    layers_read: Sequence[Layer] = ()
    # Arguments of a base class's constructor that the class itself gives, so that they are not in its config.
    fixed: Sequence[str] = ()

    def __init_subclass__(cls, *, self_contained: bool = False, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.self_contained = self_contained
        if self_contained and "__init__" in vars(cls):
            setattr(cls, "__init__", resolving(vars(cls)["__init__"]))
        if "call" in vars(cls) and of_lamella(cls):
            setattr(cls, "call", taking_symbols(vars(cls)["call"]))

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: str | None = None,
        input_shape: Sequence[int | None] | None = None,
        batch_input_shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        input_dim: int | None = None,
        input_dtype: str | None = None,
        weights: Sequence[ArrayLike] | None = None,
        **unknown: object,
    ) -> None:
        if unknown:
            raise TypeError(f"Keyword argument not understood: {next(iter(unknown))} (in {type(self).__name__})")
        if not isinstance(name, (str, type(None))):
            raise TypeError(f"{type(self).__name__}: expected the name of a layer to be a string, got name={name!r}")
        self.name = name or unique_name(type(self).__name__)
        self.trainable = trainable
        self.built = False
        if computing():
            self.made_in_run = True
        self.given_dtype = _number_dtype(dtype or input_dtype, self.name)
        if self.given_dtype == "float16":
            raise ValueError(f"Layer {self.name}: expected dtype float32 or float64, for which there are kernels, got float16")
        self.batch_input_shape: Shape | None = None
        if batch_input_shape is not None:
            self.batch_input_shape = as_shape(batch_input_shape)
        elif input_shape is not None:
            self.batch_input_shape = (batch_size, *as_shape(input_shape))
        elif input_dim is not None:
            self.batch_input_shape = (batch_size, input_dim)
        if self.batch_input_shape is not None and self.given_dtype is None:
            self.given_dtype = config.floatx()
        self._initial_weights = weights
        self._trainable_weights = []
        self._non_trainable_weights = []
        self._inbound_nodes: list[Node] = []
        self._penalties = []
        self.call_losses = RunLosses()

    def resolve(self, names: Sequence[str]) -> None:
        """Resolve the arguments of these names, after the constructor of each self-contained class. Here it does nothing."""

    # What a custom layer defines ------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Make the weights.

        Args:
            input_shape: Shape of the input, the batch axis included, or a list of shapes.
        """
        self.built = True

    def call(self, inputs: Value) -> Value:
        """The outputs. A subclass computes them here, with ops or functions of K; by default they are the inputs.

        A subclass may have two more arguments: `mask`, the mask of the inputs or a list of masks, and `training`, whether it is
        training; None is the phase of the run.

        Args:
            inputs: One array or tensor of a tape, or a list of them.
        """
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs: a tuple, or a list of tuples. By default it is that of the inputs.

        Args:
            input_shape: The shape of the inputs with the batch axis, None for an unknown size; or a list of shapes.
        """
        return input_shape

    def assert_input_compatibility(self, inputs: Any) -> None:
        """Raise ValueError, as a call does, if the inputs, symbolic tensors or arrays, do not meet `input_spec`."""
        listed = to_list(inputs, allow_tuple=True)
        tensors = [x if hasattr(x, "shape") and hasattr(x, "dtype") else np.asarray(x) for x in listed]
        self._check_inputs([x.shape for x in tensors], [str(x.dtype) for x in tensors])

    def _check_inputs(self, shapes: Sequence[Shape], dtypes: Sequence[str]) -> None:
        """Raise ValueError if inputs of these shapes and dtypes do not meet `input_spec`."""
        check_inputs(self.name, self.input_spec, shapes, dtypes)

    def compute_mask(self, inputs: Value, mask: Any = None) -> Any:
        """The mask of the output: that of the input, if the layer supports masking.

        Args:
            inputs: The inputs.
            mask: Their mask, or a list of masks.

        Raises:
            TypeError: There is a mask, but the layer does not support masking. The message is that of Keras.
        """
        came = any(m is not None for m in mask) if isinstance(mask, list) else mask is not None
        if came and not self.supports_masking:
            raise MaskNotSupported(f"Layer {self.name} does not support masking, but was passed an input_mask: {mask}")
        return mask if came else None

    def check_masks(self, tensors: list[Symbolic], single: bool) -> None:
        """Raise TypeError, as compute_mask does in each run, if a tensor has a mask that the layer does not support.

        Args:
            tensors: The inputs.
            single: Whether compute_mask gets one tensor, not a list.
        """
        if type(self).compute_mask is not Layer.compute_mask:
            return
        masks = symbolic_masks(tensors)
        if masks is not None:
            self.compute_mask(tensors[0] if single else tensors, masks[0] if single else masks)

    @property
    def makes_masks(self) -> bool:
        """Whether the layer may make masks, because its class has its own compute_mask. A graph without such a layer has none."""
        return type(self).compute_mask is not Layer.compute_mask

    def base_config(self) -> Config:
        """The entries of every layer's config: name, trainable, dtype, and the input shape if it was given."""
        base: Config = {"name": self.name, "trainable": self.trainable}
        if self.batch_input_shape is not None:
            base["batch_input_shape"] = plain(self.batch_input_shape)
        return base | {"dtype": self.dtype}

    def get_config(self) -> Config:
        """`base_config`, and every constructor argument of the classes below Layer."""
        cls: type = type(self)
        # `weights` may be among the arguments of a class, but it is not part of a config.
        names = tuple(name for name in own_arguments(described_class(cls), Layer) if name not in ("weights", *self.fixed))
        return self.base_config() | self._stored(names, strict=type(self).get_config is Layer.get_config)

    def clone(self) -> Layer:
        """A new layer of the same class, name and configuration, for clone_model.

        The classes of layers inside need not be registered; in Keras 2.2.5 they must be.
        """
        with custom_object_scope({type(layer).__name__: type(layer) for layer in self.members()[1:]}):
            return type(self).from_config(self.get_config())

    def members(self) -> list[Layer]:
        """This layer and the layers inside it, each once."""
        return [layer for layer, _ in self.family() if isinstance(layer, Layer)]

    def _contains(self, held: Weighted) -> bool:
        """Whether a layer in an attribute is inside this one.

        A script's layer may hold layers of the graph, as a decoder does that computes with the weights of an encoder. These are
        not inside it: a graph called them before it called this layer.
        """
        if of_lamella(type(self)) or not isinstance(held, Layer) or not held._inbound_nodes:
            return True
        return bool(self._inbound_nodes) and held._inbound_nodes[0].number > self._inbound_nodes[0].number

    @property
    def dtype(self) -> str:
        """Name of the dtype of its weights: the given one, or floatx."""
        return self.given_dtype or config.floatx()

    @dtype.setter
    def dtype(self, value: str | None) -> None:
        self.given_dtype = value

    @property
    def uses_learning_phase(self) -> bool:
        """Whether training and inference differ. Layers of scripts set it, as in Keras 1."""
        cls: type = type(self)
        return takes_training(cls) if self.phase_given is None else self.phase_given

    @uses_learning_phase.setter
    def uses_learning_phase(self, value: bool) -> None:
        self.phase_given = bool(value)

    # Calling ---------------------------------------------------------------------------------------------

    def __call__(self, inputs: Value, **arguments: Any) -> Value:
        listed = isinstance(inputs, (list, tuple))
        tensors = list(inputs) if listed else [inputs]
        symbolic = [isinstance(x, Symbolic) for x in tensors]
        if any(symbolic) and computing() and all(x.lives for x, known in zip(tensors, symbolic) if known):
            # A tensor of Variables that the layer made earlier, for example in build.
            tensors = [x.compute() if known else x for x, known in zip(tensors, symbolic)]
            symbolic = [False]
        if any(symbolic):
            if not all(symbolic):
                raise ValueError(f"Layer {self.name} was called with symbolic tensors and arrays mixed: {inputs}")
            return inside(self.name).run(self._connect, tensors, not listed, arguments)
        if arguments and (beside := symbols(arguments)):
            raise ValueError(f"Layer {self.name} was called on arrays, with the symbolic tensors {beside} among its arguments")
        tensors = [x if type(x) is Tensor else as_array(x, self.dtype, self.name) for x in tensors]
        inside(self.name).run(self._prepare, [x.shape for x in tensors], [str(x.dtype) for x in tensors], not listed)
        if pending.updates is None or pending.updates is not self.call_losses.run:
            self.forget_losses()
            self.call_losses.run = pending.updates
        training = bool(current.training if arguments.get("training") is None else arguments["training"])
        held_frozen = pending.updates is not None and pending.updates.frozen
        call = getattr(self, "call_frozen", self.call) if held_frozen else self.call
        call = functools.partial(call_asking, self, call, tensors if listed else tensors[0], **arguments)
        outputs = call_of(call, trainable=self.trainable, stateful=self.stateful, training=training)
        if self.activity_regularizer is not None:
            self.add_activity_losses(outputs)
        return outputs

    def activation_op(self, node: Node) -> tuple[str, Symbolic] | None:
        """The activation at the end of a call in the graph: its type in TensorFlow and its input; None without one.

        Args:
            node: The call.
        """
        return None

    def call_in_plan(self, *, frozen: bool) -> Callable[..., Value]:
        """The function that a plan calls. `frozen`: a model that contains the layer is frozen."""
        call: Callable[..., Value] = getattr(self, "call_frozen", self.call) if frozen else self.call
        return on_values(call)

    def call_before(self, follower: Layer, *, frozen: bool) -> Callable[..., Value] | None:
        """A function that computes this layer and the next one in one call, where that is faster; else None.

        The results have the same bits; only a zero may have another sign.

        Args:
            follower: The layer that alone reads the output of this one.
            frozen: Whether this layer is inside a frozen model.
        """
        return None

    def _prepare(self, shapes: list[Shape], dtypes: list[str], single: bool, *, in_graph: bool = False) -> None:
        """Check the inputs; build at the first call."""
        if not single and self.self_contained and not self.takes_lists:
            refuse_list(self.name, shapes)
        self._check_inputs(shapes, dtypes)
        if self.built:
            return
        # Weights do not depend on the batch size of arrays, but the states of a stateful layer do. In a graph the first axis has
        # a size only if it is no batch, such as the rows of a table that another layer returns, or if the Input fixes it.
        given: list[Shape] = shapes if self.stateful or in_graph else [(None, *shape[1:]) for shape in shapes]
        self.build(self._as_given(given, single))
        self.built = True
        initial = self._initial_weights
        if initial is not None:
            self.set_weights(kept(lambda: initial, f"weights of {type(self).__name__}") if self.made_in_run else initial)
            self._initial_weights = None
        # build may have set an input_spec that these inputs do not meet.
        self._check_inputs(shapes, dtypes)

    def ensure_built(self, input_shape: Any, dtype: str) -> None:
        """Build the layer as a call would, without a call: for a layer inside another one.

        Args:
            input_shape: Shape of the input, the batch axis included, or a list of shapes.
            dtype: Name of the dtype of the input.

        Raises:
            ValueError: The inputs do not meet `input_spec`.
        """
        shapes = to_list(input_shape)
        self._prepare(shapes, [dtype] * len(shapes), not isinstance(input_shape, list))

    def _connect(self, tensors: list[Symbolic], single: bool, arguments: dict[str, Any]) -> Value:
        """Add a node to the graph, and return its symbolic outputs."""
        from lamella.graph.set_in_calls import begin  # which imports this file

        beside = symbols(arguments) if arguments else []
        again = None if self.self_contained or single else self.inputs_again(tensors)
        outside: list[Symbolic] = [] if again is None else list(again.ends)
        may_mask = any(node_of(x).may_mask for x in tensors)
        if may_mask and not self.supports_masking:
            self.check_masks(tensors, single)
        # In lists plain tuples: scripts of Keras test `type(input_shape[0]) is tuple`.
        shapes = [x.shape if single else tuple(x.shape) for x in tensors]
        self._prepare(shapes, [x.dtype for x in tensors], single, in_graph=True)
        trial = CallTrial(self, tensors, single, arguments, beside, outside, again)
        had = begin(self) if self.set_in_calls else {}
        attributes = {} if self.self_contained else dict(vars(self))
        shape = trial.output_shapes() if not self.self_contained else None
        if shape is None:
            try:
                shape = self.compute_output_shape(self._as_given(shapes, single))
                if not self.self_contained and self.knows_its_shape:
                    given = self._as_many_as_called(shape, trial.number_of_outputs())
                    shape = trial.output_shapes() if given is None else given  # not `or`: () is the shape of a number
            except AttributeError:
                if self.self_contained or self.shape_follows_call:
                    raise
                # It reads what call sets: Keras runs call first.
                self.shape_follows_call = True
                shape = trial.output_shapes()
                if shape is None:
                    raise
        if isinstance(shape, list) and len(shape) == 1:
            (shape,) = shape  # as in Keras, a call that returns a list of one tensor has one output
        several = isinstance(shape, list)
        dtype = self._output_dtype(tensors)
        outputs = [
            Symbolic(as_shape(s), dtype, f"{self.name}/output_{i}:0") for i, s in enumerate(shape if several else [shape])
        ]
        for i, x in enumerate(outputs):
            x._keras_history = (self, len(self._inbound_nodes), i)
        may_mask = may_mask or self.makes_masks
        node = Node(
            self,
            tensors,
            outputs,
            single,
            arguments,
            current.fixed,
            beside=beside,
            outside=outside,
            again=again,
            may_mask=may_mask,
        )
        self._inbound_nodes.append(node)
        if not self.self_contained and not of_lamella(type(self)):
            self._note_attributes(node, trial, attributes, had)
        return outputs if several else outputs[0]

    def _note_attributes(self, node: Node, trial: CallTrial, before: dict[str, Any], had: dict[str, Any]) -> None:
        """Let attributes that `call` has set in trials be tensors of the graph, as in Keras, and keep the others' values."""
        from lamella.graph.set_in_calls import changed, end, make_symbolic
        from lamella.graph.values_at_calls import note, set_by_programs

        names = changed(self, before)
        specs = trial.shapes_of_attributes(names) if names else None
        end(self, had)
        if specs is not None:
            make_symbolic(node, names, specs, before)
        note(node, set_by_programs(before, Layer), set_by_programs(vars(self), Layer))

    def _as_given(self, shapes: list[Shape], single: bool) -> Any:
        """What build and compute_output_shape get. As in Keras, a list of one tensor has one shape in layers of scripts."""
        return shapes[0] if single or (len(shapes) == 1 and not self.self_contained) else shapes

    def _as_many_as_called(self, shape: Any, count: int | None) -> Any:
        """The shape or shapes that compute_output_shape gave for the `count` outputs of `call`, which decides, as in Keras. None if
        there are too few: then a trial finds them.
        """
        given = to_list(shape)
        if count is None or count == len(given):
            return shape
        self.shape_follows_call = count > len(given)
        return None if self.shape_follows_call else given[:count]

    def inputs_again(self, tensors: Sequence[Symbolic]) -> Any:
        """What computes inputs again in a call that uses K.gradients, which replaces this method: graph/inputs_again.py."""
        return None

    def _output_dtype(self, tensors: list[Symbolic]) -> str:
        """The dtype of the outputs: the layer's own dtype, else that of the inputs, or floatx if they are not floats."""
        own = [self.given_dtype] if self.given_dtype and self._trainable_weights else []
        return next((d for d in [*own, *(x.dtype for x in tensors)] if d in ("float32", "float64")), config.floatx())

    @property
    def knows_its_shape(self) -> bool:
        """Whether the class defines the shape of its output; otherwise a trial call finds it."""
        defined = type(self).compute_output_shape is not Layer.compute_output_shape
        return self.self_contained or (defined and not self.shape_follows_call)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} '{self.name}'>"
