"""Loss and metric objects compared with recorded numbers of tf.keras, and their use in fit."""

import json
from pathlib import Path

import numpy as np
import pytest

from lamella import layers, losses, metrics, models, optimizers
from lamella.core import config

GOLDEN = Path(__file__).parents[1] / "golden" / "tf_keras"
CASES = json.loads(GOLDEN.with_suffix(".json").read_text())
ARRAYS = dict(np.load(GOLDEN.with_suffix(".npz")))
ARRAYS["argmax"] = ARRAYS["p"].argmax(1)


@pytest.mark.parametrize("case", CASES["losses"], ids=lambda c: f"{c['cls']}-{c['kw']}-{c['w']}")
def test_losses_are_those_of_tf_keras(case):
    loss = getattr(losses, case["cls"])(**case["kw"])
    weight = None if case["w"] is None else ARRAYS[case["w"]]
    came = loss(ARRAYS[case["y"]], ARRAYS[case["p"]], sample_weight=weight)
    np.testing.assert_allclose(came, case["value"], rtol=2e-5, atol=1e-6)
    again = losses.deserialize(losses.serialize(loss))
    assert type(again) is type(loss) and again.get_config() == loss.get_config()


@pytest.mark.parametrize("case", CASES["metrics"], ids=lambda c: f"{c['cls']}-{c['kw']}-{c['w']}")
def test_metrics_are_those_of_tf_keras(case):
    metric = getattr(metrics, case["cls"])(**case["kw"])
    assert metric.name == case["name"].removesuffix("_1")  # TensorFlow appends a number to the names of a process
    y, p, w = (None if case[k] is None else ARRAYS[case[k]] for k in ("y", "p", "w"))
    for _ in range(2):  # the second time is after a reset
        for rows in (slice(None, 4), slice(4, None)):
            metric.update_state(y[rows], p[rows], None if w is None else w[rows])
        np.testing.assert_allclose(metric.result(), case["value"], rtol=2e-5, atol=1e-6)
        metric.reset_states()
    again = metrics.deserialize(metrics.serialize(metric))
    assert type(again) is type(metric) and again.get_config() == metric.get_config()


def test_mean_and_sum_take_values():
    mean, total = metrics.Mean(), metrics.Sum()
    assert mean.result() == 0
    for values, weights in (([1.0, 2.0], None), ([[4.0, 5.0], [6.0, 7.0]], [1.0, 0.5])):
        mean.update_state(values, weights)
        total.update_state(values, weights)
    assert total.result() == 1 + 2 + 9 + 6.5
    assert mean.result() == (1 + 2 + 9 + 6.5) / (2 + 2 + 1)
    with pytest.raises(ValueError, match=r"mean: expected sample weights of shape \(3,\), or of its first axes, got \(2,\)"):
        mean.update_state([1.0, 2.0, 3.0], [1.0, 2.0])


def model_of(activation):
    model = models.Sequential([layers.Dense(4, activation=activation, input_shape=(3,))])
    model.layers[0].set_weights([np.linspace(-1, 1, 12).reshape(3, 4), np.zeros(4)])
    return model


X = np.random.default_rng(0).normal(size=(10, 3)).astype("float32")
LABELS = np.random.default_rng(1).integers(0, 4, 10)


@pytest.mark.parametrize(
    "loss, activation, y",
    [
        (losses.SparseCategoricalCrossentropy(), "softmax", LABELS),
        (losses.CategoricalCrossentropy(), "softmax", np.eye(4)[LABELS]),
        (losses.BinaryCrossentropy(), "sigmoid", np.eye(4)[LABELS]),
        (losses.MeanSquaredError(), None, np.eye(4)[LABELS]),
    ],
    ids=lambda v: getattr(v, "name", None),
)
def test_an_object_trains_as_its_function(loss, activation, y):
    weights = {}
    for chosen in (loss, loss.__name__):
        model = model_of(activation)
        model.compile("sgd", chosen, metrics=["accuracy"])
        log = model.fit(X, y, epochs=2, batch_size=4, shuffle=False, verbose=0, sample_weight=np.arange(10.0)).history
        weights[str(chosen)] = (model.get_weights(), log)
    (first, first_log), (second, second_log) = weights.values()
    assert first_log == second_log and list(first_log) == ["loss", "acc"]
    for a, b in zip(first, second):
        assert a.tobytes() == b.tobytes()


