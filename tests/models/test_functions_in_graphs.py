"""K's functions and Python's operators on symbolic tensors: nodes of the graph, with shapes, gradients and names."""

import copy
import pickle

import numpy as np
import pytest

from lamella import backend as K
from lamella.core import registry
from lamella.core.random import set_random_seed
from lamella.graph.trial import shapes_of
from lamella.layers import Activation, Concatenate, Dense, Function, Input, Lambda, Layer, Masking
from lamella.models import Model, Sequential, model_from_json
from lamella.ops.tape import Tape

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 5, 4)).astype("f4")
IMAGES = RNG.normal(size=(5, 6, 6, 3)).astype("f4")
LABELS = np.array([[0, 2], [1, 1], [2, 0], [0, 0], [1, 2]])
W = RNG.normal(size=(4, 3)).astype("f4")
DEPTHWISE = RNG.normal(size=(2, 2, 3, 2)).astype("f4")
POINTWISE = RNG.normal(size=(1, 1, 6, 4)).astype("f4")
LOCAL = RNG.normal(size=(9, 6, 2)).astype("f4")

DRAWS = [K.random_normal, K.random_uniform, K.random_binomial, K.truncated_normal]

# Functions of a, b [5, 4], images [5, 6, 6, 3] and labels [5, 2]. Called on arrays they are the oracle.
CASES = {
    "add": lambda a, b, i, n: a * 2 + 1,
    "from the right": lambda a, b, i, n: 1 - a,
    "two tensors": lambda a, b, i, n: a / (b * b + 1),
    "divide a number": lambda a, b, i, n: 2 / (abs(a) + 1.5),
    "power": lambda a, b, i, n: a**2,
    "number to a power": lambda a, b, i, n: 2.0**a,
    "remainder": lambda a, b, i, n: a % 0.7,
    "quotient": lambda a, b, i, n: a // 0.7 + b,
    "logic": lambda a, b, i, n: K.cast(((a > 0) & (b > 0)) ^ ((a < 1) | ~(b < 0.5)), "float32") * a,
    "negative": lambda a, b, i, n: -a,
    "abs": lambda a, b, i, n: abs(a),
    "matmul": lambda a, b, i, n: a @ W,
    "array first": lambda a, b, i, n: np.arange(4.0) * a,
    "variable first": lambda a, b, i, n: (K.variable(W[:, 0]) - a) * np.float32(2),
    "variable compared": lambda a, b, i, n: K.variable(W[:, 0]) < a,
    "list": lambda a, b, i, n: a + [1.0, 2.0, 3.0, 4.0],
    "column": lambda a, b, i, n: a[:, 0],
    "slices": lambda a, b, i, n: i[:, 1:-1, ::2, ::-1],
    "dots and a new axis": lambda a, b, i, n: i[..., None, 1],
    "picked": lambda a, b, i, n: a[:, np.array([0, 0, 3])],
    "greater": lambda a, b, i, n: a > 0.25,
    "less or equal": lambda a, b, i, n: a <= b,
    "mean": lambda a, b, i, n: K.mean(a, axis=-1),
    "mean of two axes": lambda a, b, i, n: K.mean(i, axis=[1, 2], keepdims=True),
    "std": lambda a, b, i, n: K.std(i, axis=-1),
    "max": lambda a, b, i, n: K.max(i, axis=(1, 2)),
    "concatenate": lambda a, b, i, n: K.concatenate([a, b, a]),
    "stack": lambda a, b, i, n: K.stack([a, b], axis=1),
    "ones in a list": lambda a, b, i, n: K.concatenate([a, K.ones_like(b[:, :2]), b]),
    "a constant in a list": lambda a, b, i, n: K.stack([a[0], np.arange(4.0), b[0]]),
    "dot with a variable": lambda a, b, i, n: K.dot(a, K.variable(W)),
    "batch_dot": lambda a, b, i, n: K.batch_dot(i[:, 0], i[:, 1], axes=2),
    "stop_gradient": lambda a, b, i, n: K.stop_gradient(a),
    "one_hot": lambda a, b, i, n: K.one_hot(n, 3),
    "gather": lambda a, b, i, n: K.gather(K.variable(W.T), n),
    "integers": lambda a, b, i, n: n + 3,
    "integers and a fraction": lambda a, b, i, n: K.cast(n * 0.5, "float32"),
    "integers and floats": lambda a, b, i, n: K.cast(n, "float32")[:, :1] * a,
    "switch": lambda a, b, i, n: K.switch(K.greater(a, b), a, -b),
    "clip": lambda a, b, i, n: K.clip(a, -0.5, None),
    "flatten": lambda a, b, i, n: K.batch_flatten(i),
    "reshape": lambda a, b, i, n: K.reshape(a, (-1, 2, 2)),
    "everything in a row": lambda a, b, i, n: K.flatten(a),
    "sum": lambda a, b, i, n: K.sum(a),
    "permute": lambda a, b, i, n: K.permute_dimensions(i, (0, 3, 1, 2)),
    "expand": lambda a, b, i, n: K.expand_dims(a, 1),
    "padding": lambda a, b, i, n: K.spatial_2d_padding(i, ((1, 0), (0, 2))),
    "conv2d": lambda a, b, i, n: K.conv2d(i, K.variable(np.ones((3, 3, 3, 2))), strides=(2, 2)),
    "conv1d": lambda a, b, i, n: K.conv1d(i[:, 0], np.ones((2, 3, 4), "f4"), padding="causal"),
    "conv2d_transpose": lambda a, b, i, n: K.conv2d_transpose(i, np.ones((2, 2, 2, 3), "f4"), None, (2, 2)),
    "conv3d_transpose": lambda a, b, i, n: K.conv3d_transpose(i[..., None], np.ones((2, 1, 2, 2, 1), "f4"), None, (1, 2, 1), "same"),
    "conv3d": lambda a, b, i, n: K.conv3d(i[..., None], np.ones((2, 2, 2, 1, 2), "f4"), padding="same"),
    "depthwise_conv2d": lambda a, b, i, n: K.depthwise_conv2d(i, DEPTHWISE),
    "separable_conv1d": lambda a, b, i, n: K.separable_conv1d(i[:, 0], DEPTHWISE[0], POINTWISE[0]),
    "separable_conv2d": lambda a, b, i, n: K.separable_conv2d(i, DEPTHWISE, POINTWISE, padding="same"),
    "local_conv1d": lambda a, b, i, n: K.local_conv1d(i[:, 0], LOCAL[:3], (2,), (2,)),
    "local_conv2d": lambda a, b, i, n: K.local_conv2d(i, LOCAL, (1, 2), (2, 2), (3, 3)),
    "local_conv": lambda a, b, i, n: K.local_conv(i, LOCAL, (1, 2), (2, 2), (3, 3)),
    "pool3d": lambda a, b, i, n: K.pool3d(i[..., None], (2, 2, 2), pool_mode="max"),
    "pool2d": lambda a, b, i, n: K.pool2d(i, (2, 2), (2, 2), pool_mode="avg"),
    "softmax": lambda a, b, i, n: K.softmax(a),
    "relu": lambda a, b, i, n: K.relu(a, alpha=0.1, max_value=1.0),
    "l2_normalize": lambda a, b, i, n: K.l2_normalize(a, axis=-1),
    "map_fn": lambda a, b, i, n: K.map_fn(lambda row: K.sum(row) * row, a),
    "argmax": lambda a, b, i, n: K.argmax(a),
    "round": lambda a, b, i, n: K.round(a),
    "composed": lambda a, b, i, n: K.exp(-K.square(a - K.mean(a, 0, True))) / K.sum(K.exp(b), axis=1, keepdims=True),
    # The other functions, so that each function of the list has a case.
    "all": lambda a, b, i, n: K.all(a > -1, axis=1),
    "any": lambda a, b, i, n: K.any(a > 1, axis=-1, keepdims=True),
    "argmin": lambda a, b, i, n: K.argmin(i, axis=1),
    "bias_add": lambda a, b, i, n: K.bias_add(i, np.arange(3.0)),
    "binary_crossentropy": lambda a, b, i, n: K.binary_crossentropy(K.sigmoid(a), K.hard_sigmoid(b)),
    "categorical_crossentropy": lambda a, b, i, n: K.categorical_crossentropy(K.softmax(a), b, from_logits=True),
    "sparse_categorical_crossentropy": lambda a, b, i, n: K.sparse_categorical_crossentropy(n[:, 0], K.softmax(b)),
    "trigonometry": lambda a, b, i, n: K.sin(a) * K.cos(b) + K.tanh(a),
    "running": lambda a, b, i, n: K.cumsum(a, axis=1) - K.cumprod(b, axis=-1),
    "elu": lambda a, b, i, n: K.elu(a, 0.5) + K.softplus(b) * K.softsign(a),
    "comparisons": lambda a, b, i, n: K.stack([K.equal(n, 1), K.not_equal(n, 1), K.less(n, 1), K.greater_equal(n, 1)]),
    "folds": lambda a, b, i, n: K.foldl(K.maximum, a) - K.foldr(lambda s, row: s / 2 + row, b),
    "in_top_k": lambda a, b, i, n: K.in_top_k(a, n[:, 0], 2),
    "phases": lambda a, b, i, n: K.in_train_phase(a, b) - K.in_test_phase(a, b),
    "log": lambda a, b, i, n: K.log(1 + K.square(a)) + K.sqrt(b),
    "logsumexp": lambda a, b, i, n: K.logsumexp(i, axis=(1, 2)),
    "minimum": lambda a, b, i, n: K.minimum(a, b) + K.maximum(a, 0.5),
    "least": lambda a, b, i, n: K.min(a, axis=1, keepdims=True) * K.prod(b, axis=1, keepdims=True),
    "pow": lambda a, b, i, n: K.pow(K.abs(a), 1.5) * K.sign(a),
    "repeat": lambda a, b, i, n: K.repeat(a, 3),
    "repeat_elements": lambda a, b, i, n: K.repeat_elements(i, 2, axis=2),
    "resize_images": lambda a, b, i, n: K.resize_images(i, 2, 3, "channels_last", "bilinear"),
    "resize_volumes": lambda a, b, i, n: K.resize_volumes(i[..., None], 1, 2, 1, "channels_last"),
    "reverse": lambda a, b, i, n: K.reverse(i, [1, 3]),
    "slice": lambda a, b, i, n: K.slice(a, [0, 1], [-1, 2]),
    "squeeze": lambda a, b, i, n: K.squeeze(K.expand_dims(a, 1), 1),
    "more padding": lambda a, b, i, n: K.spatial_3d_padding(K.temporal_padding(i[:, 0])[..., None, None, :]),
    "tile": lambda a, b, i, n: K.tile(i, [1, 2, 1, 3]),
    "transpose": lambda a, b, i, n: K.transpose(i),
    "sizes": lambda a, b, i, n: a / K.cast(K.prod(K.shape(i)[1:]), "float32"),
    "zeros of a size": lambda a, b, i, n: K.concatenate([K.zeros((K.shape(a)[0], 2)), a]) + K.ones((K.shape(b)[0], 6)),
    "arange": lambda a, b, i, n: K.cast(K.arange(K.shape(a)[1]), "float32") * a,
    "print_tensor": lambda a, b, i, n: K.print_tensor(a, "a") + 1,
    "batch_normalization": lambda a, b, i, n: K.batch_normalization(a, b[0], K.square(b[1]), b[2], None),
    "own statistics": lambda a, b, i, n: K.normalize_batch_in_training(i, None, None, [0, 1, 2])[0],
    "ctc_batch_cost": lambda a, b, i, n: K.ctc_batch_cost(
        K.cast(n > 0, "int32"), K.softmax(i[:, 0]), K.ones_like(n[:, :1]) * 6, K.ones_like(n[:, :1])
    ),
    "ctc_decode": lambda a, b, i, n: K.ctc_decode(K.softmax(i[:, 0]), n[:, 0] + 4, greedy=False)[1],
    "rnn": lambda a, b, i, n: K.rnn(lambda x, s: (x + s[0], [x * s[0]]), i[:, :, 0], [K.ones_like(i[:, 0, 0])])[1],
    "var": lambda a, b, i, n: K.var(a, axis=1) + K.zeros_like(b)[:, 0],
}  # fmt: skip


