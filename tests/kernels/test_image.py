"""The kernels of images: each pixel against the slow definition, on every target, with guard zones around the arrays."""

from itertools import product

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.calls_file import results_not_compared
from tests.kernels.guard import Guarded, close, surrounded
from tests.oracles import affine

FILLS = ("nearest", "constant", "reflect", "wrap")
ORDERS = (0, 1, 3)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
fills = pytest.mark.parametrize("fill", FILLS)
orders = pytest.mark.parametrize("order", ORDERS)
IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])
# Rotated and sheared, so that most of y is outside of x; moved by more than two images; enlarged; with one row repeated.
MATRICES = [
    [[0.8, -0.55, 2.3], [0.61, 0.9, -3.7]],
    [[1, 0, -11.25], [0, 1, 17.5]],
    [[0.31, 0.02, 1.5], [-0.01, 0.27, 0.4]],
    [[0, 0, 1.75], [0, -1, 5]],
]


def augment(x, matrices, out, order=1, fill="nearest", cval=0.0, **named):
    """The kernel, without the options that are not given."""
    nothing, empty = np.zeros(0), np.zeros(0, out.dtype)
    shifts, brightness = (np.asarray(named.get(name, nothing), np.float64) for name in ("shifts", "brightness"))
    flips = np.asarray(named.get("flips", []), np.uint8)
    mean, deviation = (np.asarray(named.get(name, empty), out.dtype) for name in ("mean", "deviation"))
    call = _kernels.augment_bytes if x[0].dtype == np.uint8 else _kernels.augment_images
    matrices = np.array(matrices, np.float64)
    how = (order, FILLS.index(fill), cval, shifts, flips, brightness, named.get("white", np.inf))
    standard = (named.get("rescale", 1.0), int(named.get("center", 0)), int(named.get("scale", 0)), mean, deviation)
    call(list(x), matrices, *how, standard, out)
    return out


def image(rng, shape, dtype, shift=0):
    """Bytes, or numbers in the same range. The bytes or NaNs around them must not appear in the result."""
    values = rng.integers(0, 256, shape)
    if dtype != np.uint8:
        return surrounded(values / 2, dtype, shift)
    guarded = Guarded(shape, dtype, shift)
    guarded.array[...] = values
    return guarded.array


