"""What every function of lamella.functional does with `out`, with arrays without elements, and with what is no array."""

import inspect

import numpy as np
import pytest

from lamella import functional as F


def drawn(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("f4")


LABELS = np.array([0, 1, 2, 0])
X, MEAN, VARIANCE = drawn(2, 6, 6, 3), drawn(3), np.abs(drawn(3))
LSTM, GRU = (drawn(2, 3, 2), drawn(2, 12), drawn(3, 12)), (drawn(2, 3, 2), drawn(2, 9), drawn(3, 9))
# For each function calls with arrays of some batch: the function of (out, *arrays), the arrays, how many of them, from the first,
# have the batch as their first axis.
CALLS = {
    "dense": (lambda out, x, w, b: F.dense(x, w, b, out=out), (drawn(4, 3), drawn(3, 5), drawn(5)), 1),
    "dense_backward": (lambda out, dy, x, w: F.dense_backward(dy, x, w, out=out), (drawn(4, 5), drawn(4, 3), drawn(3, 5)), 2),
    "conv": (lambda out, x, w, b: F.conv(x, w, b, out=out), (X, drawn(3, 3, 3, 4), drawn(4)), 1),
    "conv_backward": (lambda out, dy, x, w: F.conv_backward(dy, x, w, out=out), (drawn(2, 4, 4, 4), X, drawn(3, 3, 3, 4)), 2),
    "conv of sequences": (lambda out, x, w: F.conv(x, w, out=out), (drawn(2, 6, 3), drawn(3, 3, 4)), 1),
    "conv of volumes": (lambda out, x, w: F.conv(x, w, out=out), (drawn(2, 4, 4, 4, 3), drawn(3, 3, 3, 3, 4)), 1),
    "depthwise_conv": (lambda out, x, w: F.depthwise_conv(x, w, out=out), (X, drawn(3, 3, 3, 2)), 1),
    "depthwise_conv_backward": (
        lambda out, dy, x, w: F.depthwise_conv_backward(dy, x, w, out=out), (drawn(2, 4, 4, 6), X, drawn(3, 3, 3, 2)), 2,
    ),
    "max_pool": (lambda out, x: F.max_pool(x, 2, out=out), (X,), 1),
    "max_pool_backward": (
        lambda out, dy, argmax: F.max_pool_backward(dy, argmax, (len(dy), 6, 6, 3), 2, out=out),
        (drawn(2, 3, 3, 3), F.max_pool(X, 2)[1]), 2,
    ),
    "avg_pool": (lambda out, x: F.avg_pool(x, 2, out=out), (X,), 1),
    "avg_pool_backward": (lambda out, dy: F.avg_pool_backward(dy, (len(dy), 6, 6, 3), 2, out=out), (drawn(2, 3, 3, 3),), 1),
    "batch_norm": (lambda out, x, gamma, beta: F.batch_norm(x, gamma, beta, out=out), (X, drawn(3), drawn(3)), 1),
    "batch_norm_backward": (
        lambda out, dy, x, gamma, mean, variance: F.batch_norm_backward(dy, x, gamma, mean, variance, out=out),
        (drawn(2, 6, 6, 3), X, drawn(3), MEAN, VARIANCE), 2,
    ),
    "batch_norm_inference": (
        lambda out, x, gamma, beta, mean, variance: F.batch_norm_inference(x, gamma, beta, mean, variance, out=out),
        (X, drawn(3), drawn(3), MEAN, VARIANCE), 1,
    ),
    "softmax": (lambda out, x: F.softmax(x, out=out), (drawn(4, 3),), 1),
    "softmax_backward": (lambda out, dy, y: F.softmax_backward(dy, y, out=out), (drawn(4, 3), drawn(4, 3)), 2),
    "softmax_cross_entropy": (lambda out, z: F.softmax_cross_entropy(z, LABELS[: len(z)], out=out), (drawn(4, 3),), 1),
    "softmax_cross_entropy of probabilities": (
        lambda out, z, t: F.softmax_cross_entropy(z, t, out=out), (drawn(4, 3), np.abs(drawn(4, 3))), 2,
    ),
    "softmax_cross_entropy_backward": (
        lambda out, dloss, p: F.softmax_cross_entropy_backward(dloss, p, LABELS[: len(p)], out=out), (drawn(4), drawn(4, 3)), 2,
    ),
    "lstm": (lambda out, x, k, r: F.lstm(x, k, r, out=out)[:3], LSTM, 1),
    "lstm_backward": (
        lambda out, dy, x, k, r: F.lstm_backward(dy, None, None, x, k, r, F.lstm(x, k, r)[3], out=out), (drawn(2, 3, 3), *LSTM), 2,
    ),
    "gru": (lambda out, x, k, r: F.gru(x, k, r, out=out)[:2], GRU, 1),
    "gru_backward": (
        lambda out, dy, x, k, r: F.gru_backward(dy, None, x, k, r, F.gru(x, k, r)[2], out=out), (drawn(2, 3, 3), *GRU), 2,
    ),
}  # fmt: skip
rows = pytest.mark.parametrize("name", CALLS)


def outputs(name):
    """The call, its arrays, the number of its `out` entries (None for one array), and its results without `out`."""
    call, arrays, _ = CALLS[name]
    function = getattr(F, name.split()[0])
    several = inspect.signature(function).parameters["out"].annotation.startswith("Sequence")
    found = call(None, *arrays)
    found = found if isinstance(found, tuple) else (found,)
    entries = {"lstm_backward": 4, "gru_backward": 4}.get(name, 3) if several else None
    return call, arrays, entries, found


def given(entries, out):
    return out if entries is None else [out, *[None] * (entries - 1)]


def test_the_calls_are_all_functions():
    assert {name.split()[0] for name in CALLS} == set(F.__all__)


@rows
def test_a_result_is_written_to_out(name):
    call, arrays, entries, wanted = outputs(name)
    outs = [np.full_like(each, 7) for each in wanted[: entries or 1]]
    got = call(outs[0] if entries is None else outs, *arrays)
    got = got if isinstance(got, tuple) else (got,)
    assert all(each is out for each, out in zip(got, outs))
    for each, want in zip(got, wanted, strict=True):
        assert np.array_equal(each, want)


def memory(shape, dtype="f4", byte=0):
    """An array that begins at this byte of its memory."""
    return np.zeros(int(np.prod(shape)) * np.dtype(dtype).itemsize + byte, np.uint8)[byte:].view(dtype).reshape(shape)


def read_only(shape):
    array = memory(shape)
    array.flags.writeable = False
    return array


MISUSES = {
    "float64": lambda shape: memory(shape, "f8"),
    "float16": lambda shape: memory(shape, "f2"),
    "bytes of another order": lambda shape: memory(shape, ">f4"),
    "another shape": lambda shape: memory((*shape, 1)),
    "a list": lambda shape: memory(shape).tolist(),
    "read-only": read_only,
    "gaps": lambda shape: memory((*shape, 2))[..., 0],
    "reversed": lambda shape: memory(shape)[::-1],
    "not aligned": lambda shape: memory(shape, byte=1),
}


@rows
@pytest.mark.parametrize("misuse", MISUSES)
def test_an_out_that_does_not_fit_is_refused_and_nothing_changes(name, misuse):
    call, arrays, entries, wanted = outputs(name)
    out = MISUSES[misuse](wanted[0].shape)
    kept = [a.copy() for a in arrays]
    with pytest.raises((TypeError, ValueError), match="expected .*, got "):
        call(given(entries, out), *arrays)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, kept)) and not np.any(out)


