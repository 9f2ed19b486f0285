"""Losses and accuracies of symbolic tensors are tensors of the graph, which add_loss accepts and files contain."""

import inspect

import numpy as np
import pytest

from lamella import backend as K
from lamella import losses, metrics
from lamella.core import registry
from lamella.layers import Dense, Input
from lamella.models import Model, load_model

RNG = np.random.default_rng(0)
ROWS, CLASSES = 6, 4
SHARES = RNG.dirichlet(np.ones(CLASSES), ROWS).astype("float32")
MARKS = np.eye(CLASSES, dtype="float32")[RNG.integers(0, CLASSES, ROWS)]
LABELS = MARKS.argmax(1)[:, None].astype("float32")

# Each loss and each metric that is a function, by its name without aliases.
FUNCTIONS = {
    function.__name__: function
    for function in (registry.get(room, name) for room in ("losses", "metrics") for name in registry.names(room))
    if inspect.isfunction(function)
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_in_a_graph_gives_its_numbers(name):
    function = FUNCTIONS[name]
    y = LABELS if name.startswith("sparse") else MARKS
    given, predicted = Input((y.shape[1],)), Input((CLASSES,))
    tensor = function(given, predicted)
    assert K.is_keras_tensor(tensor) and tensor.shape == (None,)
    np.testing.assert_array_equal(Model([given, predicted], tensor).predict([y, SHARES]), function(y, SHARES))


def test_further_arguments_are_kept():
    given, predicted = Input((CLASSES,)), Input((CLASSES,))
    model = Model([given, predicted], metrics.top_k_categorical_accuracy(given, predicted, k=2))
    want = [(p > p[y.argmax()]).sum() < 2 for y, p in zip(MARKS, SHARES)]
    assert model.predict([MARKS, SHARES]).tolist() == want


def test_add_loss_of_an_autoencoders_tensors():
    x = (RNG.random((40, 12)) > 0.5).astype("float32")
    inputs = Input((12,))
    decoded = Dense(12, activation="sigmoid")(Dense(3)(inputs))
    model = Model(inputs, decoded)
    model.add_loss(K.mean(12 * losses.binary_crossentropy(inputs, decoded) + losses.mse(inputs, decoded)))
    model.compile("rmsprop")
    p = model.predict(x).astype(float)
    want = (-12 * (x * np.log(p) + (1 - x) * np.log(1 - p)).mean(1) + ((p - x) ** 2).mean(1)).mean()
    assert model.evaluate(x, None, verbose=0) == pytest.approx(want, rel=1e-5)
    history = model.fit(x, epochs=5, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_gradients_are_those_of_a_compiled_loss():
    x, y = RNG.normal(size=(8, 5)).astype("float32"), RNG.normal(size=(8, 2)).astype("float32")
    inputs, targets = Input((5,)), Input((2,))
    head = Dense(2)
    added = Model([inputs, targets], head(inputs))
    added.add_loss(K.mean(losses.mean_absolute_error(targets, added.output)))
    added.compile("sgd")
    plain = Model(inputs, head(inputs))
    plain.compile("sgd", "mae")
    start = plain.get_weights()
    added.train_on_batch([x, y], None)
    moved = plain.get_weights()
    plain.set_weights(start)
    plain.train_on_batch(x, y)
    for a, b in zip(moved, plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_files_contain_losses_of_symbolic_tensors(tmp_path):
    inputs, targets = Input((5,)), Input((2,))
    model = Model([inputs, targets], losses.mse(targets, Dense(2)(inputs)))
    model.save(tmp_path / "m.h5")
    data = [RNG.normal(size=(3, 5)), RNG.normal(size=(3, 2))]
    np.testing.assert_array_equal(load_model(tmp_path / "m.h5", compile=False).predict(data), model.predict(data))