def inputs():
    return [Input((4,)), Input((4,)), Input((6, 6, 3)), Input((2,), dtype="int32")]


DATA = [A, B, IMAGES, LABELS.astype("int32")]


@pytest.mark.parametrize("name", CASES)
def test_a_graph_computes_what_the_function_does(name):
    ends = inputs()
    y = CASES[name](*ends)
    (got,) = Model(ends, y).run(DATA)
    wanted = np.asarray(CASES[name](*DATA))
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6)
    assert K.is_keras_tensor(y) and K.ndim(y) == wanted.ndim
    assert len(K.int_shape(y)) == wanted.ndim and all(d in (None, n) for d, n in zip(K.int_shape(y), wanted.shape))
    assert K.dtype(y) == str(got.dtype)


# They have a Variable or a function, which cannot be saved as data: see test_functions_as_data.
HOLDING = {"dot with a variable", "variable first", "variable compared", "gather", "conv2d", "map_fn", "folds", "rnn"}


@pytest.mark.parametrize("name", [name for name in CASES if name not in HOLDING])
def test_a_graph_from_its_config_computes_the_same(name):
    ends = inputs()
    model = Model(ends, CASES[name](*ends))
    again = model_from_json(model.to_json())
    assert again.to_json() == model.to_json()
    np.testing.assert_array_equal(again.run(DATA)[0], model.run(DATA)[0])


