"""A PyTorch training loop in which only the line of the optimizer changes: torch.optim.Adam, then lamella.torch.Adam.

python examples/torch_mlp.py

The images are scikit-learn's digits, enlarged and shifted to MNIST's 28x28: no download. Both models see the same batches in the
same order, epoch by epoch in turn, so that a load on the machine meets both.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits

import lamella.torch


def draw_images(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Digits of 24x24 pixels at random places in images of 28x28, in [0, 1], and their labels."""
    rng = np.random.default_rng(seed)
    small, labels = load_digits(return_X_y=True)
    large = np.kron(small.reshape(-1, 8, 8) / 16.0, np.ones((3, 3)))
    chosen = rng.integers(0, len(large), count)
    images = np.zeros((count, 28, 28), np.float32)
    for image, digit, (row, column) in zip(images, large[chosen], rng.integers(0, 5, (count, 2)), strict=True):
        image[row : row + 24, column : column + 24] = digit
    return torch.from_numpy(images.reshape(count, 784)), torch.from_numpy(labels[chosen].astype(np.int64))


class Training:
    """A network of two hidden layers, its optimizer, and what each epoch gave."""

    def __init__(self, make_optimizer: Callable[..., Any], units: int, seed: int) -> None:
        torch.manual_seed(seed)
        layers = torch.nn.Linear(784, units), torch.nn.ReLU(), torch.nn.Linear(units, units), torch.nn.ReLU()
        self.model = torch.nn.Sequential(*layers, torch.nn.Linear(units, 10))
        self.optimizer = make_optimizer(self.model.parameters(), lr=1e-3)
        self.losses: list[float] = []
        self.seconds: list[float] = []

    def epoch(self, x: torch.Tensor, y: torch.Tensor, batch_size: int, order: torch.Tensor) -> None:
        """One pass over the images in this order."""
        started, total = time.perf_counter(), 0.0
        for chosen in order.split(batch_size):
            self.optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(self.model(x[chosen]), y[chosen])
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(chosen)
        self.seconds.append(time.perf_counter() - started)
        self.losses.append(total / len(order))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=12_000, help="number (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--units", type=int, default=512, help="of each hidden layer (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    x, y = draw_images(arguments.images, arguments.seed)
    x_test, y_test = draw_images(2_000, arguments.seed + 1)
    theirs = Training(torch.optim.Adam, arguments.units, arguments.seed)
    ours = Training(lamella.torch.Adam, arguments.units, arguments.seed)
    for epoch in range(arguments.epochs):
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(epoch))
        for training in (theirs, ours):
            training.epoch(x, y, arguments.batch_size, order)
        print(f"epoch {epoch + 1}: loss {theirs.losses[-1]:.6f} and {ours.losses[-1]:.6f}")

    with torch.no_grad():
        accuracy = (ours.model(x_test).argmax(1) == y_test).double().mean()
    slow, fast = (statistics.median(training.seconds) for training in (theirs, ours))
    print(f"images:          {len(x)} of {x.shape[1]} pixels, {torch.get_num_threads()} threads of torch")
    print(f"losses:          {ours.losses[0]:.4f} {ours.losses[-1]:.4f}")
    print(f"difference:      {max(abs(a - b) / b for a, b in zip(ours.losses, theirs.losses, strict=True)):.2e}")
    print(f"test accuracy:   {accuracy:.4f}")
    print(f"torch epoch:     {slow:.2f} s")
    print(f"lamella epoch:   {fast:.2f} s")
    print(f"ratio:           {slow / fast:.2f}")


if __name__ == "__main__":
    main()
