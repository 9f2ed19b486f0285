"""Whole models beside torch eager, and Keras over other frameworks: each side in its own process; the sides take turns, one
pass over the data each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

from bench.elsewhere import ModelElsewhere, keras_over
from bench.harness import Case, Contender, Plan, Role
from bench.nets import NETS, Conv, Net
from bench.remote import Remote
from bench.trainer import LamellaTrainer

# Steps whose losses are compared with float64.
CHECKED_STEPS = 3
# Seconds; longer than idle OpenMP threads of the other sides spin.
SETTLE = 0.02
PEERS = {"jax": "Keras 3, JAX", "tensorflow": "Keras 3, TensorFlow", "keras2": "Keras 2.2.5, TensorFlow"}


def cases(plan: Plan) -> Iterator[Case]:
    for net in NETS[:1] if plan.quick else NETS:
        if plan.wants(net.name):
            with ExitStack() as open_sides:
                yield case(net, plan, open_sides)


def case(net: Net, plan: Plan, open_sides: ExitStack) -> Case:
    wanted = reference(net, plan)
    sides: list[tuple[str, Callable[..., object], tuple[object, ...]]] = [("lamella", LamellaTrainer, ())]
    if plan.torch:
        from bench.peers.torch_models import TorchTrainer

        sides.append(("torch contiguous", TorchTrainer, (False,)))
        if any(isinstance(layer, Conv) for layer in net.layers):
            sides.append(("torch channels_last", TorchTrainer, (True,)))
            sides.append(("torch, replaced", TorchTrainer, (True, True)))
    contenders = []
    for name, make, options in sides:
        side = open_sides.enter_context(Remote(make, net, plan.threads, "float32", *options))
        contenders.append(contender(name, side, net, wanted))
    for python, framework in keras_over(plan.others):
        there = open_sides.enter_context(ModelElsewhere(python, framework, plan.threads, net))
        contenders.append(contender(PEERS[framework], there, net, wanted))
    return Case(net.name, "samples/s", contenders)


def contender(name: str, side: Remote | ModelElsewhere, net: Net, wanted: list[float]) -> Contender:
    role: Role = "ours" if name in ("lamella", "torch, replaced") else "peer"
    return Contender(
        name,
        role,
        lambda: side.call("epoch"),
        net.samples,
        lambda: loss_error(side.call("losses", CHECKED_STEPS), wanted),
        SETTLE,
    )


def loss_error(losses: Sequence[float], wanted: Sequence[float]) -> float:
    """The largest relative difference."""
    return max(abs(loss / want - 1) for loss, want in zip(losses, wanted, strict=True))


def reference(net: Net, plan: Plan) -> list[float]:
    """The losses in float64, computed by torch if it is installed, so that both sides are compared with the same numbers."""
    if plan.torch:
        from bench.peers.torch_models import TorchTrainer

        side = Remote(TorchTrainer, net, plan.threads, "float64", False)
    else:
        side = Remote(LamellaTrainer, net, plan.threads, "float64")
    with side:
        losses: list[float] = side.call("losses", CHECKED_STEPS)
    return losses
