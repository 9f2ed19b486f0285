"""Every op of lamella.ops passes the gradient check."""

import inspect

import numpy as np
import pytest

from lamella import ops
from tests.ops.gradients import check


def a(*shape, seed=0, low=-2.0, high=2.0):
    return np.random.default_rng(seed).uniform(low, high, shape)


def p(*shape, seed=0):
    """Rows of probabilities."""
    x = a(*shape, seed=seed, low=0.1, high=1.0)
    return x / x.sum(axis=-1, keepdims=True)


def apart(*shape, seed=0):
    """Values with differences of at least 0.1, so that the position of a maximum does not change within a step."""
    x = np.random.default_rng(seed).permutation(int(np.prod(shape))) * 0.1
    return x.reshape(shape) - x.mean()


LABELS = np.array([[0, 3], [2, 1], [4, 4]])
POOL = {"size": (3, 2), "strides": (2, 2), "padding": "same"}
STEPS = {"size": (3,), "strides": (2,), "padding": "same"}
VOLUMES = {"size": (2, 2, 3), "strides": (2, 1, 1), "padding": "same"}
TOUCHING = {"size": (2, 2), "strides": (2, 2), "padding": "valid"}
CONV = {"strides": (2, 1), "dilation": (1, 2), "padding": "same"}

