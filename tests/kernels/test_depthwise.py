"""depthwise_conv_forward, _backward_input, _backward_weights against the oracle, on one to three axes."""

import numpy as np
import pytest

from lamella import _kernels
from lamella.core.window import Window
from tests.kernels.guard import Guarded, close, surrounded
from tests.oracles import depthwise as oracle

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
# images, sizes, channels, multiplier, window, strides, dilation, padding
CASES = [
    # Windows with 3 taps in a row: inside, over one or both edges, more and fewer points than a tile.
    (2, (5, 6), 8, 1, (3, 3), (1, 1), (1, 1), "same"),
    (1, (9, 19), 16, 1, (3, 3), (1, 1), (1, 1), "same"),
    (2, (4, 17), 70, 1, (3, 3), (1, 1), (1, 1), "valid"),
    (1, (6, 1), 64, 1, (3, 3), (1, 1), (1, 1), "same"),
    (1, (2, 2), 66, 1, (3, 3), (1, 1), (1, 1), "full"),
    (1, (3, 11), 65, 1, (2, 3), (1, 1), (2, 1), "same"),
    (2, (12, 13), 64, 1, (3, 3), (2, 2), (1, 1), "same"),
    (2, (13, 12), 72, 1, (3, 3), (2, 2), (1, 1), "valid"),
    (1, (10, 11), 67, 1, (5, 5), (1, 1), (1, 1), "same"),
    (1, (10, 11), 64, 1, (3, 3), (1, 1), (2, 3), "same"),
    (1, (11, 12), 65, 1, (3, 4), (3, 2), (2, 3), "same"),
    (1, (3, 4), 64, 1, (5, 5), (1, 1), (1, 1), "same"),
    (2, (7, 7), 64, 1, (2, 2), (4, 5), (1, 1), "valid"),
    # Few channels: several points in one vector, a rest, edges, and strides, for which columns are copied.
    (2, (6, 40), 1, 1, (3, 3), (1, 1), (1, 1), "same"),
    (1, (5, 33), 3, 1, (3, 3), (1, 1), (1, 1), "same"),
    (1, (9, 40), 3, 1, (3, 3), (2, 2), (1, 1), "same"),
    (1, (9, 41), 5, 1, (3, 2), (2, 3), (2, 1), "valid"),
    (1, (9, 41), 7, 1, (3, 3), (5, 6), (1, 1), "same"),
    (1, (3, 7), 3, 1, (5, 9), (1, 1), (1, 1), "same"),
    # Several filters for each channel.
    (2, (6, 7), 3, 2, (3, 3), (1, 1), (1, 1), "same"),
    (1, (7, 20), 32, 2, (3, 3), (1, 1), (1, 1), "same"),
    (1, (9, 11), 33, 2, (3, 3), (2, 2), (1, 1), "same"),
    (1, (9, 30), 2, 3, (2, 3), (3, 2), (1, 1), "same"),
    (2, (6, 7), 1, 17, (3, 3), (1, 1), (1, 2), "valid"),
    (1, (6, 7), 4, 40, (3, 1), (2, 1), (1, 1), "valid"),
    # One axis, and three axes.
    (3, (9,), 5, 2, (3,), (1,), (1,), "valid"),
    (2, (20,), 17, 1, (4,), (3,), (1,), "same"),
    (2, (15,), 64, 1, (3,), (1,), (1,), "causal"),
    (2, (15,), 64, 1, (3,), (1,), (4,), "causal"),
    (3, (6,), 3, 4, (3,), (2,), (2,), "full"),
    (1, (300,), 1, 1, (9,), (2,), (1,), "same"),
    (2, (4, 5, 6), 3, 1, (2, 3, 2), (1, 1, 1), (1, 1, 1), "valid"),
    (1, (5, 6, 7), 16, 1, (3, 3, 3), (1, 1, 1), (1, 1, 1), "same"),
    (1, (7, 6, 5), 4, 2, (3, 2, 3), (2, 1, 2), (1, 1, 1), "same"),
    (1, (6, 7, 6), 2, 3, (2, 3, 2), (1, 3, 1), (2, 1, 3), "same"),
]  # fmt: skip


