"""OwnCall: models whose class defines in `call` how the layers are connected."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella.core import config
from lamella.core.configurable import Config
from lamella.core.lists import to_list
from lamella.core.phase import current
from lamella.core.shapes import Shape, as_shape
from lamella.core.types import Value
from lamella.core.warn import warn
from lamella.graph.input import Input
from lamella.graph.layer import Layer, takes_mask, takes_training
from lamella.graph.masked_plan import MaskedPlan, Outputs
from lamella.graph.plan import Plan
from lamella.graph.symbolic import Node, Symbolic
from lamella.graph.weights import layers_in
from lamella.models.network import Network
from lamella.models.trainable import Trainable


class OwnCall(Trainable, Network, self_contained=True):
    """A network with inputs and outputs, or a subclass with layers as attributes and its own `call`.

    Such a subclass is built with its first batch or by build(). `call` runs once, on symbolic tensors with the names input_1,
    input_2, ...; it returns the model's outputs output_1, output_2, ... After that the model is the graph that `call` made.
    `call(inputs)` may have the arguments `training` and `mask`. Both are None while the graph is made, so that layers and
    K.in_train_phase depend on the phase of each run.

    Layers are tracked in the order of assignment.

    Source: Keras 2.2.5 keras/engine/network.py, keras/engine/training.py. Here layers in lists, tuples and dicts are tracked too.
    """

    # Whether the model was made from inputs and outputs; False if its class has its own `call`.
    _is_graph_network = True

    def _wait_for_inputs(self, name: str | None, trainable: bool, dtype: str | None) -> None:
        """The constructor of a model with its own `call`."""
        Layer.__init__(self, name=name, trainable=trainable, dtype=dtype)
        self._is_graph_network = False
        self.inputs, self.outputs = [], []

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, Layer) and "_inbound_nodes" not in vars(self):
            raise RuntimeError(
                "It looks like you are subclassing `Model` and you forgot to call `super(YourClass, self).__init__()`. Always "
                "start with this line."
            )
        super().__setattr__(name, value)

    @property
    def layers(self) -> list[Layer]:
        """The layers of the graph; of a class with its own `call`, the layers in its attributes."""
        if self._is_graph_network:
            return super().layers
        # Attributes of the class itself are not the user's layers: metrics may be layers too.
        held = layers_in([value for name, value in vars(self).items() if not hasattr(OwnCall, name)])
        return [layer for layer in dict.fromkeys(held) if isinstance(layer, Layer)]

    # Building --------------------------------------------------------------------------------------------

    def build(self, input_shape: Any = None) -> None:
        """Make the graph and the weights.

        Args:
            input_shape: Shape of the input, the batch axis included, or a list of shapes.

        Raises:
            ValueError: There is no shape.
            TypeError: `call` returns something that is not a tensor computed from its inputs.
        """
        if self._is_graph_network or self.built:
            return
        if input_shape is None:
            raise ValueError(f"Model '{self.name}': build() needs the shape of the inputs, got None")
        self._connect_call([as_shape(s) for s in to_list(input_shape)])

    def build_from(self, inputs: Sequence[Value]) -> None:
        """Call `build` with the shapes of data."""
        if not self._is_graph_network:
            self._connect_call([(None, *np.shape(x)[1:]) for x in inputs])

    def _connect_call(self, shapes: Sequence[Shape]) -> None:
        if type(self).call is Network.call:
            raise NotImplementedError(f"Model '{self.name}': a subclass of `Model` needs a method `call`")
        inputs = [Input(batch_shape=shape, name=f"input_{i + 1}") for i, shape in enumerate(shapes)]
        made = self.call(inputs[0] if len(inputs) == 1 else inputs)
        outputs = [*to_list(made, allow_tuple=True)]
        for x in outputs:
            if not isinstance(x, Symbolic):
                raise TypeError(
                    f"Model '{self.name}': expected call() to return tensors that its layers or functions of K made of its "
                    f"inputs, got {x!r}"
                )
        self._set_ends(inputs, outputs)
        self.output_names = [f"output_{i + 1}" for i in range(len(outputs))]
        known = {id(w) for w in self.weights}
        lost = [layer.name for layer in self._graph.layers if any(id(w) not in known for w in layer.weights)]
        if lost:
            warn(
                f"Model '{self.name}': the weights of {lost} will be neither trained nor saved, as these layers are not "
                "attributes of the model; make them in __init__"
            )

    # Running ---------------------------------------------------------------------------------------------

    def _connect(self, tensors: list[Symbolic], single: bool, arguments: dict[str, Any]) -> Value:
        cls: type = type(self)
        taken = {"training", "mask"} if takes_mask(cls) else {"training"}
        if set(arguments) - taken:
            raise TypeError(
                f"Model '{self.name}': a call on symbolic tensors takes {' and '.join(sorted(taken))}, got {sorted(arguments)}; "
                "its graph is made once"
            )
        again = None if arguments or not self._is_graph_network else self._call_on(tensors)
        if again is None:
            made = super()._connect(tensors, single, arguments)
            self._calls += (self._inbound_nodes[-1],)
            return made
        # As in Keras 2, whose networks keep the outputs of their calls: the layers inside run once, and their losses count once.
        node = copy.copy(again)
        node.added = again.added
        self._inbound_nodes.append(node)
        return again.outputs if len(again.outputs) > 1 else again.outputs[0]

    def _call_on(self, tensors: list[Symbolic]) -> Node | None:
        """The call of this graph on the same tensors in the same phase; None if there is none, and in the dialect of tf.keras."""
        same = (n for n in self._calls if n.inputs == tensors and n.phase == current.fixed and not n.arguments)
        return None if config.dialect() == "tf" else next(same, None)

    def call_in_plan(self, *, frozen: bool) -> Callable[..., Value]:
        if self._is_graph_network:
            return super().call_in_plan(frozen=frozen)
        return super().call_frozen if frozen else super().call

    def _planned(self, *, frozen: bool, masked: bool = False) -> Plan:
        plan = super()._planned(frozen=frozen, masked=masked)
        if self._is_graph_network or masked or isinstance(plan, _OwnMasks) or not isinstance(plan, MaskedPlan):
            return plan
        plan = self._plans[frozen, masked] = _OwnMasks(self, plan)
        return plan

    def call_masked(self, inputs: Value, mask: Any, training: bool, *, frozen: bool) -> tuple[Value, Any]:
        if self._is_graph_network:
            return super().call_masked(inputs, mask, training, frozen=frozen)
        came = any(m is not None for m in mask) if isinstance(mask, list) else mask is not None
        cls: type = type(self)
        if came and takes_mask(cls):
            # The graph was made without a mask.
            outputs = self(inputs, mask=mask, **({"training": training} if takes_training(cls) else {}))
        else:
            outputs = super().call_masked(inputs, mask, training, frozen=frozen)[0]
        return outputs, self.compute_mask(inputs, mask)

    def check_masks(self, tensors: list[Symbolic], single: bool) -> None:
        if self._is_graph_network:
            super().check_masks(tensors, single)

    def compute_mask(self, inputs: Value, mask: Any = None) -> Any:
        """The mask of a network's outputs. For a model with its own `call` it is None, unless its class overrides this."""
        return super().compute_mask(inputs, mask) if self._is_graph_network else None

    # Description -----------------------------------------------------------------------------------------

    def get_config(self) -> Config:
        """The config of a network.

        Raises:
            NotImplementedError: The model has its own `call`, which is code; save_weights can save its weights.
        """
        if not self._is_graph_network:
            raise NotImplementedError(
                f"Model '{self.name}': the architecture of {type(self).__name__}, a subclass with a call() of its own, is code "
                "and cannot be saved; use save_weights, and load_weights on a new instance that is built"
            )
        return super().get_config()


class _OwnMasks(Plan):
    """A plan whose outputs get their masks from the model's own compute_mask."""

    def __init__(self, model: OwnCall, plan: MaskedPlan) -> None:
        self.model, self.plan = model, plan
        self.nodes, self.steps, self.outputs = plan.nodes, plan.steps, plan.outputs

    def __call__(self, inputs: Sequence[Value], training: bool) -> Outputs:
        values = self.plan(inputs, training)
        masks = self.model.compute_mask(inputs[0] if len(inputs) == 1 else list(inputs), None)
        values.masks = list(masks) if isinstance(masks, (list, tuple)) else [masks] * len(values)
        return values
