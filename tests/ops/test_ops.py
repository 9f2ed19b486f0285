"""Properties of ops other than gradients: layouts, dtypes, messages, fused losses, operators."""

import numpy as np
import pytest

from lamella import ops
from lamella.core.variable import Variable
from lamella.ops.arrays import moving_average, total
from lamella.ops.tape import Tape, Tensor


def test_inputs_of_any_layout_give_the_result_of_a_contiguous_copy():
    clean = np.random.default_rng(0).normal(size=(4, 6, 6, 3))
    frozen = clean.copy()
    frozen.flags.writeable = False
    unaligned = np.frombuffer(b"x" + clean.tobytes(), np.uint8)[1:].view(np.float64).reshape(clean.shape)
    messy = [np.asfortranarray(clean), np.repeat(clean, 2, axis=0)[::2], clean[::-1].copy()[::-1], frozen, unaligned]
    calls = [
        lambda x: ops.relu(x), lambda x: ops.tanh(x), lambda x: ops.softmax(x), lambda x: ops.sum(x), lambda x: ops.log(x * x + 1),
        lambda x: ops.max_pool(x, size=(2, 2), strides=(2, 2)), lambda x: ops.avg_pool(x, size=(3, 3), strides=(1, 1)),
        lambda x: ops.global_max_pool(x), lambda x: ops.global_avg_pool(x), lambda x: ops.squared_error(x, x * 2),
        lambda x: ops.batch_norm(x, None, None, epsilon=1e-3), lambda x: ops.dropout(x, rate=0.5, key=(1, 2)),
    ]  # fmt: skip
    for call in calls:
        for x in messy:
            np.testing.assert_array_equal(call(x), call(clean))


def test_a_loss_of_softmax_has_the_value_of_keras_and_the_gradient_of_logits():
    z = np.array([[40.0, 0.0, 0.0]])
    y = np.array([[0.0, 1.0, 0.0]])
    with Tape() as tape:
        x = tape.watch(z)
        loss = ops.sum(ops.categorical_crossentropy(ops.softmax(x), y))
    np.testing.assert_allclose(loss.value, -np.log(1e-7), rtol=1e-9)  # clipped, as without a tape
    np.testing.assert_allclose(tape.gradients(loss)[0], [[1, -1, 0]], atol=1e-9)  # not 0, although p is clipped


def test_a_softmax_over_another_axis_keeps_no_logits():
    with Tape() as tape:
        x = tape.watch(np.ones((2, 3, 4)))
        assert ops.softmax(x, axis=1).logits is None
        assert ops.softmax(x, axis=2).logits[0] == "softmax"
        assert ops.sigmoid(x).logits == ("sigmoid", x)


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0], [np.nan, 1.0]])
def test_labels_out_of_range_are_named(labels):
    for from_logits in (False, True):
        with pytest.raises(ValueError, match=r"expected labels in \[0, 3\), got"):
            ops.sparse_categorical_crossentropy(np.full((2, 3), 0.3), np.array(labels), from_logits=from_logits)


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"squared_error: expected targets of the prediction's shape \(2, 3\), got \(2,\)"):
        ops.squared_error(np.ones((2, 3)), np.ones(2))
    with pytest.raises(ValueError, match=r"max_pool: no window of \(5, 5\) fits into shape \(1, 4, 4, 2\)"):
        ops.max_pool(np.ones((1, 4, 4, 2)), size=(5, 5), strides=(1, 1))
    with pytest.raises(ValueError, match=r"avg_pool: expected \[N, H, W, C\]"):
        ops.avg_pool(np.ones((4, 4, 2)), size=(2, 2), strides=(1, 1))
    with pytest.raises(ValueError, match="noise_shape"):
        ops.dropout(np.ones((2, 3)), rate=0.5, key=(0, 0), noise_shape=(2, 2))
    with pytest.raises(ValueError, match="axis"):
        ops.softmax(np.ones((2, 3)), axis=2)