def arrays(case, dtype):
    images, sizes, channels, multiplier, size, strides, dilation, padding = case
    draw = np.random.default_rng(0).standard_normal
    window = Window(size, strides, dilation, padding)
    x, w = draw((images, *sizes, channels)), draw((*size, channels, multiplier))
    bias, dy = draw(channels * multiplier), draw((images, *window.lengths(sizes), channels * multiplier))
    return *(surrounded(a, dtype, 1) for a in (x, w, bias, dy)), window.geometry(sizes)


def run(x, w, bias, dy, geometry, relu):
    outputs = y, dx, dw, dbias = [Guarded(a.shape, a.dtype, 1) for a in (dy, x, w, bias)]
    _kernels.depthwise_conv_forward(x, w, bias, geometry, relu, y.array)
    _kernels.depthwise_conv_backward_input(dy, w, geometry, dx.array)
    _kernels.depthwise_conv_backward_weights(x, dy, geometry, dw.array, dbias.array)
    assert all(a.intact() for a in outputs)
    return [a.array for a in outputs]


def check(case, dtype, with_bias=True):
    x, w, bias, dy, geometry = arrays(case, dtype)
    bias, relu = (bias, 1) if with_bias else (bias[:0], 0)
    y, *gradients = run(x, w, bias, dy, geometry, relu)
    close(y, oracle.forward(x, w, bias, relu, dy.shape, *geometry[1:]), 8)
    for got, wanted in zip(gradients, oracle.backward(x, w, dy, *geometry[1:]), strict=True):
        if got.size:
            close(got, wanted, 16)


@dtypes
@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_the_oracle(target, dtype, case):
    check(case, dtype)
    check(case, dtype, with_bias=False)


@dtypes
def test_every_number_of_channels(target, dtype):
    for channels in [*range(1, 35), 63, 64, 65]:
        for multiplier, strides in ((1, (1, 1)), (1, (2, 2)), (2, (1, 1))):
            check((1, (3, 12), channels, multiplier, (3, 3), strides, (1, 1), "same"), dtype)


@dtypes
@pytest.mark.parametrize("channels", [32, 144])
def test_every_size_of_an_image_whose_channels_fill_vectors(target, dtype, channels):
    """Every split of rows and columns into bands and tiles. AVX-512 sweeps 32 channels in bands of one to four rows, and has tiles
    of three or four rows and columns for 144; AVX2 has tiles of one or two rows for both."""
    for rows in range(1, 10):
        for columns in range(1, 11):
            for strides in ((1, 1), (2, 2)):
                for padding in ("same", "valid", "full"):
                    if padding != "valid" or min(rows, columns) >= 3:
                        check((2, (rows, columns), channels, 1, (3, 3), strides, (1, 1), padding), dtype)


@dtypes
def test_windows_that_lie_wholly_in_the_padding(target, dtype):
    """Their points are the bias. Numbers of zeros, as in PyTorch, may be larger than a window."""
    for channels, multiplier in ((1, 1), (3, 2), (4, 2), (8, 1), (16, 3), (33, 1), (64, 1)):
        for size in ((1, 3), (2, 3), (3, 3), (2, 2, 3)):
            for strides in (1, 2):
                for more in (0, 1):
                    steps, gaps, sizes = (strides,) * len(size), (1,) * len(size), (4, 5, 9)[-len(size) :]
                    before = (*(n + more for n in size[:-1]), more * 4)
                    window = Window(size, steps, gaps, "valid")
                    counts = window.lengths([n + 2 * zeros for n, zeros in zip(sizes, before)])
                    draw = np.random.default_rng(0).standard_normal
                    shapes = (2, *sizes, channels), (*size, channels, multiplier), (channels * multiplier,)
                    x, w, bias = (surrounded(draw(shape), dtype, 1) for shape in shapes)
                    dy = surrounded(draw((2, *counts, channels * multiplier)), dtype, 1)
                    for b, relu in ((bias, 1), (bias[:0], 0)):
                        y, *gradients = run(x, w, b, dy, (size, steps, gaps, before), relu)
                        close(y, oracle.forward(x, w, b, relu, dy.shape, steps, gaps, before), 8)
                        for got, wanted in zip(gradients, oracle.backward(x, w, dy, steps, gaps, before), strict=True):
                            if got.size:  # a sum of many terms may be much smaller than they are
                                close(got, wanted, 16, scale=max(dy[..., 0].size ** 0.5, np.abs(wanted).max()))


