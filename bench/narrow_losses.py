"""python -m bench.narrow_losses: loss curves of NarrowAdamW with slots of float32, bfloat16 and 8 bits, for two networks.

A convolutional network on scikit-learn's digits, enlarged to 16x16 and moved at random on 20x20 pixels, and an LSTM that predicts
the next character of this repository's documents. Each is trained with three seeds for each storage. The difference of the mean
losses, at ten points of the curve, is compared with the spread of the float32 runs over their seeds. The exit status is 1 if it is
larger anywhere.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamella import functional as F
from lamella.optimizers import NarrowAdamW

Floats = NDArray[np.float32]
# Parameters, and a function of their gradients and the loss for a batch.
Network = tuple[list[Floats], Callable[[], tuple[list[Any], float]]]
STATES = ("float32", "bfloat16", "8bit")
POINTS = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.narrow_losses", description=__doc__)
    parser.add_argument("--steps", type=int, default=150, help="of each training")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    outside = False
    for name, make, lr in (("digits, convolutional", digits, 0.001), ("characters, LSTM", characters, 0.002)):
        curves = {
            state: np.array([curve(make(seed), lr, state, seed, options.steps) for seed in range(options.seeds)])
            for state in STATES
        }
        wide = curves["float32"]
        spread = np.ptp(wide, axis=0)
        print(f"{name}: mean loss of {options.seeds} seeds at {POINTS} points of {options.steps} steps")
        for state, found in curves.items():
            print(f"  {state:9}" + "".join(f"{x:8.4f}" for x in found.mean(0)))
        print("  spread   " + "".join(f"{x:8.4f}" for x in spread), "(largest - smallest of float32)")
        for state in STATES[1:]:
            share = np.abs(curves[state].mean(0) - wide.mean(0)) / spread
            print(f"  {state:9}: the difference to float32 is at most {share.max():.2f} of the spread")
            outside |= bool(share.max() > 1)
    return int(outside)


def curve(network: Network, lr: float, state: str, seed: int, steps: int) -> Floats:
    """Mean losses of equal parts of a training."""
    params, gradients = network
    optimizer = NarrowAdamW(lr, weight_decay=0.0, state=state, seed=seed)
    losses = np.zeros(steps, np.float32)
    for step in range(steps):
        grads, losses[step] = gradients()
        optimizer.step(params, grads)
    return np.array([part.mean() for part in np.array_split(losses, POINTS)], np.float32)


def weights(rng: np.random.Generator, *shapes: tuple[int, ...]) -> list[Floats]:
    """Glorot's uniform weights, and zeros for biases."""
    found = []
    for shape in shapes:
        limit = np.sqrt(6 / (np.prod(shape[:-1]) + np.prod(shape[:-2]) * shape[-1])) if len(shape) > 1 else 0.0
        found.append(rng.uniform(-limit, limit, shape).astype(np.float32))
    return found


def digits(seed: int) -> Network:
    """Two convolutions of 3x3, pooling and two dense layers, as Keras's mnist_cnn without dropout."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    large = np.kron(images.reshape(-1, 8, 8, 1) / 16, np.ones((1, 2, 2, 1))).astype(np.float32)
    x = np.pad(large, ((0, 0), (4, 4), (4, 4), (0, 0)))
    rng = np.random.default_rng(seed)
    params = weights(rng, (3, 3, 1, 32), (32,), (3, 3, 32, 64), (64,), (4096, 128), (128,), (128, 10), (10,))
    rows = batches(rng, len(x), 64)

    def gradients() -> tuple[list[Any], float]:
        w1, b1, w2, b2, w3, b3, w4, b4 = params
        batch = next(rows)
        down, right = rng.integers(0, 5, (2, len(batch), 1)) + np.arange(20)  # moved by up to 2 pixels
        a0, y = x[batch[:, None, None], down[:, :, None], right[:, None, :]], labels[batch]
        a1 = F.conv(a0, w1, b1, relu=True)
        a2 = F.conv(a1, w2, b2, relu=True)
        pooled, places = F.max_pool(a2, 2)
        flat = pooled.reshape(len(batch), -1)
        a3 = F.dense(flat, w3, b3, relu=True)
        loss, p = F.softmax_cross_entropy(F.dense(a3, w4, b4), y)
        d = F.softmax_cross_entropy_backward(np.full(len(batch), 1 / len(batch), np.float32), p, y)
        d3, *g4 = F.dense_backward(d, a3, w4)
        assert d3 is not None
        dflat, *g3 = F.dense_backward(d3, flat, w3, y=a3)
        assert dflat is not None
        d2 = F.max_pool_backward(dflat.reshape(pooled.shape), places, a2.shape, 2)
        d1, *g2 = F.conv_backward(d2, a1, w2, y=a2)
        assert d1 is not None
        _, *g1 = F.conv_backward(d1, a0, w1, y=a1, need=(False, True, True))
        return [*g1, *g2, *g3, *g4], float(loss.mean())

    return params, gradients


def characters(seed: int) -> Network:
    """An embedding of 32 numbers, an LSTM of 128 units and a dense layer, on 40 characters at a time."""
    root = Path(__file__).parents[1]
    text = "".join((root / name).read_text(encoding="utf-8") for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"))
    known, ids = np.unique(list(text), return_inverse=True)
    rng = np.random.default_rng(seed)
    params = weights(rng, (len(known), 32), (32, 512), (128, 512), (512,), (128, len(known)), (len(known),))
    starts = batches(rng, len(ids) - 41, 32)

    def gradients() -> tuple[list[Any], float]:
        table, kernel, recurrent, bias, w, b = params
        window = ids[next(starts)[:, None] + np.arange(41)]
        before, after = window[:, :-1], np.ascontiguousarray(window[:, 1:]).reshape(-1)
        x = table[before]
        h, _, _, saved = F.lstm(x, kernel, recurrent, bias)
        flat = h.reshape(-1, 128)
        loss, p = F.softmax_cross_entropy(F.dense(flat, w, b), after)
        d = F.softmax_cross_entropy_backward(np.full(len(after), 1 / len(after), np.float32), p, after)
        dh, dw, db = F.dense_backward(d, flat, w)
        assert dh is not None
        dx, *of_lstm = F.lstm_backward(dh.reshape(h.shape), None, None, x, kernel, recurrent, saved)[:4]
        dtable = np.zeros_like(table)
        np.add.at(dtable, before, dx)
        return [dtable, *of_lstm, dw, db], float(loss.mean())

    return params, gradients


def batches(rng: np.random.Generator, count: int, size: int) -> Iterator[NDArray[np.int64]]:
    """Batches of all numbers below `count` in a new order for each epoch; what is left over is dropped."""
    while True:
        order = rng.permutation(count)
        yield from (order[i : i + size] for i in range(0, count - size + 1, size))


if __name__ == "__main__":
    raise SystemExit(main())
