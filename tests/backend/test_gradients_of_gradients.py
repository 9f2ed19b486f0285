"""Gradients of gradients, and training with gradients in the loss, against central differences in float64."""

import functools

import numpy as np
import pytest

from lamella import backend as K
from lamella import layers, ops
from lamella.core.variable import Variable
from lamella.layers import Dense, Input, Lambda
from lamella.models import Model
from lamella.ops import row_losses
from lamella.ops.gradient_rules import gradients_on_tape, watch
from lamella.ops.tape import Tape
from lamella.ops.time_steps import over_time, stack_time
from lamella.optimizers import Adam

RNG = np.random.default_rng(11)


@pytest.fixture(autouse=True)
def float64():
    before = K.floatx()
    K.set_floatx("float64")
    yield
    K.set_floatx(before)


def a(*shape):
    return RNG.normal(size=shape)


def positive(*shape):
    return RNG.uniform(0.5, 2.0, size=shape)


KEY = (3, 4)
LABELS = np.array([[1], [3], [0]])
HOLES = np.array([[1, 1, 1, 1], [0, 1, 0, 1], [1, 1, 0, 0]], bool)


def of_softmax(z, y):
    return ops.categorical_crossentropy(ops.softmax(z), y)


def of_sigmoid(z, y):
    return ops.binary_crossentropy(ops.sigmoid(z), y)


def loop(x, weight):
    outputs, (h,) = over_time(lambda x_t, states: step(x_t, states, weight), x, [np.zeros((2, 2))])
    return stack_time(*outputs), h


def step(x_t, states, weight):
    h = ops.tanh(ops.add(x_t, ops.matmul(states[0], weight)))
    return h, [h]