# op: [(arrays, configuration), ...]. An op that is not listed is checked with one array.
CASES = {op: [((a(3, 4),), {})] for op in ops.__all__} | {
    "absolute_error": [((a(3, 4), a(3, 4, seed=1)), {}), ((a(7, 1), a(7, 1, seed=1)), {})],
    "add": [((a(3, 4), a(4, seed=1)), {}), ((a(2, 1), a(1, 3, seed=1), a(2, 3, seed=2)), {}), ((a(3),), {})],
    "alpha_dropout": [
        ((a(3, 40),), {"rate": 0.4, "key": (1, 2)}),
        ((a(3, 4),), {"rate": 0.4, "key": (1, 2), "noise_shape": (None, 1)}),
    ],
    "avg_pool": [
        ((a(2, 5, 6, 3),), POOL),
        ((a(2, 5, 6, 3),), TOUCHING),
        ((a(2, 7, 3),), STEPS),
        ((a(1, 4, 5, 4, 2),), VOLUMES),
    ],
    "batch_dot": [
        ((a(3, 4), a(3, 4, seed=1)), {}),
        ((a(2, 3, 4), a(2, 4, 2, seed=1)), {}),
        ((a(2, 3, 4, 2), a(2, 5, 3, seed=1)), {"axes": (1, -1)}),
    ],
    "batch_norm": [
        ((a(5, 3), a(3, seed=1), a(3, seed=2)), {"epsilon": 1e-3}),
        ((a(2, 3, 4, 5), a(5, seed=1), None), {"epsilon": 1e-3}),
        ((a(2, 3, 4, 5), None, a(5, seed=2)), {"epsilon": 1e-3}),
    ],
    "batch_norm_relu": [
        ((a(5, 3), a(3, seed=1), a(3, seed=2)), {"epsilon": 1e-3, "max_value": 0.6}),
        ((a(2, 3, 4, 5), None, None), {"epsilon": 1e-3}),
    ],
    "batch_norm_inference": [],  # below
    "batch_norm_relu_inference": [],
    "batch_norm_with_statistics": [],
    "binary_crossentropy": [
        ((a(3, 4, low=0.1, high=0.9), a(3, 4, seed=1, low=0, high=1)), {}),
        ((a(3, 4), a(3, 4, seed=1, low=0, high=1)), {"from_logits": True}),
    ],
    "categorical_crossentropy": [
        ((a(3, 4, low=0.1, high=1), p(3, 4, seed=1)), {}),
        ((a(2, 3, 4), p(2, 3, 4, seed=1)), {"from_logits": True}),
    ],
    "categorical_hinge": [((apart(3, 4), a(3, 4, seed=1, low=0, high=0.4)), {})],
    "clip": [((a(3, 4),), {"low": -1.0, "high": 1.0})],
    "concatenate": [((a(2, 3), a(2, 1, seed=1), a(2, 2, seed=2)), {"axis": -1}), ((a(2, 3), a(1, 3)), {"axis": 0})],
    "conv_max_pool": [
        (
            (apart(2, 5, 6, 2), a(2, 2, 2, 3, seed=1), a(3, seed=2)),
            {"size": (2, 2), "pool_strides": (2, 2), "activation": "relu"},
        ),
        (
            (apart(2, 7, 2), a(3, 2, 3, seed=1), None),
            {"padding": "same", "size": (3,), "pool_strides": (2,), "pool_padding": "same"},
        ),
    ],
    "conv": [
        ((a(2, 9, 3), a(3, 3, 4, seed=1), a(4, seed=2)), {"padding": "causal", "strides": (2,), "dilation": (2,)}),
        ((a(2, 5, 4), a(2, 4, 3, seed=1), None), {"padding": "full", "activation": "relu"}),
        ((a(1, 4, 5, 3, 2), a(2, 3, 2, 2, 3, seed=1), a(3, seed=2)), {"padding": "same", "strides": (2, 1, 2)}),
        ((a(2, 5, 6, 3), a(3, 2, 3, 4, seed=1), a(4, seed=2)), CONV),
        ((a(2, 5, 6, 3), a(3, 2, 3, 4, seed=1), a(4, seed=2)), {**CONV, "activation": "relu"}),
        ((a(1, 4, 4, 2), a(3, 3, 2, 3, seed=1), None), {}),
    ],
    "cosine_proximity": [((a(3, 4), a(3, 4, seed=1)), {})],
    "dense": [
        ((a(3, 4), a(4, 5, seed=1), a(5, seed=2)), {"activation": "relu"}),
        ((a(2, 3, 4), a(4, 5, seed=1), None), {}),
    ],
    "divide": [((a(3, 4), a(4, seed=1, low=0.5)), {})],
    "dropout": [
        ((a(3, 40),), {"rate": 0.4, "key": (1, 2)}),
        ((a(3, 4),), {"rate": 0.4, "key": (1, 2), "noise_shape": (None, 1)}),
        ((a(3, 4),), {"rate": 0.0, "key": (1, 2)}),
    ],
    "elu": [((a(3, 4),), {"alpha": 0.7})],
    "depthwise_conv": [
        ((a(2, 5, 6, 3), a(3, 2, 3, 2, seed=1), a(6, seed=2)), {"strides": (2, 1), "padding": "same"}),
        ((a(2, 5, 6, 3), a(3, 2, 3, 2, seed=1), a(6, seed=2)), {"padding": "same", "activation": "relu"}),
        ((a(1, 6, 7, 9), a(3, 3, 9, 1, seed=1), None), {"padding": "same"}),
        ((a(2, 7, 3), a(2, 3, 1, seed=1), a(3, seed=2)), {"dilation": (2,)}),
        ((a(1, 4, 3, 5, 2), a(2, 3, 2, 2, 1, seed=1), None), {"strides": (1, 2, 1)}),
    ],
    "gaussian_dropout": [((a(3, 4),), {"rate": 0.4, "key": (1, 2)})],
    "ctc_loss": [
        (
            (a(2, 5, 4, low=0.1, high=0.9),),
            {"labels": np.array([[0, 2], [1, 1]]), "steps": np.array([5, 4]), "lengths": np.array([2, 2]), "epsilon": 1e-7},
        )
    ],
    "gated_dense": [
        ((a(3, 8), a(8), a(2, 3), a(2, 3), a(2, 3), a(2, 3)), {"units": 2}),
        ((a(3, 8), None, a(2, 3), a(2, 3)), {"units": 2, "first": 1}),
    ],
    "gates_of_cudnn": [((a(3, 8),), {"units": 2}), ((a(2, 6),), {"units": 2})],
    "gaussian_noise": [((a(3, 4),), {"stddev": 0.4, "key": (1, 2)})],
    "getitem": [((a(3, 4),), {"key": (slice(1, None), 2)}), ((a(5),), {"key": np.array([1, 1, 3])})],
    "global_avg_pool": [((a(2, 3, 4, 5),), {})],
    "global_max_pool": [((apart(2, 3, 4, 5),), {})],
    "hard_sigmoid": [((a(30, low=-4, high=4),), {})],
    "hinge": [((a(3, 4), a(3, 4, seed=1)), {}), ((a(7, 1), a(7, 1, seed=1)), {})],
    "kl_divergence": [((a(3, 4, low=0.1, high=0.9), a(3, 4, seed=1, low=0.1, high=0.9)), {})],
    "l2_normalize": [((a(3, 4),), {}), ((a(3, 4, 2),), {"axis": 1})],
    "log": [((a(3, 4, low=0.2),), {})],
    "logarithmic_error": [((a(3, 4, low=0.1), a(3, 4, seed=1, low=0.1)), {}), ((a(7, 3), a(7, 3, seed=1)), {})],
    "logcosh": [((a(3, 4), a(3, 4, seed=1)), {}), ((a(7, 1), a(7, 1, seed=1)), {})],
    "gru": [],  # below
    "lstm": [],
    "lstm_step": [],
    "local_conv": [
        ((a(2, 7, 3), a(3, 6, 4, seed=1), a(3, 4, seed=2)), {"size": (2,), "strides": (2,)}),
        ((a(2, 4, 5, 3), a(6, 18, 2, seed=1), None), {"size": (2, 3), "strides": (1, 2)}),
        ((a(2, 4, 5, 3), a(9, 18, 2, seed=1), a(3, 3, 2, seed=2)), {"size": (2, 3), "channels_first": True}),
    ],
    "matmul": [((a(3, 4), a(4, 5, seed=1)), {}), ((a(2, 3, 4), a(4, 5, seed=1)), {})],
    "max": [
        ((apart(3, 4),), {"axis": 1}),
        ((apart(2, 3, 4, 5),), {"axis": 1}),
        ((apart(2, 3, 17),), {"axis": -2, "keepdims": True}),
        ((apart(3, 4),), {}),
        ((apart(3, 4),), {"axis": (0,), "keepdims": True}),
    ],
    "max_pool": [
        ((apart(2, 5, 6, 3),), POOL),
        ((apart(2, 5, 6, 3),), TOUCHING),
        ((apart(2, 7, 3),), STEPS),
        ((apart(1, 4, 5, 4, 2),), VOLUMES),
        ((apart(2, 300, 3),), {"size": (300,), "strides": (1,)}),
        ((apart(2, 5, 6, 3) - 4,), {**POOL, "activation": "relu"}),
        ((apart(2, 300, 3) - 89,), {"size": (300,), "strides": (1,), "activation": "relu"}),
    ],
    "maximum": [((apart(3, 4), apart(4, seed=1) + 0.05), {})],
    "mean": [((a(3, 4),), {}), ((a(3, 4, 2),), {"axis": (0, -1)}), ((a(3, 4),), {"axis": 1, "keepdims": True})],
    "min": [((apart(3, 4),), {"axis": -1})],
    "minimum": [((apart(3, 4), apart(4, seed=1) + 0.05), {})],
    "multiply": [((a(3, 4), a(3, 1, seed=1)), {})],
    "negative": [((a(3),), {})],
    "percentage_error": [((a(3, 4), a(3, 4, seed=1, low=0.3)), {}), ((a(3, 4), a(3, 4, seed=1, high=-0.3)), {})],
    "poisson": [((a(3, 4, low=0.1), a(3, 4, seed=1, low=0)), {})],
    "power": [((a(3, 4, low=0.3), a(4, seed=1)), {}), *(((a(3, 4, low=0.3), np.array(p)), {}) for p in (-1.5, 0.5, 3.0))],
    "mod": [((a(3, 4, low=0.3), a(4, seed=1, low=0.3)), {})],
    "prelu": [((a(5, 3), a(3, seed=1)), {}), ((a(4, 2, 3, 5), a(1, 1, 5, seed=1)), {}), ((a(3, 2, 4), a(2, 4, seed=1)), {})],
    "relu": [((a(40),), {}), ((a(40),), {"alpha": 0.2, "max_value": 1.0, "threshold": 0.3})],
    "resize": [
        ((a(2, 3, 4, 2),), {"factors": (2, 1)}),
        ((a(2, 3, 4, 2),), {"factors": (3, 2), "interpolation": "bilinear"}),
        ((a(2, 3, 4, 2),), {"factors": (3, 2), "interpolation": "bilinear_half_pixel"}),
        ((a(1, 2, 3, 1, 2),), {"factors": (2, 2, 3)}),
    ],
    "reshape": [((a(3, 4),), {"shape": (2, -1)})],
    "sign": [((apart(3, 4),), {})],
    "softmax": [((a(3, 4),), {}), ((a(3, 4, 5),), {"axis": 1})],
    "sparse_categorical_crossentropy": [
        ((a(3, 2, 5, low=0.1, high=1),), {"labels": LABELS}),
        ((a(3, 2, 5),), {"labels": LABELS[..., None].astype(float), "from_logits": True}),
    ],
    "sqrt": [((a(3, 4, low=0.2),), {})],
    "squared_error": [((a(3, 4), a(3, 4, seed=1)), {}), ((a(7, 1), a(7, 1, seed=1)), {})],
    "squared_hinge": [((a(3, 4), a(3, 4, seed=1)), {})],
    "subtract": [((a(3, 4), a(4, seed=1)), {})],
    "sum": [((a(3, 4),), {}), ((a(3, 4),), {"axis": 0})],
    "cast": [((a(3, 4),), {"dtype": "float64"})],
    "conv_transpose": [
        ((a(2, 3, 4, 3), a(3, 2, 2, 3, seed=1), a(2, seed=2)), {"sizes": (6, 8), "strides": (2, 2), "padding": "same"}),
        ((a(2, 3, 3), a(2, 4, 3, seed=1), None), {"sizes": (9,), "strides": (3,)}),
        (
            (a(1, 2, 3, 2, 2), a(2, 2, 3, 1, 2, seed=1), a(1, seed=2)),
            {"sizes": (4, 5, 4), "strides": (2, 1, 1), "dilation": (1, 2, 1)},
        ),
    ],
    "cumprod": [((a(4, 3),), {}), ((np.array([[2.0, 0.0, 3.0, 0.0, -1.0]]),), {"axis": 1})],
    "cumsum": [((a(4, 3),), {}), ((a(4, 3),), {"axis": -1})],
    "flip": [((a(3, 4),), {"axes": (0, 1)}), ((a(3, 4),), {"axes": 1})],
    "logsumexp": [((a(3, 4),), {}), ((a(3, 4, 2),), {"axis": (0, -1)}), ((a(3, 4),), {"axis": 1, "keepdims": True})],
    "pad": [((a(3, 4),), {"widths": ((1, 2), (0, 3))})],
    "prod": [
        ((a(3, 4),), {}),
        ((a(3, 4, 2),), {"axis": (2, 0)}),
        ((np.array([[2.0, 0.0, 3.0]]),), {"axis": 1, "keepdims": True}),
    ],
    "places_of_maxima": [],  # it returns indices
    "repeat": [((a(3, 4),), {"count": 3, "axis": 0}), ((a(3, 4),), {"count": 2, "axis": -1})],
    "simple_rnn": [],  # above
    "take": [
        ((a(5, 3),), {"indices": np.array([[0, 4], [4, 2]])}),
        ((a(5, 2, 3),), {"indices": np.array([4, 1, 4, 4])}),
        ((a(5),), {"indices": np.array([[1], [1]])}),
    ],
    "take_places": [((a(3, 4),), {"places": np.array([[0, 11], [5, 5]])})],
    "tile": [((a(3, 4),), {"counts": (2, 3)})],
    "where": [((a(3, 4), a(4, seed=1)), {"condition": a(3, 4, seed=2) > 0})],
    "transpose": [((a(2, 3, 4),), {"axes": (1, -1, 0)}), ((a(2, 3),), {})],
}


