"""Metrics in compile, fit and evaluate: state over the epoch, weights, directions, custom metrics."""

import numpy as np
import pytest

from lamella import backend as K
from lamella import metrics
from lamella.callbacks import Callback, EarlyStopping, LambdaCallback
from lamella.layers import Activation, Dense, Input, Layer, Masking
from lamella.models import Model, Sequential
from lamella.utils import set_random_seed

X = np.random.default_rng(0).normal(size=(50, 4)).astype("float32")
Y = (X[:, 0] + 0.5 * X[:, 1] > 0).astype("float32")
W = np.random.default_rng(1).integers(0, 3, 50).astype("float32")


def binary(**compile_arguments):
    model = Sequential([Dense(1, activation="sigmoid", input_shape=(4,))])
    model.compile("sgd", "binary_crossentropy", **compile_arguments)
    return model


@pytest.mark.parametrize("batch_size", [50, 7])
def test_evaluate_gives_the_number_over_all_samples(batch_size):
    model = binary(metrics=[metrics.AUC(num_thresholds=None), "Precision"], weighted_metrics=[metrics.Recall()])
    assert model.metrics_names == ["loss", "auc", "precision", "weighted_recall"]
    for _ in range(2):  # the second evaluate begins with a fresh state
        values = dict(zip(model.metrics_names, model.evaluate(X, Y, batch_size=batch_size, sample_weight=W, verbose=0)))
        p = model.predict(X)
        assert values["auc"] == pytest.approx(metrics.AUC(num_thresholds=None)(Y, p), rel=1e-12)
        assert values["precision"] == pytest.approx(metrics.Precision()(Y, p), rel=1e-12)
        assert values["weighted_recall"] == pytest.approx(metrics.Recall()(Y, p, W), rel=1e-12)


def test_each_epoch_and_each_validation_has_fresh_state():
    model = binary(metrics=[metrics.TruePositives(), metrics.FalseNegatives()])
    history = model.fit(X, Y, batch_size=8, epochs=3, validation_data=(X[:20], Y[:20]), verbose=0).history
    for tp, fn in zip(history["true_positives"], history["false_negatives"]):
        assert tp + fn == Y.sum()
    for tp, fn in zip(history["val_true_positives"], history["val_false_negatives"]):
        assert tp + fn == Y[:20].sum()
    p = model.predict(X[:20])
    assert history["val_true_positives"][-1] == metrics.TruePositives()(Y[:20], p)


def test_early_stopping_uses_the_direction():
    model = binary(metrics=[metrics.AUC(), metrics.FalsePositives()])
    stops = EarlyStopping(monitor="auc", patience=100), EarlyStopping(monitor="false_positives", patience=100)
    history = model.fit(X, Y, epochs=4, verbose=0, callbacks=list(stops)).history
    assert stops[0].best == max(history["auc"]) and stops[1].best == min(history["false_positives"])


def test_outputs_do_not_share_state():
    x = Input((4,))
    model = Model(x, [Dense(1, activation="sigmoid", name="a")(x), Dense(1, activation="sigmoid", name="b")(x)])
    given = metrics.Recall(0.3)
    model.compile("sgd", "mse", metrics=[given], weighted_metrics=[given])
    values = dict(zip(model.metrics_names, model.evaluate(X, [Y, 1 - Y], batch_size=9, verbose=0)))
    a, b = model.predict(X)
    assert values["a_recall"] == values["a_weighted_recall"] == pytest.approx(metrics.Recall(0.3)(Y, a))
    assert values["b_recall"] == values["b_weighted_recall"] == pytest.approx(metrics.Recall(0.3)(1 - Y, b))
    assert given.result() == values["a_recall"]  # the first output uses the user's object itself


def test_masked_steps_are_not_counted():
    x = X.reshape(25, 2, 4).copy()
    x[::3, 1] = 0
    y, w = Y.reshape(25, 2, 1), W.reshape(25, 2)
    model = Sequential([Masking(input_shape=(2, 4)), Dense(1, activation="sigmoid")])
    counts = [metrics.TruePositives(0.0)]
    model.compile("sgd", "mse", metrics=counts, weighted_metrics=counts, sample_weight_mode="temporal")
    kept = np.ones((25, 2))
    kept[::3, 1] = 0
    _, plain, weighted = model.evaluate(x, y, batch_size=6, sample_weight=w, verbose=0)
    assert plain == (kept * y[..., 0]).sum() and weighted == (kept * w * y[..., 0]).sum()