# Without losses and accuracies, which have their cases in tests/losses/test_losses_in_graphs.py.
# add_scaled is for a Lambda of InceptionResNetV2. It is not a function of K.
OWN = {name for name in registry.names("functions") if "." not in name} - {"add_scaled"}


def test_every_function_is_in_a_case():
    used = {"dropout", *(draw.__name__ for draw in DRAWS)}  # tested below, because they draw random numbers
    for case in CASES.values():
        ends = inputs()
        used |= {layer.function for layer in Model(ends, case(*ends)).layers if isinstance(layer, Function)}
    assert used == OWN


@pytest.mark.parametrize(
    "name, shape, dtype",
    [
        ("column", (None,), "float32"), ("slices", (None, 4, 3, 3), "float32"),
        ("dots and a new axis", (None, 6, 6, 1), "float32"), ("array first", (None, 4), "float32"),
        ("greater", (None, 4), "bool"), ("argmax", (None,), "int64"), ("integers", (None, 2), "int32"),
        ("integers and a fraction", (None, 2), "float32"), ("mean of two axes", (None, 1, 1, 3), "float32"),
        ("concatenate", (None, 12), "float32"), ("dot with a variable", (None, 3), "float32"),
        ("one_hot", (None, 2, 3), "float32"), ("gather", (None, 2, 4), "float32"), ("flatten", (None, 108), "float32"),
        ("everything in a row", (None,), "float32"), ("sum", (), "float32"), ("conv2d", (None, 2, 2, 2), "float32"),
    ],
)  # fmt: skip
def test_static_shapes_and_dtypes(name, shape, dtype):
    y = CASES[name](*inputs())
    assert (K.int_shape(y), K.dtype(y)) == (shape, dtype)