def test_integers_for_kernels_of_floats_are_refused_by_name():
    with pytest.raises(TypeError, match=r"expected .* float32, got int64"):
        ops.tanh(np.arange(3))


def test_float32_with_python_numbers_stays_float32():
    x = np.ones((2, 3), np.float32)
    with Tape([v := Variable(x)]):
        for y in (v * 2, 2.5 / (v + 1), 1 - v, v**2, -v, abs(v), ops.multiply(v, 3.0), ops.add(v, 1), v[0]):
            assert type(y) is Tensor and y.dtype == np.float32


def test_operators_of_tensors_and_variables():
    x = np.array([1.0, 4.0])
    with Tape([v := Variable(x)]) as tape:
        y = x + v * 3 - v / 2 + 2 * (v**2) - (x - v)
        assert type(y) is Tensor
        assert (v > 2).tolist() == [False, True] and (v <= x).all()
        loss = ops.sum(y)
    np.testing.assert_allclose(y.value, x + 3 * x - x / 2 + 2 * x * x)
    np.testing.assert_allclose(tape.gradients(loss)[0], 3 - 0.5 + 4 * x + 1)


def test_batch_norm_returns_the_statistics_of_the_batch():
    x = np.random.default_rng(0).normal(size=(4, 5, 3))
    out: dict[str, np.ndarray] = {}
    ops.batch_norm(x, None, None, epsilon=1e-3, statistics=out)
    np.testing.assert_allclose(out["mean"], x.mean(axis=(0, 1)))
    np.testing.assert_allclose(out["variance"], x.var(axis=(0, 1)))


def test_an_empty_array_has_mean_nan_and_sum_zero():
    assert np.isnan(ops.mean(np.empty(0))) and ops.sum(np.empty(0)) == 0
    assert ops.softmax(np.empty((0, 3))).shape == (0, 3)
    assert ops.squared_error(np.empty((0, 3)), np.empty((0, 3))).shape == (0,)


def test_sums_of_integers_and_booleans():
    x = np.array([[1, 2], [3, -7]], np.int32)
    for axis, wanted in ((None, -1), (0, [4, -5])):
        assert ops.sum(x, axis=axis).tolist() == wanted and ops.sum(x, axis=axis).dtype == np.int32
    assert ops.sum(x > 0) == 3 and ops.sum(x > 0, axis=1).tolist() == [2, 1]


def test_the_same_key_gives_the_same_mask_in_both_dtypes():
    masks = [ops.dropout(np.ones((7, 9), dtype), rate=0.4, key=(5, 6)) != 0 for dtype in (np.float32, np.float64)]
    assert (masks[0] == masks[1]).all() and 0 < masks[0].mean() < 1
    assert (ops.dropout(np.ones((7, 9)), rate=0.4, key=(5, 7)) != 0).tolist() != masks[0].tolist()
    rows = ops.dropout(np.ones((7, 9)), rate=0.4, key=(5, 6), noise_shape=(7, 1))
    assert (rows == rows[:, :1]).all()


def test_each_block_of_a_tape_starts_empty():
    v = Variable(np.array([3.0]))
    tape = Tape([v])
    for factor in (2.0, 5.0):
        with tape:
            y = v * v * factor
        np.testing.assert_allclose(tape.gradients(y)[0], [6.0 * factor])
    with pytest.raises(KeyError), tape:
        v * v
        raise KeyError
    assert tape.nodes == []  # the results of a failed step are freed
    with tape, pytest.raises(RuntimeError, match="a tape is already recording"):
        tape.__enter__()


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i4", "u1", "?", ">f4"])
def test_total_is_a_number(dtype):
    x = np.random.default_rng(0).integers(0, 2, size=(7, 10)).astype(dtype)
    for part in (x, x[::2], x[:, ::3], x[:0], x[0, 0]):
        assert total(np.asarray(part)) == part.astype("f8").sum()
    assert type(total(x)) is float


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moving_average_keeps_dtype_and_its_argument(dtype):
    average, value = np.array([1, -2, 0.5], dtype), np.array([3, 5, 7], dtype)
    moved = moving_average(average, value, 0.75, 0.5)
    assert moved.dtype == dtype
    np.testing.assert_array_equal(moved, np.array([2.25, 1, 3.875], dtype))
    np.testing.assert_array_equal(average, np.array([1, -2, 0.5], dtype))