@dtypes
def test_the_place_of_the_result_in_memory_changes_no_bit(target, dtype):
    """AVX-512 goes through the channels from the last to the first if y is just behind x, modulo 1024 bytes."""
    lines, line = 20, 64 // np.dtype(dtype).itemsize
    draw = np.random.default_rng(2).standard_normal
    x, w = draw((1, 8, 7, 256)).astype(dtype), draw((3, 3, 256, 1)).astype(dtype)
    memory = np.zeros(x.size + lines * line, dtype)
    results = []
    for begin in range(0, lines * line, line):
        y = memory[begin : begin + x.size].reshape(x.shape)
        _kernels.depthwise_conv_forward(x, w, w[0, 0, :0, 0], ((3, 3), (1, 1), (1, 1), (1, 1)), 0, y)
        results.append(y.copy())
    close(results[0], oracle.forward(x, w, w[0, 0, :0, 0], 0, x.shape, (1, 1), (1, 1), (1, 1)), 8)
    assert all(np.array_equal(results[0], y) for y in results)


@dtypes
@pytest.mark.parametrize("channels", [248, 256, 264, 512, 520, 1024])
def test_many_channels(target, dtype, channels):
    """AVX2 takes 1024 bytes of channels at a time, and copies rows whose points are multiples of 4096 bytes apart."""
    for strides, sizes in (((1, 1), (5, 4)), ((1, 1), (4, 7)), ((2, 2), (7, 6))):
        check((2, sizes, channels, 1, (3, 3), strides, (1, 1), "same"), dtype)


