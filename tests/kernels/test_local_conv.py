"""local_conv_forward, _backward_input, _backward_weights against the oracle, on one and two axes."""

import numpy as np
import pytest

from lamella import _kernels
from lamella.core.window import Window
from tests.kernels.guard import Guarded, close, surrounded
from tests.oracles import local as oracle

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
# images, sizes, channels, filters, window, strides
CASES = [
    (2, (6, 5), 3, 4, (2, 3), (1, 1)),
    (7, (6, 7), 5, 17, (3, 2), (2, 3)),  # rows and columns that no window reads
    (3, (4, 4), 33, 16, (2, 2), (1, 1)),
    (1, (3, 5), 2, 32, (3, 5), (1, 1)),  # one place
    (5, (7, 2), 8, 9, (3, 2), (1, 1)),  # windows as wide as x
    (4, (5, 6), 4, 33, (1, 1), (4, 5)),  # windows with gaps between them
    (50, (3, 4), 7, 16, (2, 2), (1, 1)),  # weights are copied
    (49, (3, 3), 16, 128, (2, 3), (1, 1)),
    (3, (9,), 5, 7, (3,), (1,)),
    (2, (20,), 1, 6, (4,), (3,)),
    (9, (8,), 17, 64, (2,), (2,)),
]  # fmt: skip


def arrays(case, dtype):
    images, sizes, channels, filters, size, strides = case
    draw = np.random.default_rng(0).standard_normal
    window = Window(size, strides, (1,) * len(size))
    counts = window.lengths(sizes)
    x, bias, dy = draw((images, *sizes, channels)), draw((*counts, filters)), draw((images, *counts, filters))
    w = draw((int(np.prod(counts)), int(np.prod(size)) * channels, filters))
    return *(surrounded(a, dtype, 1) for a in (x, w, bias, dy)), window.geometry(sizes)


def run(x, w, bias, dy, geometry, channels_first):
    outputs = y, dx, dw, dbias = [Guarded(a.shape, a.dtype, 1) for a in (dy, x, w, bias)]
    _kernels.local_conv_forward(x, w, bias, geometry, channels_first, y.array)
    _kernels.local_conv_backward_input(dy, w, geometry, channels_first, dx.array)
    _kernels.local_conv_backward_weights(x, dy, geometry, channels_first, dw.array, dbias.array)
    assert all(a.intact() for a in outputs)
    return [a.array for a in outputs]


def check(case, dtype):
    x, w, bias, dy, geometry = arrays(case, dtype)
    size, strides = geometry[:2]
    for channels_first, added in ((False, bias), (True, bias[:0])):
        y, dx, dw, dbias = run(x, w, added, dy, geometry, channels_first)
        close(y, oracle.local_conv(x, w, size, strides, channels_first) + (0 if channels_first else bias), 16)
        wanted = oracle.backward(x, w, dy, size, strides, channels_first)
        close(dx, wanted[0], 32)
        close(dw, wanted[1], 16)
        if not channels_first:
            close(dbias, dy.astype("f8").sum(0), 16)


@dtypes
@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_the_oracle(target, dtype, case):
    check(case, dtype)


@dtypes
def test_every_number_of_filters_channels_and_images(target, dtype):
    """All sizes from 1 to two vectors of AVX-512 and one more, and some sizes near its tiles of 64 floats."""
    for n in [*range(1, 34), 63, 64, 65, 129]:
        check((2, (3, 4), 2, n, (2, 2), (1, 1)), dtype)
        check((2, (4,), n, 3, (3,), (1,)), dtype)
        check((n, (3, 3), 3, 5, (2, 2), (1, 1)), dtype)


@dtypes
def test_random_geometries(target, dtype):
    draw = np.random.default_rng(1)
    for axes in [1] * 20 + [2] * 40:
        size, strides = (tuple(map(int, draw.integers(1, 5, axes))) for _ in range(2))
        sizes = tuple(int(draw.integers(k, 12)) for k in size)
        check((int(draw.integers(1, 10)), sizes, int(draw.choice([1, 2, 3, 8, 17])), int(draw.choice([1, 4, 16, 40])), size, strides), dtype)  # fmt: skip