@rows
def test_an_out_that_overlaps_an_argument_is_refused_and_nothing_changes(name):
    call, arrays, entries, wanted = outputs(name)
    size = wanted[0].size
    for i, array in enumerate(arrays):
        if array.dtype != np.float32:
            continue
        memory = np.zeros(max(array.size, size) + 1, "f4")
        shared = memory[: array.size].reshape(array.shape)
        shared[...] = array
        before = memory.copy()
        with pytest.raises(ValueError, match="expected memory of its own.*, got some of argument"):
            call(given(entries, memory[1 : 1 + size].reshape(wanted[0].shape)), *arrays[:i], shared, *arrays[i + 1 :])
        assert np.array_equal(memory, before)


@rows
def test_an_out_that_overlaps_another_one_is_refused(name):
    call, arrays, entries, wanted = outputs(name)
    if entries is None:
        return
    kept = [a.copy() for a in arrays]
    for i in range(1, entries):
        block = np.zeros(wanted[0].size + wanted[i].size, "f4")
        outs = [None] * entries
        outs[0] = block[: wanted[0].size].reshape(wanted[0].shape)
        begin = wanted[0].size - 1
        outs[i] = block[begin : begin + wanted[i].size].reshape(wanted[i].shape)
        with pytest.raises(ValueError, match="expected memory of its own.*, got some of argument"):
            call(outs, *arrays)
        assert not block.any()
    assert all(np.array_equal(a, b) for a, b in zip(arrays, kept))


@pytest.mark.parametrize("backward", [F.conv_backward, F.depthwise_conv_backward])
def test_gradients_over_the_weights_are_refused(backward):
    """Two kernels: the second one reads w after the first one has written dw."""
    dy, x, w = drawn(2, 4, 4, 6), X, drawn(3, 3, 3, 6 if backward is F.conv_backward else 2)
    before = w.copy()
    with pytest.raises(ValueError, match="argument 'dw': expected memory of its own, got some of argument 'w'"):
        backward(dy, x, w, out=[None, w, None])
    assert np.array_equal(w, before)


@rows
def test_a_batch_without_rows_has_results_without_rows_and_gradients_of_zero(name):
    call, arrays, batched = CALLS[name]
    results = []
    for rows in (1, 0):
        got = call(None, *(a[:rows] for a in arrays[:batched]), *arrays[batched:])
        results.append(got if isinstance(got, tuple) else (got,))
    if name == "batch_norm":
        results = [each[:1] for each in results]  # without the statistics of nothing
    for one, none in zip(*results, strict=True):
        assert none.dtype == one.dtype and none.shape in (one.shape, (0, *one.shape[1:])) and not none.any()
    assert any(none.size == 0 for none in results[1])


@rows
def test_what_is_no_array_is_refused_by_name(name):
    call, arrays, _ = CALLS[name]
    for i, array in enumerate(arrays):
        with pytest.raises(
            TypeError, match=rf"^{name.split()[0].removesuffix('_backward')}\w*: expected \w+ to be a NumPy array, got list"
        ):
            call(None, *arrays[:i], array.tolist(), *arrays[i + 1 :])