@pytest.mark.parametrize("name, case", [(name, i) for name, cases in CASES.items() for i in range(len(cases))])
def test_gradient(name, case):
    arrays, config = CASES[name][case]
    op = getattr(ops, name)
    if "labels" in config and inspect.signature(op).parameters["labels"].kind is not inspect.Parameter.KEYWORD_ONLY:
        # Whole numbers get no gradient.
        labels = config["labels"]
        rest = {k: v for k, v in config.items() if k != "labels"}
        check(lambda x: op(x, labels, **rest), *arrays)
    else:
        check(op, *arrays, **config)


def test_gradient_of_batch_norm_with_given_statistics():
    mean, variance = a(5, seed=3), a(5, seed=4, low=0.5)
    check(
        lambda x, g, b: ops.batch_norm_inference(x, g, b, mean, variance, epsilon=1e-3), a(2, 3, 5), a(5, seed=1), a(5, seed=2)
    )
    check(lambda x: ops.batch_norm_inference(x, None, None, mean, variance, epsilon=1e-3), a(4, 5))
    for top in (None, 0.8):
        check(
            lambda x, g, b: ops.batch_norm_relu_inference(x, g, b, mean, variance, epsilon=1e-3, max_value=top),
            *(a(2, 3, 5), a(5, seed=1), a(5, seed=2)),
        )


