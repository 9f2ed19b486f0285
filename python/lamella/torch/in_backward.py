"""Steps during the backward pass, each as soon as the gradient of its parameter is complete."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch.optim import Optimizer


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
        self._hooks = [
            p.register_post_accumulate_grad_hook(_stepper(optimizer))
            for p, optimizer in zip(wanted, self.optimizers, strict=True)
        ]

    def remove(self) -> None:
        """Remove the hooks, so that backward stores gradients again. The optimizers keep their states."""
        for hook in self._hooks:
            hook.remove()


def _stepper(optimizer: Optimizer) -> Callable[[Any], None]:
    def step(p: Any) -> None:
        optimizer.step()
        p.grad = None

    return step
