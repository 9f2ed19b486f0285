"""K against NumPy: values, shapes, gradients on a tape, state."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.core.random import set_random_seed
from lamella.core.variable import Variable
from lamella.layers import Dense, Dropout, Input
from lamella.models import Sequential
from lamella.ops.tape import Tape
from tests.ops.gradients import check

X = np.random.default_rng(0).normal(size=(3, 4, 5))
P = np.random.default_rng(1).uniform(0.1, 0.9, size=(6, 4))
Y = np.random.default_rng(2).uniform(size=(6, 4))


@pytest.mark.parametrize("axis", [None, 1, -1, (0, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(
    "name, oracle",
    [
        ("sum", np.sum), ("mean", np.mean), ("max", np.max), ("min", np.min), ("var", np.var), ("std", np.std),
        ("any", np.any), ("all", np.all),
        ("logsumexp", lambda x, axis, keepdims: np.log(np.exp(x).sum(axis=axis, keepdims=keepdims))),
    ],
)  # fmt: skip
def test_reductions(name, oracle, axis, keepdims):
    got = getattr(K, name)(X, axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(got, oracle(X, axis=axis, keepdims=keepdims), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "got, expected",
    [
        (lambda: K.clip(X, -0.5, 0.5), np.clip(X, -0.5, 0.5)),
        (lambda: K.clip(X, None, 0.5), np.minimum(X, 0.5)),
        (lambda: K.pow(np.abs(X), 1.5), np.abs(X) ** 1.5),
        (lambda: K.sqrt(X), np.sqrt(np.maximum(X, 0))),
        (lambda: K.abs(X), np.abs(X)),
        (lambda: K.sign(X), np.sign(X)),
        (lambda: K.round(np.array([0.5, 1.5, 2.5])), [0, 2, 2]),
        (lambda: K.argmax(X), X.argmax(-1)),
        (lambda: K.dot(X, X[0].T), X @ X[0].T),
        (lambda: K.dot(P, X), np.dot(P, X)),
        (lambda: K.batch_flatten(X), X.reshape(3, -1)),
        (lambda: K.flatten(X), X.ravel()),
        (lambda: K.expand_dims(X, 1), X[:, None]),
        (lambda: K.expand_dims(X), X[..., None]),
        (lambda: K.squeeze(X[:, :1], 1), X[:, 0]),
        (lambda: K.permute_dimensions(X, (2, 0, 1)), X.transpose(2, 0, 1)),
        (lambda: K.stack([X, X], axis=-1), np.stack([X, X], -1)),
        (lambda: K.concatenate([X, X], axis=1), np.concatenate([X, X], 1)),
        (lambda: K.l2_normalize(X, axis=-1), X / np.linalg.norm(X, axis=-1, keepdims=True)),
        (lambda: K.binary_crossentropy(Y, P), -(Y * np.log(P) + (1 - Y) * np.log(1 - P))),
        (lambda: K.categorical_crossentropy(Y, P), -(Y * np.log(P / P.sum(1, keepdims=True))).sum(1)),
        (lambda: K.switch(X > 0, X, -X), np.abs(X)),
        (lambda: K.switch(True, lambda: X, None), X),
        (lambda: K.mean(K.equal([1, 2, 3, 4], [1, 2, 0, 0])), 0.5),
        (lambda: K.bias_add(X, np.arange(4.0), "channels_first"), X + np.arange(4.0)[:, None]),
        (lambda: K.bias_add(X, np.arange(5.0)), X + np.arange(5.0)),
        (lambda: K.in_train_phase(X, lambda: 0, training=1), X),
        (lambda: K.in_test_phase(X, P), X),
        (lambda: K.sin(X), np.sin(X)),
        (lambda: K.cos(X), np.cos(X)),
        (lambda: K.prod(X, axis=(0, 2)), X.prod((0, 2))),
        (lambda: K.cumsum(X, axis=1), X.cumsum(1)),
        (lambda: K.cumprod(X, axis=-1), X.cumprod(-1)),
        (lambda: K.sum(np.array([True, True, False])), 2),
        (lambda: K.repeat_elements(X, 2, axis=1), X.repeat(2, 1)),
        (lambda: K.repeat(P, 3), np.stack([P] * 3, 1)),
        (lambda: K.tile(X, [2, 1, 3]), np.tile(X, (2, 1, 3))),
        (lambda: K.tile(P, 2), np.tile(P, 2)),
        (lambda: K.reverse(X, [0, 2]), X[::-1, :, ::-1]),
        (lambda: K.slice(X, [1, 0, 2], [2, -1, 3]), X[1:3, :, 2:5]),
        (lambda: K.gather(P, np.array([[5, 0]])), P[[[5, 0]]]),
        (lambda: K.one_hot(np.array([[1, 0, 7]]), 3), [[[0, 1, 0], [1, 0, 0], [0, 0, 0]]]),
        (lambda: K.arange(4), [0, 1, 2, 3]),
        (lambda: K.arange(1, 8, 3), [1, 4, 7]),
        (lambda: K.temporal_padding(X, (1, 2)), np.pad(X, ((0, 0), (1, 2), (0, 0)))),
        (lambda: K.spatial_2d_padding(X[None], ((1, 0), (2, 1))), np.pad(X[None], ((0, 0), (1, 0), (2, 1), (0, 0)))),
        (lambda: K.spatial_2d_padding(X[None], data_format="channels_first"), np.pad(X[None], ((0, 0), (0, 0), (1, 1), (1, 1)))),
        (lambda: K.batch_dot(X, X, axes=(2, 2)), np.einsum("nik,njk->nij", X, X)),
        (lambda: K.batch_dot(X, X[:, 0]), np.einsum("nik,nk->ni", X, X[:, 0])),
        (lambda: K.batch_dot(P, Y, axes=1), (P * Y).sum(1, keepdims=True)),
        (lambda: K.categorical_crossentropy(Y.T, P.T, axis=0), -(Y * np.log(P / P.sum(1, keepdims=True))).sum(1)),
        (lambda: K.sparse_categorical_crossentropy(np.arange(6) % 4, P.T, axis=0), -np.log(P / P.sum(1, keepdims=True))[np.arange(6), np.arange(6) % 4]),
        (lambda: K.in_top_k(P, np.arange(6) % 4, 2), [i % 4 in np.argsort(-row)[:2] for i, row in enumerate(P)]),
        (lambda: K.cast(np.array([1.7, -1.7]), "int32"), [1, -1]),
        (lambda: K.map_fn(K.sum, P), P.sum(1)),
        (lambda: K.foldl(lambda s, row: 2 * s + row, P), sum(2 ** (5 - max(i, 0)) * P[i] for i in range(6))),
        (lambda: K.foldr(lambda s, row: s - row, P, initializer=0), -P.sum(0)),
    ],
)  # fmt: skip
def test_values(got, expected):
    np.testing.assert_allclose(got(), expected, rtol=1e-9, atol=1e-12)


def test_functions_of_k_have_gradients():
    w = Variable(P)
    with Tape([w]) as tape:
        loss = K.mean(K.logsumexp(K.dot(w, X[0]) ** 2, axis=1)) + 0.5 * K.sum(K.square(w))
        (gradient,) = tape.gradients(loss)
    direction = np.random.default_rng(3).normal(size=P.shape)

    def value(p):
        return np.log(np.exp((p @ X[0]) ** 2).sum(1)).mean() + 0.5 * (p**2).sum()

    numeric = (value(P + 1e-6 * direction) - value(P - 1e-6 * direction)) / 2e-6
    assert (gradient * direction).sum() == pytest.approx(numeric, rel=1e-6)


def test_variables():
    v = K.variable([[1, 2], [3, 4]], name="v")
    assert (v.name, v.dtype, K.int_shape(v), K.ndim(v), K.dtype(v)) == ("v:0", "float32", (2, 2), 2, "float32")
    K.set_value(v, [[5, 6], [7, 8]])
    np.testing.assert_array_equal(K.get_value(v), [[5, 6], [7, 8]])
    with pytest.raises(ValueError, match="expected shape"):
        K.set_value(v, [1, 2])
    with pytest.raises(TypeError, match="K.set_value: expected a Variable"):
        K.set_value(np.zeros(2), [1, 2])
    scalar = K.variable(0.5)
    assert K.get_value(scalar) == 0.5 and K.eval(scalar) == 0.5
    K.update_add(scalar, 0.25)
    K.moving_average_update(scalar, 0.0, 0.5)
    assert K.get_value(scalar) == 0.375
    held = K.get_value(v)
    held[:] = 0
    assert K.get_value(v)[0, 0] == 5
    np.testing.assert_array_equal(K.constant(3, shape=(2, 2)), np.full((2, 2), 3, np.float32))
    assert K.count_params(K.zeros((3, 4))) == 12 and K.eval(K.eye(2)).tolist() == [[1, 0], [0, 1]]


def test_settings():
    assert (K.floatx(), K.epsilon(), K.image_data_format(), K.image_dim_ordering()) == ("float32", 1e-7, "channels_last", "tf")
    try:
        K.set_floatx("float64")
        K.set_epsilon(1e-5)
        K.set_image_dim_ordering("th")
        assert K.variable(1).dtype == "float64" and K.epsilon() == 1e-5 and K.image_data_format() == "channels_first"
    finally:
        K.set_floatx("float32")
        K.set_epsilon(1e-7)
        K.set_image_data_format("channels_last")


def test_clear_session_restarts_names():
    K.clear_session()
    from lamella.layers import Dense

    assert Dense(1).name == "dense_1"
    assert K.get_uid("dense") == 2
    K.clear_session()
    assert Dense(1).name == "dense_1"


def test_symbolic_tensors():
    x = Input((3,))
    assert K.is_keras_tensor(x) and not K.is_keras_tensor(K.variable(1.0)) and K.int_shape(x) == (None, 3)
    assert K.is_keras_tensor(K.mean(x)) and K.int_shape(K.mean(x, axis=1)) == (None,) and K.ndim(x[:, None]) == 3
    with pytest.raises(TypeError, match="is symbolic: it has no value"):
        K.eval(x)
    with pytest.raises(ValueError, match="Unexpectedly found an instance of type"):
        K.is_keras_tensor("x")


CONSTANTS = {
    "round": K.round,
    "equal": lambda p: K.cast(K.equal(p, 0.5), "float32"),
    "not_equal": lambda p: K.cast(K.not_equal(p, 0.5), "float32"),
    "greater": lambda p: K.cast(K.greater(p, 0.5), "float32"),
    "greater_equal": lambda p: K.cast(K.greater_equal(p, 0.5), "float32"),
    "less": lambda p: K.cast(K.less(p, 0.5), "float32"),
    "less_equal": lambda p: K.cast(K.less_equal(p, 0.5), "float32"),
    "argmax": lambda p: K.cast(K.argmax(p, axis=0), "float32"),
    "argmin": lambda p: K.cast(K.argmin(p, axis=0), "float32"),
    "any": lambda p: K.cast(K.any(K.greater(p, 0)), "float32"),
    "all": lambda p: K.cast(K.all(K.greater(p, 0)), "float32"),
    "cast": lambda p: K.cast(K.cast(p, "int32"), "float32"),
    "one_hot": lambda p: K.one_hot(p, 3),
    "in_top_k": lambda p: K.cast(K.in_top_k(p, np.zeros(len(p)), 1), "float32"),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_functions_without_a_gradient_are_constants_on_a_tape(name):
    """In TensorFlow their gradient is None. Only other paths to the loss count; without another path training raises an error."""
    step = CONSTANTS[name]
    w = Variable(P)
    with Tape([w]) as tape:
        y = step(w * 1.0)
        assert isinstance(y, np.ndarray)
        np.testing.assert_array_equal(y, step(P))
        loss = K.sum(K.sum(y) * w)
    np.testing.assert_allclose(tape.gradients(loss)[0], np.full_like(P, step(P).sum()))
    model = Sequential([Dense(4, input_shape=(4,))])
    model.compile("sgd", lambda y_true, y_pred: K.mean(step(y_pred)) + K.zeros_like(y_pred)[:, 0])
    before = model.get_weights()
    with pytest.raises(ValueError, match="An operation has `None` for gradient"):
        model.train_on_batch(P, Y)
    for p, q in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(p, q)


def test_a_sign_has_the_gradient_zero():
    model = Sequential([Dense(4, input_shape=(4,))])
    model.compile("sgd", lambda y_true, y_pred: K.mean(K.sign(y_pred), axis=-1))
    before = model.get_weights()
    loss = model.train_on_batch(P, Y)
    assert loss == pytest.approx(np.sign(P @ before[0] + before[1]).mean())
    for p, q in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(p, q)


def test_a_loss_with_a_rounded_part_learns_from_the_rest():
    def loss(rounded):
        return lambda y, p: K.mean(K.square(p - y) + rounded(p), axis=-1)

    def weights(compiled):
        set_random_seed(3)
        model = Sequential([Dense(4, input_shape=(4,))])
        model.compile("sgd", compiled)
        first = model.train_on_batch(P, Y)
        return first, model.get_weights()

    (with_round, trained), (without, expected) = weights(loss(K.round)), weights(loss(K.zeros_like))
    assert with_round != pytest.approx(without)
    for p, q in zip(trained, expected, strict=True):
        np.testing.assert_array_equal(p, q)


def test_conv_and_pool():
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 3))
    kernel = np.random.default_rng(1).normal(size=(1, 1, 3, 4))
    np.testing.assert_allclose(K.conv2d(x, kernel), x @ kernel[0, 0], rtol=1e-10, atol=1e-12)
    pooled = x.reshape(2, 3, 2, 3, 2, 3).max((2, 4))
    np.testing.assert_array_equal(K.pool2d(x, (2, 2), (2, 2)), pooled)
    first = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(K.pool2d(first, (2, 2), (2, 2), data_format="channels_first"), pooled.transpose(0, 3, 1, 2))
    with pytest.raises(ValueError, match='K.pool2d: Invalid pool_mode: expected "max" or "avg", got .sum.'):
        K.pool2d(x, (2, 2), pool_mode="sum")


def test_random_values():
    normal = K.eval(K.random_normal((4000,), mean=1, stddev=2, seed=3))
    assert normal.dtype == np.float32 and abs(normal.mean() - 1) < 0.15 and abs(normal.std() - 2) < 0.1
    np.testing.assert_array_equal(K.random_normal((5,), seed=3), K.random_normal((5,), seed=3))
    assert (
        set(K.random_binomial((2000,), p=0.3)) == {0, 1} and abs(np.mean(K.random_binomial((4000,), 0.3, seed=1)) - 0.3) < 0.03
    )
    assert 1.5 < np.abs(K.eval(K.truncated_normal((2000,), seed=1))).max() <= 2
    low = K.random_uniform_variable((3, 2), -2, -1)
    assert low.shape == (3, 2) and low.value.max() < -1 and K.random_normal_variable((2,), 0, 1).dtype == "float32"


def test_functions_of_a_graph():
    x = Input((3,))
    hidden = Dense(4)(x)
    y = Dropout(0.5)(hidden)
    run = K.function([x, K.learning_phase()], [hidden, y])
    batch = np.ones((5, 3), "float32")
    inside, quiet = run([batch, 0])
    np.testing.assert_array_equal(inside, quiet)
    assert (run([batch, 1])[1] == 0).any()
    with pytest.raises(TypeError, match="K.gradients: expected a tensor of a graph, .*got ndarray .*watch"):
        K.gradients(batch, [batch])


def test_numpy_functions_on_a_tape_are_refused():
    with Tape([w := Variable(P)]) as tape:
        with pytest.raises(TypeError, match="is recorded on a tape"):
            np.mean(np.asarray(w * 2))
        loss = K.sum(K.stop_gradient(w * 2) * w)
    np.testing.assert_allclose(tape.gradients(loss)[0], 2 * P)


def fit(loss):
    set_random_seed(5)
    model = Sequential([Dense(4, activation="tanh", input_shape=(3,)), Dense(1)])
    model.compile("sgd", loss)
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    return model.fit(x, x[:, :1] * x[:, 1:2], epochs=3, verbose=0).history["loss"]


def test_a_custom_loss_trains_like_the_built_in_one():
    def mine(y, p):
        return K.mean(K.square(p - y), axis=-1)

    np.testing.assert_allclose(fit(mine), fit("mse"), rtol=1e-5)


def test_focal_loss():
    def focal(y, p):
        p = K.clip(p, 1e-7, 1 - 1e-7)
        hit = K.switch(y > 0.5, p, 1 - p)
        return K.mean(-K.pow(1 - hit, 2.0) * K.log(hit), axis=-1)

    check(lambda p: focal((Y > 0.5).astype(float), p), P)


@pytest.mark.parametrize("space", [(3,), (2, 3), (2, 3, 4)])
def test_bias_of_the_shape_of_a_sample_is_reshaped_for_channels_first(space):
    bias = np.arange(np.prod(space) * 5.0).reshape(*space, 5)
    x = np.zeros((2, 5, *space))
    np.testing.assert_array_equal(K.bias_add(x, bias, "channels_first")[1], bias.reshape(5, *space))
    np.testing.assert_array_equal(K.bias_add(np.zeros((2, *space, 5)), bias, "channels_last")[1], bias)


def test_the_backend_is_named_tensorflow():
    assert K.backend() == "tensorflow" and K.__name__ == "lamella.backend"
