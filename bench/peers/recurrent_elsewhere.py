"""LSTM and GRU in another environment, for bench/elsewhere.py: PYTHON recurrent_elsewhere.py FRAMEWORK THREADS DESCRIPTOR.

Only this file runs there, so it imports neither bench nor lamella.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

# kind, direction, [x, kernel, recurrent kernel, bias], dy.
Work = tuple[str, str, list[NDArray[Any]], NDArray[Any]]
# Returns the outputs, or for the direction "both" all gradients, in the order of the arrays.
Run = Callable[[], list[NDArray[Any]]]


def by_jax(kind: str, direction: str, arrays: list[NDArray[Any]], dy: NDArray[Any]) -> Run:
    """The product of the inputs, then lax.scan over the steps, compiled as one function."""
    import jax
    import jax.numpy as jnp

    def layer(x: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
        zeros = jnp.zeros((x.shape[0], recurrent.shape[0]), x.dtype)
        sums = jnp.swapaxes(x, 0, 1) @ kernel + (bias if kind == "LSTM" else bias[0])

        def lstm(states: Any, step: Any) -> Any:
            h, c = states
            i, f, g, o = jnp.split(step + h @ recurrent, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        def gru(h: Any, step: Any) -> Any:
            z, r, n = jnp.split(step, 3, axis=1)
            hz, hr, hn = jnp.split(h @ recurrent + bias[1], 3, axis=1)
            z, r = jax.nn.sigmoid(z + hz), jax.nn.sigmoid(r + hr)
            h = z * h + (1 - z) * jnp.tanh(n + r * hn)
            return h, h

        first = (zeros, zeros) if kind == "LSTM" else zeros
        return jnp.swapaxes(jax.lax.scan(lstm if kind == "LSTM" else gru, first, sums)[1], 0, 1)

    def both(slope: Any, *given: Any) -> Any:
        return jax.vjp(layer, *given)[1](slope)

    values, slope = [jnp.asarray(a) for a in arrays], jnp.asarray(dy)
    compiled = jax.jit(layer if direction == "forward" else both)
    inputs = values if direction == "forward" else [slope, *values]

    def run() -> list[NDArray[Any]]:
        made = compiled(*inputs)
        return [np.asarray(a) for a in (made if isinstance(made, tuple) else [made])]

    return run


def by_tensorflow(kind: str, direction: str, arrays: list[NDArray[Any]], dy: NDArray[Any]) -> Run:
    """Keras's layer in a tf.function."""
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    import keras
    import tensorflow as tf

    options = {"reset_after": True} if kind == "GRU" else {}
    layer = getattr(keras.layers, kind)(dy.shape[-1], return_sequences=True, recurrent_activation="sigmoid", **options)
    x, slope = tf.constant(arrays[0]), tf.constant(dy)
    layer.build(x.shape)
    layer.set_weights(arrays[1:])

    @tf.function
    def forward() -> Any:
        return [layer(x)]

    @tf.function
    def both() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        return tape.gradient(y, [x, *(w.value for w in layer.trainable_weights)], slope)

    compiled = forward if direction == "forward" else both
    return lambda: [a.numpy() for a in compiled()]


def serve(framework: str, threads: int, connection: Connection) -> None:
    # JAX has no other limit for its threads, and both use as many threads as CPUs are allowed.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    make = {"jax": by_jax, "tensorflow": by_tensorflow}[framework]
    run: Run | None = None
    while True:
        try:
            asked: Work | str = connection.recv()
        except EOFError:
            return
        if not isinstance(asked, str):
            run = make(*asked)
            connection.send(None)
        elif run is not None:
            made = run()
            connection.send(made if asked == "result" else None)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), Connection(int(sys.argv[3])))
