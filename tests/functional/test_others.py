"""functional's pooling, normalization, cross-entropy and recurrent layers: numbers, gradients by differences, errors."""

import numpy as np
import pytest

from lamella import functional as F
from lamella import ops
from tests.functional.differences import check

RNG = np.random.default_rng(1)


def drawn(*shape, dtype="f8"):
    return RNG.normal(size=shape).astype(dtype)


# --- pooling ------------------------------------------------------------------------------------------------------


def pooled(x, size, strides, zeros, reduce):
    """Windows one by one. Padding is left out of them."""
    sizes = [(n + 2 * zero - k) // step + 1 for n, k, step, zero in zip(x.shape[1:-1], size, strides, zeros, strict=True)]
    y = np.empty((x.shape[0], *sizes, x.shape[-1]), x.dtype)
    for place in np.ndindex(*sizes):
        first = [p * step - zero for p, step, zero in zip(place, strides, zeros, strict=True)]
        inside = tuple(slice(max(f, 0), f + k) for f, k in zip(first, size, strict=True))
        y[(slice(None), *place)] = reduce(x[(slice(None), *inside)], axis=tuple(range(1, 1 + len(size))))
    return y


@pytest.mark.parametrize(
    "places, size, strides, zeros",
    [((7,), (3,), (2,), (1,)), ((6, 5), (2, 2), (2, 2), (0, 0)), ((6, 5), (3, 2), (1, 2), (1, 0)), ((4, 4, 5), (2, 2, 2), (2, 1, 2), (0, 0, 1))],
)  # fmt: skip
def test_pooling(places, size, strides, zeros):
    x = drawn(2, *places, 3)
    y, argmax = F.max_pool(x, size, strides=strides, padding=zeros)
    np.testing.assert_array_equal(y, pooled(x, size, strides, zeros, np.max))
    dy = drawn(*y.shape)
    dx = F.max_pool_backward(dy, argmax, x.shape, size, strides=strides, padding=zeros)
    check(lambda: float(np.sum(dy * F.max_pool(x, size, strides=strides, padding=zeros)[0])), (x,), (dx,), ("dx",))
    y = F.avg_pool(x, size, strides=strides, padding=zeros)
    np.testing.assert_allclose(y, pooled(x, size, strides, zeros, np.mean), rtol=1e-12)
    dx = F.avg_pool_backward(dy, x.shape, size, strides=strides, padding=zeros)
    check(lambda: float(np.sum(dy * F.avg_pool(x, size, strides=strides, padding=zeros))), (x,), (dx,), ("dx",))


def test_strides_of_pooling_are_its_size():
    x, out = drawn(2, 6, 6, 3, dtype="f4"), np.empty((2, 3, 2, 3), "f4")
    y, _ = F.max_pool(x, (2, 3), out=out)
    assert y is out
    np.testing.assert_array_equal(y, x.reshape(2, 3, 2, 2, 3, 3).max((2, 4)))
    np.testing.assert_allclose(F.avg_pool(x, 3), x.reshape(2, 2, 3, 2, 3, 3).mean((2, 4)), rtol=1e-5, atol=1e-6)


def test_pooling_that_is_refused():
    x = drawn(1, 20, 20, 1)
    with pytest.raises(ValueError, match=r"max_pool: expected a window of at most 256 places, got \(17, 17\)"):
        F.max_pool(x, 17)
    with pytest.raises(ValueError, match=r"max_pool: expected 2 whole numbers >= 1 for size, got \(2,\)"):
        F.max_pool(x, (2,))
    with pytest.raises(ValueError, match=r"avg_pool: expected x or dy \[N, 0 axes, 3\], 1 to 3 axes, got shape \(2, 3\)"):
        F.avg_pool(drawn(2, 3), 2)


# --- batch normalization ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(9, 4), (2, 3, 3, 4)])
@pytest.mark.parametrize("with_scale", [True, False])
def test_batch_norm(shape, with_scale):
    x, gamma, beta = drawn(*shape), drawn(4) if with_scale else None, drawn(4) if with_scale else None
    rows = x.reshape(-1, 4)
    y, mean, variance = F.batch_norm(x, gamma, beta, epsilon=1e-2)
    np.testing.assert_allclose(mean, rows.mean(0), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(variance, rows.var(0), rtol=1e-12)
    scale, offset = (gamma, beta) if with_scale else (1.0, 0.0)
    np.testing.assert_allclose(y, (x - rows.mean(0)) / np.sqrt(rows.var(0) + 1e-2) * scale + offset, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(F.batch_norm_inference(x, gamma, beta, mean, variance, epsilon=1e-2), y, rtol=1e-11, atol=1e-12)
    dy = drawn(*shape)
    dx, dgamma, dbeta = F.batch_norm_backward(dy, x, gamma, mean, variance, epsilon=1e-2)

    def total():
        return float(np.sum(dy * F.batch_norm(x, gamma, beta, epsilon=1e-2)[0]))

    if with_scale:
        check(total, (x, gamma, beta), (dx, dgamma, dbeta), ("dx", "dgamma", "dbeta"))
    else:
        check(total, (x,), (dx,), ("dx",))


def test_outputs_of_batch_norm_are_written_in_place_of_new_ones():
    x, gamma, beta, dy = drawn(2, 3, 4), drawn(4), drawn(4), drawn(2, 3, 4)
    y, mean, variance = F.batch_norm(x, gamma, beta)
    out = np.empty_like(x)
    assert F.batch_norm(x, gamma, beta, out=out)[0] is out and np.array_equal(out, y)
    plain = F.batch_norm_backward(dy, x, gamma, mean, variance)
    outs = [np.empty_like(each) for each in plain]
    for got, given, wanted in zip(F.batch_norm_backward(dy, x, gamma, mean, variance, out=outs), outs, plain, strict=True):
        assert got is given and np.array_equal(got, wanted)
    with pytest.raises(TypeError, match="batch_norm: expected out to be a writable C-contiguous array of float64"):
        F.batch_norm(x, gamma, beta, out=np.empty((2, 4, 3)).swapaxes(1, 2))
    with pytest.raises(TypeError, match="batch_norm: expected x to be C-contiguous, got strides"):
        F.batch_norm(x[:, ::-1], gamma, beta)
    with pytest.raises(ValueError, match=r"batch_norm: expected x \[..., C\] with two axes or more, got shape \(4,\)"):
        F.batch_norm(drawn(4), gamma, beta)
    for epsilon in (-1e-3, np.nan, np.inf):
        with pytest.raises(ValueError, match=f"batch_norm: expected epsilon to be a finite number >= 0, got {epsilon}"):
            F.batch_norm(x, gamma, beta, epsilon=epsilon)
    with pytest.raises(ValueError, match=r"batch_norm_backward: expected dy of shape \(2, 3, 4\), got \(6, 4\)"):
        F.batch_norm_backward(dy.reshape(6, 4), x, gamma, mean, variance)


# --- softmax and cross-entropy ------------------------------------------------------------------------------------


def test_softmax():
    x, dy = drawn(3, 2, 5), drawn(3, 2, 5)
    e = np.exp(x - x.max(-1, keepdims=True))
    y = F.softmax(x)
    np.testing.assert_allclose(y, e / e.sum(-1, keepdims=True), rtol=1e-12)
    check(lambda: float(np.sum(dy * F.softmax(x))), (x,), (F.softmax_backward(dy, y),), ("dx",))
    assert F.softmax(x, out=x) is x and np.array_equal(x, y)


@pytest.mark.parametrize("kind", ["probabilities", "labels", "int32 labels"])
def test_softmax_cross_entropy(kind):
    z, dloss = drawn(3, 2, 5), drawn(3, 2)
    labels = RNG.integers(0, 5, (3, 2))
    targets = {"probabilities": F.softmax(drawn(3, 2, 5)), "labels": labels, "int32 labels": labels.astype("i4")}[kind]
    soft = targets if kind == "probabilities" else np.eye(5)[labels]
    loss, p = F.softmax_cross_entropy(z, targets)
    np.testing.assert_allclose(p, F.softmax(z), rtol=1e-12)
    np.testing.assert_allclose(loss, -(soft * np.log(p)).sum(-1), rtol=1e-11)
    dz = F.softmax_cross_entropy_backward(dloss, p, targets)
    check(lambda: float(np.sum(dloss * F.softmax_cross_entropy(z, targets)[0])), (z,), (dz,), ("dlogits",))


def test_targets_that_are_refused():
    z = drawn(3, 5)
    with pytest.raises(ValueError, match=r"softmax_cross_entropy: expected labels of shape \(3,\), got \(3, 1\)"):
        F.softmax_cross_entropy(z, np.zeros((3, 1), int))
    with pytest.raises(ValueError, match=r"softmax_cross_entropy: expected targets of shape \(3, 5\), got \(3, 4\)"):
        F.softmax_cross_entropy(z, drawn(3, 4))
    for label in (-1, 5):
        labels = np.array([0, label, 4])
        with pytest.raises(ValueError, match=rf"softmax_cross_entropy: expected labels in \[0, 5\), got {label}$"):
            F.softmax_cross_entropy(z, labels)
        with pytest.raises(ValueError, match=rf"softmax_cross_entropy_backward: expected labels in \[0, 5\), got {label}$"):
            F.softmax_cross_entropy_backward(drawn(3), z, labels)


# --- recurrent layers ---------------------------------------------------------------------------------------------


def test_lstm_and_gru_compute_what_the_ops_compute():
    x, h0, c0 = drawn(3, 4, 2), drawn(3, 5), drawn(3, 5)
    k, r, b = drawn(2, 20), drawn(5, 20), drawn(20)
    wanted = ops.lstm(x, k, r, b, h0, c0, recurrent_activation="sigmoid")
    for got, want in zip(F.lstm(x, k, r, b, h0, c0)[:3], wanted, strict=True):
        np.testing.assert_array_equal(got, want)
    for after in (True, False):
        k, r, b = drawn(2, 15), drawn(5, 15), drawn(2, 15) if after else drawn(15)
        wanted = ops.gru(x, k, r, b, h0, recurrent_activation="sigmoid", reset_after=after)
        for got, want in zip(F.gru(x, k, r, b, h0, reset_after=after)[:2], wanted, strict=True):
            np.testing.assert_array_equal(got, want)


def test_gradients_of_lstm():
    arrays = x, k, r, b, h0, c0 = drawn(2, 3, 2), drawn(2, 12), drawn(3, 12), drawn(12), drawn(2, 3), drawn(2, 3)
    dy, dh, dc = drawn(2, 3, 3), drawn(2, 3), drawn(2, 3)

    def total():
        y, h, c, _ = F.lstm(*arrays)
        return float(np.sum(y * dy) + np.sum(h * dh) + np.sum(c * dc))

    got = F.lstm_backward(dy, dh, dc, x, k, r, F.lstm(*arrays)[3])
    check(total, arrays, got, ("dx", "dkernel", "drecurrent", "dbias", "dh0", "dc0"))
    outs = [np.full_like(each, 7) for each in got[:4]]
    again = F.lstm_backward(dy, dh, dc, x, k, r, F.lstm(*arrays)[3], need=(True, False, True, True), out=outs)
    assert again[1] is None and again[0] is outs[0]
    for i in (0, 2, 3, 4, 5):
        np.testing.assert_allclose(again[i], got[i], rtol=1e-12)
    none = F.lstm_backward(dy, None, None, x, k, r, F.lstm(*arrays)[3])
    zeros = F.lstm_backward(dy, np.zeros((2, 3)), np.zeros((2, 3)), x, k, r, F.lstm(*arrays)[3])
    for a, z in zip(none, zeros, strict=True):
        np.testing.assert_array_equal(a, z)


@pytest.mark.parametrize("after", [True, False])
def test_gradients_of_gru(after):
    arrays = x, k, r, b, h0 = drawn(2, 3, 2), drawn(2, 9), drawn(3, 9), drawn(2, 9) if after else drawn(9), drawn(2, 3)
    dy, dh = drawn(2, 3, 3), drawn(2, 3)

    def total():
        y, h, _ = F.gru(*arrays, reset_after=after)
        return float(np.sum(y * dy) + np.sum(h * dh))

    got = F.gru_backward(dy, dh, x, k, r, F.gru(*arrays, reset_after=after)[2])
    check(total, arrays, got, ("dx", "dkernel", "drecurrent", "dbias", "dh0"))


def test_what_a_forward_call_saved_is_used_once():
    x, k, r, dy = drawn(2, 3, 2), drawn(2, 12), drawn(3, 12), drawn(2, 3, 3)
    saved = F.lstm(x, k, r)[3]
    with pytest.raises(ValueError, match="lstm_backward: requires"):
        F.lstm_backward(dy[:1], None, None, x, k, r, saved)
    F.lstm_backward(dy, None, None, x, k, r, saved)  # the call that was refused has not used it
    with pytest.raises(ValueError, match="lstm_backward: expected saved of a new call of lstm, got one that was used"):
        F.lstm_backward(dy, None, None, x, k, r, saved)
    saved = F.gru(x, k[:, :9].copy(), r[:, :9].copy())[2]
    F.gru_backward(dy, None, x, k[:, :9].copy(), r[:, :9].copy(), saved)
    with pytest.raises(ValueError, match="gru_backward: expected saved of a new call of gru, got one that was used"):
        F.gru_backward(dy, None, x, k[:, :9].copy(), r[:, :9].copy(), saved)
    with pytest.raises(TypeError, match="lstm_backward: expected saved to be what lstm returned, got tuple"):
        F.lstm_backward(dy, None, None, x, k, r, (1, 2))


def test_recurrent_arguments_that_are_refused():
    x, k, r = drawn(2, 3, 2), drawn(2, 12), drawn(3, 12)
    with pytest.raises(
        ValueError,
        match=r"lstm: expected x \[N, T, F\], kernel \[F, 4 units\] .* got shapes \(2, 3, 2\), \(2, 9\) and \(3, 12\)",
    ):
        F.lstm(x, drawn(2, 9), r)
    with pytest.raises(ValueError, match="lstm: expected one of .* for activation, got 'gelu'"):
        F.lstm(x, k, r, activation="gelu")
    with pytest.raises(ValueError, match=r"lstm: expected out of shape \(2, 3, 3\), got \(2, 3, 4\)"):
        F.lstm(x, k, r, out=np.empty((2, 3, 4)))
    with pytest.raises(ValueError, match="gru_backward: expected 4 entries in need and out"):
        F.gru_backward(None, None, x, drawn(2, 9), drawn(3, 9), F.gru(x, drawn(2, 9), drawn(3, 9))[2], need=(True,))