# Ops whose gradients have gradients, with their arrays and configuration.
CASES = {
    "add": (ops.add, (a(3, 4), a(4), a(3, 1)), {}),
    "subtract": (ops.subtract, (a(3, 4), a(4)), {}),
    "multiply": (ops.multiply, (a(3, 4), a(3, 1)), {}),
    "divide": (ops.divide, (a(3, 4), positive(4)), {}),
    "power": (ops.power, (positive(3, 4), a(4)), {}),
    "mod": (ops.mod, (positive(3, 4), positive(4)), {}),
    "maximum": (ops.maximum, (a(3, 4), a(4)), {}),
    "minimum": (ops.minimum, (a(3, 4), a(3, 1)), {}),
    "where": (ops.where, (a(3, 4), a(4)), {"condition": a(3, 4) > 0}),
    "matmul": (ops.matmul, (a(2, 3, 4), a(4, 5)), {}),
    "dot": (K.dot, (a(2, 3, 4), a(4, 5)), {}),
    "batch_dot": (ops.batch_dot, (a(2, 3, 4), a(2, 4)), {"axes": (2, 1)}),
    "negative": (ops.negative, (a(3),), {}),
    "abs": (ops.abs, (a(7),), {}),
    "clip": (ops.clip, (a(9),), {"low": -0.5, "high": 0.5}),
    "square": (ops.square, (a(3, 2),), {}),
    "sqrt": (ops.sqrt, (np.concatenate([positive(4), -positive(2)]),), {}),
    "log": (ops.log, (positive(5),), {}),
    "exp": (ops.exp, (a(5),), {}),
    "sin": (ops.sin, (a(5),), {}),
    "cos": (ops.cos, (a(5),), {}),
    "relu": (ops.relu, (a(3, 5),), {}),
    "leaky relu": (ops.relu, (a(3, 5),), {"alpha": 0.3, "max_value": 1.0, "threshold": 0.1}),
    "elu": (ops.elu, (a(9),), {"alpha": 0.7, "scale": 1.2}),
    "selu": (ops.selu, (a(9),), {}),
    "tanh": (ops.tanh, (a(5),), {}),
    "sigmoid": (ops.sigmoid, (a(5),), {}),
    "hard_sigmoid": (ops.hard_sigmoid, (3 * a(9),), {}),
    "softplus": (ops.softplus, (a(5),), {}),
    "softsign": (ops.softsign, (a(5),), {}),
    "softmax": (ops.softmax, (a(3, 4),), {}),
    "softmax over rows": (ops.softmax, (a(3, 4),), {"axis": 0}),
    "sum": (ops.sum, (a(2, 3, 4),), {"axis": (0, -1)}),
    "mean": (ops.mean, (a(2, 3),), {"axis": 1, "keepdims": True}),
    "mean of all": (ops.mean, (a(2, 3),), {}),
    "max": (ops.max, (a(3, 4),), {"axis": 1}),
    "min": (ops.min, (a(3, 4),), {}),
    "logsumexp": (ops.logsumexp, (a(3, 4),), {"axis": -1}),
    "sum_squares": (ops.sum_squares, (a(3, 2),), {}),
    "sum_absolute": (ops.sum_absolute, (a(3, 2),), {}),
    "cumsum": (ops.cumsum, (a(3, 2),), {"axis": 0}),
    "l2_normalize": (ops.l2_normalize, (a(3, 4),), {"axis": -1}),
    "dense": (ops.dense, (a(3, 4), a(4, 2), a(2)), {}),
    "dense with relu": (ops.dense, (a(2, 3, 4), a(4, 5), a(5)), {"activation": "relu"}),
    "dense without bias": (ops.dense, (a(3, 4), a(4, 2), None), {}),
    "conv": (ops.conv, (a(2, 5, 6, 2), a(3, 2, 2, 3), a(3)), {"strides": (2, 1), "padding": "same"}),
    "conv with relu": (ops.conv, (a(2, 7, 2), a(3, 2, 4), a(4)), {"dilation": (2,), "padding": "causal", "activation": "relu"}),
    "conv_transpose": (ops.conv_transpose, (a(1, 3, 3, 2), a(3, 3, 4, 2), a(4)), {"sizes": (6, 6), "strides": (2, 2), "padding": "same"}),
    "depthwise_conv": (ops.depthwise_conv, (a(2, 4, 5, 2), a(3, 3, 2, 2), a(4)), {"padding": "same", "activation": "relu"}),
    "avg_pool": (ops.avg_pool, (a(2, 5, 5, 2),), {"size": (2, 2), "strides": (2, 2), "padding": "same"}),
    "global_avg_pool": (ops.global_avg_pool, (a(2, 3, 3, 2),), {}),
    "resize": (ops.resize, (a(1, 2, 3, 2),), {"factors": (2, 2), "interpolation": "bilinear"}),
    "batch_norm": (ops.batch_norm, (a(6, 3), a(3), a(3)), {"epsilon": 0.1}),
    "batch_norm without gamma": (ops.batch_norm, (a(2, 3, 3), None, a(3)), {"epsilon": 0.1}),
    "batch_norm_relu": (ops.batch_norm_relu, (a(6, 3), a(3), a(3)), {"epsilon": 0.1, "max_value": 0.7}),
    "batch_norm_inference": (ops.batch_norm_inference, (a(4, 3), a(3), a(3), a(3), positive(3)), {"epsilon": 0.1}),
    "dropout": (ops.dropout, (a(4, 6),), {"rate": 0.5, "key": KEY}),
    "take": (ops.take, (a(5, 2),), {"indices": np.array([1, 3, 1])}),
    "cast": (ops.cast, (a(3),), {"dtype": "float64"}),
    "reshape": (ops.reshape, (a(2, 3),), {"shape": (3, 2)}),
    "transpose": (ops.transpose, (a(2, 3, 4),), {"axes": (1, 2, 0)}),
    "concatenate": (ops.concatenate, (a(2, 3), a(2, 1), a(2, 2)), {"axis": -1}),
    "getitem": (ops.getitem, (a(4, 3),), {"key": (slice(1, 3), 0)}),
    "pad": (ops.pad, (a(2, 3),), {"widths": ((1, 0), (0, 2))}),
    "repeat": (ops.repeat, (a(2, 3),), {"count": 2, "axis": 1}),
    "tile": (ops.tile, (a(2, 3),), {"counts": (2, 1)}),
    "flip": (ops.flip, (a(2, 3),), {"axes": 1}),
    "max_pool": (ops.max_pool, (a(2, 5, 6, 2),), {"size": (3, 2), "strides": (2, 2), "padding": "same"}),
    "conv_max_pool": (
        ops.conv_max_pool, (a(2, 6, 5, 2), a(2, 2, 2, 3), a(3)),
        {"size": (2, 2), "pool_strides": (2, 1), "pool_padding": "same", "activation": "relu"},
    ),
    "max_pool of a relu": (
        ops.max_pool, (a(2, 5, 6, 2),), {"size": (2, 2), "strides": (1, 2), "activation": "relu"},
    ),
    "max_pool over all": (ops.max_pool, (a(2, 17, 16, 2),), {"size": (17, 16), "strides": (1, 1)}),
    "max_pool of volumes": (ops.max_pool, (a(1, 3, 4, 3, 2),), {"size": (2, 2, 2), "strides": (1, 2, 1)}),
    "global_max_pool": (ops.global_max_pool, (a(2, 3, 3, 2),), {}),
    "local_conv": (ops.local_conv, (a(2, 4, 5, 2), a(6, 12, 3), a(2, 3, 3)), {"size": (2, 3), "strides": (2, 1)}),
    "alpha_dropout": (ops.alpha_dropout, (a(4, 6),), {"rate": 0.5, "key": KEY}),
    "gaussian_noise": (ops.gaussian_noise, (a(4, 6),), {"stddev": 0.5, "key": KEY}),
    "gaussian_dropout": (ops.gaussian_dropout, (a(4, 6),), {"rate": 0.5, "key": KEY}),
    "gated_dense": (ops.gated_dense, (a(3, 8), a(8), a(2, 3), a(2, 3)), {"units": 2, "first": 1}),
    "gates_of_cudnn": (ops.gates_of_cudnn, (a(3, 6),), {"units": 2}),
    "categorical_crossentropy": (ops.categorical_crossentropy, (positive(3, 4), positive(3, 4)), {}),
    "categorical_crossentropy of logits": (ops.categorical_crossentropy, (a(3, 4), positive(3, 4)), {"from_logits": True}),
    "categorical_crossentropy of softmax": (of_softmax, (a(3, 4), positive(3, 4)), {}),
    "sparse_categorical_crossentropy": (ops.sparse_categorical_crossentropy, (RNG.uniform(0.2, 0.8, (3, 4)),), {"labels": LABELS}),
    "sparse crossentropy of logits": (ops.sparse_categorical_crossentropy, (a(3, 4),), {"labels": LABELS, "from_logits": True}),
    "binary_crossentropy": (ops.binary_crossentropy, (RNG.uniform(0.2, 0.8, (3, 4)), a(3, 4)), {}),
    "binary_crossentropy of logits": (ops.binary_crossentropy, (a(3, 4), a(3, 4)), {"from_logits": True}),
    "binary_crossentropy of sigmoid": (of_sigmoid, (a(3, 4), a(3, 4)), {}),
    **{
        name: (getattr(row_losses, name), (positive(3, 4), positive(3, 4) / 2), {})
        for name in (
            "squared_error", "absolute_error", "percentage_error", "logarithmic_error", "logcosh", "poisson", "hinge",
            "squared_hinge", "categorical_hinge", "cosine_proximity",
        )
    },
    "kl_divergence": (row_losses.kl_divergence, (RNG.uniform(0.2, 0.8, (3, 4)), RNG.uniform(0.2, 0.8, (3, 4))), {}),
    "lstm": (ops.lstm, (a(2, 3, 2), a(2, 8), a(2, 8), a(8), a(2, 2), a(2, 2)), {}),
    "lstm with all options": (
        ops.lstm, (a(3, 4, 2), a(2, 8), a(2, 8), None, a(3, 2)),
        {"mask": HOLES, "input_dropout": positive(4, 3, 2), "recurrent_dropout": positive(1, 3, 2), "go_backwards": True,
         "return_sequences": False, "activation": "sigmoid", "recurrent_activation": "sigmoid"},
    ),
    "gru": (ops.gru, (a(2, 3, 2), a(2, 6), a(2, 6), a(6), a(2, 2)), {"return_sequences": False}),
    "gru with all options": (
        ops.gru, (a(3, 4, 2), a(2, 6), a(2, 6), a(6)),
        {"mask": HOLES, "input_dropout": positive(1, 3, 2), "recurrent_dropout": positive(3, 3, 2), "go_backwards": True},
    ),
    "gru that resets after": (
        ops.gru, (a(3, 4, 2), a(2, 6), a(2, 6), a(2, 6), a(3, 2)),
        {"mask": HOLES, "recurrent_dropout": positive(3, 3, 2), "reset_after": True},
    ),
    "simple_rnn": (ops.simple_rnn, (a(3, 4, 2), a(2, 2), a(2, 2), a(2), a(3, 2)), {"mask": HOLES, "input_dropout": positive(1, 3, 2)}),
    "loop over time": (loop, (a(2, 3, 2), a(2, 2)), {}),
}  # fmt: skip
# Inputs without a gradient: given statistics.
FIXED = {"batch_norm_inference": (3, 4)}
STEP, TOLERANCE = 1e-6, 2e-6


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("name", CASES)
def test_the_gradient_of_each_op_has_gradients(name, order):
    """The derivative of a projection of the gradients of order - 1, in a random direction in the space of all inputs."""
    op, arrays, config = CASES[name]
    places = [i for i, x in enumerate(arrays) if x is not None and i not in FIXED.get(name, ())]
    rng = np.random.default_rng(1)
    directions = [rng.normal(size=arrays[i].shape) for i in places]
    weights: dict[tuple[int, ...], np.ndarray] = {}

    def projected(found, level):
        total = 0.0
        for i, each in enumerate(found):
            if each is not None:
                drawn = weights.setdefault((level, i), rng.normal(size=each.shape))
                total = ops.add(total, ops.sum(ops.multiply(ops.square(each), drawn)))
        return total

    def loss(tape, sources, levels):
        """A projection of the op's result, or of the gradients of `loss` with order - 1."""
        if levels == 1:
            given = [sources.get(i, x) for i, x in enumerate(arrays)]
            made = op(*given, **config)
            return projected(made if isinstance(made, tuple) else [made], 1)
        own = {i: watch(tape, x) for i, x in sources.items()}
        return projected(gradients_on_tape(tape, lambda: loss(tape, own, levels - 1), list(own.values())), levels)

    def value(step):
        moved = {i: arrays[i] + step * d for i, d in zip(places, directions)}
        with Tape() as tape:
            found = loss(tape, {i: tape.watch(x) for i, x in moved.items()}, order)
            return float(found), tape.gradients(found) if step == 0 and type(found) is not float else None

    _, gradients = value(0.0)
    along = sum(float((g * d).sum()) for g, d in zip(gradients, directions) if g is not None)
    slope = (value(STEP)[0] - value(-STEP)[0]) / (2 * STEP)
    assert abs(along - slope) <= TOLERANCE * max(1.0, abs(along), abs(slope)), (along, slope)


