"""Values and gradients of ops, compared with PyTorch's: float64 closely, float32 loosely. Skipped if torch is not installed."""

import numpy as np
import pytest

from lamella import ops
from lamella.core import shapes
from lamella.ops.tape import Tape, value_of

torch = pytest.importorskip("torch")
F = torch.nn.functional

TOLERANCE = {"float64": 1e-11, "float32": 2e-5}
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def near(ours, theirs, dtype, what):
    theirs = theirs.detach().numpy()
    scale = max(1.0, float(np.abs(theirs).max(initial=0)))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE[dtype] * scale, err_msg=what)


def meet(ours, theirs, arrays, dtype, seed=0):
    """y and the gradient of sum(y * dy) to each of `arrays`, by both."""
    arrays = [np.ascontiguousarray(a, dtype) for a in arrays]
    leaves = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    wanted = theirs(*leaves)
    dy = np.random.default_rng(seed).normal(size=tuple(wanted.shape)).astype(dtype)
    (wanted * torch.from_numpy(dy)).sum().backward()
    with Tape() as tape:
        y = ours(*[tape.watch(a) for a in arrays])
        loss = ops.sum(ops.multiply(y, dy))
    gradients = tape.gradients(loss)
    assert value_of(y).dtype == dtype and value_of(y).shape == tuple(wanted.shape)
    near(value_of(y), wanted, dtype, "y")
    for i, (ours_, leaf) in enumerate(zip(gradients, leaves, strict=True)):
        near(ours_, leaf.grad, dtype, f"gradient to input {i}")


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@dtypes
@pytest.mark.parametrize("activation", ["linear", "relu"])
@pytest.mark.parametrize("m, k, n", [(1, 1, 1), (7, 13, 5), (32, 100, 64), (65, 33, 129)])
def test_dense(dtype, m, k, n, activation):
    act = F.relu if activation == "relu" else lambda y: y
    arrays = [normal(m, k), normal(k, n, seed=1), normal(n, seed=2)]
    meet(lambda x, w, b: ops.dense(x, w, b, activation=activation), lambda x, w, b: act(F.linear(x, w.T, b)), arrays, dtype)
    meet(lambda x, w: ops.dense(x, w, None, activation="linear"), lambda x, w: x @ w, arrays[:2], dtype)


@dtypes
def test_dense_of_a_sequence(dtype):
    arrays = [normal(3, 4, 5), normal(5, 6, seed=1)]
    meet(lambda x, w: ops.dense(x, w, None, activation="linear"), lambda x, w: x @ w, arrays, dtype)


def padded(x, size, strides, padding, dilation=(1, 1), value=0.0):
    """x [N, C, H, W] with TensorFlow's padding, which adds an odd pixel at the end. torch's padding cannot do this."""
    (top, bottom), (left, right) = (
        shapes.pad_amounts(x.shape[2 + i], size[i], strides[i], padding, dilation[i]) for i in (0, 1)
    )
    return F.pad(x, (left, right, top, bottom), value=value)


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


@dtypes
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    "image, window, filters, strides, dilation",
    [
        ((2, 8, 8, 3), (3, 3), 8, (1, 1), (1, 1)),
        ((1, 9, 11, 1), (3, 5), 4, (1, 1), (1, 1)),
        ((2, 9, 10, 16), (3, 3), 33, (2, 2), (1, 1)),
        ((3, 11, 7, 5), (4, 2), 6, (3, 2), (1, 1)),
        ((2, 12, 13, 4), (3, 3), 7, (1, 1), (2, 3)),
        ((2, 6, 5, 32), (1, 1), 16, (1, 1), (1, 1)),
        ((2, 7, 7, 8), (1, 1), 4, (2, 2), (1, 1)),
        ((1, 32, 32, 3), (3, 3), 32, (1, 1), (1, 1)),
    ],
)
def test_conv2d(dtype, image, window, filters, strides, dilation, padding):
    def theirs(x, w, b):
        x = padded(nchw(x), window, strides, padding, dilation)
        return nhwc(F.conv2d(x, w.permute(3, 2, 0, 1), b, strides, 0, dilation))

    def ours(x, w, b):
        return ops.conv(x, w, b, strides=strides, dilation=dilation, padding=padding, activation="linear")

    meet(ours, theirs, [normal(*image), normal(*window, image[3], filters, seed=1), normal(filters, seed=2)], dtype)


