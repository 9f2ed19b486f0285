"""Random data for tests of models, and a test that every layer should pass."""

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
    """Random samples, normal around the label with standard deviation 0.7.

    For regression, x and y are normal around the same random number in [0, 1), which each sample draws.

    Args:
        num_train: Number of samples to train on.
        num_test: Number of samples to test on.
        input_shape: Shape of one x.
        output_shape: Shape of one y, for regression.
        classification: Whether y are labels; False for regression.
        num_classes: Number of classes.

    Returns:
        ((x, y), (x, y)) to train and to test on: x float32 [n, *input_shape]; y int64 [n], or float32 [n, *output_shape].

    Source: Keras 2.2.5. The numbers follow lamella's seed, not NumPy's.
    """
    rng = random.generator(what="test data")
    samples = num_train + num_test
    centres = rng.integers(num_classes, size=samples) if classification else rng.random(samples)
    x = _normal(rng, centres, input_shape)
    y = centres if classification else _normal(rng, centres, output_shape)
    return (x[:num_train], y[:num_train]), (x[num_train:], y[num_train:])


def _normal(rng: np.random.Generator, centres: np.ndarray, shape: Sequence[int]) -> np.ndarray:
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
    """Test what every layer must do: shapes, configs, weights, use in models, a step of training.

    Args:
        layer_cls: The class of the layer.
        kwargs: Arguments of its constructor.
        input_shape: Shape of the input with the batch size, for random data; a size None may be any number.
        input_dtype: Dtype of the input. None means floatx.
        input_data: The input, instead of random data.
        expected_output: The output that is expected, to a relative error of 0.001.
        expected_output_dtype: The dtype that is expected. None means the dtype of the input.
        fixed_batch_size: Whether the model's input has the batch size of input_shape.

    Returns:
        The output for the input.

    Raises:
        AssertionError: The layer fails a test.
        ValueError: Neither input_shape nor input_data is given.

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
    computed = layer.compute_output_shape(x.shape)
    fits = len(computed) == y.ndim and all(a in (None, b) for a, b in zip(computed, y.shape))
    assert fits, f"compute_output_shape returned {computed}, but the output has shape {y.shape}"
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
    # y is the output of the model, so the loss is 0 unless the layer has a training mode or penalties.
    assert np.isfinite(loss) and (takes_training(cls) or model.penalties or loss < 1e-6), f"the loss was {loss}"
    return y


def _same_output(model: Model, original: Model, x: np.ndarray, y: np.ndarray) -> None:
    model.set_weights(original.get_weights())
    np.testing.assert_allclose(model.predict(x), y, rtol=1e-3, atol=1e-6)
