"""Brings the optimizer's arrays of a file into the order of lamella. The version tells the order of the file.

- Keras 2 up to 2.0.5: iterations, then slot by slot, with the parameters in the order of their names.
- Later Keras 2, and OptimizerV2 of tf.keras: iterations, then slot by slot (all m, all v).
- tf-keras from 2.11 on: iterations, then parameter by parameter (m and v of the first, ...).
- Keras 3: iterations, learning rate, then parameter by parameter.
- RMSprop slot by slot in all of them, and Ftrl, which Keras 2 does not have, parameter by parameter.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamella.core.configurable import Config
from lamella.core.types import Array, Arrays


def arranged(
    arrays: Sequence[Array],
    release: tuple[int, int, int],
    optimizer: Config,
    wanted: Sequence[Array],
    parameters: int,
    order: Sequence[int] | None = None,
) -> tuple[Arrays, int | None]:
    """The arrays for the optimizer's `set_weights`, and the iterations, or None if the file does not have them.

    Args:
        arrays: The arrays of the file, in its order.
        release: The release of Keras that wrote the file.
        optimizer: The file's {"class_name", "config"}.
        wanted: The result of the optimizer's `get_weights`, for numbers and shapes.
        parameters: Number of arrays that the optimizer trains.
        order: The index of the parameter of each array of a slot in the file. None: they are in the order of the parameters.

    Raises:
        ValueError: The arrays do not belong to such an optimizer.
    """
    rest = list(arrays)
    # The iterations of Keras 2.0 have the type floatx.
    given = bool(rest) and (_is_count(rest[0]) or (release < (2, 1) and rest[0].shape == ()))
    steps = int(rest.pop(0)) if given else None
    counted = bool(wanted) and _is_count(wanted[0])
    slots = list(wanted[1:] if counted else wanted)
    if release >= (2, 3):
        # The learning rate of Keras 3, and the product of momenta that its Nadam stores; here it is computed.
        while len(rest) % max(1, parameters) and rest[0].shape == () and rest[0].dtype.kind == "f":
            rest.pop(0)
    # tf-keras has old and new optimizers. Only the configs of the new ones have jit_compile.
    by_parameter = release >= (3, 0) or (release >= (2, 11) and "jit_compile" in optimizer["config"])
    name = str(optimizer["class_name"]).rpartition(">")[2].lower()
    # A Ftrl of release 2.2 is of lamella, which writes slot by slot.
    by_parameter = name != "rmsprop" and (by_parameter or (name == "ftrl" and release >= (2, 3)))
    if by_parameter and parameters and len(rest) % parameters == 0:
        each = len(rest) // parameters
        rest = [rest[i] for slot in range(each) for i in range(slot, each * parameters, each)]
    if order is not None and parameters:
        rest = _unsorted(rest, order)
    # Keras 2.2.5 stores a zero of shape (1,) for each maximum of an Adam without amsgrad, and moments for an SGD without
    # momentum. Other releases do not store unused slots. Later ones store the iterations before the first step.
    unused = not rest and (not steps or optimizer["config"].get("momentum") == 0)
    rest += [np.zeros_like(slot) for slot in slots[len(rest) :] if unused or slot.shape == (1,)]
    if [a.shape for a in rest] != [s.shape for s in slots]:
        raise ValueError(f"expected arrays of shapes {[s.shape for s in slots]}, found {[a.shape for a in rest]}")
    if counted:
        if steps is None:
            raise ValueError("the iterations are missing")
        rest.insert(0, np.asarray(steps, wanted[0].dtype))
    return rest, steps


def _unsorted(arrays: Arrays, order: Sequence[int]) -> Arrays:
    """Arrays slot by slot, with the parameters of each slot in this order; a Nadam's product of momenta comes first."""
    scalars = len(arrays) % len(order)
    found = list(arrays)
    for start in range(scalars, len(arrays), len(order)):
        for place, parameter in enumerate(order):
            found[start + parameter] = arrays[start + place]
    return found


def _is_count(array: Array) -> bool:
    return array.shape == () and array.dtype.kind in "iu"
