"""Copies of models by copy, pickle and related functions, at any moment, continue training with the bits of the original."""

import copy
import pickle

import numpy as np
import pytest

from lamella import backend as K
from lamella.callbacks import Callback, EarlyStopping
from lamella.layers import Activation, BatchNormalization, Conv2D, Dense, Dropout, Flatten, Input
from lamella.metrics import AUC
from lamella.models import Model, Sequential
from lamella.optimizers import SGD, Adam
from tests.fresh_process import trained_in_a_fresh_process

RNG = np.random.default_rng(0)
X = RNG.random((12, 6, 6, 2)).astype("float32")
Y = RNG.integers(0, 2, (12, 1))


def network(optimizer="adam", metrics=("acc",)):
    model = Sequential(
        [
            Conv2D(3, 3, activation="relu", input_shape=(6, 6, 2), kernel_constraint="max_norm"),
            BatchNormalization(),
            Flatten(),
            Dropout(0.4),
            Dense(1, activation="sigmoid", kernel_regularizer="l2"),
        ]
    )
    model.compile(optimizer, "binary_crossentropy", metrics=[AUC() if m == "auc" else m for m in metrics])
    return model


def by_joblib(model, path, **kwargs):
    joblib = pytest.importorskip("joblib")
    joblib.dump({"model": model, "other": [model]}, path / "model.joblib")
    return joblib.load(path / "model.joblib", **kwargs)["model"]


COPIES = {
    "copy": lambda model, _: copy.copy(model),
    "deepcopy": lambda model, _: copy.deepcopy(model),
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "cloudpickle": lambda model, _: pickle.loads(pytest.importorskip("cloudpickle").dumps(model)),
    "joblib": by_joblib,
    "joblib, mapped": lambda model, path: by_joblib(model, path, mmap_mode="r"),
    "twice": lambda model, _: copy.copy(pickle.loads(pickle.dumps(model))),
}
kinds = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)


def train(model, epochs=2):
    history = model.fit(X, Y, batch_size=4, epochs=epochs, validation_data=(X, Y), verbose=0).history
    return history, model.train_on_batch(X[:5], Y[:5]), model.evaluate(X, Y, verbose=0)


def state(model):
    return [*model.get_weights(), *model.optimizer.get_state().values()]


def check_same(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


def check_trains_alike(model, twin):
    """Check that both train to the same bits, and that training one does not change the other."""
    before = state(model)
    check_same(state(twin), before)
    trained = train(twin)
    check_same(state(model), before)
    assert train(model) == trained
    check_same(state(model), state(twin))
    assert not np.array_equal(before[0], model.get_weights()[0])
    assert twin.stop_training is False and twin.history is not model.history


@kinds
@pytest.mark.parametrize("epochs", [0, 2])
@pytest.mark.parametrize("metrics", [("acc",), ("auc", "mae")], ids="-".join)
@pytest.mark.parametrize(
    "make",
    [lambda: "adam", lambda: SGD(clipnorm=1.0), lambda: Adam(gradient_accumulation_steps=2)],
    ids=["adam", "sgd", "sums"],
)
def test_a_copy_continues_training_with_the_same_bits(copied, epochs, metrics, make, tmp_path):
    model = network(make(), metrics)
    if epochs:
        train(model, epochs)
    check_trains_alike(model, copied(model, tmp_path))


@kinds
def test_a_copy_made_in_the_middle_of_a_fit(copied, tmp_path):
    class Take(Callback):
        def on_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations.value == 4:
                self.taken = copied(self.model, tmp_path)

    model = network()
    take = Take()
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[take, EarlyStopping("loss")])
    twin = take.taken
    assert int(twin.optimizer.iterations) == 4
    again = copied(twin, tmp_path)
    check_trains_alike(twin, again)


@kinds
def test_an_unbuilt_model_and_one_that_is_not_compiled(copied, tmp_path):
    model = Sequential([Dense(3, activation="tanh"), Dense(1, activation="sigmoid")])
    model.compile("adam", "mse")
    twin = copied(model, tmp_path)
    assert not twin.built
    twin.fit(X.reshape(12, -1), Y, verbose=0)
    assert not model.built
    bare = Sequential([Dense(3, input_dim=2)])
    twin = copied(bare, tmp_path)
    check_same(twin.get_weights(), bare.get_weights())
    twin.set_weights([w + 1 for w in twin.get_weights()])
    assert not np.array_equal(twin.get_weights()[0], bare.get_weights()[0])