def test_a_loss_of_one_number_is_weighted_by_the_mask():
    """The numbers are from the real Keras 2.2.5: the loss of a batch counts by its weights and mask, also as one number."""

    def one_number(y, p):
        return K.mean(K.square(y - p))

    x, y, w = np.array([[1.0, 0], [2, 3], [0, 0]])[..., None], np.ones((3, 2, 1)), np.array([1.0, 3, 2])
    model = Sequential([Masking(input_shape=(2, 1)), Dense(1)])
    model.compile("sgd", one_number, metrics=[one_number], weighted_metrics=[one_number])
    model.set_weights([np.array([[2.0]]), np.zeros(1)])
    assert model.evaluate(x, y, verbose=0) == pytest.approx([6.333332] * 3, abs=2e-6)
    assert model.evaluate(x[2:], y[2:], verbose=0) == [0.0] * 3
    assert model.train_on_batch(x, y, sample_weight=w) == pytest.approx([14.777775, 6.333332, 14.777775], abs=2e-6)
    kernel, bias = model.get_weights()
    assert kernel[0, 0] == pytest.approx(1.8288889, abs=1e-7) and bias[0] == pytest.approx(-0.04666666, abs=1e-7)


def test_losses_as_metrics_take_labels():
    """The numbers are from the real Keras 2.2.5, where a label [N, 1] counts for all classes."""
    expected = {
        "mae": 1.166667, "mse": 1.658913, "mape": 75.0, "msle": 0.454497, "hinge": 0.579979, "squared_hinge": 0.41157,
        "logcosh": 0.613367, "kullback_leibler_divergence": 3.932825, "poisson": 2.378202, "categorical_crossentropy": 6.134609,
        "binary_crossentropy": 1.773882, "acc": 0.5,
    }  # fmt: skip
    model = Sequential([Activation("softmax", input_shape=(3,))])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=list(expected))
    x, y = np.array([[1.0, 0.5, 0.2], [0.1, 0.4, 2.0]]), np.array([1, 2])
    assert model.evaluate(x, y, verbose=0) == pytest.approx([0.760942, *expected.values()], rel=2e-6)


def test_several_thresholds_are_not_a_column():
    model = binary(metrics=[metrics.Precision([0.2, 0.5])])
    with pytest.raises(
        ValueError, match="metric 'precision': a column of the logs holds one number, got 2; give one threshold"
    ):
        model.evaluate(X, Y, verbose=0)


class CountedPositives(Layer):
    """A stateful metric of Keras 2.2.5: a layer that is called with both arrays."""

    def __init__(self, name="counted", **kwargs):
        super().__init__(name=name, **kwargs)
        self.stateful = True
        self.count = K.variable(0, dtype="int32")

    def reset_states(self):
        K.set_value(self.count, 0)

    def __call__(self, y_true, y_pred):
        hits = K.sum(K.cast(K.equal(K.cast(y_true, "int32"), K.cast(K.round(y_pred), "int32")), "int32"))
        before = self.count * 1
        self.add_update(K.update_add(self.count, hits), inputs=[y_true, y_pred])
        return before + hits


def test_users_metrics():
    def numpy_share(y, p):
        return np.mean(np.abs(y - p) < 0.5)

    def k_share(y, p):
        return K.mean(K.less(K.abs(y - p), 0.5), axis=-1)

    model = binary(metrics=[numpy_share, k_share, CountedPositives(), "acc"], weighted_metrics=[k_share])
    assert model.metrics_names == ["loss", "numpy_share", "k_share", "counted", "acc", "weighted_k_share"]
    values = dict(zip(model.metrics_names, model.evaluate(X, Y, batch_size=10, sample_weight=W, verbose=0)))
    right = (np.abs(Y - model.predict(X)[:, 0]) < 0.5).astype(float)
    for name in ("numpy_share", "k_share", "acc"):
        assert values[name] == pytest.approx(right.mean(), rel=1e-6)
    assert values["counted"] == right.sum()
    batches = [slice(i, i + 10) for i in range(0, 50, 10)]
    weighted = np.mean([(right[b] * W[b]).sum() / np.count_nonzero(W[b]) for b in batches])
    assert values["weighted_k_share"] == pytest.approx(weighted, rel=1e-6)
    history = model.fit(X, Y, batch_size=10, epochs=2, verbose=0).history
    assert all(0 <= count <= 50 and count == int(count) for count in history["counted"])


