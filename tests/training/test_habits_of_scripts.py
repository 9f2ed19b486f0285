"""Code that is common in scripts of 2017 to 2022, in both dialects."""

import numpy as np
import pytest

from lamella import backend as K
from lamella import config
from lamella.callbacks import Callback, EarlyStopping, LambdaCallback, ModelCheckpoint, ReduceLROnPlateau
from lamella.layers import Conv2D, Dense, Input, MaxPooling2D
from lamella.models import Model, Sequential
from lamella.optimizers import SGD

X = np.linspace(-1, 1, 24, dtype="float32").reshape(8, 3)
Y = (X.sum(1) > 0).astype("float32")


@pytest.fixture(params=["keras2", "tf"])
def dialect(request):
    config.set_dialect(request.param)
    yield request.param
    config.set_dialect("keras2")


def still(metric):
    """A model whose accuracy never changes."""
    model = Sequential([Dense(1, activation="sigmoid", input_shape=(3,))])
    model.compile(SGD(0.0), "binary_crossentropy", metrics=[metric])
    return model


@pytest.mark.parametrize("metric", ["acc", "accuracy"])
@pytest.mark.parametrize("monitor", ["val_acc", "val_accuracy"])
def test_callbacks_find_both_names_of_accuracy(dialect, metric, monitor, tmp_path):
    stop = EarlyStopping(monitor=monitor, patience=4)
    plateau = ReduceLROnPlateau(monitor=monitor, factor=0.5, patience=1, min_delta=0, verbose=0)
    path = str(tmp_path / ("w-{epoch:02d}-{" + monitor + ":.2f}.h5"))
    best = ModelCheckpoint(path, monitor=monitor, save_best_only=True, save_weights_only=True)
    model = still(metric)
    K.set_value(model.optimizer.lr, 1e-12)
    history = model.fit(X, Y, epochs=9, validation_data=(X, Y), callbacks=[stop, plateau, best], verbose=0).history
    accuracy = model.evaluate(X, Y, verbose=0)[1]
    assert stop.stopped_epoch == 4 and len(history["loss"]) == 5
    # The lr in the logs is that before the end of the epoch. It is halved at the ends of epochs 2, 3 and 4.
    np.testing.assert_allclose(history["lr"], 1e-12 * 0.5 ** np.array([0, 0, 1, 2, 3]), rtol=1e-5)
    assert [file.name for file in tmp_path.iterdir()] == [f"w-01-{accuracy:.2f}.h5"]
    assert best.best == pytest.approx(accuracy, abs=1e-6)


@pytest.mark.parametrize("validated", [False, True])
def test_a_generator_is_drawn_only_after_on_train_begin(validated):
    began, drawn = [], []

    def batches(of):
        while True:
            drawn.append((of, len(began)))
            yield X, Y

    model = still("acc")
    more = dict(validation_data=batches("validation"), validation_steps=1) if validated else {}
    watch = LambdaCallback(on_train_begin=lambda logs: began.append(1))
    model.fit_generator(batches("training"), steps_per_epoch=2, epochs=1, callbacks=[watch], verbose=0, **more)
    assert {of for of, _ in drawn} == {"training", "validation"} if validated else {"training"}
    assert all(count == 1 for _, count in drawn)


def test_padding_may_be_written_in_capitals():
    model = Sequential([Conv2D(2, 3, padding="Same", input_shape=(5, 5, 1)), MaxPooling2D(2, padding="Valid")])
    assert model.layers[0].output_shape == (None, 5, 5, 2) and model.output_shape == (None, 2, 2, 2)
    assert model.predict(np.ones((1, 5, 5, 1))).shape == (1, 2, 2, 2)


def test_an_assigned_learning_rate_is_used_from_the_next_step(dialect):
    model = Sequential([Dense(1, use_bias=False, kernel_initializer="zeros", input_shape=(3,))])
    model.compile(SGD(0.5), "mse")
    gradient = model.gradients_on_batch(X, Y)[0]
    model.optimizer.lr = 0.25
    assert K.get_value(model.optimizer.lr) == 0.25
    model.train_on_batch(X, Y)
    np.testing.assert_allclose(model.get_weights()[0], -0.25 * gradient, rtol=1e-6)


def test_tables_of_pandas_are_used_as_arrays():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X, columns=["a", "b", "c"], index=np.arange(8)[::-1])
    model = still("acc")
    wanted = model.evaluate(X, Y, verbose=0)
    assert model.evaluate(table, pandas.Series(Y, index=table.index), verbose=0) == wanted
    np.testing.assert_array_equal(model.predict(table[["a", "b", "c"]]), model.predict(X))
    history = model.fit(table, pandas.Series(Y), validation_data=(table, pandas.Series(Y)), epochs=1, verbose=0).history
    assert history["val_loss"] == [pytest.approx(wanted[0], rel=1e-6)]


def test_tensors_are_added_to_a_loss_that_begins_as_a_variable():
    x = Input((3,))
    y = Dense(2, use_bias=False)(x)
    model = Model(x, y)
    loss = K.variable(0.0)
    for factor in (2.0, 3.0):
        loss += factor * K.sum(K.square(y))
    values, gradient = K.function([x], [loss, K.gradients(loss, x)[0]])([X])
    weights = model.get_weights()[0]
    np.testing.assert_allclose(values, 5 * np.sum((X @ weights) ** 2), rtol=1e-5)
    np.testing.assert_allclose(gradient, 10 * X @ weights @ weights.T, rtol=1e-4, atol=1e-6)


def test_a_callback_whose_constructor_skips_its_base_class():
    class OfACompetition(Callback):
        def __init__(self):
            super(Callback, self).__init__()
            self.seen = []

        def on_epoch_end(self, epoch, logs={}):  # noqa: B006
            self.seen.append(self.model.predict(X).shape)

    callback = OfACompetition()
    still("acc").fit(X, Y, epochs=2, callbacks=[callback], verbose=0)
    assert callback.seen == [(8, 1), (8, 1)]
