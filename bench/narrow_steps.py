"""One AdamW step with slots of few bits beside torch fused and DeepSpeed's, over the same memory; and all that a step of mixed
precision does, in one call of ours and in torch's separate calls.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.harness import Case, Contender, Plan
from bench.kernels import rules
from bench.kernels.reference import numbers
from lamella.optimizers import NarrowAdamW

SIZES = {"1e6": 1_000_000, "6.4e7": 64_000_000}
# Bytes of memory traffic for each parameter with float32 slots. All contenders get this amount, so that their rates compare
# their times: bfloat16 slots have 20 bytes, 8 bits 16.
TRAFFIC = 28.0
NORM = 1.0
# The results of narrow slots are tested in tests/kernels/test_narrow.py; they are not within the bound of the harness.
STATES = [("float32", True), ("bfloat16", True), ("bfloat16", False), ("8bit", True), ("8bit", False)]


def cases(plan: Plan) -> Iterator[Case]:
    """Two cases for each size; none without torch."""
    if not plan.torch:
        return
    for name, size in list(SIZES.items())[:1] if plan.quick else SIZES.items():
        if plan.wants(f"AdamW {name}"):
            yield plain(name, size)
        if plan.wants(f"clip, AdamW, zero, copy {name}"):
            yield mixed(name, size)


def label(state: str, stochastic: bool) -> str:
    return f"lamella {state}" if stochastic else f"lamella {state}, nearest"


def plain(name: str, size: int) -> Case:
    """The steps alone."""
    import torch

    from bench.peers import deepspeed_peer

    p, g = 0.1 * numbers((size,), 0), numbers((size,), 1)
    tensor = torch.nn.Parameter(torch.from_numpy(p))
    tensor.grad = torch.from_numpy(g)

    def ours(state: str, stochastic: bool) -> Contender:
        optimizer = NarrowAdamW(1e-3, state=state, stochastic=stochastic)
        step = lambda: optimizer.step([p], [g])
        error = (lambda: rules.error("AdamW", "torch", step, [p], [g], 0.0)) if state == "float32" else None
        return Contender(label(state, stochastic), "ours", step, TRAFFIC * size, error)

    fused = torch.optim.AdamW([tensor], lr=1e-3, weight_decay=0.01, fused=True)
    check = lambda: rules.error("AdamW", "torch", fused.step, [p], [g], 0.0)
    contenders = [ours(*state) for state in STATES]
    contenders.append(Contender("torch fused", "peer", fused.step, TRAFFIC * size, check))
    deepspeed = deepspeed_peer.adam([tensor])
    if deepspeed is not None:
        contenders.append(Contender("DeepSpeedCPUAdam", "peer", deepspeed.step, TRAFFIC * size))
    return Case(f"AdamW {name}", "us", contenders)


def mixed(name: str, size: int) -> Case:
    """Clipping by the global norm, the step, zeros in the gradients and a bfloat16 copy of the new weights."""
    import torch

    p, g, copy = 0.1 * numbers((size,), 0), numbers((size,), 1), np.zeros(size, np.uint16)
    tensor = torch.nn.Parameter(torch.from_numpy(p))
    tensor.grad = torch.from_numpy(g)
    half = torch.from_numpy(copy.view(np.int16)).view(torch.bfloat16)
    fused = torch.optim.AdamW([tensor], lr=1e-3, weight_decay=0.01, fused=True)

    def separate() -> None:
        torch.nn.utils.clip_grad_norm_([tensor], NORM)
        fused.step()
        fused.zero_grad(set_to_none=False)
        half.copy_(tensor.detach())

    def ours(state: str) -> Contender:
        optimizer = NarrowAdamW(1e-3, state=state, clipnorm=NORM)
        step = lambda: optimizer.step([p], [g], zero=True, copies=[copy])
        return Contender(f"lamella {state}", "ours", step, TRAFFIC * size)

    contenders = [ours(state) for state in ("float32", "bfloat16", "8bit")]
    contenders.append(Contender("torch, separate calls", "peer", separate, TRAFFIC * size))
    return Case(f"clip, AdamW, zero, copy {name}", "us", contenders)
