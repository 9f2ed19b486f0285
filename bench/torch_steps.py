"""One Adam step of lamella.torch beside torch.optim's, fused and foreach, and DeepSpeed's, over the same torch tensors."""

from __future__ import annotations

from collections.abc import Iterator

from bench.harness import Case, Contender, Plan, Role
from bench.kernels import rules
from bench.kernels.optimizers import SIZES, STREAMED
from bench.kernels.reference import numbers
from bench.machine import stream

# Bytes of memory traffic for each parameter: 4 reads and 3 writes.
TRAFFIC = 28.0
# As SIZES, and what a model of many small tensors asks for: the time is that of a tensor, not of its elements.
ALL = {**SIZES, "10,000 arrays of 64": [(64,)] * 10_000}


def cases(plan: Plan) -> Iterator[Case]:
    """A case for each size; none without torch."""
    if not plan.torch:
        return
    for name in list(ALL)[:2] if plan.quick else ALL:
        if plan.wants(f"Adam {name}"):
            yield case(name)


def case(size: str) -> Case:
    """The steps over one set of tensors, each with a state of its own."""
    import torch

    import lamella.torch
    from bench.peers import deepspeed_peer

    arrays = [(0.1 * numbers(shape, i), numbers(shape, 1000 + i)) for i, shape in enumerate(ALL[size])]
    tensors = [torch.nn.Parameter(torch.from_numpy(p)) for p, _ in arrays]
    for tensor, (_, g) in zip(tensors, arrays, strict=True):
        tensor.grad = torch.from_numpy(g)
    views, grads = [p for p, _ in arrays], [g for _, g in arrays]
    total = sum(p.size for p in views)

    def contender(name: str, role: Role, optimizer: torch.optim.Optimizer) -> Contender:
        error = lambda: rules.error("Adam", "torch", optimizer.step, views, grads, 0.0)
        return Contender(name, role, optimizer.step, TRAFFIC * total, error)

    contenders = [
        contender("lamella.torch", "ours", lamella.torch.Adam(tensors, lr=1e-3)),
        contender("torch fused", "peer", torch.optim.Adam(tensors, lr=1e-3, fused=True)),
        contender("torch foreach", "peer", torch.optim.Adam(tensors, lr=1e-3, foreach=True)),
    ]
    deepspeed = deepspeed_peer.adam(tensors)
    if deepspeed is not None:
        contenders.append(contender("DeepSpeedCPUAdam", "peer", deepspeed))
    if total >= STREAMED:
        contenders.append(stream(total))
    return Case(f"Adam {size}", "us", contenders)