def test_gradients_on_a_tape_are_those_of_the_tape():
    for name, (op, arrays, config) in CASES.items():
        places = [i for i, x in enumerate(arrays) if x is not None and i not in FIXED.get(name, ())]
        with Tape() as tape:
            given = {i: tape.watch(arrays[i]) for i in places}

            def run(op=op, given=given, arrays=arrays, config=config):
                made = op(*[given.get(i, x) for i, x in enumerate(arrays)], **config)
                return functools.reduce(
                    ops.add, [ops.sum(ops.square(y)) for y in (made if isinstance(made, tuple) else [made])]
                )

            found = gradients_on_tape(tape, run, list(given.values()))
            wanted = tape.gradients(run())
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(ops.tape.value_of(one), other, rtol=1e-12, atol=1e-12, err_msg=name)


def hessian_of(f, x, step=1e-4):
    """The gradient by central differences."""
    result = np.zeros((x.size, x.size))
    for i in range(x.size):
        for j in range(x.size):

            def at(p, q, i=i, j=j):
                moved = x.ravel().copy()
                moved[i] += p * step
                moved[j] += q * step
                return f(moved.reshape(x.shape))

            result[i, j] = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / (4 * step * step)
    return result


def test_second_gradients_of_a_graph_are_the_rows_of_the_hessian():
    x = Input((3,))
    y = K.sum(K.exp(x) * K.square(x[:, ::-1]) / (1.0 + K.sigmoid(x)))
    (first,) = K.gradients(y, x)
    rows = [K.gradients(first[:, i], x)[0] for i in range(3)]
    value = a(1, 3)
    found = K.function([x], rows)([value])
    f = K.function([x], [y])
    np.testing.assert_allclose(np.concatenate(found), hessian_of(lambda v: f([v])[0], value), rtol=1e-5, atol=1e-5)


