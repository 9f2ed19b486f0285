"""conv_forward, conv_backward_input, conv_backward_weights against the oracle, on one to three axes."""

from functools import cache

import numpy as np
import pytest

from lamella import _kernels
from lamella.core.window import Window
from tests.oracles import conv as oracle

# images, sizes, channels, filters, kernel, strides, dilation, padding
CASES = [
    (2, (5, 6), 3, 4, (3, 3), (1, 1), (1, 1), "same"),
    (1, (1, 1), 1, 1, (1, 1), (1, 1), (1, 1), "valid"),
    (3, (7, 9), 5, 17, (1, 1), (1, 1), (1, 1), "valid"),
    (2, (9, 8), 4, 33, (1, 1), (2, 3), (1, 1), "same"),
    # Windows of one element: the points of all images in one list, cut into units, whose rows are read in place or copied.
    (9, (7, 8), 130, 70, (1, 1), (1, 1), (1, 1), "valid"),
    (5, (15, 14), 264, 260, (1, 1), (1, 1), (1, 1), "valid"),
    (2, (13, 11), 3, 16, (5, 3), (2, 2), (1, 1), "same"),
    (2, (13, 11), 3, 65, (3, 5), (3, 1), (1, 1), "valid"),
    (1, (11, 10), 2, 7, (3, 2), (1, 1), (2, 3), "same"),
    (2, (12, 12), 7, 8, (3, 3), (2, 2), (2, 1), "valid"),
    (1, (3, 4), 2, 5, (5, 5), (1, 1), (1, 1), "same"),
    (2, (4, 4), 3, 2, (2, 2), (4, 4), (1, 1), "valid"),
    (1, (40, 33), 24, 20, (3, 3), (1, 1), (1, 1), "same"),
    (3, (8, 8), 130, 70, (3, 3), (1, 1), (1, 1), "same"),
    (2, (6, 5), 300, 9, (2, 2), (1, 1), (1, 1), "valid"),
    # Winograd's tiles: whole and partial ones, with and without a border, and channels with a rest.
    (4, (16, 16), 16, 16, (3, 3), (1, 1), (1, 1), "same"),
    (3, (15, 17), 19, 21, (3, 3), (1, 1), (1, 1), "same"),
    (5, (13, 22), 17, 33, (3, 3), (1, 1), (1, 1), "valid"),
    (4, (15, 15), 64, 40, (3, 3), (1, 1), (1, 1), "valid"),
    # The gradient of the weights is too large for slices, so it is computed point by point, in several blocks of tiles.
    (2, (33, 30), 70, 130, (3, 3), (1, 1), (1, 1), "same"),
    # Winograd's tiles in volumes: windows of 1 to 5 slices that overlap, touch, or leave slices out, in blocks cut anywhere.
    (2, (5, 13, 14), 17, 33, (3, 3, 3), (1, 1, 1), (1, 1, 1), "same"),
    (2, (9, 15, 16), 16, 20, (2, 3, 3), (2, 1, 1), (1, 1, 1), "same"),
    (1, (11, 16, 15), 19, 24, (2, 3, 3), (3, 1, 1), (1, 1, 1), "valid"),
    (2, (7, 16, 16), 16, 17, (1, 3, 3), (2, 1, 1), (1, 1, 1), "same"),
    (3, (2, 24, 23), 24, 16, (5, 3, 3), (1, 1, 1), (1, 1, 1), "full"),
    (2, (9, 12, 12), 32, 16, (3, 3, 3), (2, 1, 1), (1, 1, 1), "valid"),
    (2, (8, 16, 16), 16, 24, (3, 3, 3), (1, 1, 1), (2, 1, 1), "same"),
    # The gradient of the weights point by point, in two blocks of tiles; the first ends between two slices of a tile.
    (2, (7, 16, 16), 70, 130, (3, 3, 3), (1, 1, 1), (1, 1, 1), "same"),
    # Winograd's tiles in a row: in sequences, in rows of images, and in volumes.
    (3, (70,), 16, 49, (3,), (1,), (1,), "same"),
    (2, (131,), 67, 130, (3,), (1,), (1,), "causal"),
    (5, (50,), 49, 17, (3,), (1,), (1,), "valid"),
    (3, (66,), 24, 40, (3,), (1,), (1,), "full"),
    (2, (9, 23), 24, 41, (1, 3), (1, 1), (1, 1), "same"),
    (1, (5, 7, 18), 24, 40, (3, 1, 3), (1, 1, 1), (1, 1, 1), "same"),
    # The gradient of the weights point by point, in several blocks of tiles.
    (4, (200,), 260, 200, (3,), (1,), (1,), "same"),
    # Tiles of windows of 5: squares with and without a border, in volumes, and lines; then the least channels, and one less.
    (4, (16, 16), 32, 32, (5, 5), (1, 1), (1, 1), "same"),
    (3, (15, 18), 35, 45, (5, 5), (1, 1), (1, 1), "valid"),
    (2, (13, 11), 67, 41, (5, 5), (1, 1), (1, 1), "full"),
    (1, (12, 11), 20, 44, (5, 5), (1, 1), (1, 1), "same"),
    (2, (12, 11), 31, 32, (5, 5), (1, 1), (1, 1), "same"),
    (2, (5, 9, 8), 33, 40, (3, 5, 5), (2, 1, 1), (1, 1, 1), "same"),
    (1, (16, 16), 130, 260, (5, 5), (1, 1), (1, 1), "same"),
    (3, (70,), 48, 49, (5,), (1,), (1,), "same"),
    (2, (131,), 67, 130, (5,), (1,), (1,), "causal"),
    (3, (66,), 47, 48, (5,), (1,), (1,), "full"),
    (2, (9, 23), 48, 52, (1, 5), (1, 1), (1, 1), "valid"),
    (4, (200,), 260, 200, (5,), (1,), (1,), "same"),
    # A few filters, and a few channels with many filters: vectors of terms, whole ones and parts, in runs of one tap or of a row.
    (2, (9, 8), 32, 1, (3, 3), (1, 1), (1, 1), "same"),
    (3, (13, 22), 40, 3, (3, 3), (1, 1), (1, 1), "valid"),
    (2, (40, 33), 70, 4, (5, 5), (2, 2), (1, 1), "same"),
    (2, (9, 9), 19, 2, (7, 7), (1, 1), (1, 1), "full"),
    (2, (12, 12), 150, 3, (3, 3), (1, 1), (2, 2), "same"),
    (2, (30,), 33, 1, (9,), (1,), (1,), "causal"),
    (1, (4, 7, 6), 33, 2, (3, 3, 3), (1, 1, 1), (1, 1, 1), "same"),
    (1, (112, 50), 65, 3, (3, 3), (1, 1), (1, 1), "same"),
    (3, (17, 19), 100, 1, (1, 1), (1, 1), (1, 1), "valid"),
    (3, (17, 19), 81, 4, (1, 1), (2, 2), (1, 1), "valid"),
    (2, (13, 14), 3, 40, (5, 5), (2, 2), (1, 1), "same"),
    (2, (13, 11), 1, 64, (3, 3), (1, 1), (1, 1), "same"),
    (2, (20, 21), 4, 70, (3, 3), (1, 1), (1, 1), "valid"),
    (1, (9, 10, 11), 2, 40, (3, 3, 3), (2, 1, 1), (1, 1, 1), "same"),
    # One axis.
    (3, (9,), 5, 4, (3,), (1,), (1,), "valid"),
    (2, (20,), 17, 33, (4,), (3,), (1,), "same"),
    (2, (15,), 8, 16, (3,), (1,), (4,), "causal"),
    (3, (6,), 3, 4, (3,), (2,), (2,), "full"),
    (1, (700,), 1, 8, (9,), (2,), (1,), "same"),
    (2, (12,), 6, 7, (1,), (1,), (1,), "valid"),
    # Three axes: windows inside and over each border, strides with places that no tap reaches, slices treated as images.
    (2, (4, 5, 6), 3, 4, (2, 3, 2), (1, 1, 1), (1, 1, 1), "valid"),
    (2, (5, 6, 7), 5, 17, (3, 3, 3), (1, 1, 1), (1, 1, 1), "same"),
    (1, (7, 6, 5), 4, 33, (3, 2, 3), (2, 1, 2), (1, 1, 1), "same"),
    (1, (6, 5, 4), 3, 6, (2, 2, 1), (3, 3, 3), (1, 1, 1), "valid"),
    (1, (6, 7, 6), 2, 5, (2, 3, 2), (1, 1, 1), (2, 1, 3), "same"),
    (2, (3, 8, 8), 16, 16, (1, 3, 3), (1, 1, 1), (1, 1, 1), "same"),
    (2, (3, 4, 5), 7, 9, (1, 1, 1), (1, 1, 1), (1, 1, 1), "valid"),
    (2, (3, 4, 5), 7, 9, (1, 1, 1), (2, 2, 2), (1, 1, 1), "valid"),
    (1, (6, 9, 8), 130, 20, (3, 3, 3), (1, 1, 1), (1, 1, 1), "same"),
    (1, (2, 2, 3), 3, 5, (5, 3, 4), (1, 1, 1), (1, 1, 1), "same"),
    (1, (4, 40, 40), 20, 70, (3, 3, 3), (1, 1, 1), (1, 1, 1), "valid"),
    # Rows of more than 1,024 points are cut into parts: of sequences, of images and volumes whose windows have one row.
    (1, (1025,), 3, 5, (2,), (1,), (1,), "same"),
    (2, (2500,), 2, 3, (8,), (2,), (1,), "causal"),
    (1, (1041,), 33, 2, (7,), (1,), (1,), "full"),
    (1, (1543,), 5, 40, (4,), (1,), (37,), "same"),
    (1, (3700,), 3, 8, (6,), (3,), (1,), "valid"),
    (1, (1, 1300), 1, 20, (1, 9), (1, 1), (1, 1), "same"),
    (2, (3, 1200), 4, 6, (1, 4), (2, 1), (1, 2), "same"),
    (1, (2, 2, 1100), 3, 18, (1, 1, 7), (1, 1, 1), (1, 1, 1), "valid"),
]
EPSILON = {np.float32: 2e-5, np.float64: 4e-15}