def test_training_on_logits_equals_training_on_softmax():
    logits = model_of(None)
    logits.compile(optimizers.SGD(0.1), losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["acc"])
    plain = model_of("softmax")
    plain.compile(optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["acc"])
    logs = [m.fit(X, LABELS, epochs=3, batch_size=5, shuffle=False, verbose=0).history for m in (logits, plain)]
    np.testing.assert_allclose(logs[0]["loss"], logs[1]["loss"], rtol=1e-5)
    assert logs[0]["acc"] == logs[1]["acc"]
    for a, b in zip(logits.get_weights(), plain.get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_reduction_sum_adds_the_rows():
    model = model_of(None)
    w = np.arange(10.0)
    model.compile("sgd", losses.MeanSquaredError(reduction="sum"))
    p = model.predict(X)
    y = np.eye(4)[LABELS]
    rows = ((p - y) ** 2).mean(1)
    np.testing.assert_allclose(model.evaluate(X, y, verbose=0, batch_size=10), rows.sum(), rtol=1e-5)
    np.testing.assert_allclose(model.evaluate(X, y, verbose=0, batch_size=10, sample_weight=w), (rows * w).sum(), rtol=1e-5)


def test_a_custom_loss_gets_rows_and_weights():
    class Cubed(losses.Loss):
        def call(self, y_true, y_pred):
            from lamella import backend as K

            return K.mean(K.abs(y_pred - y_true) ** 3, axis=-1)

    y, w = np.eye(4)[LABELS].astype("float32"), np.arange(10.0, dtype="float32")
    model = model_of(None)
    model.compile("sgd", Cubed())
    rows = (np.abs(model.predict(X) - y) ** 3).mean(1)
    np.testing.assert_allclose(Cubed()(y, model.predict(X)), rows.mean(), rtol=1e-5)
    came = model.evaluate(X, y, sample_weight=w, batch_size=10, verbose=0)
    np.testing.assert_allclose(came, (rows * w).sum() / 9, rtol=1e-5)  # Keras 2 divides by the weights that are not 0


def test_smoothing_of_sequences_shares_among_the_classes():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(3), (4, 5))
    y = np.eye(3)[rng.integers(0, 3, (4, 5))]
    wanted = -((y * 0.7 + 0.1) * np.log(p)).sum(-1).mean()
    np.testing.assert_allclose(losses.CategoricalCrossentropy(label_smoothing=0.3)(y, p), wanted, rtol=1e-6)


def test_losses_of_symbolic_tensors_are_nodes():
    x = layers.Input((3,))
    y = layers.Input((4,))
    p = layers.Dense(4)(x)
    model = models.Model([x, y], p)
    model.add_loss(losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)(y, p))
    model.compile("sgd", None)
    one_hot = np.eye(4)[LABELS].astype("float32")
    z = model.predict([X, one_hot])
    smooth = one_hot * 0.9 + 0.1 / 4
    wanted = (np.log(np.exp(z).sum(1, keepdims=True)) - z) * smooth
    np.testing.assert_allclose(model.evaluate([X, one_hot], None, verbose=0), wanted.sum(1).mean(), rtol=1e-5)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: losses.MeanSquaredError(reduction="average"), "Invalid Reduction Key average"),
        (lambda: losses.Huber(delta=0), "Huber: expected delta above 0, got 0"),
        (
            lambda: losses.BinaryCrossentropy(label_smoothing=2),
            r"BinaryCrossentropy: expected label_smoothing in \[0, 1\], got 2",
        ),
        (lambda: losses.CategoricalCrossentropy(axis=0), "expected axis=-1, got 0"),
        (lambda: model_of(None).compile("sgd", losses.Huber), "is a class; pass Huber"),
        (lambda: metrics.MeanIoU(2).update_state([0, 2], [0, 1]), "mean_io_u: expected labels 0 to 1, got 0 to 2"),
    ],
)
def test_wrong_arguments_raise(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_metric_with_state_from_add_weight():
    class Hits(metrics.Metric):
        def __init__(self, name="hits", **kwargs):
            super().__init__(name=name, **kwargs)
            self.count = self.add_weight(name="count", initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.count.assign_add((y_pred.argmax(-1) == np.ravel(y_true)).sum())

        def result(self):
            return self.count

    model = model_of("softmax")
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[Hits(), "acc"])
    log = model.fit(X, LABELS, epochs=3, batch_size=4, verbose=0).history
    np.testing.assert_allclose(log["hits"], np.array(log["acc"]) * 10, rtol=1e-6)
    with pytest.raises(ValueError, match="hits.add_weight: expected initializer='zeros'"):
        Hits().add_weight("n", initializer="ones")


def test_compiled_objects_are_saved_and_loaded(tmp_path):
    model = model_of(None)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=[metrics.SparseCategoricalAccuracy(name="hits")])
    model.fit(X, LABELS, verbose=0)
    model.save(str(tmp_path / "m.h5"))
    again = models.load_model(str(tmp_path / "m.h5"))
    assert losses.get(again.loss).get_config() == loss.get_config()
    assert again.metrics_names == ["loss", "hits"]
    assert again.evaluate(X, LABELS, verbose=0) == model.evaluate(X, LABELS, verbose=0)
    assert config.dialect() == "keras2"


def test_weights_of_rows_with_an_axis_of_one():
    """Weights [N, 1] beside rows [N] became [N, N]: the loss was the product of two means."""
    y, p, w = np.arange(5.0)[:, None], np.zeros((5, 1)), np.array([1.0, 0.0, 0.0, 0.0, 2.0])
    loss = losses.MeanSquaredError()
    assert float(loss(y, p, w)) == float(loss(y, p, w[:, None])) == pytest.approx(2 * 16 / 5)
    assert float(loss(y, p, 0.5)) == pytest.approx(0.5 * 30 / 5)
    for wrong in (np.ones((1, 5)), np.ones(3), np.ones((5, 2))):
        with pytest.raises(ValueError, match=r"sample_weight: expected sample weights of shape \(5,\)"):
            loss(y, p, wrong)
