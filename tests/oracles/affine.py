"""Affine transformations of images, pixel by pixel, as defined by scipy.ndimage.affine_transform, and the steps after it."""

import math

import numpy as np

MARGIN = 12  # SciPy extends an image by this number of pixels before it computes the spline of a "nearest" fill


def place_inside(v, n, fill, margin):
    """The coordinate on an axis of n pixels, which may be outside by a margin, or None for the constant."""
    if 0 <= v <= n - 1:
        return v
    if fill == "constant":
        return None
    if n == 1:
        return 0.0
    if fill == "nearest":
        return min(max(v, -margin), n - 1 + margin)
    if fill == "wrap":  # the last pixel is the first of the next period
        return v % (n - 1) if v > 0 else n - 1 - -v % (n - 1)
    v = (v + 0.5) % (2 * n)  # mirrored at -1/2 and n - 1/2
    return (v if v <= n else 2 * n - v) - 0.5


def pixel(i, n, fill):
    """The pixel at index i, which may be outside."""
    if fill == "nearest" or n == 1:
        return min(max(i, 0), n - 1)
    if fill == "reflect":
        i %= 2 * n
        return i if i < n else 2 * n - 1 - i
    i %= 2 * n - 2
    return i if i < n else 2 * n - 2 - i


def coefficients(line, fill):
    """c with (c[i-1] + 4 c[i] + c[i+1]) / 6 equal to the line. Outside, c is continued in the same way as the line."""
    n = len(line)
    if n == 1:
        return line
    matrix = np.zeros((n, n))
    for i in range(n):
        for step, weight in ((-1, 1 / 6), (0, 4 / 6), (1, 1 / 6)):
            matrix[i, pixel(i + step, n, fill)] += weight
    return np.linalg.solve(matrix, line.reshape(n, -1)).reshape(line.shape)


def weights(v, order):
    """[(pixel, weight)] for a coordinate."""
    if order == 0:
        return [(math.floor(v + 0.5), 1.0)]
    i = math.floor(v)
    t = v - i
    if order == 1:
        return [(i, 1 - t), (i + 1, t)]
    cubic = [(1 - t) ** 3, 4 - 6 * t**2 + 3 * t**3, 4 - 6 * (1 - t) ** 2 + 3 * (1 - t) ** 3, t**3]
    return [(i - 1 + k, w / 6) for k, w in enumerate(cubic)]


def transform(x, matrix, order, fill, cval, shape):
    """x [H, W, C] at matrix[:, :2] @ (p, q) + matrix[:, 2] for each pixel (p, q) of [P, Q], in float64."""
    samples, margin = np.asarray(x, np.float64), 0
    if order == 3:
        margin = MARGIN if fill == "nearest" else 0
        samples = np.pad(samples, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
        for axis in (0, 1):
            samples = np.moveaxis(coefficients(np.moveaxis(samples, axis, 0), fill), 0, axis)
    y = np.zeros((*shape, x.shape[2]))
    for p, q in np.ndindex(*shape):
        where = [c + a * p + b * q for a, b, c in matrix]
        places = [place_inside(v, n, fill, margin) for v, n in zip(where, x.shape[:2], strict=True)]
        if None in places:
            y[p, q] = cval
            continue
        for i, down in weights(places[0] + margin, order):
            for j, across in weights(places[1] + margin, order):
                y[p, q] += down * across * samples[pixel(i, samples.shape[0], fill), pixel(j, samples.shape[1], fill)]
    return y


def recolour(y, shift=None, flips=(False, False), factor=None, white=np.inf):
    """The changes of one image's colours, and its flips."""
    if shift is not None:
        y = np.clip(y + shift, y.min(), y.max())
    y = y[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
    if factor is not None:
        y = np.minimum(y * factor, np.maximum(y, white))
    return y


def standardize(y, rescale=1.0, center=False, scale=False, mean=None, deviation=None):
    """The standardization of one image, in the order of Keras."""
    y = y * rescale
    if center or scale:
        less, over = y.mean() if center else 0.0, y.std() + 1e-6 if scale else 1.0
        y = (y - less) / over
    if mean is not None:
        y = y - mean
    if deviation is not None:
        y = y / deviation
    return y
