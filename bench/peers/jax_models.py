"""JAX's side of a net of dense layers: one compiled function for each step, on all CPUs that the process may use."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from bench import nets

# Weights and biases in the order of nets.initial_weights.
Weights = list[jax.Array]
RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.9, 0.999, 1e-7


class JaxTrainer:
    """Trains a net.

    Raises:
        ValueError: The net has layers other than Dense and Drop.
    """

    def __init__(self, net: nets.Net) -> None:
        if not all(isinstance(layer, nets.Dense | nets.Drop) for layer in net.layers):
            raise ValueError(f"JaxTrainer: expected dense layers and dropout only, got {net.name}")
        self.net = net
        self.x, self.labels = nets.data(net)
        self.weights = [jnp.asarray(w) for w in nets.initial_weights(net)]
        self.first = [jnp.zeros_like(w) for w in self.weights]
        self.second = [jnp.zeros_like(w) for w in self.weights]
        self.key, self.steps = jax.random.key(3), 0
        self.order = np.random.default_rng(3)
        self.step = jax.jit(self._step, donate_argnums=(0, 1, 2))

    def epoch(self) -> None:
        order = self.order.permutation(self.net.samples)
        for i in range(0, self.net.samples, self.net.batch):
            chosen = order[i : i + self.net.batch]
            self.steps += 1
            self.key, key = jax.random.split(self.key)
            self.weights, self.first, self.second = self.step(
                self.weights, self.first, self.second, self.steps, key, self.x[chosen], self.labels[chosen]
            )
        jax.block_until_ready(self.weights)

    def _loss(self, weights: Weights, key: jax.Array, x: jax.Array, labels: jax.Array) -> jax.Array:
        pairs = iter(zip(weights[::2], weights[1::2], strict=True))
        for layer in self.net.layers:
            if isinstance(layer, nets.Dense):
                kernel, bias = next(pairs)
                x = jax.nn.relu(x @ kernel + bias)
            elif isinstance(layer, nets.Drop):
                key, mine = jax.random.split(key)
                kept = jax.random.bernoulli(mine, 1 - layer.rate, x.shape)
                x = jnp.where(kept, x / (1 - layer.rate), 0)
        kernel, bias = next(pairs)
        scores = jax.nn.log_softmax(x @ kernel + bias)
        return -jnp.take_along_axis(scores, labels[:, None], axis=1).mean()

    def _step(
        self, weights: Weights, first: Weights, second: Weights, t: int, key: jax.Array, x: jax.Array, labels: jax.Array
    ) -> tuple[Weights, Weights, Weights]:
        """A step of Adam."""
        gradients = jax.grad(self._loss)(weights, key, x, labels)
        first = [BETA_1 * m + (1 - BETA_1) * g for m, g in zip(first, gradients, strict=True)]
        second = [BETA_2 * v + (1 - BETA_2) * g * g for v, g in zip(second, gradients, strict=True)]
        rate = RATE * jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
        moved = [w - rate * m / (jnp.sqrt(v) + EPSILON) for w, m, v in zip(weights, first, second, strict=True)]
        return moved, first, second
