"""Layer: owns weights, calls ops, and remembers where in the graph it was called."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lamella.core import config
from lamella.core.checks import as_array
from lamella.core.configurable import Config, Configurable, own_arguments, plain
from lamella.core.names import unique_name
from lamella.core.phase import current, phase
from lamella.core.registry import custom_object_scope
from lamella.core.shapes import Shape, as_shape
from lamella.core.types import Value
from lamella.core.updates import Updates, call_of, note
from lamella.core.updates import current as pending
from lamella.core.variable import Variable
from lamella.core.warn import warn
from lamella.graph.arguments import fill, placed, symbols
from lamella.graph.calls import CallHistory
from lamella.graph.constructors import resolving
from lamella.graph.inner_gradients import Asking, call_asking
from lamella.graph.input_spec import InputSpec, check_inputs
from lamella.graph.run_losses import RunLosses
from lamella.graph.symbolic import Node, Symbolic
from lamella.graph.trial import shapes_of
from lamella.graph.weights import Weighted
from lamella.ops.tape import Tensor, value_of

# Any: ndarray, tape Tensor, Symbolic, or a list of them.


@functools.cache
def takes_training(cls: type) -> bool:
    """True if `call` of this class has an argument `training`."""
    return "training" in inspect.signature(cls.call).parameters  # type: ignore[attr-defined]


@functools.cache
def takes_mask(cls: type) -> bool:
    """True if `call` of this class has an argument `mask`."""
    return "mask" in inspect.signature(cls.call).parameters  # type: ignore[attr-defined]


def _number_dtype(dtype: str | None, who: str) -> str | None:
    """The name of a dtype of numbers; None stays None. Raises TypeError for any other."""
    if dtype is None:
        return None
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found.kind not in "biuf":
        raise TypeError(f"Layer {who}: expected the name of a dtype of real numbers, got dtype={dtype!r}")
    return found.name


class Update(NamedTuple):
    """That a call of a layer moves a variable in each training step."""

    variable: Variable
    inputs: list[Symbolic]  # of the call


def _reads(inputs: Sequence[Symbolic], given: Any) -> bool:
    listed = list(given) if isinstance(given, (list, tuple)) else [given]
    return [id(x) for x in inputs] == [id(x) for x in listed]


class Layer(Weighted, CallHistory, Configurable, Asking):
    """Base of all layers.

    A layer stores each constructor argument under its own name, makes its weights in `build(input_shape)` and
    computes in `call(inputs)`, forward only, with ops. Called on a symbolic tensor it becomes a node of the graph;
    called on an array or a tape's tensor it computes at once.

    `class Dense(Layer, self_contained=True)` promises that the layer holds no other layers, that `call` adds no losses and
    moves only what `moved_by` names, and that `compute_output_shape` says what comes out. Then nothing of this is found out
    by a trial or watched in each call. A subclass does not inherit the promise, as it may do anything.

    Args:
        input_shape: Shape without the batch, for a first layer; input_dim=n is (n,).
        batch_input_shape: With it.
        weights: Initial weights, a list of arrays.

    Source: Keras 2.2.5 keras/engine/base_layer.py.
    """

    input_spec: InputSpec | list[InputSpec] | None = None
    supports_masking = False
    stateful = False
    built = False
    # Layers of the graph around that it reads weights of, beside the layers that it holds itself.
    layers_read: Sequence[Layer] = ()
    activity_regularizer: Callable[..., Value] | None = None

    def __init_subclass__(cls, *, self_contained: bool = False, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.self_contained = self_contained
        if self_contained and "__init__" in vars(cls):
            setattr(cls, "__init__", resolving(vars(cls)["__init__"]))

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
        self.dtype = _number_dtype(dtype or input_dtype, self.name)
        if self.dtype == "float16":
            raise ValueError(f"Layer {self.name}: expected dtype float32 or float64, for which there are kernels, got float16")
        self.batch_input_shape: Shape | None = None
        if batch_input_shape is not None:
            self.batch_input_shape = as_shape(batch_input_shape)
        elif input_shape is not None:
            self.batch_input_shape = (batch_size, *as_shape(input_shape))
        elif input_dim is not None:
            self.batch_input_shape = (batch_size, input_dim)
        if self.batch_input_shape is not None and self.dtype is None:
            self.dtype = config.floatx()
        self._initial_weights = weights
        self._trainable_weights = []
        self._non_trainable_weights = []
        self._inbound_nodes: list[Node] = []
        self._penalties: list[Callable[[], Value]] = []
        self.call_losses = RunLosses()  # what call() passed to add_loss

    def resolve(self, names: Sequence[str]) -> None:
        """Called after the constructor of each self-contained class with the names of its arguments; does nothing here."""

    # What a custom layer defines ------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Make the weights. input_shape: a tuple with the batch first, or a list of tuples."""
        self.built = True

    def call(self, inputs: Value) -> Value:
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def assert_input_compatibility(self, inputs: Any) -> None:
        """Raises ValueError, as a call does, if the inputs (symbolic tensors or arrays) are not what `input_spec` demands."""
        listed = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        tensors = [x if hasattr(x, "shape") and hasattr(x, "dtype") else np.asarray(x) for x in listed]
        self._check_inputs([x.shape for x in tensors], [str(x.dtype) for x in tensors])

    def _check_inputs(self, shapes: Sequence[Shape], dtypes: Sequence[str]) -> None:
        """Raises ValueError if inputs of these shapes are not what the layer demands."""
        check_inputs(self.name, self.input_spec, shapes, dtypes)

    def compute_mask(self, inputs: Value, mask: Any = None) -> Any:
        """The mask that goes with the output: the one that came, if supports_masking. Lists for several tensors.

        Raises:
            TypeError: In Keras's own words, where a mask comes to a layer that knows none.
        """
        came = any(m is not None for m in mask) if isinstance(mask, list) else mask is not None
        if came and not self.supports_masking:
            raise TypeError(f"Layer {self.name} does not support masking, but was passed an input_mask: {mask}")
        return mask if came else None

    @property
    def makes_masks(self) -> bool:
        """Whether masks may begin here: in a layer with a compute_mask of its own. A graph without one handles none."""
        return type(self).compute_mask is not Layer.compute_mask

    def base_config(self) -> Config:
        """What every layer's config holds: name and trainable, and input shape and dtype where they were said."""
        base: Config = {"name": self.name, "trainable": self.trainable}
        if self.batch_input_shape is not None:
            base["batch_input_shape"] = plain(self.batch_input_shape)
        if self.dtype is not None:
            base["dtype"] = self.dtype
        return base

    def get_config(self) -> Config:
        """`base_config`, and every constructor argument of the classes below Layer."""
        cls: type = type(self)
        # A class may list `weights`, which are no part of a config, among its own arguments.
        names = tuple(name for name in own_arguments(cls, Layer) if name != "weights")
        return self.base_config() | self._stored(names, strict=type(self).get_config is Layer.get_config)

    def clone(self) -> Layer:
        """A layer of the same class, name and configuration, that is not built; for clone_model.

        Classes of the layers that it holds need not be registered, where Keras 2.2.5 asks for that.
        """
        with custom_object_scope({type(layer).__name__: type(layer) for layer in self.members()[1:]}):
            return type(self).from_config(self.get_config())

    # Penalties -------------------------------------------------------------------------------------------

    @property
    def penalties(self) -> list[Callable[[], Value]]:
        """Each returns a scalar to add to the loss; to be called inside the tape."""
        found = [functools.partial(w.regularizer, w) for w in self.weights if w.regularizer] + self._penalties
        if not self.self_contained and not self._lists_itself():
            # The regularizers of held layers' weights are in: these weights are this layer's, too.
            known = {id(w) for w in self.weights}
            for layer in self.members()[1:]:
                more = layer.penalties if layer._lists_itself() else layer._penalties
                found += [p for p in more if not (isinstance(p, functools.partial) and p.args and id(p.args[0]) in known)]
        return found

    def members(self) -> list[Layer]:
        """This layer and those that it holds, each once."""
        return [layer for layer, _ in self.family() if isinstance(layer, Layer)]

    @property
    def losses(self) -> list[Value]:
        """The penalties' values now."""
        return [penalty() for penalty in self.penalties] + self.call_losses.values

    def add_loss(self, losses: Any, inputs: object = None) -> None:
        """Add to the loss: a scalar made inside call(), or a function without arguments, evaluated in each step."""
        for loss in losses if isinstance(losses, (list, tuple)) else [losses]:
            if isinstance(loss, Symbolic):
                raise TypeError(f"{self.name}: add_loss expects a value made inside call() or a function, got {loss!r}")
            if callable(loss):
                self._penalties.append(loss)
            else:
                self.call_losses.values.append(loss)

    def forget_losses(self) -> None:
        """What call() added belongs to one run."""
        self.call_losses.values.clear()

    def add_update(self, updates: Any, inputs: object = None) -> None:
        """Move state at the end of the training step; a stateful layer's at the end of evaluate's and predict's batches, too.

        A frozen layer's state stays, unless the layer is stateful. Outside of a run the state moves at once.

        Args:
            updates: A pair (variable, new value), what K.update or a related function returned, or a list of these.
            inputs: What the new value depends on; taken for Keras's sake.

        Raises:
            TypeError: An update is of another kind.
            ValueError: A new value does not have its variable's shape.
        """
        if not (self.trainable or self.stateful):
            return
        for update in updates if isinstance(updates, list) else [updates]:
            new = value_of(update[1]) if isinstance(update, tuple) and len(update) == 2 else None
            if new is not None and isinstance(update[0], Variable):
                # A Variable may itself move before its value is written elsewhere.
                note(update[0], new.copy() if isinstance(update[1], Variable) else new)
            elif not isinstance(update, (np.ndarray, Variable, Tensor)):  # those K.update has noted already
                raise TypeError(
                    f"Layer {self.name}: add_update expects (variable, new value) or what K.update returns, got {update!r}"
                )

    @property
    def updates(self) -> list[Update]:
        """What the calls of this layer in graphs move, call by call; empty where it is frozen, unless it is stateful.

        There is nothing to run, as fit applies them. A layer that is not self-contained is called on small arrays to find them.
        """
        return [update for node in self._inbound_nodes if not node.own for update in self.updates_of(node)]

    def updates_of(self, node: Node) -> list[Update]:
        """Those of one call."""
        if not (self.trainable or self.stateful):
            return []
        return [Update(variable, node.inputs) for variable in self.moved_by(node)]

    def moved_by(self, node: Node) -> list[Variable]:
        """The variables whose new values a call notes in training: found by a trial on ones."""
        if self.self_contained or not node.inputs:
            return []
        ones = [np.ones([1 if d is None else d for d in x.shape], x.dtype) for x in node.reads]
        count = len(node.inputs)
        arguments = fill(placed(node.arguments, node.beside), ones[count:])
        outer, pending.updates = pending.updates, Updates()
        noted = pending.updates
        try:
            with phase(True if node.phase is None else node.phase):
                call_asking(self, self.call, ones[0] if node.single else ones[:count], **arguments)
        finally:
            pending.updates = outer
            for layer in self.members():
                layer.forget_losses()
        return list(noted)

    def get_updates_for(self, inputs: Any) -> list[Update]:
        """The updates of the calls on these symbolic inputs; of None, those that depend on none, which there are not."""
        return [update for update in self.updates if inputs is not None and _reads(update.inputs, inputs)]

    def get_losses_for(self, inputs: Any) -> list[Value]:
        """Of None, the penalties' values now; of a call's symbolic inputs, what calls added to the loss in the last run."""
        if inputs is None:
            return [penalty() for penalty in self.penalties]
        called = any(_reads(node.inputs, inputs) for node in self._inbound_nodes)
        return list(self.call_losses.values) if called else []

    @property
    def uses_learning_phase(self) -> bool:
        """True if training and inference differ."""
        cls: type = type(self)
        return takes_training(cls)

    # Calling ---------------------------------------------------------------------------------------------

    def __call__(self, inputs: Value, **arguments: Any) -> Value:
        listed = isinstance(inputs, (list, tuple))
        tensors = list(inputs) if listed else [inputs]
        symbolic = [isinstance(x, Symbolic) for x in tensors]
        if any(symbolic):
            if not all(symbolic):
                raise ValueError(f"Layer {self.name} was called with symbolic tensors and arrays mixed: {inputs}")
            return self._connect(tensors, not listed, arguments)
        if arguments and (beside := symbols(arguments)):
            raise ValueError(f"Layer {self.name} was called on arrays, with the symbolic tensors {beside} among its arguments")
        tensors = [x if type(x) is Tensor else as_array(x, self.dtype or config.floatx(), self.name) for x in tensors]
        self._prepare([x.shape for x in tensors], [str(x.dtype) for x in tensors], not listed)
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

    def add_activity_losses(self, outputs: Value) -> None:
        """The activity regularizer's penalties; in the dialect of tf.keras divided by the length of the batch."""
        assert self.activity_regularizer is not None
        for y in outputs if isinstance(outputs, list) else [outputs]:
            penalty = self.activity_regularizer(y)
            self.add_loss(penalty / y.shape[0] if config.dialect() == "tf" else penalty)

    def call_in_plan(self, *, frozen: bool) -> Callable[..., Value]:
        """What a graph calls. frozen: a model around the layer is frozen."""
        call: Callable[..., Value] = getattr(self, "call_frozen", self.call) if frozen else self.call
        return call

    def _prepare(self, shapes: list[Shape], dtypes: list[str], single: bool) -> None:
        """Check the inputs; build at the first call."""
        self._check_inputs(shapes, dtypes)
        if self.built:
            return
        # Weights do not depend on the batch; what a stateful layer carries over does.
        free: list[Shape] = shapes if self.stateful else [(None, *shape[1:]) for shape in shapes]
        self.build(free[0] if single else free)
        self.built = True
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)
            self._initial_weights = None
        # build may have set a spec that these inputs fail.
        self._check_inputs(shapes, dtypes)

    def ensure_built(self, input_shape: Any, dtype: str) -> None:
        """Build as a call on inputs of this shape does, without calling: for a layer that another one holds.

        Raises:
            ValueError: The layer does not take such inputs.
        """
        shapes = input_shape if isinstance(input_shape, list) else [input_shape]
        self._prepare(shapes, [dtype] * len(shapes), not isinstance(input_shape, list))

    def _connect(self, tensors: list[Symbolic], single: bool, arguments: dict[str, Any]) -> Value:
        """Add a node to the graph; returns its symbolic outputs."""
        beside = symbols(arguments) if arguments else []
        shapes = [x.shape for x in tensors]
        self._prepare(shapes, [x.dtype for x in tensors], single)
        tried = self._tried(tensors, single, arguments, beside) if not self.self_contained else None
        shape = self.compute_output_shape(shapes[0] if single else shapes) if tried is None else tried
        several = isinstance(shape, list)
        dtype = self._output_dtype(tensors)
        outputs = [
            Symbolic(as_shape(s), dtype, f"{self.name}/output_{i}:0") for i, s in enumerate(shape if several else [shape])
        ]
        for i, x in enumerate(outputs):
            x._keras_history = (self, len(self._inbound_nodes), i)
        self._inbound_nodes.append(Node(self, tensors, outputs, single, arguments, current.fixed, beside=beside))
        return outputs if several else outputs[0]

    def _output_dtype(self, tensors: list[Symbolic]) -> str:
        """That of the weights if the layer has a dtype of its own, else of the inputs; of what is no float, floatx."""
        own = [self.dtype] if self.dtype and self._trainable_weights else []
        return next((d for d in [*own, *(x.dtype for x in tensors)] if d in ("float32", "float64")), config.floatx())

    @property
    def knows_its_shape(self) -> bool:
        """Whether the class says what shape it returns; one that does not is tried out."""
        return self.self_contained or type(self).compute_output_shape is not Layer.compute_output_shape

    def _tried(self, tensors: list[Symbolic], single: bool, arguments: dict[str, Any], beside: list[Symbolic]) -> Any:
        """The output's shape, or a list of them where `call` returns a list, found by calling the layer on small arrays.

        It is called only where it does not say the shape, or holds layers that are not built yet, which it builds.

        Returns:
            None where compute_output_shape answers: it is there, or the trial failed, and the shape is taken to be the input's,
            as in Keras 2.2.5; a run that finds another one says so.
        """
        unbuilt = [layer for layer in self.members()[1:] if not layer.built]
        if self.knows_its_shape and not unbuilt:
            return None
        listed = False
        given, count = placed(arguments, beside), len(tensors)
        every = [*tensors, *beside]

        def call(inputs: list[Value]) -> Value:
            nonlocal listed
            own = inputs[0] if single else inputs[:count]
            y = call_asking(self, self.call, own, **fill(given, inputs[count:]))
            listed = isinstance(y, (list, tuple))
            return list(y) if listed else y

        outer, pending.updates = pending.updates, Updates()
        try:
            with phase(False):
                if unbuilt:
                    # Before the trials, whose random numbers are the same each time: initial weights must differ.
                    call([np.zeros([1 if d is None else d for d in x.shape], x.dtype) for x in every])
                if self.knows_its_shape:
                    return None
                specs = shapes_of(call, [(x.shape, x.dtype) for x in every], f"Layer {self.name}")
        except Exception as error:  # of a user's code, which may be right for other values than zeros
            waiting = [layer.name for layer in unbuilt if not layer.built]
            if waiting:
                warn(
                    f"Layer {self.name}: its layers {waiting} are not built, and their weights will not be trained, as call() "
                    f"cannot be tried out on zeros: {type(error).__name__}: {error}; build them in build()"
                )
            return None
        finally:
            pending.updates = outer
            for layer in self.members():
                layer.forget_losses()
        shapes = [shape for shape, _ in specs]
        return shapes if listed else shapes[0]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} '{self.name}'>"