def test_free_sizes_stay_free():
    x = Input((None, None, 8))
    assert K.int_shape(x[:, :5]) == (None, None, None, 8)  # there may be fewer than 5
    assert K.int_shape(x[:, 3]) == (None, None, 8)
    assert K.int_shape(K.pool2d(x, (3, 3), (16, 16))) == (None, None, None, 8)  # small images have one window or none
    assert K.int_shape(K.conv2d(x, K.zeros((11, 11, 8, 2)))) == (None, None, None, 2)
    assert K.int_shape(K.reshape(Input((6,)), (-1, 5))) == (None, 5)
    assert K.int_shape(K.concatenate([x, x * 2], axis=1)) == (None, None, None, 8)
    assert K.int_shape(K.batch_dot(Input((None, 3)), Input((None, 3)), axes=2)) == (None, None, None)
    assert K.int_shape(Input(batch_shape=(4, 3)) + 1) == (4, 3)
    refused = r"dot \(layer k_dot_1\): cannot be applied to tensors of shape \(None, 3\): .*cannot sum the last axis"
    with pytest.raises(ValueError, match=refused):
        K.dot(Input((3,)), np.ones((4, 2)))
    with pytest.raises(ValueError, match="huge: cannot be applied .* more than 67108864 elements"):
        shapes_of(lambda xs: xs[0], [((None, 2**26 + 1), "float32")], "huge")


