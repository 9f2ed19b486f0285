"""Steps during the backward pass, each as soon as the gradient of its parameter is complete."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from torch.optim import Optimizer

from lamella.core.warn import warn


class StepInBackward:
    """Steps each parameter as soon as backward has computed its gradient, and frees the gradient at once.

    So only a few gradients exist at a time, and a model needs no memory for all of them. Weights and states are those of one
    optimizer that steps after backward. The program calls neither step() nor zero_grad().

        from lamella.torch import AdamW, StepInBackward
        steps = StepInBackward(model.parameters(), lambda params: AdamW(params, lr=1e-3))
        for x, y in batches:
            loss(model(x), y).backward()

    What needs all gradients together, or those of several backward passes, is not possible: clipping by the global norm,
    accumulation over batches, GradScaler. A learning rate scheduler is needed for each of `optimizers`.

    Keep the object as long as the parameters train: without it, backward stores gradients again, as after `remove`.

    Args:
        params: The parameters. Those without requires_grad are left out.
        make: Called with a list of one parameter; returns its optimizer, of lamella.torch or of torch.optim.

    Raises:
        ValueError: No parameter requires a gradient.
        TypeError: `make` returns something that is not an optimizer of torch.

    Source: torch's Tensor.register_post_accumulate_grad_hook.
    """

    def __init__(self, params: Iterable[Any], make: Callable[[list[Any]], Optimizer]) -> None:
        wanted = [p for p in params if p.requires_grad]
        if not wanted:
            raise ValueError("StepInBackward: expected at least one parameter that requires a gradient, got none")
        self.optimizers = [make([p]) for p in wanted]
        for optimizer in self.optimizers:
            if not isinstance(optimizer, Optimizer):
                raise TypeError(f"StepInBackward: expected make to return an optimizer, got {type(optimizer).__name__}")
        self._stepped = [False]
        self._hooks = [
            p.register_post_accumulate_grad_hook(_stepper(optimizer, self._stepped))
            for p, optimizer in zip(wanted, self.optimizers, strict=True)
        ]

    def __del__(self) -> None:
        if vars(self).get("_hooks") and not self._stepped[0] and not sys.is_finalizing():
            warn("StepInBackward: this object was deleted before its first step; keep it in a variable while parameters train")
        self.remove()

    def remove(self) -> None:
        """Remove the hooks, so that backward stores gradients again. The optimizers keep their states."""
        for hook in vars(self).pop("_hooks", ()):
            hook.remove()


def _stepper(optimizer: Optimizer, stepped: list[bool]) -> Callable[[Any], None]:
    # A hook does not hold its optimizer, which holds the parameter: the garbage collector does not look into hooks of tensors, so
    # model and states would stay in memory for ever.
    held = weakref.ref(optimizer)

    def step(p: Any) -> None:
        found = held()
        if found is not None:
            found.step()
            p.grad, stepped[0] = None, True

    return step