class Asks(Callback):
    """Evaluates the model on the first samples in one hook."""

    def __init__(self, hook, ask):
        super().__init__()
        self.said = []
        setattr(self, hook, lambda *_: self.said.append(ask(self.model)))


ASKED = {
    "evaluate": lambda model: model.evaluate(X[:9], Y[:9], batch_size=4, verbose=0)[1:],
    "evaluate_generator": lambda model: model.evaluate_generator(iter([(X[:9], Y[:9])]), 1)[1:],
    "test_on_batch": lambda model: model.test_on_batch(X[:9], Y[:9])[1:],
}


@pytest.mark.parametrize("hook", ["on_batch_begin", "on_batch_end", "on_test_batch_end", "on_epoch_end"])
@pytest.mark.parametrize("asked", ASKED)
def test_an_evaluation_within_fit_does_not_change_its_metrics(hook, asked):
    def fitted(*callbacks):
        set_random_seed(3)
        model = binary(metrics=[metrics.AUC(num_thresholds=None), metrics.TruePositives()])
        history = model.fit(
            X, Y, batch_size=8, epochs=2, validation_data=(X[20:], Y[20:]), verbose=0, callbacks=list(callbacks)
        )
        return model, history.history

    _, plain = fitted()
    spy = Asks(hook, ASKED[asked])
    model, history = fitted(spy)
    assert history == plain
    assert len(spy.said) == {"on_epoch_end": 2, "on_test_batch_end": 8}.get(hook, 14)
    if hook == "on_epoch_end":  # the weights have not changed since this hook
        assert spy.said[-1] == model.evaluate(X[:9], Y[:9], batch_size=4, verbose=0)[1:]


def test_an_evaluation_within_evaluate_does_not_change_its_metrics():
    model = binary(metrics=[metrics.TruePositives()])
    plain = model.evaluate(X, Y, batch_size=7, verbose=0)
    spy = Asks("on_test_batch_end", lambda m: m.evaluate(X[:9], Y[:9], verbose=0)[1])
    assert model.evaluate(X, Y, batch_size=7, verbose=0, callbacks=[spy]) == plain
    assert set(spy.said) == {model.evaluate(X[:9], Y[:9], verbose=0)[1]} and len(spy.said) == 8


def test_a_fit_within_fit_does_not_change_the_outer_metrics():
    model = binary(metrics=[metrics.TruePositives(), metrics.FalseNegatives()])

    class Once(Callback):
        def on_batch_end(self, batch, logs=None):
            if batch == 3:
                self.model.fit(X[:9], Y[:9], verbose=0)

    logs = model.fit(X, Y, batch_size=8, verbose=0, callbacks=[Once()]).history
    assert logs["true_positives"][0] + logs["false_negatives"][0] == Y.sum()


def test_a_metric_named_size_or_batch_does_not_weight_the_batches():
    x, y = np.arange(5, dtype="f4").reshape(5, 1), np.zeros((5, 1), "f4")

    def size(y, p):
        return 1000.0 * p[..., 0]

    def batch(y, p):
        return p[..., 0]

    model = Sequential([Activation("linear", input_shape=(1,))])
    model.compile("sgd", "mse", metrics=[size, batch])
    assert model.metrics_names == ["loss", "size_1", "batch_1"]
    seen = []
    spy = LambdaCallback(on_batch_end=lambda b, logs: seen.append((logs["batch"], logs["size"])))
    history = model.fit(x, y, batch_size=2, shuffle=False, verbose=0, callbacks=[spy]).history
    assert seen == [(0, 2), (1, 2), (2, 1)]
    assert history["loss"] == [pytest.approx(6.0)] and history["size_1"] == [2000.0] and history["batch_1"] == [2.0]