def test_third_gradients():
    x = K.placeholder((4,))
    y = K.sum(x**5)
    for factor, power in ((5, 4), (20, 3), (60, 2)):
        (y,) = K.gradients(y, x)
        value = np.arange(1.0, 5.0)
        np.testing.assert_allclose(K.function([x], [y])([value])[0], factor * value**power, rtol=1e-12)


def penalized():
    """A critic, and a model with its score and gradient penalty as outputs."""
    x, mixed = Input((6, 6, 1), name="x"), Input((6, 6, 1), name="mixed")
    image = Input((6, 6, 1))
    h = layers.Conv2D(3, 3, strides=2, padding="same")(image)
    h = layers.LeakyReLU(0.2)(h)
    h = layers.Conv2D(2, 3, activation="tanh")(h)
    h = layers.Flatten()(h)
    critic = Model(image, Dense(1)(Dense(4, activation="relu")(h)))
    score = critic(mixed)
    (slope,) = K.gradients(score, mixed)
    norm = K.sqrt(K.sum(K.square(slope), axis=(1, 2, 3)))
    penalty = K.expand_dims(K.square(1.0 - norm))
    return critic, Model([x, mixed], [critic(x), penalty]), [x, mixed]


def test_a_gradient_penalty_trains_the_critic_by_its_exact_gradient():
    critic, model, _ = penalized()
    model.compile("sgd", [lambda t, p: K.mean(t * p), lambda t, p: K.mean(p)], loss_weights=[1.0, 10.0])
    inputs, targets = [a(4, 6, 6, 1), a(4, 6, 6, 1)], [np.ones((4, 1)), np.zeros((4, 1))]
    start = critic.get_weights()
    directions = [np.random.default_rng(2).normal(size=w.shape) for w in start]

    def loss(step):
        critic.set_weights([w + step * d for w, d in zip(start, directions)])
        return model.test_on_batch(inputs, targets)[0]

    slope = (loss(1e-6) - loss(-1e-6)) / 2e-6
    loss(0.0)
    model.train_on_batch(inputs, targets)
    moved = sum(float(((w - now) / 0.01 * d).sum()) for w, now, d in zip(start, critic.get_weights(), directions))
    assert moved == pytest.approx(slope, rel=1e-6)


