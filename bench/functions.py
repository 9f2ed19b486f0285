"""Functions as Lambdas and losses write them, with K or operators of Python, and noise: forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.harness import Case, Contender, Plan
from lamella import backend as K
from lamella import ops
from lamella.core.types import Array
from lamella.ops.tape import Tape

# A batch of 32 maps of 28x28x64.
SHAPE = (32, 28, 28, 64)


def group_normalized(x: Any) -> Any:
    """Eight groups of channels, as scripts' layers compute them."""
    groups = K.reshape(x, (-1, *x.shape[1:3], 8, x.shape[3] // 8))
    mean, variance = (f(groups, axis=[1, 2, 4], keepdims=True) for f in (K.mean, K.var))
    return K.reshape((groups - mean) / K.sqrt(variance + 1e-3), x.shape)


Function = Callable[[Any], Any]
# gamma and beta.
_SCALES = np.ones(SHAPE[-1], np.float32), np.zeros(SHAPE[-1], np.float32)
FUNCTIONS: dict[str, Function] = {
    "x**3": lambda x: x**3,
    "x*x / sqrt(x*x + 1)": lambda x: K.square(x) / K.sqrt(K.square(x) + 1.0),
    "swish": lambda x: x * K.sigmoid(x),
    "gelu": lambda x: 0.5 * x * (1 + K.tanh(0.7978846 * (x + 0.044715 * x**3))),
    "clip": lambda x: K.clip(x, -0.5, 0.5),
    "maximum": lambda x: K.maximum(x, 0.1 * x),
    "switch": lambda x: K.switch(x > 0, x, 0.1 * x),
    "normalized rows": lambda x: (x - K.mean(x, axis=-1, keepdims=True)) / K.sqrt(K.var(x, axis=-1, keepdims=True) + 1e-3),
    "x times mean of maps": lambda x: x * K.mean(x, axis=(1, 2), keepdims=True),
    "x - max": lambda x: x - K.max(x, axis=-1, keepdims=True),
    "x - min of maps": lambda x: x - K.min(x, axis=(1, 2), keepdims=True),
    "x - logsumexp": lambda x: x - K.logsumexp(x, axis=-1, keepdims=True),
    "softmax of maps": lambda x: K.softmax(x, axis=1),
    "cumulative sums": lambda x: K.cumsum(x, axis=1),
    "twice as large, bilinear": lambda x: ops.resize(x, factors=(2, 2), interpolation="bilinear_half_pixel"),
    "batch normalization": lambda x: K.normalize_batch_in_training(x, *_SCALES, [0, 1, 2])[0],
    "group normalization": lambda x: group_normalized(x),
    "gaussian noise": lambda x: ops.gaussian_noise(x, stddev=0.1, key=(1, 2)),
}


def cases(plan: Plan) -> Iterator[Case]:
    shape = (2, 5, 5, 64) if plan.quick else SHAPE
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape)
    for name, function in FUNCTIONS.items():
        if plan.wants(name):
            dy = rng.standard_normal(np.shape(function(x)))
            yield Case(name, "us", contenders(name, x, dy, plan))


def contenders(name: str, x: Array, dy: Array, plan: Plan) -> list[Contender]:
    wanted = gradient(FUNCTIONS[name], x, dy)()
    inputs = x.astype(np.float32), dy.astype(np.float32)
    runs = {"lamella": gradient(FUNCTIONS[name], *inputs)}
    if plan.torch:
        from bench.peers import torch_functions

        runs["torch"] = torch_functions.gradient(name, *inputs)

    def error(run: Callable[[], Array]) -> Callable[[], float]:
        return lambda: float(np.abs(run() - wanted).max() / np.abs(wanted).max())

    return [Contender(side, "ours" if side == "lamella" else "peer", run, x.size, error(run)) for side, run in runs.items()]


def gradient(function: Function, x: Array, dy: Array) -> Callable[[], Array]:
    def run() -> Array:
        with Tape() as tape:
            source = tape.watch(x)
            y = function(source)
        (dx,) = tape.gradients([(y, dy)])
        assert isinstance(dx, np.ndarray)
        return dx

    return run