def test_a_trial_does_not_change_random_numbers():
    def draws(use):
        set_random_seed(3)
        if use:
            K.dropout(Input((4,)), 0.5)
        return K.dropout(np.ones((3, 4)), 0.5)

    np.testing.assert_array_equal(draws(True), draws(False))


def by_graph(x, y):
    a, b = Input((4,), name="a"), Input((4,), name="b")
    h, g = Dense(6, activation="tanh", name="h")(a), Dense(6, name="g")(b)
    z = (h * 2 + 1) / (K.exp(-g) + 1) - K.mean(h, axis=-1, keepdims=True) * K.stop_gradient(g)
    return [a, b], Dense(1, name="out")(K.concatenate([z[:, ::2], abs(g) ** 1.5, 1 - h]))


class Between(Layer):
    """The same as a custom layer."""

    def call(self, inputs):
        h, g = inputs
        z = (h * 2 + 1) / (K.exp(-g) + 1) - K.mean(h, axis=-1, keepdims=True) * K.stop_gradient(g)
        return K.concatenate([z[:, ::2], abs(g) ** 1.5, 1 - h])

    def compute_output_shape(self, input_shape):
        return (input_shape[0][0], 15)


def by_layer(x, y):
    a, b = Input((4,), name="a"), Input((4,), name="b")
    h, g = Dense(6, activation="tanh", name="h")(a), Dense(6, name="g")(b)
    return [a, b], Dense(1, name="out")(Between()([h, g]))


def test_training_equals_that_with_a_custom_layer():
    histories, weights = [], []
    target = (A[:, :1] * B[:, 1:2]).astype("f4")
    for build in (by_graph, by_layer):
        set_random_seed(2)
        model = Model(*build(A, B))
        model.compile("adam", "mse")
        histories.append(model.fit([A, B], target, epochs=4, batch_size=2, verbose=0).history["loss"])
        weights.append([w for name in ("h", "g", "out") for w in model.get_layer(name).get_weights()])
    assert histories[0] == histories[1] and histories[0][-1] < histories[0][0]
    for p, q in zip(*weights, strict=True):
        np.testing.assert_array_equal(p, q)


def test_gradients_through_a_graph(float64):
    a, b = Input((4,)), Input((4,))
    h = Dense(3, activation="tanh")(a)
    y = K.logsumexp(h * h - K.dot(b, K.variable(W)), axis=-1) + 0.5 * K.sum(h[:, 1:] ** 2 / (1 + abs(b[:, :2])), axis=1)
    model = Model([a, b], y)
    x, z = A.astype("f8"), B.astype("f8")
    weights = model.weights
    with Tape(weights) as tape:
        loss = K.mean(model.run([x, z], training=True)[0])
    gradients = tape.gradients(loss)
    for weight, gradient in zip(weights, gradients, strict=True):
        direction = np.random.default_rng(1).normal(size=weight.shape)
        kept, values = weight.value.copy(), []
        for step in (1e-6, -1e-6):
            weight.assign(kept + step * direction)
            values.append(model.run([x, z])[0].mean())
        weight.assign(kept)
        assert (gradient * direction).sum() == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-6)