@pytest.mark.parametrize("source", ["bytes", "numbers"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@orders
@fills
def test_pixels_are_those_of_the_definition(target, fill, order, channels, source):
    rng = np.random.default_rng(channels + 7 * order)
    for dtype in (np.float32, np.float64):
        kind = np.uint8 if source == "bytes" else dtype
        x = [image(rng, (6, 9, channels), kind, shift) for shift in range(len(MATRICES))]
        y = Guarded((len(x), 7, 10, channels), dtype, 1)
        augment(x, MATRICES, y.array, order, fill, 3.5)
        assert y.intact()
        for n, matrix in enumerate(MATRICES):
            wanted = affine.transform(x[n], matrix, order, fill, 3.5, (7, 10))
            close(y.array[n], wanted, 16, 255)


@orders
@fills
def test_images_of_one_row_or_column(target, fill, order):
    rng = np.random.default_rng(3)
    for shape in ((1, 1), (1, 7), (7, 1), (2, 2), (2, 1), (3, 2)):
        for channels, kind in product((1, 3, 4), (np.uint8, np.float32)):
            x = image(rng, (*shape, channels), kind)
            wanted = affine.transform(x, MATRICES[0], order, fill, -2.0, (5, 6))
            y = augment([x], MATRICES[:1], np.empty((1, 5, 6, channels), np.float32), order, fill, -2.0)
            close(y[0], wanted, 16, 255)


@pytest.mark.parametrize("columns", [*range(1, 20), 127, 128, 129, 257])
def test_rows_of_every_length(target, columns):
    rng = np.random.default_rng(columns)
    for channels in (1, 3, 4):
        x = image(rng, (3, columns, channels), np.uint8)
        matrix = [[0.9, 0.001, 0.2], [0.05, -0.97, columns]]
        for order in (0, 1):
            y = Guarded((1, 2, columns, channels), np.float32, 1)
            augment([x], [matrix], y.array, order, "reflect")
            assert y.intact()
            close(y.array[0], affine.transform(x, matrix, order, "reflect", 0, (2, columns)), 16, 255)


@fills
@pytest.mark.parametrize("rows", range(1, 19))
def test_splines_of_every_size(target, rows, fill):
    rng = np.random.default_rng(rows)
    for channels, columns in ((1, 19 - rows), (2, rows), (3, 19 - rows)):
        x = image(rng, (rows, columns, channels), np.float64, 1)
        matrix = [[0.9, 0.3, -1.2], [-0.4, 1.1, 2.3]]
        y = augment([x], [matrix], np.empty((1, 5, 6, channels)), 3, fill, 7.0)
        close(y[0], affine.transform(x, matrix, 3, fill, 7.0, (5, 6)), 16, 255)


@orders
@dtypes
def test_without_a_matrix_pixels_keep_their_places(target, dtype, order):
    rng = np.random.default_rng(4)
    for kind in (np.uint8, dtype):
        x = [image(rng, (5, 11, 3), kind, shift) for shift in range(4)]
        y = augment(x, [IDENTITY] * 4, np.empty((4, 5, 11, 3), dtype), order, flips=[[0, 0], [1, 0], [0, 1], [1, 1]])
        wanted = [x[0], x[1][::-1], x[2][:, ::-1], x[3][::-1, ::-1]]
        if order < 3:
            np.testing.assert_array_equal(y, wanted)
        else:
            close(y, np.array(wanted, np.float64), 16, 255)


@fills
def test_places_far_outside_and_ties(target, fill):
    x = np.arange(35, dtype=np.float64).reshape(5, 7, 1)
    for matrix in (
        [[1, 0, 0.5], [0, 1, -0.5]],
        [[1, 0, -1e4], [0, 1, 3e5]],
        [[-0.5, 0, 4], [0, 0.5, 0]],
        [[0.1, 0, 0], [0, 0.3, 0]],
    ):
        y = augment([x], [matrix], np.empty((1, 11, 21, 1)), 0, fill, 99.0)
        np.testing.assert_array_equal(y[0], affine.transform(x, matrix, 0, fill, 99.0, (11, 21)))
    # Coordinates too large for an integer give a pixel of the image.
    for order in ORDERS:
        with results_not_compared():
            y = augment([x], [[[1e30, 0, -1e300], [1e300, 1e300, 1e308]]], np.empty((1, 3, 3, 1)), order, fill, 7.0)
        assert (y >= -10).all() and (y <= 45).all()


@dtypes
def test_a_constant_image_stays_constant(target, dtype):
    x = np.full((20, 30, 3), 7, dtype)
    for fill in ("nearest", "reflect", "wrap"):
        y = augment([x], MATRICES[:1], np.empty((1, 20, 30, 3), dtype), 1, fill)
        assert (y == 7).all()


PIXELS = np.random.default_rng(8).uniform(0.5, 2, (6, 9, 3))


@pytest.mark.parametrize(
    "how",
    [
        {"shifts": [30.0, -40.0, 0.0]},
        {"flips": [[1, 0], [0, 1], [1, 1]]},
        {"brightness": [1.5, 0.25, 1.0], "white": 200.0},
        {"rescale": 1 / 255},
        {"rescale": 0.5, "center": True},
        {"scale": True},
        {"center": True, "scale": True, "mean": [0.1, -0.2, 0.3]},
        {"mean": [100.0, 90.0, 80.0]},
        {"deviation": [10.0, 20.0, 30.0]},
        {"mean": PIXELS, "deviation": PIXELS + 1},
        {"mean": [1.0, 2.0, 3.0], "deviation": PIXELS},
        {
            "shifts": [30.0, -40.0, 15.0],
            "flips": [[1, 0], [0, 1], [1, 1]],
            "brightness": [1.5, 0.25, 0.9],
            "white": 200.0,
            "rescale": 1 / 255,
            "center": True,
            "scale": True,
            "mean": PIXELS,
            "deviation": PIXELS + 2,
        },
    ],
    ids=lambda how: "+".join(how),
)
@dtypes
def test_colours_and_standardization(target, how, dtype):
    rng = np.random.default_rng(6)
    x = [image(rng, (8, 7, 3), np.uint8) for _ in range(3)]
    y = Guarded((3, 6, 9, 3), dtype, 1)
    augment(x, MATRICES[:3], y.array, 1, "reflect", **how)
    assert y.intact()
    numbers = {name: how.get(name) for name in ("mean", "deviation")} | {
        name: how.get(name, plain) for name, plain in (("rescale", 1.0), ("center", False), ("scale", False))
    }
    for n in range(3):
        moved = affine.transform(x[n], MATRICES[n], 1, "reflect", 0, (6, 9))
        colours = {"shift": how.get("shifts"), "flips": how.get("flips"), "factor": how.get("brightness")}
        mine = {name: values[n] for name, values in colours.items() if values is not None}
        coloured = affine.recolour(moved, white=how.get("white", np.inf), **mine)
        wanted = affine.standardize(coloured, **numbers)
        close(y.array[n], wanted, 40)
        # Two steps, the second one in place, give the same.
        half = augment(
            x[n : n + 1],
            MATRICES[n : n + 1],
            np.empty((1, 6, 9, 3), dtype),
            1,
            "reflect",
            **{k: v[n : n + 1] if isinstance(v, list) else v for k, v in how.items() if k not in numbers},
        )
        mean, deviation = (np.asarray([] if numbers[k] is None else numbers[k], dtype) for k in ("mean", "deviation"))
        rest = (numbers["rescale"], int(numbers["center"]), int(numbers["scale"]), mean, deviation)
        apart = np.empty_like(half)
        _kernels.standardize_images(half, rest, apart)
        _kernels.standardize_images(half, rest, half)
        assert half.tobytes() == apart.tobytes() == y.array[n].tobytes()


def test_brightness_does_not_darken_values_above_white(target):
    x = np.array([[[100.0], [250.0], [300.0]]])
    y = augment([x], [IDENTITY], np.empty((1, 1, 3, 1)), brightness=[1.5], white=255.0)
    assert y.ravel().tolist() == [150.0, 255.0, 300.0]


def test_images_of_different_sizes_in_one_batch(target):
    rng = np.random.default_rng(11)
    x = [image(rng, shape, np.uint8) for shape in ((4, 5, 3), (19, 3, 3), (1, 1, 3), (30, 40, 3))]
    for order in ORDERS:
        y = augment(x, [MATRICES[0]] * 4, np.empty((4, 8, 6, 3), np.float32), order, "wrap")
        for n in range(4):
            close(y[n], affine.transform(x[n], MATRICES[0], order, "wrap", 0, (8, 6)), 16, 255)


def test_an_empty_batch_and_images_without_pixels():
    augment([np.zeros((2, 2, 3))], np.zeros((1, 2, 3)), np.empty((1, 0, 4, 3)))
    with pytest.raises(ValueError, match="images_fit"):
        augment([np.zeros((0, 2, 3))], np.zeros((1, 2, 3)), np.empty((1, 2, 4, 3)))


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"order": 2}, "order == kCubic"),
        ({"matrices": np.full((1, 2, 3), np.nan)}, "all_finite"),
        ({"matrices": np.full((1, 2, 3), np.inf)}, "all_finite"),
        ({"matrices": np.zeros((2, 2, 3))}, "matrices.shape"),
        ({"matrices": np.zeros((1, 6))}, "matrices.rank"),
        ({"x": [np.zeros((3, 3, 4))]}, "images_fit"),
        ({"x": [np.zeros((3, 3))]}, "images_fit"),
        ({"x": [np.zeros((3, 3, 3))] * 2}, "x.count"),
        ({"shifts": [1.0, 2.0]}, "shifts.size"),
        ({"flips": [1]}, "flips.size"),
        ({"brightness": [1.0, 2.0]}, "brightness.size"),
        ({"mean": [1.0, 2.0]}, "mean.size"),
        ({"deviation": [1.0] * 5}, "deviation.size"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(wrong, message):
    right = {"x": [np.zeros((3, 3, 3))], "matrices": IDENTITY[None], "out": np.full((1, 3, 3, 3), 5.0)}
    with pytest.raises(ValueError, match=message):
        augment(**(right | wrong))
    assert (right["out"] == 5).all()