@pytest.mark.parametrize("op", [ops.maximum, ops.minimum])
def test_the_first_of_equal_arguments_gets_the_gradient(op):
    with Tape() as tape:
        a, b = tape.watch(np.array([1.0, 2.0])), tape.watch(np.array([1.0, 2.0]))
        first, second = tape.gradients(ops.sum(op(a, b)))
    assert first.tolist() == [1.0, 1.0] and second.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", ["abs", "cos", "exp", "log", "negative", "sign", "sin", "sqrt", "square"])
def test_an_op_of_a_scalar_array_is_an_array(name):
    """A NumPy number is not an array, and kernels refuse it."""
    with Tape() as tape:
        y = getattr(ops, name)(tape.watch(np.array(0.5)))
        assert type(y.value) is np.ndarray and y.shape == ()
        assert float(ops.sum(y)) == float(y)
    assert type(ops.clip(np.array(0.5), low=0.0, high=0.25)) is np.ndarray


@pytest.mark.parametrize("channels", [15, 16, 17])  # by NumPy and by the kernel
@pytest.mark.parametrize(("axis", "keepdims"), [(1, False), (-2, True)])
def test_equal_maxima_over_an_axis_in_the_middle_share_the_gradient(channels, axis, keepdims):
    x = np.random.default_rng(channels).integers(0, 4, (3, 7, channels)).astype("float32")
    weights = np.random.default_rng(1).random((3, 1, channels) if keepdims else (3, channels), dtype="float32")
    with Tape() as tape:
        y = ops.max(tape.watch(x), axis=axis, keepdims=keepdims)
        (dx,) = tape.gradients(ops.sum(ops.multiply(y, weights)))
    np.testing.assert_array_equal(y.value, x.max(axis=1, keepdims=keepdims))
    winners = x == x.max(axis=1, keepdims=True)
    np.testing.assert_allclose(dx, winners * (weights.reshape(3, 1, channels) / winners.sum(axis=1, keepdims=True)), rtol=1e-6)


def test_a_maximum_of_numbers_in_another_byte_order():
    x = np.random.default_rng(0).random((2, 3, 17)).astype(">f4")
    np.testing.assert_array_equal(ops.max(x, axis=1), x.max(axis=1))


def test_an_array_of_a_package_that_has_compute_is_an_array():
    """As those of xarray; symbolic tensors have such a method, too."""

    class Labelled:
        def compute(self):
            return self

        def __array__(self, dtype=None, copy=None):
            return np.array([0.0, 1.0], dtype or "float32")

    np.testing.assert_array_equal(ops.square(Labelled()), [0, 1])


def test_equal_maxima_share_the_gradient_globally_but_not_in_windows():
    x = np.array([3.0, 3.0, 0.0, 3.0]).reshape(1, 4, 1)
    with Tape() as tape:
        (shared,) = tape.gradients(ops.sum(ops.multiply(ops.global_max_pool(tape.watch(x)), 6.0)))
    with Tape() as tape:
        (first,) = tape.gradients(ops.sum(ops.max_pool(tape.watch(x), size=(4,), strides=(4,))))
    assert shared.ravel().tolist() == [2.0, 2.0, 0.0, 2.0] and first.ravel().tolist() == [1.0, 0.0, 0.0, 0.0]
    with Tape() as tape:
        by_max = tape.gradients(ops.sum(ops.max(tape.watch(x), axis=1)))[0]
    np.testing.assert_array_equal(shared, 6.0 * by_max)
