"""Variables and layers that a function makes in each run, as that of a Lambda: they are the same in every run, as in Keras 2.2.5."""

import copy
import pickle
import threading

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import LSTM, BatchNormalization, Dense, Input, Lambda, Layer, TimeDistributed
from lamella.models import Model, Sequential, clone_model

X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
STEPS = np.ones((2, 5, 3), "float32")


def dense(x):
    return Dense(3)(x)


def dense_with_weights(x):
    return Dense(3, weights=[np.random.rand(3, 3), np.random.rand(3)])(x)


def network(x):
    return Sequential([Dense(4, input_shape=(3,), activation="tanh"), Dense(3)])(x)


def scaled(x):
    return x * K.variable(np.random.rand(3))


def shifted(x):
    return x + K.random_uniform_variable((3,), 0, 1) * K.random_normal_variable((3,), 0, 1)


class Scaled(Layer):
    def call(self, x):
        return scaled(x)


FUNCTIONS = [dense, dense_with_weights, network, scaled, shifted]


def model_of(layer):
    x = Input((3,))
    return Model(x, layer(x))


@pytest.mark.parametrize(
    "make", [*(lambda f=f: Lambda(f) for f in FUNCTIONS), Scaled], ids=[f.__name__ for f in FUNCTIONS] + ["own"]
)
def test_are_the_same_in_each_run_and_not_trained(make):
    x = Input((3,))
    y = make()(x)
    model, trained = Model(x, y), Model(x, Dense(1)(y))
    trained.compile("sgd", "mse")
    # A training step may be the first run.
    trained.fit(X, np.ones((4, 1)), epochs=2, batch_size=3, verbose=0)
    first = model.predict(X)
    trained.fit(X, np.ones((4, 1)), epochs=2, batch_size=3, verbose=0)
    np.testing.assert_array_equal(model.predict(X), first)
    np.testing.assert_array_equal(K.function([x], [y])([X])[0], first)
    np.testing.assert_allclose(model.predict(X, batch_size=1), first, rtol=1e-6)
    assert model.weights == []
    assert [w.shape for w in trained.weights] == [(3, 1), (1,)]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_differ_between_calls_and_clones_and_are_copied(function):
    layer, x = Lambda(function), Input((3,))
    model = Model(x, [layer(x), layer(x)])
    first, second = model.predict(X)
    assert not np.array_equal(first, second)
    clone = clone_model(model)
    assert not np.array_equal(clone.predict(X)[0], first)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(copied.predict(X), [first, second])


def test_differ_between_the_calls_of_a_model():
    inner, x = model_of(Lambda(scaled)), Input((3,))
    other = Input((3,))
    model = Model([x, other], [inner(x), inner(other)])
    first, second = model.predict([X, X])
    np.testing.assert_array_equal(model.predict([X, X]), [first, second])
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, inner.predict(X))


def test_gradients_pass_through_them():
    x = Input((3,))
    y = Lambda(lambda x: x * K.random_uniform_variable((3,), 1, 2))(x)
    value, slope = K.function([x], [y, K.gradients(K.sum(y), [x])[0]])([np.ones((4, 3), "float32")])
    np.testing.assert_allclose(slope, value, rtol=1e-6)
    model = Sequential([Dense(3, use_bias=False, kernel_initializer="ones", input_shape=(3,)), Lambda(dense)])
    model.compile("sgd", lambda t, p: K.sum(p, -1))
    ones = np.ones((1, 3), "float32")
    inner = [model.layers[0].set_weights([np.diag(row)]) or model.predict(ones)[0] for row in np.eye(3)]  # the kernel's rows
    model.train_on_batch(ones, np.zeros((1, 3)))
    moved = model.layers[0].get_weights()[0] - np.diag([0, 0, 1])
    np.testing.assert_allclose(moved, np.broadcast_to(-0.01 * np.sum(inner, 1), (3, 3)), atol=1e-6)


