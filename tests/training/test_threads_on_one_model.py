"""One model in several threads, nested runs, forks during a run: each run has its own results."""

import copy
import os
import pickle
import signal
import threading

import numpy as np
import pytest

from lamella import backend as K
from lamella.callbacks import Callback, LambdaCallback
from lamella.core import names, random, registry
from lamella.layers import Activation, Dense, Input
from lamella.metrics import AUC
from lamella.models import Model, Sequential
from lamella.optimizers import SGD
from lamella.training import exclusive

X = np.linspace(0.05, 0.95, 40, dtype="f4")[::-1].reshape(-1, 1)
Y = (X > 0.5).astype("f4")


def scoring(auc=None):
    """A model whose score is its input, so that the AUC of Y is 1 and that of 1 - Y is 0."""
    model = Sequential([Activation("linear", input_shape=(1,))])
    model.compile("sgd", "mse", metrics=[auc or AUC()])
    return model


class Meet(Callback):
    """Waits for the other thread at the end of each batch."""

    def __init__(self, barrier):
        super().__init__()
        self.barrier = barrier

    def on_batch_end(self, batch, logs=None):
        self.barrier.wait(30)

    on_test_batch_end = on_batch_end


def together(*functions):
    """Call each function in its own thread, and return their results or errors."""
    found = [None] * len(functions)

    def run(i):
        try:
            found[i] = functions[i]()
        except BaseException as error:
            found[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(functions))]
    [t.start() for t in threads]
    [t.join(60) for t in threads]
    return found


class Pause:
    """Pauses a run in the hook at the end of a batch, until the test lets it continue."""

    def __init__(self):
        self.reached, self.released = threading.Event(), threading.Event()

    def __call__(self, batch, logs):
        self.reached.set()
        assert self.released.wait(60)


def paused(call, hook):
    """A thread that runs `call(callback)` and has reached the callback's hook, and the pause."""
    pause = Pause()
    callback = LambdaCallback(**{hook: pause})
    thread = threading.Thread(target=call, args=(callback,))
    thread.start()
    assert pause.reached.wait(60)
    return thread, pause


# numbers -------------------------------------------------------------------------------------------------


def test_concurrent_evaluations_have_their_own_results():
    model, meet = scoring(), Meet(threading.Barrier(3))
    mixed = np.where(np.arange(40).reshape(-1, 1) % 2, Y, 1 - Y)
    wanted = [model.evaluate(X, y, verbose=0) for y in (Y, 1 - Y, mixed)]
    evaluate = lambda y: lambda: model.evaluate(X, y, batch_size=10, verbose=0, callbacks=[meet])
    found = together(evaluate(Y), evaluate(1 - Y), evaluate(mixed))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert found[0][1] > 0.99 and found[1][1] < 0.01


def test_a_concurrent_evaluation_does_not_change_the_results_of_fit():
    model, meet = scoring(), Meet(threading.Barrier(2))
    fit = lambda: model.fit(X, Y, batch_size=10, verbose=0, shuffle=False, callbacks=[meet]).history["auc"]
    evaluate = lambda: model.evaluate(X, 1 - Y, batch_size=10, verbose=0, callbacks=[meet])[1]
    trained, evaluated = together(fit, evaluate)
    assert trained[0] > 0.99 and evaluated < 0.01


def test_saved_metric_state_is_that_of_fit_during_an_evaluation():
    states = []
    keep = LambdaCallback(on_batch_end=lambda b, logs: states.append(model.get_training_state(within_epoch=True)["metrics"]))
    model = scoring()
    model.fit(X, Y, batch_size=10, verbose=0, shuffle=False, callbacks=[keep])
    alone, states[:] = list(states), []
    thread, pause = paused(
        lambda callback: model.evaluate(X, 1 - Y, batch_size=20, verbose=0, callbacks=[callback]), "on_test_batch_end"
    )
    model.fit(X, Y, batch_size=10, verbose=0, shuffle=False, callbacks=[keep])
    pause.released.set()
    thread.join()
    assert len(states) == len(alone) == 4
    for ours, wanted in zip(states, alone):
        for name in ("_true_positives", "_false_positives", "_positives", "_negatives"):
            np.testing.assert_array_equal(ours[0][name], wanted[0][name])