@dtypes
@pytest.mark.parametrize("stride", [1, 2])
def test_images_of_large_batches_are_computed_as_alone(target, dtype, stride):
    """From 16 MB of x and y on, lines that tiles write are prefetched."""
    draw = np.random.default_rng(3).standard_normal
    images, size, channels = 6, 57, 192
    geometry = ((3, 3), (stride, stride), (1, 1), (1, 1))
    x, w = draw((images, size, size, channels)).astype(dtype), draw((3, 3, channels, 1)).astype(dtype)
    y = np.empty((images, *[-(-size // stride)] * 2, channels), dtype)
    assert x.nbytes + y.nbytes > 16_000_000
    _kernels.depthwise_conv_forward(x, w, w[0, 0, :0, 0], geometry, 0, y)
    dx = np.empty_like(x)
    _kernels.depthwise_conv_backward_input(y, w, geometry, dx)
    for i in range(images):
        y_alone, dx_alone = np.empty_like(y[:1]), np.empty_like(x[:1])
        _kernels.depthwise_conv_forward(x[i : i + 1], w, w[0, 0, :0, 0], geometry, 0, y_alone)
        _kernels.depthwise_conv_backward_input(y[i : i + 1], w, geometry, dx_alone)
        assert np.array_equal(y[i : i + 1], y_alone) and np.array_equal(dx[i : i + 1], dx_alone)


@dtypes
def test_random_geometries(target, dtype):
    draw = np.random.default_rng(1)
    for axes in [1] * 20 + [2] * 60 + [3] * 20:
        size, strides, dilation = (tuple(map(int, draw.integers(1, top, axes))) for top in (6 if axes < 3 else 4, 6, 4))
        sizes = tuple(int(draw.integers((k - 1) * d + 1, 17 if axes < 3 else 11)) for k, d in zip(size, dilation))
        channels, multiplier = int(draw.choice([1, 2, 3, 8, 17, 33, 64])), int(draw.choice([1, 1, 1, 2, 5]))
        padding = ("same", "valid", "causal", "full")[int(draw.integers(4))]
        check((int(draw.integers(1, 3)), sizes, channels, multiplier, size, strides, dilation, padding), dtype)


@dtypes
@pytest.mark.parametrize("stride, lengths", [(1, (12, 13)), (2, (6, 7))])
def test_windows_outside_of_the_array_read_zeros(target, dtype, stride, lengths):
    """More padding than in Keras: whole windows of zeros before and after."""
    for channels in (3, 64):
        x, w = np.ones((1, 3, 4, channels), dtype), np.ones((3, 3, channels, 1), dtype)
        y, dx = np.empty((1, *lengths, channels), dtype), np.empty_like(x)
        geometry = ((3, 3), (stride, stride), (1, 1), (5, 5))
        _kernels.depthwise_conv_forward(x, w, w[0, 0, :0, 0], geometry, 0, y)
        close(y, oracle.forward(x, w, np.zeros(0), 0, y.shape, *geometry[1:]), 4)
        _kernels.depthwise_conv_backward_input(y, w, geometry, dx)
        wanted = oracle.backward(x, w, y, *geometry[1:])
        close(dx, wanted[0], 8)
        dw, dbias = np.empty_like(w), np.empty(channels, dtype)
        _kernels.depthwise_conv_backward_weights(x, y, geometry, dw, dbias)
        close(dw, wanted[1], 8)
        close(dbias, wanted[2], 8)


@dtypes
@pytest.mark.parametrize(
    "case",
    [
        (6, (40, 30), 64, 1, (3, 3), (1, 1), (1, 1), "same"),
        (6, (41, 30), 64, 1, (3, 3), (2, 2), (1, 1), "same"),
        (9, (7, 7), 1024, 1, (3, 3), (1, 1), (1, 1), "same"),
        (5, (40, 50), 3, 1, (3, 3), (1, 1), (1, 1), "same"),
        (5, (40, 30), 9, 3, (3, 5), (2, 1), (1, 1), "same"),
        (40, (100,), 24, 1, (5,), (1,), (2,), "causal"),
    ],
    ids=str,
)
def test_one_to_three_threads_give_the_same_bits(target, threads, dtype, case):
    inputs = arrays(case, dtype)
    results = []
    for count in (1, 2, 3):
        _kernels.set_num_threads(count)
        results.append([a.tobytes() for a in run(*inputs, 1)])
    assert results[0] == results[1] == results[2]


@dtypes
def test_empty_arrays(target, dtype):
    geometry = ((3, 3), (1, 1), (1, 1), (1, 1))
    x, w, y = np.ones((0, 4, 4, 5), dtype), np.ones((3, 3, 5, 2), dtype), np.ones((0, 4, 4, 10), dtype)
    dx, dw, dbias = np.empty_like(x), np.full_like(w, np.nan), np.full(10, np.nan, dtype)
    _kernels.depthwise_conv_forward(x, w, dbias[:0], geometry, 0, y)
    _kernels.depthwise_conv_backward_input(y, w, geometry, dx)
    _kernels.depthwise_conv_backward_weights(x, y, geometry, dw, dbias)
    assert not dw.any() and not dbias.any()
    nothing = np.ones((2, 4, 4, 0), dtype)
    _kernels.depthwise_conv_forward(nothing, w[:, :, :0].copy(), dbias[:0], geometry, 0, nothing.copy())


@dtypes
def test_nan_passes_the_relu(target, dtype):
    x, w = np.full((1, 3, 3, 9), np.nan, dtype), np.ones((3, 3, 9, 1), dtype)
    y = np.zeros((1, 1, 1, 9), dtype)
    _kernels.depthwise_conv_forward(x, w, np.zeros(9, dtype), ((3, 3), (1, 1), (1, 1), (0, 0)), 1, y)
    assert np.isnan(y).all()


def test_arguments_that_do_not_fit_are_refused(target):
    x, w, bias, dy, geometry = arrays(CASES[19], np.float32)
    size, strides, dilation, before = geometry
    forward = _kernels.depthwise_conv_forward
    with pytest.raises(ValueError, match=r"x.shape\[x.rank - 1\] == w.shape\[window.axes\]"):
        forward(x, w[:, :, :2].copy(), bias, geometry, 0, dy)
    with pytest.raises(ValueError, match=r"y.shape\[y.rank - 1\] == "):
        forward(x, w[..., :1].copy(), bias[:3], geometry, 0, dy)
    with pytest.raises(ValueError, match="bias.size"):
        forward(x, w, bias[:3], geometry, 0, dy)
    with pytest.raises(ValueError, match="steps_fit\\(window.stride, 1\\)"):
        forward(x, w, bias, (size, (0, 1), dilation, before), 0, dy)
    with pytest.raises(ValueError, match="steps_fit\\(window.before, 0\\)"):
        _kernels.depthwise_conv_backward_input(dy, w, (size, strides, dilation, (-1, 0)), x)
    with pytest.raises(ValueError, match="is_filter"):
        _kernels.depthwise_conv_backward_weights(x, dy, ((3, 2), strides, dilation, before), w, bias)
    with pytest.raises(ValueError, match="x.rank == window.axes \\+ 2"):
        forward(x, w, bias, ((3,), (1,), (1,), (0,)), 0, dy)
