"""compile(target_tensors=): y as tensors. Source: Keras 2.2.5."""

import pickle

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Dense, Input, Lambda
from lamella.models import Model, Sequential
from lamella.optimizers import SGD

RNG = np.random.default_rng(3)
X, Y, Z = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 2)), RNG.normal(size=(6, 4))


def linear(target, loss="mse", **options):
    x = Input((3,), name="x")
    model = Model(x, Dense(2, use_bias=False, name="y")(x))
    model.compile(SGD(lr=0.1), loss, target_tensors=target, **options)
    return model


def two():
    x = Input((3,))
    return x, Model(x, [Dense(2, name="a")(x), Dense(4, name="b")(x)])


FORMS = {"alone": lambda y: y, "list": lambda y: [y], "dict": lambda y: {"y": y}}
TENSORS = {
    "variable": lambda: K.variable(Y),
    "constant": lambda: K.constant(Y),
    "function of a variable": lambda: K.variable(Y / 2) * 2,
    "input that holds a value": lambda: Input(tensor=K.variable(Y)),
    "function of such an input": lambda: Lambda(lambda t: t + 1)(Input(tensor=K.constant(Y - 1))),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", TENSORS)
def test_y_comes_from_the_tensor(kind, form, float64):
    model = linear(FORMS[form](TENSORS[kind]()), metrics=["mae"])
    (w,) = model.get_weights()
    residual = X @ w - Y
    wanted = [(residual**2).mean(), np.abs(residual).mean()]
    np.testing.assert_allclose(model.test_on_batch(X, None), wanted, rtol=1e-10)
    np.testing.assert_allclose(model.evaluate(X, None, verbose=0), wanted, rtol=1e-10)
    np.testing.assert_allclose(model.train_on_batch(X, None), wanted, rtol=1e-10)
    np.testing.assert_allclose(model.get_weights()[0], w - 0.1 * X.T @ residual * 2 / residual.size, rtol=1e-10)
    history = model.fit(X, None, epochs=20, verbose=0, validation_data=(X, None)).history
    assert history["loss"][-1] < wanted[0] and len(history["val_loss"]) == 20
    model.fit_generator(((X, None) for _ in range(2)), steps_per_epoch=2, verbose=0)
    assert model._feed_targets == [] and len(model.targets) == 1
    with pytest.raises(ValueError, match="Error when checking model target: expected no data"):
        model.train_on_batch(X, Y)


def test_the_value_at_the_time_of_the_step_counts(float64):
    y = K.variable(Y)
    model = linear(y)
    (w,) = model.get_weights()
    K.set_value(y, 3 * Y)
    assert model.test_on_batch(X, None) == pytest.approx(((X @ w - 3 * Y) ** 2).mean(), rel=1e-10)


def test_a_target_of_the_inputs_and_of_another_input(float64):
    x, t = Input((3,)), Input((2,))
    model = Model([x, t], Dense(2, use_bias=False)(x))
    for target, y in ((t, Y), (2 * t + 1, 2 * Y + 1), (Lambda(lambda v: v[:, :2])(x), X[:, :2])):
        model.compile(SGD(lr=0.1), "mse", target_tensors=target)
        w = model.get_weights()[0]
        assert model.train_on_batch([X, Y], None) == pytest.approx(((X @ w - y) ** 2).mean(), rel=1e-10)
        batches = [((X[i : i + 2] @ w - y[i : i + 2]) ** 2).mean() for i in (0, 2, 4)]
        model.set_weights([w])
        assert model.evaluate([X, Y], None, batch_size=2, verbose=0) == pytest.approx(np.mean(batches), rel=1e-10)


def test_the_gradient_flows_through_a_target(float64):
    x = Input((3,))
    shared = Dense(2, use_bias=False)
    model = Model(x, shared(x))
    for target, of_target in ((3 * shared(x), 3), (K.stop_gradient(3 * shared(x)), 0)):
        model.compile(SGD(lr=0.1), "mse", target_tensors=target)
        (w,) = model.get_weights()
        residual = -2 * X @ w
        assert model.train_on_batch(X, None) == pytest.approx((residual**2).mean(), rel=1e-10)
        step = 0.2 * X.T @ residual * (1 - of_target) / residual.size
        np.testing.assert_allclose(model.get_weights()[0], w - step, rtol=1e-10)


def test_a_placeholder_is_fed_and_losses_may_read_it(float64):
    y = K.placeholder((None, 2), name="y")
    for loss in ("mse", lambda _, p: K.mean(K.square(y - p), axis=-1)):
        model = linear(y, loss)
        (w,) = model.get_weights()
        assert model.train_on_batch(X, Y) == pytest.approx(((X @ w - Y) ** 2).mean(), rel=1e-10)
        assert model._feed_targets == [y] and model.targets == [y]
    with pytest.raises(ValueError, match="no data was given"):
        model.train_on_batch(X, None)


def test_some_outputs_with_a_tensor_and_weights_for_all(float64):
    x, model = two()
    model.compile(SGD(lr=0.1), "mse", target_tensors={"a": K.variable(Y)}, loss_weights=[1.0, 0.5])
    w, v = RNG.uniform(size=6), RNG.uniform(size=6)
    p, q = model.predict(X)
    rows = ((p - Y) ** 2).mean(1), ((q - Z) ** 2).mean(1)
    got = model.test_on_batch(X, Z, sample_weight={"a": w, "b": v})
    np.testing.assert_allclose(got[1:], [(rows[0] * w).mean(), (rows[1] * v).mean()], rtol=1e-10)
    got = model.test_on_batch(X, {"b": Z}, sample_weight={"a": w})
    np.testing.assert_allclose(got[0], (rows[0] * w).mean() + 0.5 * rows[1].mean(), rtol=1e-10)
    inputs, targets, weights = model._standardize_user_data(X, Z)
    assert [len(inputs), len(targets), len(weights)] == [1, 1, 2] and weights[0].shape == (6,)
    with pytest.raises(ValueError, match="class_weight.* the y of output 'a' is a tensor of target_tensors"):
        model.train_on_batch(X, Z, class_weight={"a": {0: 1.0}})
    with pytest.raises(ValueError, match="Sample_weight arrays should have the same number"):
        model.train_on_batch(X, Z, sample_weight={"a": w[:4]})


def test_functions_of_one_step_take_the_fed_targets_and_all_weights(float64):
    x, model = two()
    model.compile(SGD(lr=0.1), "mse", target_tensors={"a": K.variable(Y)})
    assert model._feed_output_names == ["b"] and model._feed_output_shapes == [(None, 4)] and len(model._feed_loss_fns) == 1
    assert model._feed_outputs == [model.outputs[1]] and len(model._feed_sample_weights) == 2
    w, v = RNG.uniform(size=6), RNG.uniform(size=6)
    wanted = model.test_on_batch(X, Z, sample_weight=[w, v])
    np.testing.assert_allclose(model.test_function([X, Z, w, v]), wanted, rtol=1e-10)
    model._make_train_function()
    np.testing.assert_allclose(model.train_function([X, Z, w, v, 1.0]), wanted, rtol=1e-10)
    places = model._feed_inputs + model._feed_targets + model._feed_sample_weights
    total = K.function(places, [model.total_loss])
    assert total([X, Z, w, v])[0] == pytest.approx(model.test_on_batch(X, Z, sample_weight=[w, v])[0], rel=1e-10)


def test_labels_of_a_sparse_loss():
    labels = np.array([0, 1, 1, 0, 1, 0])
    given, fed = (linear(target, "sparse_categorical_crossentropy", metrics=["acc"]) for target in (K.variable(labels), None))
    for model in (given, fed):
        model.layers[-1].set_weights([np.abs(X[:3, :2])])
    np.testing.assert_allclose(given.test_on_batch(np.abs(X), None), fed.test_on_batch(np.abs(X), labels), rtol=1e-6)


def test_a_sequential_model_without_input_shape_copies_and_pickles(float64):
    model = Sequential([Dense(2, use_bias=False)])
    model.compile("sgd", "mse", target_tensors=[K.variable(Y)])
    first = model.train_on_batch(X, None)
    assert pickle.loads(pickle.dumps(model)).test_on_batch(X, None) < first


def test_a_model_of_tensors_alone_needs_a_number_of_steps(float64):
    x = Input(tensor=K.variable(X))
    model = Model(x, Dense(2, use_bias=False)(x))
    model.compile(SGD(lr=0.1), "mse", target_tensors=K.variable(Y))
    for call in (
        lambda: model.fit(None, None),
        lambda: model.evaluate(None, None),
        lambda: model.fit(None, None, batch_size=2),
    ):
        with pytest.raises(ValueError, match="you should specify the `steps"):
            call()
    (w,) = model.get_weights()
    loss = ((X @ w - Y) ** 2).mean()
    assert model.evaluate(None, None, steps=3, verbose=0) == pytest.approx(loss, rel=1e-10)
    history = model.fit(steps_per_epoch=2, epochs=3, validation_steps=2, verbose=0).history
    assert loss > history["loss"][0] > history["val_loss"][0] > history["loss"][1]
    nothing = iter(lambda: (None, None), 0)
    assert model.fit_generator(nothing, steps_per_epoch=2, verbose=0).history["loss"][0] < history["val_loss"][-1]


def test_a_tensor_of_another_length_is_refused():
    model = linear(K.variable(Y))
    with pytest.raises(ValueError, match=r"target tensor of output 'y': expected shape \(4, 2\), got \(6, 2\)"):
        model.fit(X, None, batch_size=4, verbose=0)
    model = linear(K.variable(Z))
    with pytest.raises(ValueError, match=r"expected shape \(6, 2\), got \(6, 4\)"):
        model.train_on_batch(X, None)


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        (set(), TypeError, "list or tuple or dict or a single tensor"),
        ("y", TypeError, "list or tuple or dict or a single tensor"),
        ({"a": [1.0]}, TypeError, "expected a tensor for output 'a', got list"),
        ({"c": None}, ValueError, "Unknown entry"),
        ([K.constant(Y)], ValueError, "it should have one entry per model output. The model has 2 outputs"),
        (K.constant(Y), ValueError, "The model has 2 outputs, but you passed a single tensor"),
    ],
)
def test_what_does_not_fit_is_refused(target, error, message):
    model = two()[1]
    with pytest.raises(error, match=message):
        model.compile("sgd", "mse", target_tensors=target)
    assert model.optimizer is None