def test_a_single_run_updates_the_users_metric_object():
    auc = AUC()
    model = scoring(auc)
    assert model.evaluate(X, Y, verbose=0)[1] == auc.result()
    evaluated = []
    inner = LambdaCallback(on_epoch_end=lambda e, logs: evaluated.append(model.evaluate(X, 1 - Y, verbose=0)[1]))
    history = model.fit(X, Y, verbose=0, callbacks=[inner])
    assert history.history["auc"] == [auc.result()] and auc.result() > 0.99 and evaluated[0] < 0.01


def penalized(beside=lambda model: None):
    """A model whose loss has penalties on its activations, from a layer's regularizer and from add_loss. `beside` is called after
    the layers have run and before the penalties are read.
    """
    inputs = Input((3,))
    hidden = Dense(4, activity_regularizer="l2", kernel_initializer="ones")(inputs)
    model = Model(inputs, Dense(1, kernel_initializer="ones")(hidden))
    model.add_loss(K.mean(hidden))

    def loss(y, p):
        beside(model)
        return K.square(y - p)

    model.compile(SGD(lr=0.001), loss)
    return model


def test_concurrent_predict_and_evaluate_do_not_change_fits_penalties():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(24, 3)).astype("f4"), rng.normal(size=(24, 1)).astype("f4")

    def trained(beside):
        model = penalized(beside)
        losses = []
        note = LambdaCallback(on_batch_end=lambda b, logs: losses.append(logs["loss"]))
        model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0, callbacks=[note])
        return losses, model.get_weights()

    alone = trained(lambda model: None)
    training = threading.current_thread()
    ends = []

    def during(model):
        if threading.current_thread() is training:
            ends.extend(together(lambda: model.predict(100 * x), lambda: model.test_on_batch(100 * x, y)))

    beside = trained(during)
    assert beside[0] == alone[0]
    assert all(np.array_equal(a, b) for a, b in zip(beside[1], alone[1]))
    assert len(ends) == 12 and not any(isinstance(end, BaseException) for end in ends)


def test_each_thread_has_the_losses_of_its_own_run():
    model = penalized()
    layer = model.layers[1]
    model.predict_on_batch(np.ones((2, 3), "f4"))
    ours = [float(value) for value in layer.losses]
    assert len(ours) == 1
    theirs = together(lambda: (model.predict_on_batch(np.zeros((2, 3), "f4")), [float(v) for v in layer.losses])[1])[0]
    assert theirs == [0.0] and [float(value) for value in layer.losses] == ours
    twin = pickle.loads(pickle.dumps(layer.call_losses))
    assert twin.values == []


# compile -------------------------------------------------------------------------------------------------


def problem():
    model = Sequential([Dense(1, input_shape=(1,), kernel_initializer="ones")])
    model.compile(SGD(lr=0.1), "mse")
    return model


HOOKS = ["on_train_begin", "on_epoch_begin", "on_batch_begin", "on_batch_end", "on_epoch_end"]


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("generated", [False, True])
def test_compile_within_fit_raises_and_changes_nothing(hook, generated):
    model = problem()
    optimizer, weights = model.optimizer, model.get_weights()
    again = LambdaCallback(**{hook: lambda *_: model.compile(SGD(lr=0.5), "mae")})
    with pytest.raises(RuntimeError, match="compile: model '.*' is being trained; .*stop_training = True .*initial_epoch="):
        if generated:
            model.fit_generator(iter([(X, Y)] * 2), 2, verbose=0, callbacks=[again])
        else:
            model.fit(X, Y, verbose=0, callbacks=[again])
    assert model.optimizer is optimizer and model.loss == "mse"
    if "begin" in hook:
        assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights()))
    model.compile(SGD(lr=0.5), "mae")
    assert model.loss == "mae"


def test_compile_in_on_train_end_is_used_in_the_next_fit():
    model = problem()
    model.fit(X, Y, verbose=0, callbacks=[LambdaCallback(on_train_end=lambda logs: model.compile(SGD(lr=0.0), "mae"))])
    weights = model.get_weights()
    assert model.loss == "mae"
    model.fit(X, Y, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights()))


def test_compile_in_another_thread_during_fit_raises():
    model = problem()
    thread, pause = paused(lambda c: model.fit(X, Y, verbose=0, callbacks=[c]), "on_batch_end")
    with pytest.raises(RuntimeError, match="compile: model '.*' is being trained by another thread"):
        model.compile("sgd", "mae")
    pause.released.set()
    thread.join()
    model.compile("sgd", "mae")


# locks of a model --------------------------------------------------------------------------------------


