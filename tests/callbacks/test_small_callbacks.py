"""LearningRateScheduler, LambdaCallback, TerminateOnNaN; all hooks of a fit in Keras's order."""

import functools

import numpy as np
import pytest

from lamella.callbacks import Callback, LambdaCallback, LearningRateScheduler, TerminateOnNaN
from lamella.layers import Dense
from lamella.models import Sequential
from lamella.optimizers import SGD

X, Y = np.ones((6, 3), "f4"), np.ones((6, 1), "f4")


def model(lr=0.5):
    net = Sequential([Dense(1, input_shape=(3,))])
    net.compile(SGD(lr=lr), "mse")
    return net


def rates(schedule, epochs=3, **arguments):
    history = model().fit(X, Y, epochs=epochs, verbose=0, callbacks=[LearningRateScheduler(schedule, **arguments)])
    return history.history["lr"]


def test_schedules_of_one_and_of_two_arguments():
    assert rates(lambda epoch: 0.1 / (epoch + 1)) == [0.1, 0.05, 0.1 / 3]
    assert rates(lambda epoch, lr: lr * 0.5) == [0.25, 0.125, 0.0625]
    assert rates(lambda epoch, lr=7.0: lr * 0.5) == [0.25, 0.125, 0.0625]
    assert rates(lambda *given: float(len(given))) == [2.0] * 3
    assert rates(functools.partial(lambda rate, epoch: rate, 0.25)) == [0.25] * 3
    assert rates([0.5, 0.25, 0.125].__getitem__) == [0.5, 0.25, 0.125]
    assert rates(lambda epoch: np.float32(0.5)) == [0.5] * 3


def test_a_type_error_of_the_schedule_itself_is_raised():
    calls = []

    def schedule(epoch, lr):
        calls.append(epoch)
        return "a" + lr

    with pytest.raises(TypeError, match="can only concatenate str"):
        rates(schedule)
    assert calls == [0]  # not called a second time with the epoch alone


@pytest.mark.parametrize("lr", [1, None, "0.1", np.array([0.1])])
def test_a_schedule_returns_a_float(lr):
    with pytest.raises(ValueError, match='The output of the "schedule" function should be float'):
        rates(lambda epoch: lr)


def test_scheduler_needs_lr_and_says_what_it_sets(capsys):
    callback = LearningRateScheduler(lambda epoch: 0.1)
    callback.set_model(type("Model", (), {"optimizer": object()})())
    with pytest.raises(ValueError, match='Optimizer must have a "lr" attribute.'):
        callback.on_epoch_begin(0)
    rates(lambda epoch: 0.25, epochs=1, verbose=1)
    assert capsys.readouterr().out == "\nEpoch 00001: LearningRateScheduler setting learning rate to 0.25.\n"


HOOKS = [name for name in dir(Callback) if name.startswith("on_")]


class Everything(Callback):
    """Records each hook that the loop calls. on_train_batch_* call on_batch_*."""

    def __init__(self, calls):
        super().__init__()
        for hook in HOOKS:
            if hook not in ("on_train_batch_begin", "on_train_batch_end"):
                setattr(self, hook, lambda *arguments, hook=hook: calls.append((hook, *arguments[:-1])))


def test_all_hooks_in_keras_order():
    calls = []
    net = model()
    net.fit(X, Y, batch_size=3, epochs=2, verbose=0, validation_data=(X[:4], Y[:4]), callbacks=[Everything(calls)])
    batches = [(f"on_batch_{when}", i) for i in range(2) for when in ("begin", "end")]
    tested = [(f"on_test_batch_{when}", i) for i in range(2) for when in ("begin", "end")]
    epoch = lambda e: [("on_epoch_begin", e), *batches, ("on_test_begin",), *tested, ("on_test_end",), ("on_epoch_end", e)]
    assert calls == [("on_train_begin",), *epoch(0), *epoch(1), ("on_train_end",)]
    calls.clear()
    net.evaluate(X, Y, batch_size=3, verbose=0, callbacks=[Everything(calls)])
    assert calls == [("on_test_begin",), *tested, ("on_test_end",)]
    calls.clear()
    net.predict(X, batch_size=3, callbacks=[Everything(calls)])
    predicted = [(f"on_predict_batch_{when}", i) for i in range(2) for when in ("begin", "end")]
    assert calls == [("on_predict_begin",), *predicted, ("on_predict_end",)]


def test_batches_of_predict_have_logs():
    """As in the real Keras 2.2.5, which gives these logs."""
    seen = []
    note = lambda batch, logs: seen.append((batch, sorted(logs), logs["size"], [v.tolist() for v in logs.get("outputs", [])]))
    net = model()
    net.set_weights([np.ones((3, 1)), [0.5]])
    net.predict(X[:3], batch_size=2, callbacks=[LambdaCallback(on_predict_batch_begin=note, on_predict_batch_end=note)])
    before, after = ["batch", "size"], ["batch", "outputs", "size"]
    assert seen == [(0, before, 2, []), (0, after, 2, [[[3.5], [3.5]]]), (1, before, 1, []), (1, after, 1, [[[3.5]]])]


def test_lambda_callback_takes_every_hook():
    calls = []
    hooks = {hook: functools.partial(lambda hook, *arguments: calls.append(hook), hook) for hook in HOOKS}
    net = model()
    net.fit(X, Y, epochs=1, verbose=0, validation_split=0.5, callbacks=[LambdaCallback(**hooks)])
    net.predict(X, callbacks=[LambdaCallback(**hooks)])
    # A user's on_train_batch_begin replaces the method that would call on_batch_begin.
    assert set(calls) == set(HOOKS) - {"on_batch_begin", "on_batch_end"}
    losses = []
    net.fit(
        X, Y, batch_size=2, verbose=0, callbacks=[LambdaCallback(on_batch_end=lambda batch, logs: losses.append(logs["loss"]))]
    )
    assert len(losses) == 3 and all(np.isfinite(losses))
    with pytest.raises(TypeError, match="LambdaCallback: 'on_epoch_ends' is not a hook of Callback"):
        LambdaCallback(on_epoch_ends=print)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_terminate_on_nan_stops_at_that_batch(bad, capsys):
    x = X.copy()
    x[2] = bad
    steps = []
    net = model()
    spy = LambdaCallback(on_batch_end=lambda batch, logs: steps.append(batch))
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="the loss of batch 2 is"):
        history = net.fit(x, Y, batch_size=1, epochs=3, shuffle=False, verbose=0, callbacks=[spy, TerminateOnNaN()])
    assert steps == [0, 1, 2] and history.epoch == [0]
    assert capsys.readouterr().out == "Batch 2: Invalid loss, terminating training\n"


@pytest.mark.parametrize("where", ["on_test_batch_end", "on_test_end", "on_epoch_end", "on_batch_end"])
def test_a_stop_is_never_lost(where):
    """Keras loses a requested stop when validation, or predict in a later callback, runs after the request."""
    net = model()
    stop = LambdaCallback(**{where: lambda *arguments: setattr(net, "stop_training", True)})
    look = LambdaCallback(on_epoch_end=lambda epoch, logs: (net.predict(X), net.evaluate(X, Y, verbose=0)))
    history = net.fit(X, Y, epochs=5, verbose=0, validation_data=(X, Y), callbacks=[stop, look])
    assert history.epoch == [0] and "val_loss" in history.history
