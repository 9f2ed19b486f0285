"""conv_max_pool: the bits of conv and max_pool, for any groups of images."""

import numpy as np
import pytest

import lamella
from lamella import ops
from lamella.ops import conv_pool
from lamella.ops.tape import Tape

# x, kernel, arguments of the convolution, window and strides of the pooling
CASES = [
    ((50, 12, 12, 16), (3, 3, 16, 17), {}, (2, 2), (2, 2)),  # Winograd's algorithm in float32
    ((17, 9, 10, 3), (3, 2, 3, 5), {"padding": "same", "strides": (2, 1)}, (3, 2), (2, 2)),
    ((130, 7, 5, 8), (1, 1, 8, 4), {}, (2, 2), (1, 1)),
    ((90, 30, 2), (4, 2, 6), {"dilation": (2,)}, (3,), (2,)),
    ((9, 6, 7, 5, 2), (2, 2, 2, 2, 3), {}, (2, 2, 2), (2, 2, 2)),
    ((0, 9, 9, 2), (3, 3, 2, 4), {}, (2, 2), (2, 2)),
]


@pytest.fixture
def two_threads():
    before = lamella.config.num_threads()
    lamella.config.set_num_threads(2)
    yield
    lamella.config.set_num_threads(before)


def computed(op, arrays, dtype):
    """y and the gradients of all arrays."""
    with Tape() as tape:
        y = op(*(tape.watch(x.astype(dtype)) for x in arrays))
        weights = np.random.default_rng(1).normal(size=y.shape).astype(dtype)
    return [y.value, *tape.gradients([(y, weights)])]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["linear", "relu"])
@pytest.mark.parametrize("case", CASES)
def test_the_bits_are_those_of_two_ops(monkeypatch, two_threads, case, activation, dtype):
    shape, kernel, conv, size, strides = case
    rng = np.random.default_rng(0)
    arrays = rng.normal(size=shape), rng.normal(size=kernel), rng.normal(size=kernel[-1])

    def apart(x, w, b):
        return ops.max_pool(ops.conv(x, w, b, activation=activation, **conv), size=size, strides=strides)

    def together(x, w, b):
        return ops.conv_max_pool(x, w, b, size=size, pool_strides=strides, activation=activation, **conv)

    wanted = computed(apart, arrays, dtype)
    for group_bytes in (conv_pool._GROUP_BYTES, 1):
        monkeypatch.setattr(conv_pool, "_GROUP_BYTES", group_bytes)
        for got, array in zip(computed(together, arrays, dtype), wanted, strict=True):
            np.testing.assert_array_equal(got, array)


def test_groups_cover_all_images_and_none_is_too_small():
    for images in (0, 1, 7, 8, 15, 16, 17, 128, 1000):
        groups = conv_pool._groups((images, 10, 10, 1000), 4)  # 400 kB an image: four are one group by bytes, eight by points
        assert [i for begin, end in groups for i in range(begin, end)] == list(range(images))
        assert all(8 <= end - begin < 16 for begin, end in groups) or images < 8
    assert len(conv_pool._groups((128, 24, 24, 64), 4)) == 12


def test_arguments_that_do_not_fit_are_refused():
    x, kernel = np.ones((2, 20, 20, 3)), np.ones((2, 2, 3, 4))
    with pytest.raises(ValueError, match=r"conv_max_pool: expected a window of at most 255 places, got \(16, 16\)"):
        ops.conv_max_pool(x, kernel, None, size=(16, 16), pool_strides=(1, 1), activation="relu")
    with pytest.raises(ValueError, match=r"conv_max_pool: expected \[N, H, W, 3\], got shape \(20, 20, 3\)"):
        ops.conv_max_pool(x[0], kernel, None, size=(2, 2), pool_strides=(1, 1))
    with pytest.raises(ValueError, match=r"conv_max_pool: no window of \(15, 15\) fits into shape \(2, 5, 19, 4\)"):
        ops.conv_max_pool(x[:, :6], kernel, None, size=(15, 15), pool_strides=(1, 1))
