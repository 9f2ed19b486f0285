"""Initial states and constants in the call of a recurrent layer. Source: Keras 2.2.5 keras/layers/recurrent.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.core.checks import as_array
from lamella.core.lists import to_list
from lamella.core.shapes import Shape
from lamella.core.types import Value
from lamella.core.variable import Variable
from lamella.graph.input_spec import check_inputs
from lamella.graph.layer import Layer
from lamella.graph.symbolic import Symbolic
from lamella.ops.tape import Tensor


class StatesInCall(Layer):
    """Base of layers that are called on x, and on initial states and constants beside it.

    `layer(x, initial_state=..., constants=...)` takes tensors, or lists of them; `layer([x, *states, *constants])` is the same
    once the number of constants is known. Symbolic ones become inputs of the node, arrays and Variables part of the call.
    """

    return_sequences: bool
    return_state: bool
    _num_constants: int | None = None
    _constant_shapes: Sequence[Shape] = ()  # of those that are no inputs

    def takes_constants(self) -> bool:
        """Whether what is called in each step has an argument `constants`."""
        raise NotImplementedError

    def check_states(self, shapes: Sequence[Shape]) -> None:
        """Raises ValueError unless these are the shapes of initial states; none is right, too."""
        raise NotImplementedError

    def __call__(self, inputs: Value, initial_state: Any = None, constants: Any = None, **kwargs: Any) -> Value:
        if isinstance(inputs, (list, tuple)):
            if not inputs:
                raise ValueError(
                    f"Layer {self.name}: expected a tensor, and its initial states and constants after it, got none"
                )
            if initial_state is not None or constants is not None:
                raise ValueError(
                    f"Layer {self.name}: initial states and constants come in the list of inputs or as arguments, not as both"
                )
            x, states, given = self.split_inputs(list(inputs))
        else:
            x, states, given = inputs, tensors_given(initial_state), tensors_given(constants)
        if given:
            if not self.takes_constants():
                raise ValueError(f"Layer {self.name}: RNN cell does not support constants")
            before, self._num_constants = self._num_constants, len(given)
            try:
                return self._call_beside(x, states, given, kwargs)
            except BaseException:
                self._num_constants = before
                raise
        return self._call_beside(x, states, [], kwargs) if states else super().__call__(x, **kwargs)

    def _call_beside(self, x: Value, states: list[Any], given: list[Any], kwargs: dict[str, Any]) -> Value:
        more = [*states, *given]
        symbolic = [isinstance(t, Symbolic) for t in more]
        if any(symbolic) and not all(symbolic):
            raise ValueError(
                f"Layer {self.name}: The initial state or constants of an RNN layer cannot be specified with a mix of Keras "
                "tensors and non-Keras tensors"
            )
        if all(symbolic):
            return super().__call__([x, *more], **kwargs)
        dtype = self.dtype
        more = [t if isinstance(t, (Tensor, Variable)) else as_array(t, dtype, self.name) for t in more]
        states, given = more[: len(states)], more[len(states) :]
        self.check_states([t.shape for t in states])
        self._constant_shapes = [t.shape for t in given]
        if states:
            kwargs["initial_state"] = states
        if given:
            kwargs["constants"] = given
        return super().__call__(x, **kwargs)

    def split_inputs(self, inputs: list[Any]) -> tuple[Any, list[Any], list[Any]]:
        """The parts of inputs [x, *states, *constants]; [x] alone where the others are arguments."""
        end = max(1, len(inputs) - (self._num_constants or 0))
        return inputs[0], inputs[1:end], inputs[end:]

    def split_call(
        self, inputs: Value, initial_state: Sequence[Value] | None, constants: Sequence[Value] | None
    ) -> tuple[Value, list[Value], list[Value]]:
        """x, states and constants of a call that has them in its inputs, or as initial_state and constants.

        Raises:
            ValueError: Constants are missing.
        """
        x, states, given = self.split_inputs(inputs) if isinstance(inputs, list) else (inputs, [], [])
        states, given = states or list(initial_state or ()), given or list(constants or ())
        if len(given) != (self._num_constants or 0):
            raise ValueError(f"Layer {self.name}: expected {self._num_constants} constants, got {len(given)}")
        return x, states, given

    def split_shapes(self, input_shape: Any) -> tuple[Shape, list[Shape], list[Shape]]:
        """As split_inputs, for the input_shape that `build` gets."""
        shapes = to_list(input_shape)
        x, states, constants = self.split_inputs(list(shapes))
        return x, states, constants or list(self._constant_shapes)

    def _check_inputs(self, shapes: Sequence[Shape], dtypes: Sequence[str]) -> None:
        x, states, _ = self.split_inputs(list(shapes))
        check_inputs(self.name, self.input_spec, [x], dtypes[:1])
        self.check_states(states)


def tensors_given(tensors: Any) -> list[Any]:
    """One tensor or a list of them, also of nested lists of numbers as a config holds them."""
    if tensors is None:
        return []
    if not isinstance(tensors, (list, tuple)):
        return [tensors]
    # One matrix, row by row: a config has no other way to write an array.
    if tensors and isinstance(tensors[0], (list, tuple)) and np.ndim(tensors[0]) == 1:
        return [np.asarray(tensors)]
    return list(tensors)