def test_training_reduces_a_penalty_that_is_added_as_a_loss():
    critic, model, (_, mixed) = penalized()
    model = Model(model.inputs, model.outputs[0])
    (slope,) = K.gradients(critic(mixed), mixed)
    model.add_loss(K.mean(K.square(K.sqrt(K.sum(K.square(slope), axis=(1, 2, 3))) - 1.0)))
    model.compile(Adam(0.02), lambda t, p: 0.0 * K.mean(p))
    inputs = [a(16, 6, 6, 1), a(16, 6, 6, 1)]
    losses = [model.train_on_batch(inputs, np.zeros((16, 1))) for _ in range(60)]
    assert losses[-1] < 0.2 * losses[0]


def test_weight_gradients_of_input_gradients():
    x = Input((3,))
    layer = Dense(1, activation="sigmoid")
    (slope,) = K.gradients(layer(x), x)
    (found,) = K.gradients(K.sum(K.square(slope)), layer.kernel)
    value, direction = a(5, 3), a(3, 1)
    f = K.function([x], [K.sum(K.square(slope))])
    start = layer.kernel.numpy()

    def at(step):
        layer.kernel.assign(start + step * direction)
        return f([value])[0]

    slope_of_values = (at(1e-6) - at(-1e-6)) / 2e-6
    layer.kernel.assign(start)
    assert float((K.function([x], [found])([value])[0] * direction).sum()) == pytest.approx(slope_of_values, rel=1e-6)