@dtypes
def test_conv2d_with_relu(dtype):
    meet(
        lambda x, w, b: ops.conv(x, w, b, padding="valid", activation="relu"),
        lambda x, w, b: nhwc(F.relu(F.conv2d(nchw(x), w.permute(3, 2, 0, 1), b))),
        [normal(2, 6, 6, 3), normal(3, 3, 3, 5, seed=1), normal(5, seed=2)],
        dtype,
    )


@dtypes
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    "image, window, multiplier, strides, dilation",
    [
        ((2, 8, 8, 32), (3, 3), 1, (1, 1), (1, 1)),
        ((1, 14, 13, 64), (3, 3), 1, (2, 2), (1, 1)),
        ((2, 9, 10, 3), (5, 3), 2, (1, 1), (1, 1)),
        ((1, 12, 13, 33), (3, 3), 1, (1, 1), (2, 3)),
    ],
)
def test_depthwise_conv2d(dtype, image, window, multiplier, strides, dilation, padding):
    width = image[3] * multiplier

    def theirs(x, w, b):
        w = w.permute(2, 3, 0, 1).reshape(width, 1, *window)
        return nhwc(F.conv2d(padded(nchw(x), window, strides, padding, dilation), w, b, strides, 0, dilation, groups=image[3]))

    def ours(x, w, b):
        return ops.depthwise_conv(x, w, b, strides=strides, dilation=dilation, padding=padding)

    meet(ours, theirs, [normal(*image), normal(*window, image[3], multiplier, seed=1), normal(width, seed=2)], dtype)


@dtypes
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    "image, size, strides",
    [
        ((2, 8, 8, 3), (2, 2), (2, 2)),
        ((2, 9, 7, 17), (2, 2), (2, 2)),
        ((1, 9, 10, 4), (3, 2), (2, 3)),
        ((2, 7, 7, 5), (3, 3), (1, 1)),
    ],
)
def test_pooling(dtype, image, size, strides, padding):
    x = np.random.default_rng(0).permutation(int(np.prod(image))).reshape(image) / 100  # no equal values, so one place gets dy
    kwargs = {"size": size, "strides": strides, "padding": padding}
    meet(
        lambda x: ops.max_pool(x, **kwargs),
        lambda x: nhwc(F.max_pool2d(padded(nchw(x), size, strides, padding, value=-torch.inf), size, strides)),
        [x],
        dtype,
    )

    def mean_without_padding(x):
        pool = lambda image: F.avg_pool2d(padded(image, size, strides, padding), size, strides)
        return nhwc(pool(nchw(x)) / pool(torch.ones_like(nchw(x))))

    meet(lambda x: ops.avg_pool(x, **kwargs), mean_without_padding, [x], dtype)


@dtypes
def test_global_pooling(dtype):
    x = np.random.default_rng(0).permutation(2 * 5 * 6 * 7).reshape(2, 5, 6, 7) / 10
    meet(ops.global_avg_pool, lambda x: x.mean((1, 2)), [x], dtype)
    meet(ops.global_max_pool, lambda x: x.amax((1, 2)), [x], dtype)


