"""Functions of keras/layers/recurrent.py that custom cells and layers of scripts import. Source: Keras 2.2.5."""

from __future__ import annotations

from typing import Any

from lamella.core import registry
from lamella.core.lists import to_list
from lamella.core.phase import current
from lamella.core.types import Value


def _generate_dropout_mask(ones: Value, rate: float, training: bool | None = None, count: int = 1) -> Any:
    """K.dropout(ones, rate) in training, `ones` otherwise.

    Args:
        ones: An array of ones.
        rate: The share of it that becomes 0.
        training: Whether it is training; None is the phase of the run.
        count: The number of masks; more than 1 gives a list of different masks.
    """
    in_training = current.training if training is None else training
    masks = [registry.get("functions", "dropout")(ones, rate) if in_training else ones for _ in range(count)]
    return masks if count > 1 else masks[0]


def _standardize_args(inputs: Any, initial_state: Any, constants: Any, num_constants: int | None) -> tuple[Any, Any, Any]:
    """Separate the arguments of a recurrent layer's `__call__`.

    Args:
        inputs: A tensor, or a list of the inputs, the states and the constants.
        initial_state: A tensor, a list or tuple of tensors, or None; None if `inputs` is a list.
        constants: Likewise.
        num_constants: The number of constants in a list `inputs`; None for none.

    Returns:
        The inputs; the states and the constants as lists, or None.
    """
    if isinstance(inputs, list):
        if initial_state is not None or constants is not None:
            raise AssertionError("states and constants are in the list of inputs, or in arguments, and not in both")
        end = len(inputs) - (num_constants or 0)
        first, *states = inputs[:end]
        return first, states or None, None if num_constants is None else inputs[end:]
    in_lists = (None if x is None else to_list(x, allow_tuple=True) for x in (initial_state, constants))
    return inputs, *in_lists
