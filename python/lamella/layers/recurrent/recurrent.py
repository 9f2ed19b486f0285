"""Recurrent, ConvRecurrent2D: bases of recurrent layers as Keras 1 had them. Source: Keras 2.2.5 keras/legacy/layers.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamella.core.configurable import Config, described_class, own_arguments
from lamella.core.shapes import Shape
from lamella.core.types import Value
from lamella.core.variable import Variable
from lamella.core.window import Window
from lamella.graph.input_spec import InputSpec
from lamella.layers.arguments import KernelLayer
from lamella.layers.recurrent.rnn import RNN, Run


class _Step:
    """What RNN takes for the cell of a layer: the layer's own `step`."""

    def __init__(self, layer: Recurrent) -> None:
        self.layer = layer

    @property
    def state_size(self) -> tuple[int | None, ...]:
        return (getattr(self.layer, "units", None),) * len(self.layer.states)

    def call(self, inputs: Value, states: list[Value], constants: Sequence[Value] = ()) -> Any:
        return self.layer.step(inputs, [*states, *constants])


class Recurrent(RNN):
    """Base of a layer that is called step by step.

    A subclass defines `step(inputs, states)`: inputs [N, ...] of one step, and the states, followed by what get_constants
    returned; it returns (output, new states). It sets `units`, the size of the output and of each state, and `states`, a list
    with a None for each state. build() may set `input_spec[0]`, and calls reset_states() where the layer is stateful.

    Arguments, masks and states are RNN's. Dropout of old layers is their own: they draw its masks in get_constants.

    Args:
        implementation: Stored; a subclass may read it.

    Source: Keras 2.2.5 keras/legacy/layers.py.
    """

    def _own_weights(self) -> tuple[list[Variable], list[Variable]]:
        return self._trainable_weights, self._non_trainable_weights  # it has no cell

    def __init__(
        self,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        implementation: int = 0,
        **kwargs: Any,
    ) -> None:
        length = kwargs.pop("input_length", None)
        if "input_dim" in kwargs and "input_shape" not in kwargs:
            kwargs["input_shape"] = (length, kwargs.pop("input_dim"))
        self._count, self._states = 1, None  # RNN asks the cell for its state_size
        super().__init__(_Step(self), return_sequences, return_state, go_backwards, stateful, unroll, **kwargs)
        self.implementation = implementation
        self.dropout: float = 0
        self.recurrent_dropout: float = 0
        self.input_spec = [InputSpec(ndim=3)]

    def __copy__(self) -> Any:
        """As Bidirectional makes one: its cell calls the copy's step."""
        twin = super().__copy__()
        twin.cell = _Step(twin)
        return twin

    # What a custom layer defines ------------------------------------------------------------------------

    def step(self, inputs: Value, states: list[Value]) -> tuple[Value, Sequence[Value]]:
        """(output, new states) of one step. A subclass defines it.

        Args:
            inputs: Of one step, [N, ...].
            states: The states [N, units], then what get_constants returned.
        """
        raise NotImplementedError(f"{type(self).__name__} '{self.name}' does not say what a step is")

    def get_constants(self, inputs: Value, training: bool | None = None) -> Sequence[Value]:
        """What each step gets behind the states; inputs [N, T, ...], training as in `call`."""
        return []

    def preprocess_input(self, inputs: Value, training: bool | None = None) -> Value:
        """What the steps see instead of the inputs [N, T, ...]; training as in `call`."""
        return inputs

    def build(self, input_shape: Any) -> None:
        if self.stateful:
            x, _, _ = self.split_shapes(input_shape)
            self.input_spec = [InputSpec(shape=(x[0], None, *x[2:]))]
            self.reset_states()
        self.built = True

    # RNN's hooks -----------------------------------------------------------------------------------------

    def run_steps(
        self, x: Value, states: Sequence[Value], mask: Value | None, training: bool | None, constants: Sequence[Value]
    ) -> Run:
        given = self.get_constants(x, training=training)
        return super().run_steps(self.preprocess_input(x, training=training), states, mask, training, given)

    def takes_constants(self) -> bool:
        return False

    @property
    def states(self) -> list[Variable | None]:
        return list(self._states) if self._states is not None else [None] * self._count

    @states.setter
    def states(self, states: Sequence[Variable | None] | None) -> None:
        given = list(states or ())
        self._count = len(given)
        known = [state for state in given if state is not None]
        self._states = known if known and len(known) == len(given) else None

    def _kept(self) -> list[Variable]:
        if self._states is None:
            self.reset_states()  # build() of an old layer need not call it
        return super()._kept()

    def spec_of_inputs(self) -> InputSpec:
        return self.input_spec[0] if isinstance(self.input_spec, list) else super().spec_of_inputs()

    def get_config(self) -> Config:
        cls: type = type(self)
        names = own_arguments(described_class(cls), RNN)
        return self.base_config() | self._stored(names, strict=type(self).get_config is Recurrent.get_config)

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, Any] | None = None) -> Any:
        return cls(**config)


class ConvRecurrent2D(Recurrent, KernelLayer):
    """Recurrent over images [N, T, H, W, C], or [N, T, C, H, W], whose states are maps of `filters` channels."""

    rank = 2

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = (1, 1),
        return_sequences: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(return_sequences=return_sequences, go_backwards=go_backwards, stateful=stateful, **kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.data_format = data_format
        self.dilation_rate = dilation_rate
        self.resolve(["filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate"])
        self.input_spec = [InputSpec(ndim=5)]

    def output_of_step(self, x: Shape) -> Shape:
        image = (x[0], *x[2:])
        window = Window(self.kernel_size, self.strides, self.dilation_rate, self.padding)
        return self.shape_of_windows(image, window, self.filters)

    def state_shapes(self, x: Shape) -> list[Shape]:
        return [self.output_of_step(x) for _ in self.states]

    def check_states(self, shapes: Sequence[Shape]) -> None:
        """Raises ValueError unless shapes has one for each state."""
        if shapes and len(shapes) != len(self.states):
            raise ValueError(
                f"Layer {self.name}: Layer has {len(self.states)} states but was passed {len(shapes)} initial states."
            )