@dtypes
def test_more_images_than_a_block(target, dtype):
    """dw is summed in blocks of kBlockDepth images, 256 in float32 on AVX2. Rows are processed in groups of 252."""
    check((1030, (2, 3), 2, 3, (2, 2), (1, 1)), dtype)
    check((3, (2,), 300, 5, (1,), (1,)), dtype)  # 300 entries in a run


@dtypes
@pytest.mark.parametrize(
    "case",
    [
        (40, (12, 13), 16, 48, (3, 3), (1, 1)),
        (40, (13, 12), 16, 40, (3, 3), (2, 1)),
        (64, (60,), 32, 64, (5,), (1,)),
    ],
    ids=str,
)
def test_one_to_three_threads_give_the_same_bits(target, threads, dtype, case):
    *inputs, geometry = arrays(case, dtype)
    for channels_first in (False, True):
        results = []
        for count in (1, 2, 3):
            _kernels.set_num_threads(count)
            results.append([a.tobytes() for a in run(*inputs, geometry, channels_first)])
        assert results[0] == results[1] == results[2]


@dtypes
def test_empty_arrays(target, dtype):
    geometry = ((2, 2), (1, 1), (1, 1), (0, 0))
    x, w, dy = np.ones((0, 3, 3, 5), dtype), np.ones((4, 20, 6), dtype), np.ones((0, 2, 2, 6), dtype)
    dx, dw, dbias = np.empty_like(x), np.full_like(w, np.nan), np.full((2, 2, 6), np.nan, dtype)
    _kernels.local_conv_forward(x, w, dbias, geometry, 0, dy)
    _kernels.local_conv_backward_input(dy, w, geometry, 0, dx)
    _kernels.local_conv_backward_weights(x, dy, geometry, 0, dw, dbias)
    assert not dw.any() and not dbias.any()
    # No channels: y is the bias. No filters: dx is 0.
    y, bias = np.full((2, 2, 2, 6), np.nan, dtype), np.arange(24, dtype=dtype).reshape(2, 2, 6)
    _kernels.local_conv_forward(np.ones((2, 3, 3, 0), dtype), np.ones((4, 0, 6), dtype), bias, geometry, 0, y)
    np.testing.assert_array_equal(y, [bias, bias])
    dx = np.full((2, 3, 3, 5), np.nan, dtype)
    _kernels.local_conv_backward_input(np.ones((2, 2, 2, 0), dtype), np.ones((4, 20, 0), dtype), geometry, 0, dx)
    assert not dx.any()


def test_arguments_that_do_not_fit_are_refused(target):
    x, w, bias, dy, geometry = arrays(CASES[0], np.float32)
    size, strides, dilation, before = geometry
    forward = _kernels.local_conv_forward
    with pytest.raises(ValueError, match="lies_inside"):
        forward(x, w, bias, (size, strides, dilation, (0, 1)), 0, dy)
    with pytest.raises(ValueError, match="lies_inside"):
        forward(x, w, bias, (size, strides, (1, 2), before), 0, dy)
    with pytest.raises(ValueError, match="lies_inside"):
        forward(x, w, bias, (size, (2, 1), dilation, before), 0, dy)
    with pytest.raises(ValueError, match="lies_inside"):
        forward(x, w, bias, ((7, 3), strides, dilation, before), 0, dy)
    with pytest.raises(ValueError, match="steps_fit"):
        forward(x, w, bias, (size, (0, 1), dilation, before), 0, dy)
    with pytest.raises(ValueError, match="w.shape"):
        forward(x, w[:-1].copy(), bias, geometry, 0, dy)
    with pytest.raises(ValueError, match="w.shape"):
        _kernels.local_conv_backward_input(dy, w[:, :-1].copy(), geometry, 0, x)
    with pytest.raises(ValueError, match="bias.size"):
        forward(x, w, bias[0], geometry, 0, dy)
    with pytest.raises(ValueError, match="dbias.size"):
        _kernels.local_conv_backward_weights(x, dy, geometry, 0, w, bias[0])
    volume = ((1, 1, 1), (1, 1, 1), (1, 1, 1), (0, 0, 0))
    with pytest.raises(ValueError, match="window.axes <= 2"):
        forward(np.ones((1, 2, 2, 2, 3), "f4"), np.ones((8, 3, 4), "f4"), bias[:0], volume, 0, np.ones((1, 2, 2, 2, 4), "f4"))