def test_none_and_empty_lists_mean_data():
    for target in (None, [], {}):
        model = two()[1]
        model.compile("sgd", "mse", target_tensors=target)
        assert len(model.train_on_batch(X, [Y, Z])) == 3


@pytest.mark.parametrize("place", [lambda: Input((2,)), lambda: K.placeholder((None, 2))])
def test_a_loss_that_reads_the_placeholder_of_y(place, float64):
    x, t = Input((3,)), place()
    model = Model(x, Dense(2, use_bias=False)(x))
    model.add_loss([K.sum(K.square(t - 3 * model.output)), 2.0])
    assert len(model.losses) == 2
    with pytest.raises(ValueError, match="Graph disconnected"):
        model.compile("sgd", "mse")
    model.compile(SGD(lr=0.01), "mse", target_tensors=[t])
    (w,) = model.get_weights()
    residual, far = X @ w - Y, 3 * X @ w - Y
    wanted = (residual**2).mean() + (far**2).sum() + 2
    assert model.test_on_batch(X, Y) == pytest.approx(wanted, rel=1e-10)
    total = K.function([x, t, *model.sample_weights], [model.total_loss])([X, Y, np.ones(6)])[0]
    assert total == pytest.approx(wanted, rel=1e-10)
    slope = X.T @ (2 * residual / residual.size + 6 * far)
    np.testing.assert_allclose(model.gradients_on_batch(X, Y)[0], slope, rtol=1e-10)
    assert model.fit(X, Y, verbose=0).history["loss"] == pytest.approx([wanted], rel=1e-10)
    np.testing.assert_allclose(model.get_weights()[0], w - 0.01 * slope, rtol=1e-10)
    np.testing.assert_allclose(model.predict(X), X @ model.get_weights()[0], rtol=1e-10)
    model = pickle.loads(pickle.dumps(model))
    (w,) = model.get_weights()
    wanted = ((X @ w - Y) ** 2).mean() + ((3 * X @ w - Y) ** 2).sum() + 2
    assert model.test_on_batch(X, Y) == pytest.approx(wanted, rel=1e-10)


def test_only_a_loss_that_reads_y(float64):
    """The output has no loss of compile: it gets no y, so that a tensor of such a y is never fed, as in Keras."""
    x, t = Input((3,)), Input((2,))
    model = Model([x, t], Dense(2, use_bias=False)(x))
    model.add_loss(K.mean(K.square(t - model.output)))
    model.compile(SGD(lr=0.1), None)
    (w,) = model.get_weights()
    assert model.train_on_batch([X, Y], None) == pytest.approx(((X @ w - Y) ** 2).mean(), rel=1e-10)
