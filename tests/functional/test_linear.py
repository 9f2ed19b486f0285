"""functional.dense, conv and depthwise_conv: numbers of the oracles, gradients by differences, out=, need=, errors."""

import numpy as np
import pytest

from lamella import functional as F
from tests.functional.differences import check
from tests.oracles import conv as conv_oracle
from tests.oracles import dense as dense_oracle
from tests.oracles import depthwise as depthwise_oracle

RNG = np.random.default_rng(0)
# x's places, w's places, strides, padding, dilation, and what these mean: zeros before, and sizes of y.
WINDOWS = [
    ((9,), (3,), 2, "valid", 1, (0,), (4,)),
    ((9,), (3,), 1, "causal", 2, (4,), (9,)),
    ((6, 5), (3, 2), (2, 1), "same", 1, (0, 0), (3, 5)),
    ((6, 5), (3, 3), 1, 1, 1, (1, 1), (6, 5)),
    ((6, 5), (3, 1), (2, 1), (2, 0), (2, 1), (2, 0), (3, 5)),
    ((4, 3, 5), (2, 2, 3), 1, (0, 1, 2), 1, (0, 1, 2), (3, 4, 7)),
]


def drawn(*shape, dtype="f8"):
    return RNG.normal(size=shape).astype(dtype)


def ones(value, axes):
    return (value,) * axes if isinstance(value, int) else value


@pytest.mark.parametrize("dtype, close", [("f4", 2e-5), ("f8", 1e-12)])
@pytest.mark.parametrize("relu", [False, True])
def test_dense(dtype, close, relu):
    x, w, bias = drawn(7, 5, dtype=dtype), drawn(5, 4, dtype=dtype), drawn(4, dtype=dtype)
    y = F.dense(x, w, bias, relu=relu)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, dense_oracle.forward(x, w, bias, relu), rtol=close, atol=close)
    np.testing.assert_allclose(F.dense(x, w), x @ w, rtol=close, atol=close)


@pytest.mark.parametrize("dtype, close", [("f4", 2e-5), ("f8", 1e-12)])
@pytest.mark.parametrize("places, size, strides, padding, dilation, before, sizes", WINDOWS)
def test_convolutions(places, size, strides, padding, dilation, before, sizes, dtype, close):
    axes = len(size)
    how = ones(strides, axes), ones(dilation, axes), before
    x, w, bias = drawn(2, *places, 3, dtype=dtype), drawn(*size, 3, 4, dtype=dtype), drawn(4, dtype=dtype)
    y = F.conv(x, w, bias, strides=strides, padding=padding, dilation=dilation, relu=True)
    wanted = conv_oracle.forward(x, w, bias, True, (2, *sizes, 4), *how)
    assert y.dtype == dtype and y.shape == wanted.shape
    np.testing.assert_allclose(y, wanted, rtol=close, atol=close)
    w, bias = drawn(*size, 3, 2, dtype=dtype), drawn(6, dtype=dtype)
    y = F.depthwise_conv(x, w, bias, strides=strides, padding=padding, dilation=dilation)
    wanted = depthwise_oracle.forward(x, w, bias, False, (2, *sizes, 6), *how)
    assert y.dtype == dtype and y.shape == wanted.shape
    np.testing.assert_allclose(y, wanted, rtol=close, atol=close)


@pytest.mark.parametrize("relu", [False, True])
def test_gradients_of_dense(relu):
    x, w, bias, dy = drawn(5, 3), drawn(3, 4), drawn(4), drawn(5, 4)
    y = F.dense(x, w, bias, relu=relu)
    got = F.dense_backward(dy, x, w, y=y if relu else None)
    check(lambda: float(np.sum(dy * F.dense(x, w, bias, relu=relu))), (x, w, bias), got, ("dx", "dw", "dbias"))


@pytest.mark.parametrize(
    "forward, backward, filters", [(F.conv, F.conv_backward, 2), (F.depthwise_conv, F.depthwise_conv_backward, 2)]
)
@pytest.mark.parametrize("places, size, strides, padding, dilation, before, sizes", WINDOWS)
def test_gradients_of_convolutions(forward, backward, filters, places, size, strides, padding, dilation, before, sizes):
    how = {"strides": strides, "padding": padding, "dilation": dilation}
    x, w = drawn(2, *places, 2), drawn(*size, 2, filters)
    bias = drawn(4 if forward is F.depthwise_conv else filters)
    for relu in (False, True):
        y = forward(x, w, bias, relu=relu, **how)
        dy = drawn(*y.shape)
        got = backward(dy, x, w, y=y if relu else None, **how)
        check(lambda: float(np.sum(dy * forward(x, w, bias, relu=relu, **how))), (x, w, bias), got, ("dx", "dw", "dbias"))