def test_moving_averages_inside_stay():
    x = Input((3,))
    y = Lambda(lambda x: BatchNormalization()(x))(x)
    model = Model(x, Dense(1)(y))
    model.compile("sgd", "mse")
    model.fit(X + 5, np.ones((4, 1)), epochs=3, verbose=0)
    np.testing.assert_allclose(Model(x, y).predict(X), X / np.sqrt(1.001), rtol=1e-5)


def test_layers_of_steps():
    x = Input((5, 3))
    for layer in (Lambda(lambda x: LSTM(4)(x)), TimeDistributed(Lambda(scaled))):
        model = Model(x, layer(x))
        np.testing.assert_array_equal(model.predict(STEPS), model.predict(STEPS))


def test_each_call_of_a_loop_has_the_same():
    def step(x, states):
        return scaled(x), []

    x = Input((5, 3))
    for unroll in (False, True):
        for y in (
            K.rnn(step, x, [], unroll=unroll)[1],
            Lambda(lambda x, unroll=unroll: K.rnn(step, x, [], unroll=unroll)[1])(x),
        ):
            run = K.function([x], [y])
            (first,) = run([STEPS])
            np.testing.assert_array_equal(run([STEPS])[0], first)
            # As in Keras, an unrolled loop calls the function for each step.
            assert [np.array_equal(first[:, 0], first[:, i]) for i in range(1, 5)] == [not unroll] * 4
    rows = K.placeholder((5, 3))
    factors = K.function([rows], [K.map_fn(scaled, rows), K.foldl(lambda a, row: a + scaled(row), rows)])
    each, total = factors([STEPS[0]])
    np.testing.assert_array_equal(each, np.broadcast_to(each[0], (5, 3)))
    np.testing.assert_array_equal(factors([STEPS[0]])[1], total)


def test_rows_of_any_number_leave_later_variables_the_same():
    rows = K.placeholder((None, 3))
    y = Lambda(lambda x: K.map_fn(scaled, x) * 0 + scaled(x))(rows)
    run = K.function([rows], [y])
    np.testing.assert_array_equal(run([STEPS[0]])[0][:2], run([STEPS[0, :2]])[0])


def test_one_that_some_runs_do_not_make_does_not_shift_the_others():
    x = Input((3,))
    y = Lambda(lambda x: K.in_train_phase(lambda: x * K.random_uniform_variable((1,), 0, 1), x) + scaled(x))(x)
    model = Model(x, y)
    run = K.function([x, K.learning_phase()], [y])
    first = run([X, 0])[0]
    run([X, 1])
    np.testing.assert_array_equal(run([X, 0])[0], first)
    np.testing.assert_array_equal(model.predict(X), first)


def test_updates_in_call_go_on_from_run_to_run():
    class Counting(Layer):
        def call(self, x):
            count = K.variable(np.zeros(3))
            self.add_update(K.update_add(count, K.ones((3,))))
            return x + count

    model = model_of(Counting())
    model.compile("sgd", "mse")
    for _ in range(2):
        model.train_on_batch(X, X)
    np.testing.assert_array_equal(model.predict(np.zeros((1, 3))), [[2, 2, 2]])


def test_losses_and_metrics():
    def loss(t, p):
        return K.mean(K.square(t - p * K.variable(np.random.rand(1))), -1)

    model = Sequential([Dense(1, input_shape=(3,))])
    model.compile("sgd", loss, metrics=[loss])
    first = model.evaluate(X, np.ones((4, 1)), verbose=0)
    assert model.evaluate(X, np.ones((4, 1)), verbose=0) == first
    assert first[0] != first[1]


def test_threads_use_the_same():
    model = model_of(Lambda(network))
    found = []
    threads = [threading.Thread(target=lambda: found.append(model.predict(X))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for y in found:
        np.testing.assert_array_equal(y, found[0])


def test_other_shapes_in_each_run_are_not_kept_without_end():
    x = K.placeholder((None, 3))
    y = Lambda(lambda x: x + K.zeros((int(x.shape[0]), 3)))(x)
    run = K.function([x], [y])
    for n in range(1, 1030):
        run([np.ones((n, 3))])
    assert len(y._keras_history[0]._inbound_nodes[0].made) == 1024
