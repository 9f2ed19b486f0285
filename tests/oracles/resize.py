"""Resizing by its definition: each place is a weighted mean of the places of x around it."""

import itertools

import numpy as np


def neighbours(place, size, factor, interpolation):
    """[(place of x, weight)] for each place along one axis."""
    at, low = place / factor, place // factor
    if interpolation == "nearest":
        return [(low, 1.0)]
    if interpolation == "bilinear_half_pixel":
        at = (place + 0.5) / factor - 0.5
        low = int(np.floor(at))
        return [(max(low, 0), 1.0 - (at - low)), (min(low + 1, size - 1), at - low)]
    return [(low, 1.0 - (at - low)), (min(low + 1, size - 1), at - low)]


def resize(x, factors, interpolation):
    """The result and its backward."""
    sizes = x.shape[1:-1]
    y = np.zeros((x.shape[0], *(n * f for n, f in zip(sizes, factors)), x.shape[-1]))
    terms = []
    for place in itertools.product(*map(range, y.shape[1:-1])):
        around = [neighbours(p, n, f, interpolation) for p, n, f in zip(place, sizes, factors)]
        for corner in itertools.product(*around):
            source, weight = tuple(p for p, _ in corner), np.prod([w for _, w in corner])
            y[(slice(None), *place)] += weight * x[(slice(None), *source)]
            terms.append((place, source, weight))

    def back(dy):
        dx = np.zeros(x.shape)
        for place, source, weight in terms:
            dx[(slice(None), *source)] += weight * dy[(slice(None), *place)]
        return dx

    return y, back
