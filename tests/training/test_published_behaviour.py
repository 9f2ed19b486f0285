"""The documented behaviour of compile, fit, evaluate and predict in Keras 2.2.5, compared with plain NumPy."""

import warnings

import numpy as np
import pytest

from lamella.callbacks import Callback
from lamella.layers import Dense, Dropout, Input
from lamella.models import Model, Sequential
from lamella.optimizers import SGD
from lamella.regularizers import l2
from lamella.utils import set_random_seed


@pytest.fixture(autouse=True)
def seeded():
    set_random_seed(7)


def linear(loss="mse", lr=0.1, **compiled):
    model = Sequential([Dense(1, input_shape=(3,))])
    model.compile(SGD(lr=lr), loss, **compiled)
    return model


def points(n=10, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)).astype("f4"), rng.normal(size=(n, 1)).astype("f4")


def squares(model, x, y):
    """(p - y)^2 of each row, by NumPy."""
    w, b = model.get_weights()
    return ((x.astype("f8") @ w + b - y) ** 2)[:, 0]


class Spy(Callback):
    """Records the arguments of every hook."""

    def __init__(self):
        super().__init__()
        self.calls, self.batches, self.epochs = [], [], []

    def on_train_begin(self, logs=None):
        self.calls.append("train_begin")

    def on_train_end(self, logs=None):
        self.calls.append("train_end")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(f"epoch_begin {epoch}")

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(f"epoch_end {epoch}")
        self.epochs.append(dict(logs))

    def on_batch_begin(self, batch, logs=None):
        self.calls.append(f"batch_begin {batch}")

    def on_batch_end(self, batch, logs=None):
        self.calls.append(f"batch_end {batch}")
        self.batches.append(dict(logs))

    def on_test_begin(self, logs=None):
        self.calls.append("test_begin")

    def on_test_end(self, logs=None):
        self.calls.append("test_end")


def test_one_step_of_sgd_subtracts_the_gradient():
    x, y = points(4)
    model = linear(lr=0.1)
    w, b = model.get_weights()
    residual = x @ w + b - y
    loss = model.train_on_batch(x, y)
    assert loss == pytest.approx(float((residual**2).mean()), rel=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], w - 0.1 * 2 * x.T @ residual / 4, rtol=1e-5)
    np.testing.assert_allclose(model.get_weights()[1], b - 0.1 * 2 * residual.mean(axis=0), rtol=1e-5)


def test_epochs_is_the_final_index_not_a_count():
    x, y = points()
    model = linear()
    assert model.fit(x, y, epochs=5, initial_epoch=3, verbose=0).epoch == [3, 4]
    history = model.fit(x, y, epochs=3, initial_epoch=3, verbose=0)
    assert history.epoch == [] and history.history == {}


def test_batches_cover_all_samples_and_the_last_may_be_small():
    spy = Spy()
    linear().fit(*points(10), batch_size=4, verbose=0, callbacks=[spy])
    assert [(b["batch"], b["size"]) for b in spy.batches] == [(0, 4), (1, 4), (2, 2)]
    spy = Spy()
    linear().fit(*points(33), verbose=0, callbacks=[spy])
    assert [b["size"] for b in spy.batches] == [32, 1]


def test_the_epoch_loss_is_the_mean_over_samples_during_training():
    x, y = points(10)
    spy = Spy()
    model = linear()
    history = model.fit(x, y, batch_size=4, verbose=0, callbacks=[spy])
    wanted = sum(b["loss"] * b["size"] for b in spy.batches) / 10
    assert history.history["loss"] == [pytest.approx(wanted, rel=1e-6)]
    assert abs(history.history["loss"][0] - squares(model, x, y).mean()) > 1e-3


def test_hooks_are_called_in_keras_order():
    spy = Spy()
    linear().fit(*points(4), batch_size=2, epochs=1, verbose=0, validation_data=points(2), callbacks=[spy])
    assert spy.calls == [
        "train_begin", "epoch_begin 0", "batch_begin 0", "batch_end 0", "batch_begin 1", "batch_end 1",
        "test_begin", "test_end", "epoch_end 0", "train_end",
    ]  # fmt: skip
    assert list(spy.epochs[0]) == ["val_loss", "loss"]


