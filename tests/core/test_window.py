"""Windows on one to three axes: their number, and the zeros before the first place."""

import itertools

import pytest

from lamella.core.window import Window, layout, place


def windows(size, k, stride, dilation, padding):
    """(first places of the windows, number of zeros before), found by a loop."""
    reach = (k - 1) * dilation + 1
    if padding == "same":
        count = -(-size // stride)
        before = max(0, (count - 1) * stride + reach - size) // 2
        return count, before
    before, after = {"valid": (0, 0), "causal": (reach - 1, 0), "full": (reach - 1, reach - 1)}[padding]
    return len(range(0, size + before + after - reach + 1, stride)), before


@pytest.mark.parametrize("padding", ["valid", "same", "causal", "full"])
def test_lengths_and_zeros_before(padding):
    for size, k, stride, dilation in itertools.product((1, 4, 7), (1, 2, 5), (1, 2, 3), (1, 3)):
        window = Window((k,), (stride,), (dilation,), padding)
        count, before = windows(size, k, stride, dilation, padding)
        assert window.lengths((size,)) == (count,)
        assert window.geometry((size,)) == ((k,), (stride,), (dilation,), (before,))
        assert window.lengths((None,)) == (None,)


def test_axes_are_independent():
    window = Window.over([2, 3], (1, 2), None, "same")
    assert window == Window((2, 3), (1, 2), (1, 1), "same")
    assert window.lengths((5, None)) == (5, None)
    assert window.geometry((5, 6))[3] == (0, 0)


def test_numbers_that_do_not_fit_are_refused():
    for strides in ((1,), (1, 0), (1, 1, 1)):
        with pytest.raises(ValueError, match="expected 2 positive numbers for a window's size, strides and dilation"):
            Window.over((2, 2), strides)
    with pytest.raises(ValueError, match='expected padding to be "valid", "same", "causal" or "full"'):
        Window.over((2,), padding="reflect").lengths((5,))


def test_layouts_name_the_axes():
    assert [layout(axes) for axes in (1, 2, 3)] == ["[N, T, C]", "[N, H, W, C]", "[N, D, H, W, C]"]


def test_place_gives_the_geometry_for_kernels():
    geometry, counts = place((8, 5, 6, 3), [2, 3], (1, 2), None, "same", "conv")
    assert (geometry, counts) == (((2, 3), (1, 2), (1, 1), (0, 0)), (5, 3))
    assert place((1, 5, 6, 9), (2, 3), [1, 2], None, "same", "conv")[0] is geometry  # not computed again
    assert place((0, 5, 3), (2,), None, (3,), "valid", "conv") == (((2,), (1,), (3,), (0,)), (2,))
    with pytest.raises(ValueError, match=r"^conv: no window of \(2,\) with dilation \(3,\) fits into shape \(1, 3, 3\)$"):
        place((1, 3, 3), (2,), None, (3,), "valid", "conv")
