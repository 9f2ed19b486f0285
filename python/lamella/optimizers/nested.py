"""One step of a rule of lamella inside a get_updates: as values that are given to K.update, as the rules of Keras are.

Wrappers of other optimizers call get_updates of the wrapped one, some of them with another lr or for a part of the parameters;
others replace K.update or get_gradients during this call. So the step is computed by its kernel on copies.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from lamella.core import registry
from lamella.core.atomic import Scope
from lamella.core.updates import current as pending
from lamella.core.updates import latest
from lamella.core.variable import Variable
from lamella.optimizers.state import Bounds, share

if TYPE_CHECKING:
    from lamella.optimizers.base import Optimizer
    from lamella.optimizers.by_updates import StepLoss

_UNCLIPPED: Bounds = [], 1.0, 0.0, 0.0, 0.0  # get_gradients has clipped


def updates_of(rule: Optimizer, loss: StepLoss, params: list[Variable]) -> list[Any]:
    """What K.update and K.update_add return for the new values of iterations, slots and parameters.

    The slots are kept with the state of the optimizer that makes the step. `rule.weights` lists them until the next call.

    Args:
        rule: The optimizer.
        loss: The loss of the step.
        params: Some or all of its parameters.

    Raises:
        NotImplementedError: The rule accumulates gradients.
    """
    if (rule.gradient_accumulation_steps or 1) > 1:
        raise NotImplementedError(
            f"{type(rule).__name__}: gradient_accumulation_steps does not work inside of another get_updates"
        )
    evaluated = registry.current_function("eval")
    values = [latest(p).copy() for p in params]
    gradients = [np.ascontiguousarray(evaluated(g), p.value.dtype) for p, g in zip(params, rule.get_gradients(loss, params))]
    assert pending.made is not None
    state = pending.made.one(lambda: rule._zeros([p.shape for p in params], values[0].dtype))
    after = copy.deepcopy(state)
    Scope((rule, "_state", after)).run(rule.update, values, gradients, int(rule.iterations), _UNCLIPPED)
    rule._apply_deferred(after)
    listed = rule._listed(state)
    known = {id(v.value): v for v in listed}
    loss.parts += 1
    for variable in listed:
        if variable is not rule.iterations and loss.parts > 1:
            variable.name = variable.name.replace(":", f"_{loss.parts - 1}:")
    update = registry.current_function("update")
    updates = [registry.current_function("update_add")(rule.iterations, 1)]
    for before, new in zip(zip(*state.slots), zip(*after.slots)):
        updates += [update(known.get(id(a)) or share(a, "slot:0"), b) for a, b in zip(before, new)]
    updates += [update(p, p.constraint(value) if p.constraint else value) for p, value in zip(params, values)]
    vars(rule)["updates"] = updates
    rule.weights = listed
    return updates
