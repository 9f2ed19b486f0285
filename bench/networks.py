"""Networks of keras.applications with 8 images of 224x224: predictions, and training steps, beside the same graph in torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.harness import Case, Contender, Plan
from bench.kernels.reference import distance
from lamella import applications
from lamella.models import Model
from lamella.optimizers import SGD

BATCH, SIDE, CLASSES, RATE = 8, 224, 1000, 0.01
# Network, and whether it is trained.
CASES = [("MobileNetV2", False), ("ResNet50", False), ("DenseNet121", False), ("ResNet50", True)]


def cases(plan: Plan) -> Iterator[Case]:
    for network, training in CASES[:1] if plan.quick else CASES:
        name = f"{network} {'step' if training else 'forward'}"
        if plan.wants(name):
            yield case(name, network, training, plan)


def case(name: str, network: str, training: bool, plan: Plan) -> Case:
    model = getattr(applications, network)(weights=None)
    generator = np.random.default_rng(0)
    x = generator.standard_normal((BATCH, SIDE, SIDE, 3), np.float32)
    y = np.eye(CLASSES, dtype=np.float32)[generator.integers(0, CLASSES, BATCH)]
    peers = []
    if plan.torch:
        from bench.peers import torch_networks

        peers.append(torch_networks.contender(model, x, y, RATE if training else None, plan.threads))
    return Case(name, "samples/s", [ours(model, x, y, training, peers), *peers])


def ours(model: Model, x: NDArray[Any], y: NDArray[Any], training: bool, peers: list[Contender]) -> Contender:
    """Checked against the peer's result instead of float64: the graph is the same, the kernels differ."""
    if training:
        model.compile(SGD(lr=RATE), "categorical_crossentropy")

    def run() -> Any:
        return model.train_on_batch(x, y) if training else model.predict_on_batch(x)

    def error() -> float:
        # In training the loss before the first step is compared; later losses differ, because rounding grows in so many layers.
        return distance(np.asarray(run()), np.asarray(peers[0].run()))

    return Contender("lamella", "ours", run, BATCH, error if peers else None)