def test_gradients_of_given_statistics():
    arrays = a(2, 3, 5), a(5, seed=1), a(5, seed=2), a(5, seed=3), a(5, seed=4, low=0.5)
    check(lambda *xs: ops.batch_norm_inference(*xs, epsilon=1e-3), *arrays)
    check(lambda x, m, v: ops.batch_norm_inference(x, None, None, m, v, epsilon=1e-3), arrays[0], *arrays[3:])
    check(lambda v: ops.batch_norm_inference(*arrays[:4], v, epsilon=1e-3), arrays[4])


@pytest.mark.parametrize("result", [0, 1, 2])
def test_gradient_of_each_result_of_batch_norm_with_statistics(result):
    arrays = a(4, 3, 5), a(5, seed=1), a(5, seed=2)
    check(lambda x: ops.batch_norm_with_statistics(x, *arrays[1:], epsilon=1e-3)[result], arrays[0])
    check(lambda x: ops.batch_norm_with_statistics(x, None, None, epsilon=1e-3)[result], arrays[0])
    if result == 0:
        check(lambda *xs: ops.batch_norm_with_statistics(*xs, epsilon=1e-3)[0], *arrays)


def test_gradients_of_results_of_batch_norm_together():
    def all_results(x):
        y, mean, variance = ops.batch_norm_with_statistics(x, None, None, epsilon=1e-3)
        return ops.add(y, mean, variance)

    check(all_results, a(4, 3, 5))