def arrays(case, dtype):
    images, sizes, channels, filters, kernel, strides, dilation, padding = case
    draw = np.random.default_rng(0).standard_normal
    window = Window(kernel, strides, dilation, padding)
    x = draw((images, *sizes, channels)).astype(dtype)
    w = (draw((*kernel, channels, filters)) / (channels * np.prod(kernel)) ** 0.5).astype(dtype)
    bias, dy = draw(filters).astype(dtype), draw((images, *window.lengths(sizes), filters)).astype(dtype)
    return x, w, bias, dy, window.geometry(sizes)


def run(x, w, bias, dy, geometry, relu):
    y, dx, dw, dbias = (np.full_like(a, np.nan) for a in (dy, x, w, bias))
    _kernels.conv_forward(x, w, bias, geometry, relu, y)
    _kernels.conv_backward_input(dy, w, geometry, dx)
    _kernels.conv_backward_weights(x, dy, geometry, dw, dbias)
    return y, dx, dw, dbias


def close(got, wanted, dtype):
    """Compares with a tolerance relative to the largest value, because the results are sums of many terms."""
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= EPSILON[dtype] * max(1, np.abs(wanted).max())


@cache
def wanted(case, dtype):
    """The results of the oracle, computed once for all targets: y with bias and ReLU, y without, dx, dw, dbias."""
    x, w, bias, dy, geometry = arrays(case, dtype)
    spans = geometry[1:]
    ys = [oracle.forward(x, w, b, relu, dy.shape, *spans) for b, relu in ((bias, 1), (bias[:0], 0))]
    return (*ys, *oracle.backward(x, w, dy, *spans))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_the_oracle(target, dtype, case):
    x, w, bias, dy, geometry = arrays(case, dtype)
    activated, plain, wanted_dx, wanted_dw, wanted_dbias = wanted(case, dtype)
    for b, relu, wanted_y in ((bias, 1, activated), (bias[:0], 0, plain)):
        y, dx, dw, dbias = run(x, w, b, dy, geometry, relu)
        close(y, wanted_y, dtype)
        close(dx, wanted_dx, dtype)
        close(dw, wanted_dw, dtype)
        if b.size:
            close(dbias, wanted_dbias, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_random_geometries_against_the_oracle(target, dtype):
    draw = np.random.default_rng(1)
    for axes in [1] * 20 + [2] * 60 + [3] * 30:
        kernel, strides, dilation = (tuple(map(int, draw.integers(1, top, axes))) for top in (6 if axes < 3 else 4, 4, 3))
        size = tuple(int(draw.integers((k - 1) * d + 1, 15 if axes < 3 else 9)) for k, d in zip(kernel, dilation))
        channels, filters = int(draw.choice([1, 2, 3, 8, 17, 33])), int(draw.choice([1, 3, 8, 15, 16, 40]))
        padding = ("same", "valid", "causal", "full")[int(draw.integers(4))]
        x, w, bias, dy, geometry = arrays(
            (int(draw.integers(1, 4)), size, channels, filters, kernel, strides, dilation, padding), dtype
        )
        spans = geometry[1:]
        y, dx, dw, dbias = run(x, w, bias, dy, geometry, 0)
        close(y, oracle.forward(x, w, bias, 0, dy.shape, *spans), dtype)
        for got, wanted in zip((dx, dw, dbias), oracle.backward(x, w, dy, *spans)):
            close(got, wanted, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("filters", [1, 8, 16, 17, 32, 33])
def test_every_number_of_taps_of_one_channel(target, dtype, filters):
    """The rows of the weight gradient are cut into tiles whose height depends on the number of vectors of filters."""
    for taps in range(1, 20):
        x, w, bias, dy, geometry = arrays((2, (2, taps + 4), 1, filters, (1, taps), (1, 1), (1, 1), "valid"), dtype)
        _, wanted_dw, wanted_dbias = oracle.backward(x, w, dy, *geometry[1:])
        _, _, dw, dbias = run(x, w, bias, dy, geometry, 0)
        close(dw, wanted_dw, dtype)
        close(dbias, wanted_dbias, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("filters", [1, 2, 4, 5, 8, 9, 16, 17, 31, 32, 33, 64, 65, 130])
def test_three_by_three_over_one_channel(target, dtype, filters):
    """All numbers of points in a row up to more than two tiles. dx of one filter is also such a convolution."""
    for columns in range(1, 15):
        for padding in ("same", "valid"):
            size = (3, columns) if padding == "same" else (5, columns + 2)
            for channels, outputs in ((1, filters), (filters, 1)):
                case = (2, size, channels, outputs, (3, 3), (1, 1), (1, 1), padding)
                x, w, bias, dy, geometry = arrays(case, dtype)
                spans = geometry[1:]
                for b, relu in ((bias, 1), (bias[:0], 0)):
                    y, *gradients = run(x, w, b, dy, geometry, relu)
                    close(y, oracle.forward(x, w, b, relu, dy.shape, *spans), dtype)
                    for got, wanted in zip(gradients if b.size else gradients[:2], oracle.backward(x, w, dy, *spans)):
                        close(got, wanted, dtype)


def test_long_sums_of_weight_gradients_stay_accurate(target):
    """Float32 sums of a million terms, one by one, had an error of more than 1 %."""
    for channels, filters in ((1, 9), (2, 3), (16, 16)):
        x, dy = np.full((1, 300_000, channels), 0.1, "f4"), np.full((1, 299_997, filters), 0.1, "f4")
        dw, dbias = np.empty((4, channels, filters), "f4"), np.empty(filters, "f4")
        _kernels.conv_backward_weights(x, dy, Window((4,), (1,), (1,), "valid").geometry((300_000,)), dw, dbias)
        np.testing.assert_allclose(dw, np.float64(x[0, 0, 0]) ** 2 * 299_997, rtol=3e-5)
        np.testing.assert_allclose(dbias, np.float64(x[0, 0, 0]) * 299_997, rtol=3e-5)


def test_nan_in_one_channel_stays(target):
    x = np.full((1, 3, 3, 1), np.nan, np.float32)
    y = np.zeros((1, 1, 1, 5), np.float32)
    _kernels.conv_forward(x, np.ones((3, 3, 1, 5), np.float32), np.zeros(5, np.float32), ((3, 3), (1, 1), (1, 1), (0, 0)), 1, y)
    assert np.isnan(y).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "case",
    [
        CASES[4],
        CASES[-1],
        (9, (26, 26), 32, 64, (3, 3), (1, 1), (1, 1), "valid"),
        (9, (7, 8), 130, 70, (1, 1), (1, 1), (1, 1), "valid"),
        (9, (28, 28), 1, 32, (3, 3), (1, 1), (1, 1), "same"),
        (9, (80,), 40, 50, (5,), (1,), (1,), "causal"),
        (9, (80,), 40, 50, (3,), (1,), (1,), "causal"),
        (4, (200,), 260, 200, (3,), (1,), (1,), "same"),
        (1, (9000,), 8, 20, (7,), (1,), (1,), "causal"),
        (5, (8, 15, 14), 16, 24, (3, 3, 3), (1, 1, 1), (1, 1, 1), "same"),
        (2, (7, 16, 16), 70, 130, (3, 3, 3), (1, 1, 1), (1, 1, 1), "same"),
    ],
)
def test_one_and_two_threads_give_the_same_bits(target, threads, dtype, case):
    inputs = arrays(case, dtype)
    results = []
    for count in (1, 2, 3):
        _kernels.set_num_threads(count)
        results.append(run(*inputs, 1))
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_array_equal(a, b)


def test_arguments_that_do_not_fit_are_refused(target):
    x, w, bias, dy, geometry = arrays(CASES[0], np.float32)
    size, strides, dilation, before = geometry
    with pytest.raises(ValueError, match=r"x.shape\[x.rank - 1\] == w.shape\[window.axes\]"):
        _kernels.conv_forward(x, w[:, :, :2].copy(), bias, geometry, 0, dy)
    with pytest.raises(ValueError, match="steps_fit\\(window.stride, 1\\)"):
        _kernels.conv_forward(x, w, bias, (size, (0, 1), dilation, before), 0, dy)
    with pytest.raises(ValueError, match="steps_fit\\(window.before, 0\\)"):
        _kernels.conv_forward(x, w, bias, (size, strides, dilation, (-1, 0)), 0, dy)
    with pytest.raises(ValueError, match="steps_fit\\(window.dilation, 1\\)"):
        _kernels.conv_backward_input(dy, w, (size, strides, (1 << 40, 1), before), x)
    with pytest.raises(ValueError, match="is_filter\\(w, window\\)"):
        _kernels.conv_forward(x, w, bias, ((3, 2), strides, dilation, before), 0, dy)
    with pytest.raises(ValueError, match="x.rank == window.axes \\+ 2"):
        _kernels.conv_forward(x, w, bias, ((3,), (1,), (1,), (0,)), 0, dy)


@pytest.mark.parametrize(
    "window",
    [3, (1, 2), ((3, 3), (1, 1), (1, 1), (0,)), ((), (), (), ()), ((1,) * 4,) * 4, [(3, 3)] * 4, ((3, 3), (1, 1), (1, 1), 0)],
)
def test_wrong_windows_are_refused_by_name(window):
    x, w, bias, dy, _ = arrays(CASES[0], np.float32)
    with pytest.raises(
        TypeError, match="conv_forward: argument 'window': expected a window: .sizes, strides, dilations, before."
    ):
        _kernels.conv_forward(x, w, bias, window, 0, dy)
    with pytest.raises(TypeError):
        _kernels.conv_forward(x, w, bias, ((3, 3), (1, 1), (1, 1), (0, 0.5)), 0, dy)
