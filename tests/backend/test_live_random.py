"""K's random functions of fixed sizes are tensors of the graph: each run draws anew."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.core.random import set_random_seed
from lamella.layers import Add, Dense, Input, Lambda
from lamella.models import Model, Sequential, clone_model

DRAWS = [K.random_normal, K.random_uniform, K.random_binomial, K.truncated_normal]
X = np.random.RandomState(0).normal(size=(4, 3)).astype("f4")


@pytest.mark.parametrize("draw", DRAWS)
def test_each_run_draws_anew_and_once(draw):
    noise = draw((50, 4), 0.5)
    assert K.int_shape(noise) == (50, 4) and K.dtype(noise) == "float32" and K.dtype(draw((2,), dtype="float64")) == "float64"
    run = K.function([], [noise, noise * 2, K.sum(noise)])
    (first, double, total), (second, _, _) = run([]), run([])
    assert first.dtype == np.float32 and not np.array_equal(first, second)
    np.testing.assert_array_equal(double, 2 * first)
    assert total == pytest.approx(first.sum(), rel=1e-4)
    assert not np.array_equal(K.eval(noise), K.eval(noise))
    assert np.asarray(draw((2,), dtype="float64")).dtype == np.float64


@pytest.mark.parametrize("draw", DRAWS)
def test_a_seed_gives_the_same_numbers_outside_of_training(draw):
    noise, same, other = draw((40,), 0.5, seed=3), draw((40,), 0.5, seed=3), draw((40,), 0.5, seed=4)
    run = K.function([], [noise, same])
    np.testing.assert_array_equal(*run([]))
    np.testing.assert_array_equal(run([])[0], run([])[1])
    assert not np.array_equal(K.eval(noise), K.eval(other))


@pytest.mark.parametrize("draw", DRAWS)
def test_the_stream_of_the_package_is_reproducible(draw):
    run = K.function([], [draw((30,), 0.5)])
    drawn = []
    for _ in range(2):
        set_random_seed(5)
        draw((30,), 0.5)  # making a tensor draws nothing
        drawn.append([run([])[0] for _ in range(3)])
    np.testing.assert_array_equal(*drawn)
    assert not np.array_equal(drawn[0][0], drawn[0][1])


def test_their_distributions():
    normal = K.eval(K.random_normal((20000,), mean=1, stddev=2))
    assert abs(normal.mean() - 1) < 0.06 and abs(normal.std() - 2) < 0.05
    uniform = K.eval(K.random_uniform((20000,), -1, 3))
    assert -1 <= uniform.min() < -0.99 and 2.99 < uniform.max() < 3 and abs(uniform.mean() - 1) < 0.04
    truncated = K.eval(K.truncated_normal((20000,), 1, 2))
    assert 4.9 < truncated.max() <= 5 and abs(truncated.std() - 2 * 0.8796) < 0.04
    assert abs(K.eval(K.random_binomial((20000,), 0.3)).mean() - 0.3) < 0.02


@pytest.mark.parametrize("outside", [True, False], ids=["made outside", "made in the call"])
def test_the_noise_of_a_lambda_is_new_in_each_batch(outside):
    epsilon = K.random_normal((3,))
    function = (lambda v: v + epsilon) if outside else (lambda v: v + K.random_normal((3,)))
    x = Input((3,))
    model = Model(x, Lambda(function)(x))
    first, second = model.predict(X) - X, model.predict(X) - X
    assert not np.allclose(first, second) and np.abs(first).max() < 6
    np.testing.assert_allclose(first, np.broadcast_to(first[0], first.shape), atol=1e-6)


def test_layers_that_read_one_tensor_get_the_same_numbers_in_a_run():
    epsilon, x = K.random_normal((3,)), Input((3,))
    both = [Lambda(lambda v: v + epsilon)(x), Lambda(lambda v: v - epsilon)(x)]
    plus, minus = Model(x, both).predict(X)
    np.testing.assert_allclose(plus + minus, 2 * X, atol=1e-6)
    assert np.abs(plus - X).min() > 1e-5
    # The gradient is computed with the numbers of the loss.
    loss = K.sum(both[0] * both[1]) + K.sum(epsilon * both[0])
    run = K.function([x], [both[0] - x, *K.gradients(loss, [x])])
    noise, slope = run([X])
    np.testing.assert_allclose(slope, 2 * X + noise, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fixed", [True, False])
def test_the_sampling_of_a_variational_autoencoder(fixed):
    x = Input(batch_shape=(4, 3))
    mean, spread = Dense(2)(x), Dense(2)(x)
    shape = (4, 2) if fixed else (K.shape(mean)[0], 2)
    epsilon = K.random_normal(shape=shape, mean=0.0, stddev=1.0)
    z = mean + K.exp(spread / 2) * epsilon
    run = K.function([x], [mean, spread, epsilon, z, *K.gradients(K.sum(z), [spread, mean])])
    m, s, e, found, of_spread, of_mean = run([X])
    np.testing.assert_allclose(found, m + np.exp(s / 2) * e, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(of_spread, np.exp(s / 2) * e / 2, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(of_mean, 1)
    assert not np.array_equal(run([X])[2], e)


def test_training_steps_draw_by_seed_and_step():
    def trained(seed):
        set_random_seed(2)
        shift = K.random_normal((3,), seed=seed)
        model = Sequential([Lambda(lambda v: v * 0 + shift, input_shape=(3,))])
        model.add(Dense(1, kernel_initializer="ones"))
        model.compile("sgd", lambda y, p: p)
        model.layers[1].trainable = False
        model.compile("sgd", lambda y, p: p)
        return [float(model.train_on_batch(X, X[:, :1])) for _ in range(3)]

    for seed in (None, 7):
        losses = trained(seed)
        assert losses == trained(seed) and len(set(losses)) == 3
    assert trained(7) != trained(8)


def test_added_directly_to_tensors_of_a_model():
    x = Input((3,))
    model = Model(x, Add()([x, x]) + K.random_normal((3,)))
    first, second = model.predict(X), clone_model(model).predict(X)
    assert np.abs(first - 2 * X).max() > 0.01 and not np.allclose(first, second)
    with pytest.raises(
        NotImplementedError, match="random_normal without a tensor cannot be saved with the graph; call it in a L"
    ):
        model.to_json()


def test_they_are_values_where_values_are_needed():
    layer = Dense(2, kernel_initializer=lambda shape, dtype=None: 0.1 * K.random_uniform(shape, 1, 2, dtype=dtype))
    model = Sequential([layer])
    model.build((None, 3))
    kernel = model.get_weights()[0]
    assert kernel.shape == (3, 2) and 0.1 <= kernel.min() < kernel.max() < 0.2
    assert model.predict(K.random_normal((5, 3))).shape == (5, 2)
    v = K.variable(K.random_uniform((4,), 2, 3))
    assert 2 <= K.get_value(v).min() < K.get_value(v).max() < 3
    K.set_value(v, K.random_uniform((4,), 5, 6))
    assert K.get_value(v).min() >= 5
    with pytest.raises(ValueError, match=r"^K.random_uniform: .*negative"):
        K.random_uniform((-1,))


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_whole_numbers_are_uniform_from_low_to_high(dtype):
    drawn = K.eval(K.random_uniform((30000,), -3, 3, dtype=dtype, seed=1))
    assert drawn.dtype == dtype
    numbers, counts = np.unique(drawn, return_counts=True)
    assert numbers.tolist() == [-3, -2, -1, 0, 1, 2] and abs(counts / 5000 - 1).max() < 0.06


def test_seeds_of_any_size_are_taken_alike():
    x = K.constant(np.ones(40))
    np.testing.assert_array_equal(K.eval(K.dropout(x, 0.5, seed=2**64 + 1)), K.eval(K.dropout(x, 0.5, seed=1)))
    assert np.array_equal(K.eval(K.random_normal((4,), seed=2**64 + 1)), K.eval(K.random_normal((4,), seed=1)))