def test_params_of_callbacks():
    spy = Spy()
    model = linear(metrics=["mae"])
    model.fit(*points(10), batch_size=4, epochs=2, verbose=0, validation_split=0.5, callbacks=[spy])
    assert spy.params == {
        "batch_size": 4, "epochs": 2, "steps": None, "samples": 5, "verbose": 0, "do_validation": True,
        "metrics": ["loss", "mean_absolute_error", "val_loss", "val_mean_absolute_error"],
    }  # fmt: skip
    assert spy.model is model


def test_each_fit_makes_a_new_history():
    model = linear()
    first = model.fit(*points(), epochs=2, verbose=0)
    second = model.fit(*points(), epochs=1, verbose=0)
    assert model.history is second and second is not first
    assert len(first.history["loss"]) == 2 and len(second.history["loss"]) == 1


def test_validation_split_is_the_tail_before_shuffling():
    x, y = points(10)
    model = linear(lr=0.0)
    history = model.fit(x, y, validation_split=0.3, verbose=0, shuffle=True)
    np.testing.assert_allclose(history.history["val_loss"], squares(model, x[7:], y[7:]).mean(), rtol=1e-5)
    np.testing.assert_allclose(history.history["loss"], squares(model, x[:7], y[:7]).mean(), rtol=1e-5)
    # int(10 * (1 - 0.25)) = 7
    history = model.fit(x, y, validation_split=0.25, verbose=0)
    np.testing.assert_allclose(history.history["val_loss"], squares(model, x[7:], y[7:]).mean(), rtol=1e-5)


def test_a_validation_split_of_0_validates_on_nothing():
    assert list(linear().fit(*points(), validation_split=0.0, verbose=0).history) == ["loss"]


def test_validation_data_overrides_the_split_and_comes_after_the_epoch():
    (x, y), (xv, yv) = points(10), points(7, seed=1)
    model = linear()
    history = model.fit(x, y, epochs=2, validation_split=0.5, validation_data=(xv, yv), verbose=0, batch_size=3)
    np.testing.assert_allclose(history.history["val_loss"][-1], squares(model, xv, yv).mean(), rtol=1e-5)


def test_validation_data_with_weights():
    (x, y), (xv, yv) = points(10), points(4, seed=1)
    model = linear(lr=0.0)
    weights = np.array([1.0, 0.0, 3.0, 0.5])
    history = model.fit(x, y, validation_data=(xv, yv, weights), verbose=0)
    wanted = (squares(model, xv, yv) * weights).sum() / 3
    np.testing.assert_allclose(history.history["val_loss"], wanted, rtol=1e-5)


def test_validation_freq_as_a_number_and_as_a_list():
    epochs = lambda freq: [
        "val_loss" in logs for logs in _logs(points(), epochs=5, validation_data=points(3), validation_freq=freq)
    ]
    assert epochs(2) == epochs(np.int64(2)) == [False, True, False, True, False]
    assert epochs([1, 5]) == [True, False, False, False, True]


def _logs(data, **arguments):
    spy = Spy()
    linear().fit(*data, verbose=0, callbacks=[spy], **arguments)
    return spy.epochs


def test_sample_weights_divide_by_the_weights_that_are_not_zero():
    x, y = points(5)
    model = linear(lr=0.0)
    weights = np.array([0.5, 0.0, 2.0, 0.0, 4.0])
    wanted = (squares(model, x, y) * weights).sum() / 3
    assert model.train_on_batch(x, y, sample_weight=weights) == pytest.approx(wanted, rel=1e-5)
    assert model.evaluate(x, y, sample_weight=weights, verbose=0) == pytest.approx(wanted, rel=1e-5)
    history = model.fit(x, y, sample_weight=weights, verbose=0)
    assert history.history["loss"] == [pytest.approx(wanted, rel=1e-5)]