def in_a_child(function):
    """The exit status of a forked child that calls the function: 0 unless it raises. An alarm ends a hanging child."""
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        status = 1
        try:
            function()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_child_forked_while_a_thread_trains_can_train(tmp_path):
    model = problem()
    thread, pause = paused(lambda c: model.fit(X, Y, verbose=0, callbacks=[c]), "on_batch_end")

    def use():
        before = model.get_weights()[0]
        model.fit(X, Y, verbose=0)
        assert not np.array_equal(before, model.get_weights()[0])
        model.train_on_batch(X, Y)
        model.save_weights(tmp_path / "w.h5")
        model.compile("sgd", "mae")

    try:
        assert in_a_child(use) == 0
        with pytest.raises(RuntimeError, match="is being trained by another thread"):
            model.train_on_batch(X, Y)
    finally:
        pause.released.set()
        thread.join()


def test_a_child_forked_during_an_evaluation_updates_the_users_metric():
    auc = AUC()
    model = scoring(auc)
    thread, pause = paused(lambda c: model.evaluate(X, 1 - Y, verbose=0, callbacks=[c]), "on_test_batch_end")

    def use():
        assert model.evaluate(X, Y, verbose=0)[1] == auc.result() > 0.99

    assert in_a_child(use) == 0
    pause.released.set()
    thread.join()


def test_a_child_forked_while_a_thread_has_the_lock_does_not_wait():
    model = problem()
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with exclusive._lock.current:
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(60)
    assert in_a_child(lambda: model.fit(X, Y, verbose=0)) == 0
    leave.set()
    thread.join()


def test_an_interrupt_at_the_end_of_a_block_does_not_lock_the_model(monkeypatch):
    """The traceback is kept, as an interactive shell does, so its frames also stay alive."""
    model = problem()
    kept = []
    with monkeypatch.context() as patch:
        for kind in (exclusive.Exclusive,):
            patch.setattr(kind, "__exit__", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        try:
            model.fit(X, Y, verbose=0)
        except KeyboardInterrupt as error:
            kept.append(error)
    assert kept and model.trained_by is not None
    assert together(lambda: model.fit(X, Y, verbose=0).epoch) == [[0]]
    assert model.trained_by is None


def test_a_copy_made_within_fit_is_not_locked():
    model = problem()
    copies = []
    model.fit(X, Y, verbose=0, callbacks=[LambdaCallback(on_batch_end=lambda b, logs: copies.append(copy.deepcopy(model)))])
    assert len(copies) == 2
    assert together(lambda: copies[0].evaluate(X, Y, verbose=0)) == [copies[0].evaluate(X, Y, verbose=0)]
    assert copies[0].trained_by is None


# scopes --------------------------------------------------------------------------------------------------


def double(x):
    return 2 * x


def test_a_scope_is_open_only_in_its_thread():
    entered, left = threading.Event(), threading.Event()

    def inside():
        with registry.custom_object_scope({"double": double}):
            entered.set()
            assert left.wait(60)
            return registry.find("activations", "double")

    def outside():
        assert entered.wait(60)
        found = registry.find("activations", "double"), "double" in registry.get_custom_objects()
        with registry.custom_object_scope({"other": double}):
            left.set()
            return found

    assert together(inside, outside) == [double, (None, False)]
    assert registry.find("activations", "double") is None and registry.find("activations", "other") is None


def test_nested_scopes_see_later_entries_of_the_table():
    table = registry.get_custom_objects()
    table["kept"] = double
    try:
        with registry.custom_object_scope({"a": 1}):
            with registry.custom_object_scope({"a": 2, "b": 3}):
                assert [registry.find("layers", name) for name in ("a", "b", "kept")] == [2, 3, double]
                registry.get_custom_objects()["c"] = 4
                assert registry.find("layers", "c") == 4
            assert [registry.find("layers", name) for name in ("a", "b", "c")] == [1, None, None]
            table["later"] = 5  # as another thread may do
            assert registry.find("layers", "later") == 5
        assert registry.get_custom_objects() is table and "a" not in table and table["later"] == 5
    finally:
        table.clear()


def test_threads_get_different_names_and_keys():
    random.set_random_seed(3)
    count = 2000
    found = together(*[lambda: [(names.next_uid("thread_test"), random.next_seed("thread_test")) for _ in range(count)]] * 4)
    uids, keys = zip(*[pair for pairs in found for pair in pairs])
    assert sorted(uids) == list(range(1, 4 * count + 1))
    assert len(set(keys)) > 4 * count - 20  # with 31 bits, a few may be equal