@kinds
def test_a_frozen_nested_model_in_the_functional_api(copied, tmp_path):
    x = Input((4,))
    base = Sequential([Dense(4, input_dim=4, trainable=False), BatchNormalization(), Dense(4)])
    model = Model(x, Dense(1)(base(x)))
    model.compile("adam", "mse")
    data, target = RNG.normal(size=(8, 4)), RNG.normal(size=(8, 1))
    model.fit(data, target, verbose=0)
    twin = copied(model, tmp_path)
    for m in (model, twin):
        m.fit(data, target, verbose=0, epochs=2)
    check_same(state(model), state(twin))


def test_one_optimizer_of_two_models_that_are_copied_together():
    optimizer = SGD(lr=0.1, momentum=0.9)
    models = [Sequential([Dense(1, input_dim=2)]) for _ in range(2)]
    data = RNG.normal(size=(8, 2)), RNG.normal(size=(8, 1))

    def step(pair):
        for sign, model in zip((1, -1), pair):
            model.train_on_batch(data[0], sign * data[1])

    for model in models:
        model.compile(optimizer, "mse")
    step(models)
    for twins in (copy.deepcopy(models), pickle.loads(pickle.dumps(models))):
        assert twins[0].optimizer is twins[1].optimizer is not optimizer
        step(twins[::-1])
        step(twins)
        check_same(twins[0].optimizer.get_state(), optimizer.get_state())
    twins = copy.deepcopy(models)
    for _ in range(3):
        step(models)
        step(twins)
    for model, twin in zip(models, twins):
        check_same(model.get_weights(), twin.get_weights())


def test_optimizer_weights_set_before_the_first_step():
    source = network()
    train(source)
    model = copy.copy(source)
    model.compile("adam", "binary_crossentropy", metrics=["acc"])
    model.optimizer.set_weights(source.optimizer.get_weights())
    model.compiled_steps().stream.set_state(source.compiled_steps().stream.get_state())
    assert train(model) == train(source)
    check_same(state(model), state(source))
    model.compile("adam", "binary_crossentropy")
    model.optimizer.set_weights([np.int64(1), np.zeros(3), np.zeros(3), np.zeros(1)])
    with pytest.raises(ValueError, match="Adam: the state belongs to the arrays given first, which were 1, got 6"):
        model.train_on_batch(X, Y)


def test_errors_of_gradients_name_the_weight():
    model = network()
    model.train_on_batch(X, Y)
    optimizer, weights = model.optimizer, [w.value for w in model.trainable_weights]
    name = model.trainable_weights[1].name
    steps = model.compiled_steps()
    good = [np.zeros_like(w) for w in weights]
    for spoiled, words in [
        (None, rf"An operation has `None` for gradient \({name}\)"),
        (np.zeros(7, "float32"), rf"expected the gradient of '{name}' of shape \(3,\), got \(7,\)"),
        (weights[0].reshape(-1)[:3], rf"the gradient of '{name}' overlaps the memory of '{model.trainable_weights[0].name}'"),
    ]:
        with pytest.raises(ValueError, match=words):
            optimizer.step(steps._params, [good[0], spoiled, *good[2:]])


def test_a_copy_in_a_fresh_process(tmp_path):
    model = network("adam", ("auc",))
    train(model)
    weights = trained_in_a_fresh_process(pickle.dumps((model, X, Y)), tmp_path)
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    check_same(weights, model.get_weights())


def test_deep_models_are_copied_and_pickled():
    """RecursionError: pickle and deepcopy went from the last layer to the first, and copied no model of more than 40 layers."""
    x = inputs = Input((3,))
    relu = Activation("relu")
    for _ in range(200):
        x = K.relu(relu(Dense(3, kernel_initializer="identity")(x))) + 0.125
    model = Model(inputs, x)
    sequential = Sequential([Dense(3, input_shape=(3,), kernel_initializer="identity"), *(Dense(3) for _ in range(300))])
    data = np.random.default_rng(3).uniform(size=(5, 3)).astype("float32")
    for deep in (model, sequential):
        deep.compile("sgd", "mse")
        deep.train_on_batch(data, data + 25)
        for again in (copy.deepcopy(deep), pickle.loads(pickle.dumps(deep))):
            np.testing.assert_array_equal(again.predict(data), deep.predict(data))
            assert again.train_on_batch(data, data) == copy.deepcopy(deep).train_on_batch(data, data)