def test_sample_weights_scale_the_gradient():
    x, y = points(3)
    model = linear(lr=1.0)
    w, b = model.get_weights()
    weights = np.array([0.0, 3.0, 1.0])
    model.train_on_batch(x, y, sample_weight=weights)
    residual = x @ w + b - y
    np.testing.assert_allclose(model.get_weights()[0], w - 2 * x.T @ (residual * weights[:, None]) / 2, rtol=1e-4, atol=1e-6)


def classifier(lr=0.0, classes=3, **compiled):
    model = Sequential([Dense(classes, activation="softmax", input_shape=(3,))])
    model.compile(SGD(lr=lr), "sparse_categorical_crossentropy", **compiled)
    return model


def cross_entropy(model, x, labels):
    return -np.log(model.predict(x)[np.arange(len(x)), labels])


def test_class_weight_multiplies_sample_weight():
    x = points(6)[0]
    labels = np.array([0, 1, 2, 1, 0, 1])
    model = classifier()
    by_class, own = {0: 1.0, 1: 0.5, 2: 4.0}, np.array([1.0, 2.0, 3.0, 0.0, 1.0, 1.0])
    weights = np.array([by_class[c] for c in labels]) * own
    wanted = (cross_entropy(model, x, labels) * weights).sum() / 5
    history = model.fit(x, labels, class_weight=by_class, sample_weight=own, verbose=0)
    assert history.history["loss"] == [pytest.approx(wanted, rel=1e-5)]


def test_class_weight_of_one_hot_targets():
    x, labels = points(4)[0], np.array([0, 1, 2, 1])
    model = classifier()
    model.compile(SGD(lr=0.0), "categorical_crossentropy")
    by_class = {0: 1.0, 1: 0.5, 2: 4.0}
    wanted = (cross_entropy(model, x, labels) * [by_class[c] for c in labels]).mean()
    loss = model.train_on_batch(x, np.eye(3)[labels], class_weight=by_class)
    assert loss == pytest.approx(wanted, rel=1e-5)


def test_class_weight_is_used_in_the_split_but_not_in_validation_data():
    x, labels = points(8)[0], np.array([0, 1, 2, 1, 0, 1, 2, 2])
    model, by_class = classifier(), {0: 1.0, 1: 0.5, 2: 4.0}
    each = cross_entropy(model, x, labels)
    weighted = each * [by_class[c] for c in labels]
    split = model.fit(x, labels, validation_split=0.5, class_weight=by_class, verbose=0).history["val_loss"]
    given = model.fit(x, labels, validation_data=(x[4:], labels[4:]), class_weight=by_class, verbose=0)
    assert split == [pytest.approx(weighted[4:].mean(), rel=1e-5)]
    assert given.history["val_loss"] == [pytest.approx(each[4:].mean(), rel=1e-5)]


def test_the_loss_includes_penalties_and_metrics_do_not():
    model = Sequential([Dense(1, input_shape=(3,), kernel_regularizer=l2(0.5))])
    model.compile(SGD(lr=0.0), "mse", metrics=["mse"])
    x, y = points(6)
    plain, penalty = squares(model, x, y).mean(), 0.5 * (model.get_weights()[0] ** 2).sum()
    history = model.fit(x, y, validation_data=(x, y), verbose=0).history
    for prefix in ("", "val_"):
        assert history[f"{prefix}loss"] == [pytest.approx(plain + penalty, rel=1e-5)]
        assert history[f"{prefix}mean_squared_error"] == [pytest.approx(plain, rel=1e-5)]


def two_outputs(**compiled):
    inputs = Input((3,))
    outputs = [Dense(1, name="a")(inputs), Dense(2, name="b", activation="softmax")(inputs)]
    model = Model(inputs, outputs)
    model.compile(SGD(lr=0.0), **compiled)
    return model


