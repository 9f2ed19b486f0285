"""Training steps of blocks of layers beside torch eager, all in this process, so that CPU time can be measured."""

from __future__ import annotations

from collections.abc import Iterator

from bench.harness import Case, Contender, Plan, Role
from bench.models import CHECKED_STEPS, loss_error, reference
from bench.nets import BLOCKS, Net
from bench.trainer import LamellaTrainer, Trainer


def cases(plan: Plan) -> Iterator[Case]:
    return (case(net, plan) for net in BLOCKS if plan.wants(net.name))


def case(net: Net, plan: Plan) -> Case:
    wanted = reference(net, plan)
    sides: dict[str, Trainer] = {"lamella": LamellaTrainer(net, plan.threads, "float32")}
    if plan.torch:
        from bench.peers.torch_models import TorchTrainer

        if len(net.input) > 2:
            sides["torch channels_last"] = TorchTrainer(net, plan.threads, "float32", True)
        sides["torch contiguous"] = TorchTrainer(net, plan.threads, "float32", False)

    def contender(name: str, side: Trainer) -> Contender:
        role: Role = "ours" if name == "lamella" else "peer"
        return Contender(name, role, side.epoch, net.samples, lambda: loss_error(side.losses(CHECKED_STEPS), wanted))

    return Case(net.name, "samples/s", [contender(name, side) for name, side in sides.items()])