def test_input_gradients_of_weight_gradients():
    x = Input((3,))
    layer = Dense(1, activation="sigmoid")
    (slope,) = K.gradients(layer(x), layer.kernel)
    (found,) = K.gradients(K.sum(K.square(slope)), x)
    value, direction = a(5, 3), a(5, 3)
    f = K.function([x], [K.sum(K.square(slope))])
    wanted = (f([value + 1e-6 * direction])[0] - f([value - 1e-6 * direction])[0]) / 2e-6
    assert float((K.function([x], [found])([value])[0] * direction).sum()) == pytest.approx(wanted, rel=1e-6)


def test_gradients_for_an_inner_tensor_continue_to_the_inputs():
    x = Input((3,))
    inner = Dense(4, activation="tanh")(x)
    (slope,) = K.gradients(Dense(1, activation="sigmoid")(inner), inner)
    (found,) = K.gradients(K.sum(K.square(slope)), x)
    value, direction = a(2, 3), a(2, 3)
    f = K.function([x], [K.sum(K.square(slope))])
    wanted = (f([value + 1e-6 * direction])[0] - f([value - 1e-6 * direction])[0]) / 2e-6
    assert float((K.function([x], [found])([value])[0] * direction).sum()) == pytest.approx(wanted, rel=1e-6)


def test_a_tensor_inside_of_other_gradients_is_refused():
    x = Input((3,))
    inner = Dense(4, activation="tanh")(x)
    (slope,) = K.gradients(Dense(1)(inner), x)
    with pytest.raises(NotImplementedError, match="computed again by another K.gradients"):
        K.gradients(K.sum(K.square(slope)), inner)


def test_an_op_without_a_rule_is_named():
    x = Input((4,))
    (slope,) = K.gradients(K.cumprod(x, axis=1), x)
    (twice,) = K.gradients(K.square(slope), x)
    with pytest.raises(NotImplementedError, match="the gradient of cumprod has no gradient of its own"):
        K.function([x], [twice])([a(1, 4)])


def test_gradients_for_untrained_variables_are_refused_in_training():
    x = Input((3,))
    scale = K.variable(2.0)
    (slope,) = K.gradients(x * scale, scale)
    model = Model(x, Lambda(lambda z: z[0] * z[1], output_shape=(1,))([Dense(1)(x), slope]))
    model.compile("sgd", "mse")
    with pytest.raises(NotImplementedError, match="it is neither a trained weight nor"):
        model.train_on_batch(a(2, 3), a(2, 1))


def test_a_tape_records_calls_only_on_request():
    w = Variable(np.ones(3))
    tape = Tape([w])
    with tape:
        assert tape.calls is None
        ops.square(w)
        gradients_on_tape(tape, lambda: ops.sum(ops.square(w)), [w])
        assert tape.calls is None
        with pytest.raises(ZeroDivisionError):
            gradients_on_tape(tape, lambda: 1 / 0, [w])
        assert tape.calls is None