def test_several_outputs_names_and_unweighted_columns():
    model = two_outputs(
        loss={"a": "mse", "b": "categorical_crossentropy"}, loss_weights={"a": 0.25, "b": 2.0},
        metrics={"a": ["mae", "mae"], "b": "accuracy"},
    )  # fmt: skip
    assert model.metrics_names == [
        "loss", "a_loss", "b_loss", "a_mean_absolute_error", "a_mean_absolute_error_1", "b_acc",
    ]  # fmt: skip
    x, y = points(6)
    one_hot = np.eye(2, dtype="f4")[[0, 1, 1, 0, 1, 0]]
    a, b = model.predict(x)
    mse, ce = ((a - y) ** 2).mean(), -(one_hot * np.log(b)).sum(axis=1).mean()
    mae, hit = np.abs(a - y).mean(), (b.argmax(1) == one_hot.argmax(1)).mean()
    wanted = [0.25 * mse + 2 * ce, mse, ce, mae, mae, hit]
    for y_given in ([y, one_hot], {"a": y, "b": one_hot}):
        np.testing.assert_allclose(model.evaluate(x, y_given, verbose=0, batch_size=4), wanted, rtol=1e-5)
    history = model.fit(x, [y, one_hot], verbose=0).history
    np.testing.assert_allclose([history[n][0] for n in model.metrics_names], wanted, rtol=1e-5)
    assert history["b_accuracy"] == history["b_acc"]


def test_an_output_without_loss_takes_no_target():
    with pytest.warns(UserWarning, match='Output "b" missing from loss dictionary'):
        model = two_outputs(loss={"a": "mse"})
    x, y = points(6)
    values = model.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(values, [((model.predict(x)[0] - y) ** 2).mean()] * 2, rtol=1e-5)


def test_weighted_metrics_have_a_prefix_and_use_the_weights():
    x, y = points(4)
    model = linear(lr=0.0, metrics=["mae"], weighted_metrics=["mae"])
    assert model.metrics_names == ["loss", "mean_absolute_error", "weighted_mean_absolute_error"]
    weights = np.array([1.0, 0.0, 2.0, 5.0])
    error = np.sqrt(squares(model, x, y))
    values = model.evaluate(x, y, sample_weight=weights, verbose=0)
    np.testing.assert_allclose(values, [(error**2 * weights).sum() / 3, error.mean(), (error * weights).sum() / 3], rtol=1e-5)


@pytest.mark.parametrize(
    "units, activation, loss, targets",
    [
        (1, "sigmoid", "binary_crossentropy", np.array([0, 1, 1, 0])),
        (1, "sigmoid", "mse", np.array([0, 1, 1, 0])),
        (3, "softmax", "categorical_crossentropy", np.eye(3)[[0, 1, 2, 0]]),
        (3, "softmax", "sparse_categorical_crossentropy", np.array([0, 1, 2, 0])),
        # As Keras 2 documents, binary accuracy compares element by element.
        (3, "softmax", "binary_crossentropy", np.eye(3)[[0, 1, 2, 0]]),
    ],
)
@pytest.mark.parametrize("name", ["acc", "accuracy"])
def test_accuracy_fits_the_loss_and_the_output(units, activation, loss, targets, name):
    model = Sequential([Dense(units, activation=activation, input_shape=(3,))])
    model.compile("sgd", loss, metrics=[name])
    x = points(4)[0]
    p = model.predict(x)
    if units == 1:
        wanted = (np.rint(p)[:, 0] == targets).mean()
    elif loss == "binary_crossentropy":
        wanted = (np.rint(p) == targets).mean()
    else:
        labels = targets if targets.ndim == 1 else targets.argmax(1)
        wanted = (p.argmax(1) == labels).mean()
    assert model.metrics_names == ["loss", "acc"]
    assert model.evaluate(x, targets, verbose=0)[1] == pytest.approx(wanted)


def test_ce_resolves_too():
    model = classifier(metrics=["ce"])
    x, labels = points(4)[0], np.array([0, 1, 2, 0])
    loss, ce = model.evaluate(x, labels, verbose=0)
    assert model.metrics_names[1] == "ce" and ce == pytest.approx(loss, rel=1e-6)


def test_evaluate_is_exact_over_batches_and_scalar_without_metrics():
    x, y = points(10)
    model = linear()
    for size in (1, 3, 10, 64):
        assert model.evaluate(x, y, batch_size=size, verbose=0) == pytest.approx(squares(model, x, y).mean(), rel=1e-5)


