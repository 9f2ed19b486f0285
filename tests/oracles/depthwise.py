"""Depthwise convolution by its definition: a convolution whose weights between different channels are 0."""

import numpy as np

from tests.oracles import conv


def whole(w):
    """[..., C, M] as [..., C, C*M]."""
    channels, multiplier = w.shape[-2:]
    whole = np.zeros((*w.shape[:-1], channels * multiplier))
    for c in range(channels):
        whole[..., c, c * multiplier : (c + 1) * multiplier] = w[..., c, :]
    return whole


def forward(x, w, bias, relu, y_shape, strides, dilation, before):
    return conv.forward(x, whole(w), bias, relu, y_shape, strides, dilation, before)


def backward(x, w, dy, strides, dilation, before):
    """dx, dw, dbias."""
    dx, dwhole, dbias = conv.backward(x, whole(w), dy, strides, dilation, before)
    dw = np.empty(w.shape)
    multiplier = w.shape[-1]
    for c in range(w.shape[-2]):
        dw[..., c, :] = dwhole[..., c, c * multiplier : (c + 1) * multiplier]
    return dx, dw, dbias