def test_names_are_numbered_for_each_function():
    x = Input((4,), name="x")
    y = K.mean(x, axis=1, keepdims=True)
    z = K.mean(x * 2 + y, axis=1)
    assert [t._keras_history[0].name for t in (y, z)] == ["k_mean_1", "k_mean_2"]
    model = Model(x, z)
    assert [layer.name for layer in model.layers] == ["x", "k_multiply_1", "k_mean_1", "k_add_1", "k_mean_2"]
    lines = []
    model.summary(print_fn=lines.append)
    assert "k_mean_1 (Function)             (None, 1)            0           x[0][0]" in "\n".join(lines)
    assert isinstance(model.get_layer("k_mean_2"), Function) and model.get_layer("k_mean_2").output_shape == (None,)


def test_shared_and_nested():
    x = Input((4,))
    inner = Model(x, K.square(x) - 1, name="inner")
    a, b = Input((4,)), Input((4,))
    outer = Model([a, b], inner(a) + inner(b))
    np.testing.assert_allclose(outer.predict([A, B]), A**2 + B**2 - 2, rtol=1e-5, atol=1e-6)
    # The layer of a function may be called again, on tensors of another shape.
    layer = inner.layers[1]
    other = Input((7, 2))
    assert layer(other).shape == (None, 7, 2)
    np.testing.assert_allclose(layer(A), A**2, rtol=1e-6)
    twice = Model(a, K.concatenate([a, a]))
    np.testing.assert_array_equal(twice.predict(A), np.concatenate([A, A], 1))
    chain = Sequential([Dense(3, input_dim=4), Function("multiply", [{"tensor": 0}, 2.0])])
    w, bias = chain.get_weights()
    np.testing.assert_allclose(chain.predict(A), 2 * (A @ w + bias), rtol=1e-5, atol=1e-6)
    for values in ([a, b], [A, B]):
        with pytest.raises(ValueError, match="Layer k_square_1 expects 1 inputs, but it received 2 input tensors"):
            layer(values)


def test_a_function_with_several_results():
    a, b = Input((4,)), Input((3,))
    first, second = K.stop_gradient([a, b])
    assert (first.shape, second.shape) == ((None, 4), (None, 3))
    np.testing.assert_array_equal(Model([a, b], second * 2).predict([A, A[:, :3]]), 2 * A[:, :3])


def test_constants_are_copies_of_the_tensors_dtype():
    scale = np.array([1.0, 2.0, 3.0, 4.0])
    x = Input((4,))
    y = K.maximum(x * scale * np.float64(0.5), scale)
    scale[:] = 0
    got = Model(x, y).predict(A)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, np.maximum(A * [0.5, 1, 1.5, 2], [1, 2, 3, 4]), rtol=1e-6)


def test_a_variable_is_read_in_each_run_and_not_trained():
    v = K.variable(np.ones(4))
    x = Input((4,))
    model = Model(x, Dense(1)(x * v))
    model.compile("sgd", "mse")
    assert all(w is not v for w in model.weights) and len(model.weights) == 2
    before = model.predict(A)
    model.train_on_batch(A, np.zeros((5, 1)))
    np.testing.assert_array_equal(v.value, 1)
    model.set_weights([np.ones((4, 1)), np.zeros(1)])
    K.set_value(v, np.full(4, 3.0))
    np.testing.assert_allclose(model.predict(A), 3 * A.sum(1, keepdims=True), rtol=1e-5, atol=1e-6)
    assert before.shape == (5, 1)


def test_the_learning_phase_is_that_of_the_run():
    x = Input((4,))
    model = Model(x, K.in_train_phase(x * 2, x))
    assert model.uses_learning_phase
    np.testing.assert_array_equal(model.run([A], training=True)[0], A * 2)
    np.testing.assert_array_equal(model.run([A])[0], A)
    dropped = Model(x, K.dropout(x, 0.5)).run([A], training=True)[0]
    assert 0 < (dropped == 0).sum() < A.size


def test_copies_of_a_model_and_functions_of_its_graph():
    x = Input((4,))
    y = K.mean(abs(x) * 2, axis=1)
    for again in (pickle.loads(pickle.dumps(Model(x, y))), copy.deepcopy(Model(x, y))):
        np.testing.assert_allclose(again.predict(A), 2 * np.abs(A).mean(1), rtol=1e-6)
    np.testing.assert_allclose(K.function([x], [y, x[:, 1]])([A])[1], A[:, 1])