def test_predict_concatenates_batches_in_order():
    x, _ = points(10)
    model = linear()
    w, b = model.get_weights()
    np.testing.assert_allclose(model.predict(x, batch_size=3), x @ w + b, rtol=1e-5)
    np.testing.assert_allclose(model.predict_on_batch(x), x @ w + b, rtol=1e-5)
    assert model.predict(x).dtype == np.float32


def test_shuffle_is_seeded_and_differs_from_epoch_to_epoch():
    x = np.arange(64, dtype="f4")[:, None]

    def orders(shuffle, epochs=2):
        set_random_seed(3)
        model = Sequential([Dense(1, input_shape=(1,), use_bias=False, kernel_initializer="ones")])
        model.compile(SGD(lr=0.0), lambda y, p: p[:, 0])
        spy = Spy()
        model.fit(x, x, batch_size=1, epochs=epochs, shuffle=shuffle, verbose=0, callbacks=[spy])
        seen = [int(b["loss"]) for b in spy.batches]
        return seen[:64], seen[64:]

    first, second = orders(True)
    assert sorted(first) == sorted(second) == list(range(64)) and first != second != list(range(64))
    assert (first, second) == orders(True)
    assert orders(False) == (list(range(64)),) * 2


def test_shuffle_batch_shuffles_full_batches_and_keeps_the_rest_last():
    x = np.arange(34, dtype="f4")[:, None]
    model = Sequential([Dense(1, input_shape=(1,), use_bias=False, kernel_initializer="ones")])
    order = []
    model.compile(SGD(lr=0.0), lambda y, p: (order.append(y[:, 0].tolist()), p[:, 0])[1])
    model.fit(x, x, batch_size=4, shuffle="batch", verbose=0)
    assert order[-1] == [32, 33] and all(np.diff(batch).tolist() == [1, 1, 1] for batch in order[:-1])
    starts = [batch[0] for batch in order[:-1]]
    assert sorted(starts) == list(range(0, 32, 4)) and starts != sorted(starts)


class StopAt(Callback):
    def __init__(self, batch=None, epoch=None):
        super().__init__()
        self.batch, self.epoch = batch, epoch

    def on_batch_end(self, batch, logs=None):
        if batch == self.batch:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            self.model.stop_training = True


class PredictLater(Callback):
    def on_epoch_end(self, epoch, logs=None):
        x, y = points(4)
        self.model.predict(x), self.model.evaluate(x, y, verbose=0)


def test_stop_training_is_never_lost():
    history = linear().fit(*points(), epochs=5, verbose=0, callbacks=[StopAt(epoch=1), PredictLater()])
    assert history.epoch == [0, 1]
    # On the last batch validation still runs, and does not cancel the stop.
    history = linear().fit(
        *points(8), batch_size=4, epochs=5, verbose=0, validation_data=points(2), callbacks=[StopAt(batch=1)]
    )
    assert history.epoch == [0] and "val_loss" in history.history


def test_stop_inside_an_epoch_skips_validation_and_ends_the_epoch():
    spy = Spy()
    history = linear().fit(
        *points(8), batch_size=2, epochs=5, verbose=0, validation_data=points(2), callbacks=[StopAt(batch=1), spy]
    )
    assert [b["batch"] for b in spy.batches] == [0, 1]
    assert list(history.history) == ["loss"] and history.epoch == [0]
    assert spy.calls[-2:] == ["epoch_end 0", "train_end"]


def test_stop_training_of_an_earlier_fit_is_reset():
    model = linear()
    model.fit(*points(), epochs=3, verbose=0, callbacks=[StopAt(epoch=0)])
    assert model.fit(*points(), epochs=3, verbose=0).epoch == [0, 1, 2]


