"""RNN: a cell applied to each time step. Source: Keras 2.2.5 keras/layers/recurrent.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamella.core import budget
from lamella.core import config as settings
from lamella.core.atomic import commit, write
from lamella.core.checks import as_array
from lamella.core.configurable import Config, deserialize
from lamella.core.lists import to_list
from lamella.core.registry import register
from lamella.core.scopes import at_least_inside
from lamella.core.shapes import Shape, count
from lamella.core.types import Array, Value
from lamella.core.updates import latest, note
from lamella.core.variable import Variable
from lamella.graph.input_spec import InputSpec
from lamella.graph.symbolic import Node
from lamella.layers.recurrent.cell import build_cell, call_cell, output_size_of, sizes_of, takes, with_fixed_masks, zero_state
from lamella.layers.recurrent.in_one_op import in_one_op
from lamella.layers.recurrent.stacked_cells import StackedRNNCells
from lamella.layers.recurrent.states_in_call import StatesInCall, tensors_given
from lamella.ops.tape import value_of
from lamella.ops.time_steps import over_time, stack_time

# What a layer returns for all of time: the output of each step, or only the last one's, and the last states.
Run = tuple[Value, list[Value]]


@register("layers")
class RNN(StatesInCall):
    """A cell over the steps of [N, T, F]; the state goes from step to step.

    Called on x, and on initial states and constants beside it: see StatesInCall.

    Args:
        cell: Has `call(inputs, states)`, which returns (output, new states), and `state_size`, a number or a tuple of numbers; it
            may have `output_size`, and arguments `constants` and `training` in `call`. A list of cells is stacked.
        return_sequences: Return [N, T, ...] instead of the last output.
        return_state: Return [output, *last states].
        go_backwards: From the last step to the first; the outputs stand in the order in which they were computed.
        stateful: The last states of a batch are the next batch's initial ones, in training, evaluation and prediction; no
            gradient goes from batch to batch. The batch size must be fixed: batch_input_shape=.
        unroll: The same numbers; demands that T is known.

    A mask [N, T] may have any pattern: at a masked step the states stay and the output repeats the one before, zeros if there
    was none.

    Raises:
        ValueError: For a cell without `call` or `state_size`, initial states and constants that do not fit, and batches of
            another size where the layer is stateful.
    """

    supports_masking = True
    makes_masks = False  # it hands them on

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        self._num_constants = kwargs.pop("num_constants", None)
        super().__init__(**kwargs)
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        if not hasattr(cell, "call"):
            raise ValueError("`cell` should have a `call` method. The RNN was passed:", cell)
        if not hasattr(cell, "state_size"):
            raise ValueError(
                "The RNN cell should have an attribute `state_size` (tuple of integers, one integer per RNN state)."
            )
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = bool(stateful)
        self.unroll = unroll
        self.input_spec = InputSpec(ndim=3)
        self._states: list[Variable] | None = None

    def _own_weights(self) -> tuple[list[Variable], list[Variable]]:
        # As in Keras 2.2.5: a weight that a subclass adds to the layer instead of the cell is neither trained nor saved.
        return [], []

    # The call --------------------------------------------------------------------------------------------

    def takes_constants(self) -> bool:
        return takes(self.cell, "constants")

    def _check_inputs(self, shapes: Sequence[Shape], dtypes: Sequence[str]) -> None:
        super()._check_inputs(shapes, dtypes)
        if self.unroll and shapes[0][1] is None:
            raise ValueError(
                f"Layer {self.name}: Cannot unroll a RNN if the time dimension is undefined. Give the first layer an input_shape "
                "or batch_input_shape, or Input a shape, with the number of time steps."
            )

    def check_states(self, shapes: Sequence[Shape]) -> None:
        if not shapes:
            return
        sizes = sizes_of(self.cell)
        if len(shapes) != len(sizes):
            raise ValueError(f"Layer {self.name}: Layer has {len(sizes)} states but was passed {len(shapes)} initial states.")
        if any(not self._fits(shape, size) for shape, size in zip(shapes, sizes)):
            raise ValueError(
                f"Layer {self.name}: An `initial_state` was passed that is not compatible with `cell.state_size`. Received "
                f"shapes {list(shapes)}; however `cell.state_size` is {self.cell.state_size}"
            )

    def _fits(self, shape: Shape, size: Any) -> bool:
        return len(shape) == 2 and (shape[1] is None or size is None or shape[1] == size)

    def build(self, input_shape: Any) -> None:
        x, _, constants = self.split_shapes(input_shape)
        if self.stateful:
            self._demand_sizes(x)
        at_least_inside(self.name).run(build_cell, self.cell, (x[0], *x[2:]), constants, self._own_dtype())
        self.input_spec = InputSpec(shape=(x[0] if self.stateful else None, None, *x[2:]))
        if self.stateful:
            self.reset_states()
        self.built = True

    def _own_dtype(self) -> str | None:
        """A dtype that a cell without one takes over: one that is not the default anyway."""
        return self.dtype if self.dtype in ("float32", "float64") and self.dtype != settings.floatx() else None

    def call(
        self,
        inputs: Value,
        mask: Any = None,
        training: bool | None = None,
        initial_state: Sequence[Value] | None = None,
        constants: Sequence[Value] | None = None,
    ) -> Value:
        """The outputs, as the class describes them.

        Args:
            inputs: x [N, T, F]; or a list [x, *states, *constants].
            mask: [N, T], or a list that begins with it; the steps where it is false are skipped.
            training: Whether it is training; None is the phase of the run.
            initial_state: The states before the first step; None is zeros, or for a stateful layer those after the last batch.
            constants: What the cell gets in each step.
        """
        x, states, given = self.split_call(inputs, initial_state, constants)
        self._check_batch(x, states)
        if isinstance(mask, list):
            mask = mask[0]
        carried = self.stateful and not states
        if carried:
            # Copies: the Variables move at the end of the run, and the way back may read what was here.
            states = [latest(state).copy() for state in self._kept()]
        y, last = with_fixed_masks(self.run_steps, x, states or self.get_initial_state(x), mask, training, given)
        if self.stateful:
            for variable, value in zip(self._kept(), last):
                note(variable, _array(value))
        return [y, *last] if self.return_state else y

    def _check_batch(self, x: Value, states: Sequence[Value]) -> None:
        batch = x.shape[0]
        if self.stateful and batch != self._batch():
            raise ValueError(
                f"Layer {self.name}: a stateful layer with a batch size of {self._batch()} got a batch of {batch} samples"
            )
        self.check_states([state.shape for state in states])
        for i, state in enumerate(states):
            if state.shape[0] != batch:
                raise ValueError(f"Layer {self.name}: expected {batch} rows in initial state {i}, got shape {state.shape}")

    def step_cell(self) -> Any:
        """The cell that is called in each step of one run, with its weights as the formulas want them."""
        return self.cell

    def run_steps(
        self, x: Value, states: Sequence[Value], mask: Value | None, training: bool | None, constants: Sequence[Value]
    ) -> Run:
        """(outputs [N, T, ...] or the last one, last states): by one op where there is one for the cell, else by the plain loop.

        See `call` for the arguments.
        """
        cell = self.step_cell()
        whole = None
        if not constants:
            how = {"go_backwards": self.go_backwards, "return_sequences": self.return_sequences}
            whole = in_one_op(cell, x, states, mask=mask, training=training, **how)
        return whole or self._loop(cell, x, states, mask, training, constants)

    def _loop(
        self,
        cell: Any,
        x: Value,
        states: Sequence[Value],
        mask: Value | None,
        training: bool | None,
        constants: Sequence[Value],
    ) -> Run:
        try:
            outputs, last = over_time(
                lambda x_t, before: call_cell(cell, x_t, before, constants, training),
                x,
                states,
                mask=mask,
                go_backwards=self.go_backwards,
            )
        except ValueError as error:
            raise error if f"Layer {self.name}:" in str(error) else ValueError(f"Layer {self.name}: {error}") from error
        return stack_time(*outputs) if self.return_sequences else outputs[-1], last

    def get_initial_state(self, inputs: Value) -> list[Value]:
        """Zeros [N, size] for each state; N and the dtype are those of the inputs."""
        return [zero_state(inputs, shape[1:]) for shape in self.state_shapes(tuple(inputs.shape))]

    def compute_output_shape(self, input_shape: Any) -> Any:
        x: Shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        y = self.output_of_step(x)
        y = (y[0], x[1], *y[1:]) if self.return_sequences else y
        return [y, *self.state_shapes(x)] if self.return_state else y

    def output_of_step(self, x: Shape) -> Shape:
        """The shape of the output of one step, for an input of shape x."""
        return (x[0], output_size_of(self.cell))

    def compute_mask(self, inputs: Value, mask: Any = None) -> Any:
        """The mask with return_sequences, else None; none for the states."""
        given = mask[0] if isinstance(mask, list) else mask
        made = given if self.return_sequences else None
        return [made, *[None] * len(sizes_of(self.cell))] if self.return_state else made

    @property  # type: ignore[misc]
    def uses_learning_phase(self) -> bool:
        return bool(getattr(self.cell, "uses_learning_phase", False))

    def get_losses_for(self, inputs: Any = None) -> list[Value]:
        return super().get_losses_for(inputs)

    # States ----------------------------------------------------------------------------------------------

    @property
    def states(self) -> list[Variable | None]:
        """A Variable for each state of a stateful layer that is built; else None for each."""
        return list(self._states) if self._states is not None else [None] * len(sizes_of(self.cell))

    @states.setter
    def states(self, states: Sequence[Variable] | None) -> None:
        self._states = None if states is None else list(states)

    def _kept(self) -> list[Variable]:
        assert self._states is not None
        return self._states

    def moved_by(self, node: Node) -> list[Variable]:
        return self._kept() if self.stateful and self._states is not None else []

    def _batch(self) -> int | None:
        shape = self.spec_of_inputs().shape
        return None if shape is None else shape[0]

    def spec_of_inputs(self) -> InputSpec:
        """What is demanded of x."""
        assert isinstance(self.input_spec, InputSpec)
        return self.input_spec

    def _demand_sizes(self, x: Shape) -> None:
        """Raises ValueError unless an input of this shape tells the shapes of the states."""
        if x[0] is None:
            raise ValueError(
                f"Layer {self.name}: If a RNN is stateful, it needs to know its batch size. Specify the batch size of your input "
                "tensors: \n- If using a Sequential model, specify the batch size by passing a `batch_input_shape` argument to "
                "your first layer.\n- If using the functional API, specify the batch size by passing a `batch_shape` argument to "
                "your Input layer."
            )

    def state_shapes(self, x: Shape) -> list[Shape]:
        """The shape of each state for an input of shape x, with the batch."""
        return [(x[0], size) for size in sizes_of(self.cell)]

    def _kept_shapes(self) -> list[tuple[int, ...]]:
        """Of a stateful layer's states."""
        x = self.spec_of_inputs().shape or (None, None, None)
        self._demand_sizes(x)
        return self.state_shapes(x)  # type: ignore[return-value]  # all sizes are known

    def reset_states(self, states: Any = None) -> None:
        """Forget what the last batch left: zeros, or the arrays `states`, one for each state.

        Raises:
            AttributeError: The layer is not stateful.
            ValueError: It is not built, or the arrays do not fit; then nothing is changed.
        """
        if not self.stateful:
            raise AttributeError("Layer must be stateful.")
        shapes = self._kept_shapes()
        if self._states is None:
            budget.spend_states(sum(count(shape) for shape in shapes), f"Layer {self.name}")
        dtype = self.dtype
        if states is None:
            arrays = [np.zeros(shape, dtype) for shape in shapes]
        else:
            given = tensors_given(states)
            if len(given) != len(shapes):
                raise ValueError(
                    f"Layer {self.name} expects {len(shapes)} states, but it received {len(given)} state values. Input received: "
                    f"{states}"
                )
            arrays = [as_array(_array(state), dtype, self.name) for state in given]
            for i, (array, shape) in enumerate(zip(arrays, shapes)):
                if array.shape != shape:
                    raise ValueError(
                        f"State {i} is incompatible with layer {self.name}: expected shape={shape}, found shape={array.shape}"
                    )
        if self._states is None:
            self._states = [Variable(array, f"{self.name}/state_{i}:0", trainable=False) for i, array in enumerate(arrays)]
        else:
            commit([write(variable.value, array) for variable, array in zip(self._states, arrays)])

    # Configs ---------------------------------------------------------------------------------------------

    def get_config(self) -> Config:
        constants = {} if self._num_constants is None else {"num_constants": self._num_constants}
        return super().get_config() | constants

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """A layer from what `get_config` returned.

        Args:
            config: The arguments.
            custom_objects: Classes and functions by name.
        """
        cell = config["cell"]
        found = [deserialize("layers", c, custom_objects) for c in to_list(cell)]
        return cls(**{**config, "cell": found if isinstance(cell, list) else found[0]})


def _array(value: Any) -> Array:
    array = value_of(value)
    assert array is not None
    return array