def test_functions_drop_masks():
    x = Input((5, 3))
    model = Model(x, Masking()(x) * 1.0)
    model.compile("sgd", "mse")
    data = np.zeros((2, 5, 3), "f4")
    data[0] = 1
    assert model.evaluate(data, np.zeros((2, 5, 3)), verbose=0) == pytest.approx(0.5)  # masked rows are counted


VALUES = {
    "bool": bool, "float": float, "int": int, "len": len, "list": list, "in": lambda x: 1 in x, "asarray": np.asarray,
    "eval": K.eval, "get_value": K.get_value, "variable": K.variable, "constant": K.constant, "range": lambda x: range(3)[x],
    "set_value": lambda x: K.set_value(K.variable(1.0), x),
    "if": lambda x: 1 if x > 0 else 2,
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_a_symbolic_tensor_has_no_value(name):
    with pytest.raises(TypeError, match=r"is symbolic: it has no len\(\)" if name == "len" else "is symbolic: it has no value"):
        VALUES[name](Input((4,)))


def test_wrong_arguments_in_a_graph_raise():
    x = Input((4,))
    with pytest.raises(TypeError, match="is symbolic: it has no value; use the functions"):
        np.sin(x)
    with pytest.raises(ValueError, match="clip: missing a required argument: 'min_value'"):
        K.clip(x)
    with pytest.raises(TypeError, match="expected symbolic tensors, arrays, numbers and names in a graph, got {}"):
        x + {}
    with Tape([v := K.variable(np.ones(4))]):
        with pytest.raises(TypeError, match="has no value in a function that runs on values"):
            K.maximum(x, v * 2)
    with pytest.raises(TypeError, match="returns str, no tensor"):
        shapes_of(lambda xs: "a", [((2,), "float32")], "f")
    with pytest.raises(ValueError, match=r"expected no arguments in a call, got \['training'\]"):
        Function("square", [{"tensor": 0}])(x, training=True)


def test_a_function_of_k_is_the_activation_of_its_name():
    from lamella import activations

    dense = Dense(3, activation=K.relu, input_dim=4)
    assert dense.activation is activations.relu and dense.get_config()["activation"] == "relu"
    assert Activation(K.softmax).activation is activations.softmax


def test_every_function_of_the_room_is_k_or_an_operator():
    operators = {"add", "subtract", "multiply", "divide", "power", "matmul", "getitem", "mod", "floor_divide"}
    operators |= {"logical_and", "logical_or", "logical_xor", "logical_not"}
    # The functions of the nodes of K.zeros and K.ctc_decode.
    listed = OWN - {"full", "ctc_paths"}
    # K.resize_images chooses the interpolation of the dialect before it makes a node.
    made = listed - operators - {"resize_images"}
    assert operators <= listed and all(hasattr(getattr(K, name), "__wrapped__") for name in made)
    # These files only have functions on values, so that new functions there are listed here.
    for module in (K.elementwise, K.reductions, K.shapes, K.products, K.neural):
        assert set(module.__all__) <= listed


def test_a_function_takes_no_number_of_the_names_of_layers():
    x = Input((4,))
    model = Model(x, Concatenate()([x, K.concatenate([x, x])]))
    assert [layer.name for layer in model.layers] == ["input_1", "k_concatenate_1", "concatenate_1"]  # as if K had no layers
    np.testing.assert_array_equal(model.predict(A), np.concatenate([A, A, A], 1))


@pytest.mark.parametrize("function", registry.names("functions"))
def test_functions_of_k_pickle(function):
    found = getattr(K, function, None)
    if found is not None:  # the others are functions of Python's operators
        assert pickle.loads(pickle.dumps(found)) is found


@pytest.mark.parametrize(
    "function",
    [
        lambda x: K.maximum(x, 0.5), K.sqrt, lambda x: K.pow(x, 0.5), lambda x: K.clip(x, 0.5, 2), K.l2_normalize,
        lambda x: K.logsumexp(x, axis=-1, keepdims=True),
        lambda x: x * 2.5, lambda x: x / 2, lambda x: np.array([0.5, 1.5]) * x, lambda x: 2.0**x,
    ],
)  # fmt: skip
def test_fractions_of_integers_are_of_floatx(function):
    """NumPy's result is float64, which a float32 layer does not accept."""
    x = Input((2,), dtype="int32")
    y = function(x)
    numbers = np.array([[1, 4], [9, 2]], np.int32)
    got = Model(x, y).predict(numbers)
    assert y.dtype == "float32" and got.dtype == np.float32
    np.testing.assert_allclose(got, np.asarray(function(numbers)), rtol=1e-6)
    assert Model(x, Dense(3)(y)).predict(numbers).dtype == np.float32


def test_float64_stays():
    x = Input((2,), dtype="float64")
    assert (x * 2).dtype == K.maximum(x, Input((2,))).dtype == "float64"


def test_a_free_axis_may_be_shorter_than_a_slice():
    x = Input((None, 3))
    assert [x[:, -2:].shape, x[:, :5].shape, x[:, 1:].shape] == [(None, None, 3)] * 3
    assert Model(x, x[:, -2:]).predict(np.ones((2, 1, 3))).shape == (2, 1, 3)


def test_a_function_with_an_empty_result():
    with pytest.raises(ValueError, match=r"shape \(None, None, 3\): nothing is left of what was tried"):
        Input((None, 3))[:, 2000:]


def test_a_free_size_in_a_shape():
    x = Input((4, 3))
    y = K.reshape(x, (K.shape(x)[0], 2, 6))
    assert y.shape == (None, 2, 6)
    numbers = RNG.normal(size=(5, 4, 3)).astype("f4")
    assert np.array_equal(Model(x, y).predict(numbers), numbers.reshape(5, 2, 6))


@pytest.mark.parametrize("draw", DRAWS)
def test_random_numbers_of_the_batch_size_of_a_run(draw):
    x = Input((4,))
    noise = draw((K.shape(x)[0], 3), 0.5)
    assert noise.shape == (None, 3) and noise.dtype == "float32"
    run = K.function([x], [noise])
    first, second = run([A])[0], run([A])[0]
    assert first.shape == (5, 3) and not np.array_equal(first, second)


@pytest.mark.parametrize("draw", DRAWS)
def test_random_numbers_of_no_size(draw):
    with pytest.raises(ValueError, match=rf"K.{draw.__name__}: expected sizes, got \(None, 4\).* draw in a layer's call"):
        draw(Input((4,)).shape)


def test_free_sizes_fit_the_constants():
    row, table = np.arange(3.0, dtype="float32"), np.ones((5, 3), "float32")
    x = Input((None,))
    assert (x + row).shape == (None, 3)
    deep = Input((None, None))
    assert (deep * table).shape == (None, 5, 3)
    assert K.dot(deep, K.variable(np.ones((3, 4)))).shape == (None, None, 4)
    assert K.dot(x, K.constant(np.ones((3, 4)))).shape == (None, 4)
    with pytest.raises(ValueError, match="cannot be applied to tensors of shape"):
        K.dot(Input((7,)), K.constant(np.ones((3, 4))))
    model = Model(x, x + row)
    np.testing.assert_array_equal(model.predict(np.ones((2, 3), "float32")), np.ones((2, 3)) + row)


def test_functions_that_read_a_tensor_twice_are_walked_once():
    """Each function doubled the time of the next: 20 of them took minutes."""
    v = K.variable([1.0, 2.0])
    x = Input((2,))
    size = K.shape(x)
    for _ in range(64):
        v, size = (v + v) / 2, K.maximum(size, size)
    np.testing.assert_array_equal(K.eval(v), [1.0, 2.0])
    model = Model(x, Lambda(lambda z: K.reshape(z, size) * v)(x))
    np.testing.assert_array_equal(model.predict(np.ones((3, 2))), [[1.0, 2.0]] * 3)