def test_history_has_values_that_callbacks_add_to_the_logs():
    class Rate(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["lr"] = 0.5 + epoch

    assert linear().fit(*points(), epochs=2, verbose=0, callbacks=[Rate()]).history["lr"] == [0.5, 1.5]


def test_callbacks_get_the_users_own_validation_arrays():
    spy = Spy()
    xv, yv = points(4)
    wv = np.ones(4)
    model = Sequential([Dense(1, input_shape=(3,)), Dropout(0.5)])
    model.compile("sgd", "mse")
    model.fit(*points(), validation_data=(xv, yv), verbose=0, callbacks=[spy])
    assert spy.validation_data[0] is xv and spy.validation_data[1] is yv
    assert spy.validation_data[2].tolist() == wv.tolist() and spy.validation_data[3] == 0.0
    spy = Spy()
    linear().fit(*points(), validation_data=(xv, yv), verbose=0, callbacks=[spy])
    assert len(spy.validation_data) == 3


def test_recompiling_keeps_iterations_and_resets_moments():
    x, y = points(4)
    opt = SGD(lr=0.1, momentum=0.9)
    model = Sequential([Dense(1, input_shape=(3,))])
    model.compile(opt, "mse")
    model.train_on_batch(x, y)
    assert np.any(opt.get_weights()[1])
    w, b = model.get_weights()
    model.compile(opt, "mse")
    assert int(opt.iterations) == 1
    model.train_on_batch(x, y)
    # Without the old moment the second step is a plain gradient step.
    np.testing.assert_allclose(model.get_weights()[0], w - 0.1 * 2 * x.T @ (x @ w + b - y) / 4, rtol=1e-5, atol=1e-7)
    assert int(opt.iterations) == 2


def test_trainable_is_fixed_at_compile():
    x, y = points(4)
    model = linear()
    model.layers[0].trainable = False
    before = model.get_weights()
    with pytest.warns(UserWarning, match="Discrepancy between trainable weights and collected trainable weights"):
        model.fit(x, y, verbose=0)
    assert not np.array_equal(before[0], model.get_weights()[0])
    model.compile("sgd", "mse")
    before = model.get_weights()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(x, y, verbose=0)
    assert np.array_equal(before[0], model.get_weights()[0])


def test_constraints_are_applied_after_the_step():
    model = Sequential([Dense(2, input_shape=(3,), kernel_constraint="unit_norm")])
    model.compile(SGD(lr=10.0), "mse")
    x = points(4)[0]
    model.fit(x, np.ones((4, 2)), verbose=0)
    np.testing.assert_allclose(np.linalg.norm(model.get_weights()[0], axis=0), 1.0, rtol=1e-5)


def test_custom_loss_and_plain_numpy_metric():
    def cubic(y_true, y_pred):
        return (y_pred - y_true) ** 4

    def largest(y_true, y_pred):
        return np.abs(y_true - y_pred).max()

    x, y = points(4)
    model = linear(loss=cubic, lr=0.01, metrics=[largest])
    assert model.metrics_names == ["loss", "largest"]
    w, b = model.get_weights()
    residual = x.astype("f8") @ w + b - y
    loss, worst = model.train_on_batch(x, y)
    assert loss == pytest.approx((residual**4).mean(), rel=1e-4) and worst == pytest.approx(np.abs(residual).max())
    np.testing.assert_allclose(model.get_weights()[0], w - 0.01 * 4 * x.T @ residual**3 / 4, rtol=1e-4, atol=1e-6)


def test_a_stateful_metric_is_not_averaged():
    class Count:
        stateful, name = True, "count"

        def __init__(self):
            self.n = 0

        def reset_states(self):
            self.n = 0

        def __call__(self, y_true, y_pred):
            self.n += len(y_true)
            return self.n

    model = linear(metrics=[Count()])
    history = model.fit(*points(10), batch_size=4, epochs=2, verbose=0, validation_data=points(3))
    assert history.history["count"] == [10, 10] and history.history["val_count"] == [3, 3]
    assert model.evaluate(*points(7), batch_size=2, verbose=0)[1] == 7


def test_a_model_without_input_shape_is_built_from_the_data():
    model = Sequential([Dense(2), Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    assert not model.built
    history = model.fit(*points(), verbose=0)
    assert model.built and list(history.history) == ["loss", "mean_absolute_error"]
    assert Sequential([Dense(2)]).predict(points(5)[0]).shape == (5, 2)


def test_inputs_are_not_modified():
    x, y = points(10)
    weights = np.linspace(0, 1, 10)
    kept = [a.copy() for a in (x, y, weights)]
    linear().fit(x, y, sample_weight=weights, epochs=2, batch_size=3, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip((x, y, weights), kept))


def test_lists_dicts_and_one_dimensional_arrays():
    x, y = points(6)
    model = linear(lr=0.0)
    wanted = model.evaluate(x, y, verbose=0)
    name = model.input_names[0]
    for given in ([x], {name: x}, x.tolist()):
        assert model.evaluate(given, y[:, 0], verbose=0) == wanted
    one = Sequential([Dense(1, input_shape=(1,))])
    assert one.predict(np.arange(3.0)).shape == one.predict([0.0, 1.0, 2.0]).shape == (3, 1)


def test_steps_per_epoch_takes_all_samples_in_each_step():
    spy = Spy()
    x, y = points(5)
    model = linear(lr=0.0)
    history = model.fit(x, y, steps_per_epoch=3, verbose=0, callbacks=[spy], validation_data=(x, y), validation_steps=2)
    assert [b["size"] for b in spy.batches] == [5, 5, 5]
    assert history.history["loss"] == history.history["val_loss"] == [pytest.approx(squares(model, x, y).mean(), rel=1e-5)]


def test_a_fixed_batch_size_must_be_kept():
    model = Sequential([Dense(1, batch_input_shape=(4, 3))])
    model.compile("sgd", "mse")
    spy = Spy()
    model.fit(*points(8), verbose=0, callbacks=[spy])
    assert [b["size"] for b in spy.batches] == [4, 4]
    with pytest.raises(ValueError, match="`batch_size` argument value 5 is incompatible with the specified batch size"):
        model.fit(*points(8), batch_size=5)


def test_a_stop_before_the_first_epoch_ends_training():
    class Never(Callback):
        def on_train_begin(self, logs=None):
            self.model.stop_training = True

    assert linear().fit(*points(), verbose=0, callbacks=[Never()]).epoch == []


def test_an_optimizer_shared_by_two_models_has_a_state_for_each():
    x, y = points(4)

    def trained(shared):
        set_random_seed(1)
        first = SGD(lr=0.1, momentum=0.9)
        models = []
        for optimizer in (first, first if shared else SGD(lr=0.1, momentum=0.9)):
            model = Sequential([Dense(1, input_shape=(3,))])
            model.compile(optimizer, "mse")
            models.append(model)
        for _ in range(3):
            for model in models:
                model.train_on_batch(x, y)
        return [w for model in models for w in model.get_weights()]

    for a, b in zip(trained(True), trained(False)):
        assert np.array_equal(a, b)


def test_float64_models():
    from lamella.core import config

    config.set_floatx("float64")
    try:
        model = linear(lr=0.1)
        x, y = np.random.default_rng(0).normal(size=(2, 6, 3))
        y = y[:, :1]
        w, b = model.get_weights()
        assert w.dtype == np.float64
        residual = x @ w + b - y
        assert model.train_on_batch(x, y) == pytest.approx((residual**2).mean(), rel=1e-13)
        np.testing.assert_allclose(model.get_weights()[0], w - 0.1 * 2 * x.T @ residual / 6, rtol=1e-12)
        assert model.predict(x).dtype == np.float64
    finally:
        config.set_floatx("float32")


def test_early_stopping_in_a_real_fit():
    from lamella.callbacks import EarlyStopping

    x, y = points(20)
    model = linear(lr=0.5)
    spy = Spy()
    weights = []
    keep = Callback()
    keep.on_epoch_end = lambda epoch, logs=None: weights.append(model.get_weights())
    stopper = EarlyStopping(patience=3, restore_best_weights=True)
    model.fit(x, y, epochs=200, validation_data=points(9, seed=4), verbose=0, callbacks=[keep, stopper, spy])
    losses = [logs["val_loss"] for logs in spy.epochs]
    best = int(np.argmin(losses))
    assert len(losses) == best + 4 == stopper.stopped_epoch + 1 < 200
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), weights[best]))
    assert stopper.best_epoch == best and stopper.best == losses[best]