def test_a_metric_with_the_name_of_a_validation_column_is_refused():
    model = Sequential([Activation("linear", input_shape=(1,))])

    def val_loss(y, p):
        return p[..., 0]

    with pytest.raises(ValueError, match="^metric 'val_loss': validation writes a column of this name"):
        model.compile("sgd", "mse", metrics=[val_loss])


def test_a_model_names_its_stateful_metrics_as_keras_does():
    model = Sequential([Dense(1, activation="sigmoid", input_shape=(2,))])
    assert not hasattr(model, "stateful_metric_names")
    model.compile("sgd", "binary_crossentropy", metrics=["acc", metrics.AUC()])
    assert model.metrics_names == ["loss", "acc", "auc"] and model.stateful_metric_names == ["auc"]


class CountedResults(metrics.Metric):
    """A mean of p that counts how often its result is asked for."""

    def __init__(self):
        super().__init__("counted")
        self.reset_states()

    def reset_states(self):
        self.total = self.seen = 0.0

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total += float(np.sum(y_pred))
        self.seen += len(y_pred)

    def result(self):
        LOG.append(self.seen)
        return self.total / self.seen


LOG = []


@pytest.mark.parametrize("verbose", [0, 1])
def test_results_that_nobody_reads_are_not_computed(verbose, capsys):
    """The result of AUC(num_thresholds=None) sorts all scores so far: for each batch it took a quadratic time in all."""
    model = binary(metrics=[CountedResults()])
    LOG.clear()
    value = model.evaluate(X, Y, batch_size=5, verbose=verbose)[1]
    assert LOG == [5, 50] and value == pytest.approx(model.predict(X).mean(), rel=1e-6)
    LOG.clear()
    history = model.fit(X, Y, batch_size=5, epochs=2, verbose=verbose, validation_data=(X[:20], Y[:20])).history
    # The first batch, so that errors come early, and the end; a progress line reads more, from time to time.
    assert LOG == [5, 50, 5, 20] * 2 or verbose
    assert LOG.count(50) == 2 and history["counted"][0] != history["val_counted"][0]
    assert 0 < history["counted"][0] < 1


def test_callbacks_get_the_result_after_each_batch():
    seen = []

    class Reads(Callback):
        def on_batch_end(self, batch, logs=None):
            seen.append((type(logs["auc"]), logs["auc"]))

        def on_test_batch_end(self, batch, logs=None):
            seen.append((type(logs["auc"]), logs["auc"]))

    model = binary(metrics=[metrics.AUC(num_thresholds=None)])
    p = model.predict(X)
    model.evaluate(X, Y, batch_size=10, verbose=0, callbacks=[Reads()])
    wanted = [metrics.AUC(num_thresholds=None)(Y[:n], p[:n]) for n in (10, 20, 30, 40, 50)]
    assert [kind for kind, _ in seen] == [np.float64] * 5
    assert [value for _, value in seen] == pytest.approx(wanted, rel=1e-12)
    seen.clear()
    model.fit(X, Y, batch_size=10, verbose=0, callbacks=[Reads()])
    assert [kind for kind, _ in seen] == [np.float64] * 5


def test_an_epoch_of_many_batches_keeps_exact_scores_in_few_parts():
    """A step copied and sorted all scores of the epoch before it: 17 bytes for each sample so far, in each batch."""
    auc = metrics.AUC(num_thresholds=None)
    rng = np.random.default_rng(5)
    y, p = rng.integers(0, 2, 4000), rng.uniform(size=4000)
    model = Sequential([Activation("linear", input_shape=(1,))])
    model.compile("sgd", "mse", metrics=[auc])
    value = model.evaluate(p, y, batch_size=4, verbose=0)[1]
    assert value == pytest.approx(metrics.AUC(num_thresholds=None)(y, p.astype("float32")), rel=1e-12)
    assert len(auc._kept) <= 11 and sum(len(part[0]) for part in auc._kept) == 4000
    before = auc._kept[0]
    model.test_on_batch(p[:4], y[:4])
    assert auc._kept[0] is before