RECURRENT = {"lstm": (4, 2), "gru": (3, 1), "simple_rnn": (1, 1)}  # gates, states


@pytest.mark.parametrize("op", RECURRENT)
@pytest.mark.parametrize("result", [0, 1, -1])
def test_gradient_of_each_result_of_a_recurrent_op(op, result):
    gates, states = RECURRENT[op]
    n, t, features, units = 3, 4, 5, 6
    shapes = [(n, t, features), (features, gates * units), (units, gates * units), (gates * units,), *[(n, units)] * states]
    arrays = [0.7 * a(*shape, seed=i) for i, shape in enumerate(shapes)]
    options = {
        "mask": a(n, t) > -0.5,
        "input_dropout": a(gates, n, features, seed=8),
        "recurrent_dropout": a(1, n, units, seed=9),
        "go_backwards": True,
    }
    if op != "simple_rnn":
        options["recurrent_activation"] = "sigmoid"
    for return_sequences in (True, False):
        check(lambda *xs: getattr(ops, op)(*xs, return_sequences=return_sequences, **options)[result], *arrays)


@pytest.mark.parametrize("result", [0, 1])
def test_gradient_of_each_result_of_lstm_step(result):
    arrays = a(2, 3, 20), a(2, 3, 20, seed=1), a(2, 3, 5, seed=2)
    check(lambda *xs: ops.lstm_step(*xs)[result], *arrays)


@pytest.mark.parametrize(
    "loss, activation, target",
    [
        ("categorical_crossentropy", "softmax", p(3, 5, seed=1)),
        ("sparse_categorical_crossentropy", "softmax", np.array([0, 4, 2])),
        ("binary_crossentropy", "sigmoid", a(3, 5, seed=1, low=0, high=1)),
        ("categorical_crossentropy", "sigmoid", p(3, 5, seed=1)),
        ("binary_crossentropy", "softmax", p(3, 5, seed=1)),
    ],
)
def test_gradient_through_the_activation_into_its_loss(loss, activation, target):
    check(lambda z: getattr(ops, loss)(getattr(ops, activation)(z), target), a(3, 5))


def test_each_check_is_of_an_op():
    assert set(CASES) == set(ops.__all__)