def test_what_is_printed(capsys):
    model = linear(metrics=["mae"])
    model.fit(*points(10), epochs=2, validation_split=0.2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Train on 8 samples, validate on 2 samples" and len(lines) == 3
    assert lines[1].startswith("Epoch 1/2 - 8/8 [==============================] - 0s ")
    assert " - loss: " in lines[2] and " - mean_absolute_error: " in lines[2] and " - val_loss: " in lines[2]
    model.fit(*points(10), epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[1].startswith("Epoch 2/2 - 0s - loss: ")
    model.fit(*points(10), verbose=0), model.predict(points(10)[0]), model.evaluate(*points(10), verbose=0)
    assert capsys.readouterr().out == ""
    model.evaluate(*points(10))
    assert capsys.readouterr().out.startswith("10/10 [====")


def test_temporal_weights_and_sample_weights_of_sequences():
    x = np.random.default_rng(0).normal(size=(4, 5, 3)).astype("f4")
    y = np.random.default_rng(1).normal(size=(4, 5, 2)).astype("f4")
    model = Sequential([Dense(2, input_shape=(5, 3))])
    model.compile("sgd", "mse")
    each = ((model.predict(x) - y) ** 2).mean(axis=-1)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(each.mean(), rel=1e-5)
    per_sample = np.array([1.0, 0.0, 2.0, 3.0])
    wanted = (each.mean(axis=1) * per_sample).sum() / 3
    assert model.evaluate(x, y, sample_weight=per_sample, verbose=0) == pytest.approx(wanted, rel=1e-5)
    model.compile("sgd", "mse", sample_weight_mode="temporal")
    per_step = np.arange(20.0).reshape(4, 5)
    wanted = (each * per_step).sum() / 19
    assert model.evaluate(x, y, sample_weight=per_step, verbose=0) == pytest.approx(wanted, rel=1e-5)


def test_a_loss_that_returns_a_scalar():
    from lamella.ops import mean

    def whole(y_true, y_pred):
        return mean((y_pred - y_true) ** 2)

    x, y = points(4)
    model = linear(loss=whole, lr=0.0)
    value = squares(model, x, y).mean()
    assert model.train_on_batch(x, y) == pytest.approx(value, rel=1e-5)
    weights = np.array([1.0, 0.0, 2.0, 0.0])
    assert model.train_on_batch(x, y, sample_weight=weights) == pytest.approx(value * 3 / 2, rel=1e-5)


def test_a_model_with_only_penalties():
    model = Sequential([Dense(2, input_shape=(3,), kernel_regularizer=l2(0.5), use_bias=False)])
    model.compile(SGD(lr=0.25), None)
    before = model.get_weights()[0]
    history = model.fit(points(4)[0], verbose=0)
    assert history.history["loss"] == [pytest.approx(0.5 * (before**2).sum(), rel=1e-5)]
    np.testing.assert_allclose(model.get_weights()[0], 0.75 * before, rtol=1e-5)


def test_several_inputs_by_list_and_by_name():
    from lamella.layers import Concatenate

    a, b = Input((2,), name="a"), Input((1,), name="b")
    model = Model([a, b], Dense(1)(Concatenate()([a, b])))
    model.compile(SGD(lr=0.0), "mse")
    x, y = points(6)
    wanted = squares(model, x, y).mean()
    for given in ([x[:, :2], x[:, 2]], {"b": x[:, 2:], "a": x[:, :2]}):
        assert model.evaluate(given, y, verbose=0) == pytest.approx(wanted, rel=1e-5)
        assert model.fit(given, y, verbose=0, batch_size=4).history["loss"] == [pytest.approx(wanted, rel=1e-5)]
    with pytest.raises(ValueError, match=r"Expected to see 2 array\(s\)"):
        model.fit(x, y)
