"""Transposed convolutions: lengths, comparison with the loop over taps, errors."""

import numpy as np
import pytest

from lamella.layers import Conv2D, Conv2DTranspose, Conv3DTranspose, Input
from tests.oracles import conv as oracle

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "arguments, wanted",
    [
        (dict(kernel_size=3, strides=2), (9, 11)),
        (dict(kernel_size=2, strides=3), (12, 15)),
        (dict(kernel_size=3, strides=2, padding="same"), (8, 10)),
        (dict(kernel_size=3, strides=2, padding="same", output_padding=0), (7, 9)),
        (dict(kernel_size=3, strides=2, padding="same", output_padding=(1, 0)), (8, 9)),
        (dict(kernel_size=(3, 2), strides=2, output_padding=1), (10, 11)),
        (dict(kernel_size=2, strides=1, dilation_rate=3), (7, 8)),
    ],
)
def test_lengths_and_values(arguments, wanted, float64):
    x = RNG.normal(size=(2, 4, 5, 3))
    layer = Conv2DTranspose(2, bias_initializer="random_normal", **arguments)
    y = layer(x)
    assert y.shape == (2, *wanted, 2) == layer.compute_output_shape(x.shape)
    kernel, bias = layer.get_weights()
    reach = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip((4, 5), layer.strides, layer.kernel_size, layer.dilation_rate)]
    before = [max(r - n, 0) // 2 if layer.padding == "same" else 0 for r, n in zip(reach, wanted)]
    expected = oracle.backward(np.zeros(y.shape), kernel, x, layer.strides, layer.dilation_rate, before)[0] + bias
    np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-12)
    first = Conv2DTranspose.from_config(layer.get_config() | {"data_format": "channels_first"})
    first.build((None, 3, 4, 5))
    first.set_weights([kernel, bias])
    np.testing.assert_allclose(first(np.moveaxis(x, -1, 1)), np.moveaxis(expected, -1, 1), rtol=1e-10, atol=1e-12)


def test_it_is_the_gradient_of_a_convolution(float64):
    """<conv(x), z> = <x, transpose(z)>."""
    x, z = RNG.normal(size=(2, 8, 10, 3)), RNG.normal(size=(2, 4, 5, 6))
    there, back = Conv2D(6, 3, strides=2, padding="same"), Conv2DTranspose(3, 3, strides=2, padding="same")
    y = there(x)
    back.build(z.shape)
    back.set_weights([there.get_weights()[0], np.zeros(3)])
    np.testing.assert_allclose((y * z).sum(), (x * back(z)).sum(), rtol=1e-12)


def test_configs():
    assert Conv2DTranspose(2, 3, strides=2, output_padding=1).get_config()["output_padding"] == (1, 1)
    assert Conv2DTranspose(2, 3).get_config()["output_padding"] is None
    assert "dilation_rate" not in Conv3DTranspose(2, 3).get_config()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Conv2DTranspose(2, 3, strides=2, output_padding=2), r"Stride \(2, 2\) must be greater than output padding \(2, 2\)"),
        (lambda: Conv2DTranspose(2, 3, strides=2, output_padding=-1), "`output_padding` argument must be a tuple of 2 integers"),
        (lambda: Conv3DTranspose(2, 3, padding="causal"), 'must be one of "valid", "same"'),
        (lambda: Conv2DTranspose(2, 3)(Input((4, 4, None))), "channel dimension of the inputs should be defined"),
    ],
)  # fmt: skip
def test_wrong_arguments_raise(make, message):
    with pytest.raises(ValueError, match=message):
        make()