@dtypes
@pytest.mark.parametrize("shape", [(8, 3), (33, 17), (4, 5, 6, 7)])
def test_batch_norm(dtype, shape):
    channels = shape[-1]
    arrays = [3 * normal(*shape) + 1, normal(channels, seed=1), normal(channels, seed=2)]

    def theirs(x, gamma, beta):
        y = F.batch_norm(x.reshape(-1, channels), None, None, gamma, beta, training=True, eps=1e-3)
        return y.reshape(shape)

    meet(lambda x, g, b: ops.batch_norm(x, g, b, epsilon=1e-3), theirs, arrays, dtype)
    mean, variance = normal(channels, seed=3).astype(dtype), np.exp(normal(channels, seed=4)).astype(dtype)

    def theirs_in_use(x, gamma, beta):
        given = torch.from_numpy(mean.copy()), torch.from_numpy(variance.copy())
        return F.batch_norm(x.reshape(-1, channels), *given, gamma, beta, training=False, eps=1e-3).reshape(shape)

    meet(lambda x, g, b: ops.batch_norm_inference(x, g, b, mean, variance, epsilon=1e-3), theirs_in_use, arrays, dtype)


ACTIVATIONS = {
    "relu": (ops.relu, F.relu),
    "leaky relu": (lambda x: ops.relu(x, alpha=0.3), lambda x: F.leaky_relu(x, 0.3)),
    "relu6": (lambda x: ops.relu(x, max_value=6.0), F.relu6),
    "elu": (lambda x: ops.elu(x, alpha=0.7), lambda x: F.elu(x, 0.7)),
    "selu": (ops.selu, F.selu),
    "tanh": (ops.tanh, torch.tanh),
    "sigmoid": (ops.sigmoid, torch.sigmoid),
    # torch's hardsigmoid has slope 1/6, Keras's 0.2
    "hard_sigmoid": (ops.hard_sigmoid, lambda x: torch.clamp(0.2 * x + 0.5, 0, 1)),
    "softplus": (ops.softplus, lambda x: F.softplus(x, threshold=100)),
    "softsign": (ops.softsign, F.softsign),
    "exponential": (ops.exponential, torch.exp),
    "softmax": (ops.softmax, lambda x: torch.softmax(x, -1)),
    "softmax over axis 1": (lambda x: ops.softmax(x, axis=1), lambda x: torch.softmax(x, 1)),
}


@dtypes
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(dtype, name):
    meet(*ACTIVATIONS[name], [4 * normal(5, 7, 11)], dtype)


def probabilities(*shape):
    p = np.exp(normal(*shape))
    return p / p.sum(-1, keepdims=True)


@dtypes
def test_losses(dtype):
    labels = np.random.default_rng(3).integers(0, 10, 33)
    one_hot = np.eye(10)[labels].astype(dtype)
    target, soft = normal(33, 10, seed=1).astype(dtype), probabilities(33, 10).astype(dtype)
    bits = np.random.default_rng(4).integers(0, 2, (33, 10)).astype(dtype)
    t = torch.from_numpy
    z = 2 * normal(33, 10, seed=2)
    meet(lambda p: ops.squared_error(p, target), lambda p: F.mse_loss(p, t(target), reduction="none").mean(-1), [z], dtype)
    meet(lambda p: ops.absolute_error(p, target), lambda p: F.l1_loss(p, t(target), reduction="none").mean(-1), [z], dtype)

    entropy = lambda z: F.cross_entropy(z, t(labels), reduction="none")
    for dense in (one_hot, soft):
        wanted = lambda z: F.cross_entropy(z, t(dense), reduction="none")
        meet(lambda z: ops.categorical_crossentropy(z, dense, from_logits=True), wanted, [z], dtype)
        meet(lambda z: ops.categorical_crossentropy(ops.softmax(z), dense), wanted, [z], dtype)
    meet(lambda z: ops.sparse_categorical_crossentropy(z, labels, from_logits=True), entropy, [z], dtype)
    meet(lambda z: ops.sparse_categorical_crossentropy(ops.softmax(z), labels), entropy, [z], dtype)

    binary = lambda z: F.binary_cross_entropy_with_logits(z, t(bits), reduction="none").mean(-1)
    meet(lambda z: ops.binary_crossentropy(z, bits, from_logits=True), binary, [z], dtype)
    meet(lambda z: ops.binary_crossentropy(ops.sigmoid(z), bits), binary, [z], dtype)
    meet(
        lambda p: ops.binary_crossentropy(p, bits),
        lambda p: F.binary_cross_entropy(p, t(bits), reduction="none").mean(-1),
        [0.05 + 0.9 / (1 + np.exp(-z))],
        dtype,
    )


