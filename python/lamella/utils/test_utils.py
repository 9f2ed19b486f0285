"""Data to test a model with, and a test of a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamella.core import random
from lamella.core.checks import as_array
from lamella.core.config import floatx
from lamella.core.shapes import Shape
from lamella.graph.input import Input
from lamella.graph.layer import Layer, takes_training
from lamella.models import Model, Sequential

Pair = tuple[np.ndarray, np.ndarray]


def get_test_data(
    num_train: int = 1000,
    num_test: int = 500,
    input_shape: Sequence[int] = (10,),
    output_shape: Sequence[int] = (2,),
    classification: bool = True,
    num_classes: int = 2,
) -> tuple[Pair, Pair]:
    """Clouds around the label (or around a random number, for regression), normal with a deviation of 0.7.

    Returns:
        (x, y) to train and (x, y) to test on: x float32 [n, *input_shape]; y int64 [n], or float32 [n, *output_shape].

    Source: Keras 2.2.5. The numbers follow lamella's seed, not NumPy's.
    """
    rng = random.generator(what="test data")
    samples = num_train + num_test
    centres = rng.integers(num_classes, size=samples) if classification else rng.random(samples)
    x = _cloud(rng, centres, input_shape)
    y = centres if classification else _cloud(rng, centres, output_shape)
    return (x[:num_train], y[:num_train]), (x[num_train:], y[num_train:])


def _cloud(rng: np.random.Generator, centres: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    column = centres.reshape(-1, *[1] * len(shape))
    return rng.normal(column, 0.7, size=(len(centres), *shape)).astype("float32")


def layer_test(
    layer_cls: type[Layer],
    kwargs: Mapping[str, Any] | None = None,
    input_shape: Shape | None = None,
    input_dtype: str | None = None,
    input_data: np.ndarray | None = None,
    expected_output: np.ndarray | None = None,
    expected_output_dtype: str | None = None,
    fixed_batch_size: bool = False,
) -> np.ndarray:
    """Runs a layer through what every layer must do: shapes, configs, weights, a model of it, a step of training.

    Args:
        kwargs: Of the constructor.
        input_shape: With the batch, None where any size will do; or input_data.
        expected_output: To meet within 0.1 %.
        fixed_batch_size: The model's input has the batch of input_shape.

    Returns:
        The output for the input.

    Raises:
        AssertionError: Where the layer does not hold.
        ValueError: Without an input.

    Source: Keras 2.2.5, for layers of one input.
    """
    if input_data is None:
        if input_shape is None:
            raise ValueError("layer_test: expected input_shape or input_data, got neither")
        sizes = [3 if size is None else size for size in input_shape]
        input_data = 10 * random.generator(what="test data").random(sizes)
    x = as_array(input_data, input_dtype or floatx(), "layer_test")
    shape = tuple(input_shape or x.shape)
    symbolic = Input(batch_shape=shape if fixed_batch_size else (None, *shape[1:]), dtype=input_dtype or floatx())

    layer = layer_cls(**(kwargs or {}))
    weights = layer.get_weights()
    layer.set_weights(weights)
    output = layer(symbolic)
    wanted_dtype = expected_output_dtype or input_dtype or floatx()
    assert output.dtype == wanted_dtype, f"expected an output of {wanted_dtype}, got {output.dtype}"
    model = Model(symbolic, output)
    y: np.ndarray = model.predict(x)
    announced = layer.compute_output_shape(x.shape)
    fits = len(announced) == y.ndim and all(a in (None, b) for a, b in zip(announced, y.shape))
    assert fits, f"compute_output_shape said {announced}, the output has shape {y.shape}"
    if expected_output is not None:
        np.testing.assert_allclose(y, expected_output, rtol=1e-3)

    scope = {layer_cls.__name__: layer_cls}
    again = Model.from_config(model.get_config(), custom_objects=scope)
    _same_output(again, model, x, y)
    first = layer_cls.from_config({**layer.get_config(), "batch_input_shape": symbolic.shape})
    stack = Sequential([first])
    _same_output(stack, model, x, y)
    _same_output(Sequential.from_config(stack.get_config(), custom_objects=scope), model, x, y)

    cls: type = type(layer)
    model.compile("sgd", "mse", weighted_metrics=["acc"])
    numbers: Any = model.train_on_batch(x, y, return_dict=True)
    loss = numbers["loss"]
    # The targets are the outputs: without a training mode, and without penalties, there is nothing to learn.
    assert np.isfinite(loss) and (takes_training(cls) or model.penalties or loss < 1e-6), f"the loss was {loss}"
    return y


def _same_output(model: Model, original: Model, x: np.ndarray, y: np.ndarray) -> None:
    model.set_weights(original.get_weights())
    np.testing.assert_allclose(model.predict(x), y, rtol=1e-3, atol=1e-6)