@pytest.mark.parametrize("need", [(a, b, c) for a in (True, False) for b in (True, False) for c in (True, False)])
def test_what_is_not_needed_is_not_computed(need):
    x, w, dy = drawn(2, 5, 5, 3), drawn(3, 3, 3, 4), drawn(2, 3, 3, 4)
    for backward, arguments in [
        (F.conv_backward, (dy, x, w)),
        (F.dense_backward, (dy.reshape(-1, 4), drawn(18, 6), drawn(6, 4))),
        (F.depthwise_conv_backward, (drawn(2, 3, 3, 12), x, w)),
    ]:
        everything = backward(*arguments)
        for wanted, got, full in zip(need, backward(*arguments, need=need), everything, strict=True):
            assert np.array_equal(got, full) if wanted else got is None


def test_numbers_of_windows_may_be_of_numpy():
    x, w = drawn(2, 7, 7, 3), drawn(3, 3, 3, 4)
    plain = F.conv(x, w, strides=2, padding=(1, 0))
    assert np.array_equal(F.conv(x, w, strides=np.int64(2), padding=np.array([1, 0])), plain)
    assert np.array_equal(F.avg_pool(x, np.int32(2)), F.avg_pool(x, [2, 2]))


def test_out_is_written_and_returned():
    x, w, bias = drawn(2, 5, 5, 3), drawn(3, 3, 3, 4), drawn(4)
    plain = F.conv(x, w, bias, padding="same")
    out = np.full_like(plain, 7)
    assert F.conv(x, w, bias, padding="same", out=out) is out
    assert np.array_equal(out, plain)
    dy = drawn(*plain.shape)
    gradients = F.conv_backward(dy, x, w, padding="same")
    outs = [np.full_like(each, 7) for each in gradients]
    got = F.conv_backward(dy, x, w, padding="same", out=[outs[0], None, outs[2]])
    assert got[0] is outs[0] and got[2] is outs[2] and got[1] is not outs[1]
    for each, wanted in zip(got, gradients, strict=True):
        assert np.array_equal(each, wanted)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda x, w: F.conv(x[..., :2].copy(), w), ValueError, r"conv: expected x \[N, 2 axes, 3\], 1 to 3 axes, got shape \(2, 5, 5, 2\)"),
        (lambda x, w: F.conv(x, w, strides=(1, 1, 1)), ValueError, r"conv: expected 2 whole numbers >= 1 for strides, got \(1, 1, 1\)"),
        (lambda x, w: F.conv(x, w, padding=-1), ValueError, "conv: expected 2 whole numbers >= 0 for padding, got -1"),
        (lambda x, w: F.conv(x, w, strides=1.5), ValueError, "conv: expected 2 whole numbers >= 1 for strides, got 1.5"),
        (lambda x, w: F.conv_backward(x, x, w, dilation=0), ValueError, "conv_backward: expected 2 whole numbers >= 1 for dilation, got 0"),
        (lambda x, w: F.conv(x, w.tolist()), TypeError, "conv: expected w to be a NumPy array, got list"),
        (lambda x, w: F.conv(x, w, bias=1.0), TypeError, "conv: expected bias to be a NumPy array, got float"),
        (lambda x, w: F.conv_backward(x, w=None, x=x), TypeError, "conv_backward: expected w to be a NumPy array, got NoneType"),
        (lambda x, w: F.conv(x[:, :2].copy(), w), ValueError, r"conv: no window of \(3, 3\) fits into shape \(2, 2, 5, 3\)"),
        (lambda x, w: F.conv(x[:, :2].copy(), w, padding=0), ValueError, r"conv: no window of \(3, 3\) fits into shape .* with padding \(0, 0\)"),
        (lambda x, w: F.conv(x, w.astype("f4")), TypeError, "conv_forward: argument 'w': expected a C-contiguous array of float64"),
        (lambda x, w: F.conv(x[:, ::-1], w), TypeError, "conv_forward: argument 'x': expected a C-contiguous array"),
        (lambda x, w: F.conv(x, w, out=np.empty((2, 3, 3, 5))), ValueError, r"conv: expected out of shape \(2, 3, 3, 4\), got \(2, 3, 3, 5\)"),
        (lambda x, w: F.conv(x, w, out=np.empty((2, 3, 3, 4), "f4")), TypeError, "conv: expected out to be a writable C-contiguous array of float64, got float32"),
        (lambda x, w: F.conv(x, w, out=[1]), TypeError, "conv: expected out to be a writable C-contiguous array of float64, got list"),
        (lambda x, w: F.conv_backward(np.zeros((2, 3, 3, 5)), x, w), ValueError, r"conv_backward: expected dy of shape \(2, 3, 3, 4\), got \(2, 3, 3, 5\)"),
        (lambda x, w: F.conv_backward(np.zeros((2, 3, 3, 4)), x, w, need=(True,)), ValueError, "conv_backward: expected 3 entries in need and out, for dx, dw, dbias"),
        (lambda x, w: F.dense(x, w), ValueError, "dense_forward: requires x.rank == 2"),
        (lambda x, w: F.conv(x, w, out=x.reshape(-1)[:72].reshape(2, 3, 3, 4)), ValueError, "conv_forward: argument 'y': expected memory of its own, got some of argument 'x'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call, error, message):
    x, w = drawn(2, 5, 5, 3), drawn(3, 3, 3, 4)
    before = x.copy()
    with pytest.raises(error, match=message):
        call(x, w)
    assert np.array_equal(x, before)