@dtypes
@pytest.mark.parametrize("shape", [(33, 1), (9, 10), (2, 3, 67)])
def test_row_losses(dtype, shape):
    z, other, positive = normal(*shape), normal(*shape, seed=1), np.exp(normal(*shape, seed=2))
    meet(ops.hinge, lambda p, y: F.relu(1 - y * p).mean(-1), [z, other], dtype)
    meet(ops.squared_hinge, lambda p, y: (F.relu(1 - y * p) ** 2).mean(-1), [z, other], dtype)
    meet(ops.logcosh, lambda p, y: torch.cosh(p - y).log().mean(-1), [z, other], dtype)
    meet(ops.cosine_proximity, lambda p, y: -F.cosine_similarity(p, y, -1), [z, other], dtype)
    meet(
        ops.poisson,
        lambda p, y: F.poisson_nll_loss(p, y, log_input=False, eps=1e-7, reduction="none").mean(-1),
        [positive, np.abs(other)],
        dtype,
    )
    meet(ops.percentage_error, lambda p, y: 100 * ((y - p) / y.abs()).abs().mean(-1), [z, positive + 0.1], dtype)
    meet(
        ops.logarithmic_error, lambda p, y: ((p + 1).log() - (y + 1).log()).square().mean(-1), [positive, np.abs(other)], dtype
    )
    if shape[-1] > 1:
        p, y = probabilities(*shape), probabilities(*shape)[::-1].copy()
        meet(ops.kl_divergence, lambda p, y: F.kl_div(p.log(), y, reduction="none").sum(-1), [p, y], dtype)


@dtypes
@pytest.mark.parametrize("size", [(3, 5, 4, 7), (33, 12, 20, 40)])
def test_recurrent_layers_over_time(dtype, size):
    n, t, features, units = size
    x, h, c = normal(n, t, features), normal(n, units, seed=1), normal(n, units, seed=2)

    def weights(gates, rows):
        scale = (features + units) ** -0.5
        return [
            scale * normal(*shape, seed=3 + i) for i, shape in enumerate([(features, gates), (units, gates), (*rows, gates)])
        ]

    def module(kind, kernel, recurrent, offsets, *call):
        """Calls kind(x, states) with these tensors instead of its parameters; gates in torch's order."""
        made = kind(features, units, batch_first=True, dtype=kernel.dtype)
        values = {"weight_ih_l0": kernel.T, "weight_hh_l0": recurrent.T, "bias_ih_l0": offsets[0], "bias_hh_l0": offsets[1]}
        return torch.func.functional_call(made, values, call)[0]

    def r_z_n(weight):
        z, r, new = weight.split(units, dim=-1)
        return torch.cat([r, z, new], dim=-1)

    meet(
        lambda *a: ops.lstm(*a, recurrent_activation="sigmoid")[0],
        lambda x, k, r, b, h, c: module(torch.nn.LSTM, k, r, [b, torch.zeros_like(b)], x, (h[None], c[None])),
        [x, *weights(4 * units, ()), h, c],
        dtype,
    )
    meet(
        lambda *a: ops.gru(*a, recurrent_activation="sigmoid", reset_after=True)[0],
        lambda x, k, r, b, h: module(torch.nn.GRU, r_z_n(k), r_z_n(r), r_z_n(b), x, h[None]),
        [x, *weights(3 * units, (2,)), h],
        dtype,
    )
    meet(
        lambda *a: ops.simple_rnn(*a)[0],
        lambda x, k, r, b, h: module(torch.nn.RNN, k, r, [b, torch.zeros_like(b)], x, h[None]),
        [x, *weights(units, ()), h],
        dtype,
    )
