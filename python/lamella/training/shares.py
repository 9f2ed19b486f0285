"""The weighted mean of the losses of samples, as a factor for each of them."""

from __future__ import annotations

from typing import Literal

import numpy as np

from lamella.core.types import Array

Rule = Literal["weights", "rows", "sum"]


def row_shares(weights: Array | None, losses: Array, mask: Array | None = None, rule: Rule = "weights") -> Array:
    """The factor of each element of `losses` in their weighted mean.

    The mean of Keras 2.2.5 is sum(w * l) / count_nonzero(w); the divisor is neither sum(w) nor N. If the losses have more axes
    than the weights, they are averaged over the additional axes first. If they have fewer, they are repeated. A mask multiplies
    the losses by mask / (mean(mask) + 1e-7) first, so masked losses count nothing. A single loss counts as one for each element of
    the mask.

    Args:
        weights: Sample weights [N] or [N, T], or None for equal weights.
        losses: Losses of samples, float32 or float64 [N, ...].
        mask: Mask of the losses' shape, or None.
        rule: "weights" is the mean above. "rows", of tf.keras 2.11, is sum(w * l) / N, where N does not count masked losses.
            "sum" is sum(w * l).

    Returns:
        An array of the shape and dtype of `losses`.

    Raises:
        ValueError: The mask has another shape than the losses.

    Source: Keras 2.2.5. If all weights are 0 the mean is 0 here; Keras divides by zero, and all weights become NaN.
    """
    if mask is not None and losses.ndim == 0 and rule == "weights":
        each = np.broadcast_to(losses, mask.shape)
        return np.asarray(row_shares(weights, each, mask, rule).sum(), losses.dtype)
    if mask is not None and losses.ndim:
        if mask.shape != losses.shape:
            raise ValueError(f"expected a mask of the losses' shape {losses.shape}, got {mask.shape}")
        if rule == "sum":
            scale = mask
        elif rule == "rows":
            scale = mask * (mask.size / (np.count_nonzero(mask) or 1))
        else:
            scale = mask / (mask.mean() + 1e-7)
        return np.asarray(row_shares(weights, losses, rule=rule) * scale, losses.dtype)
    if rule == "sum":
        return np.asarray(row_shares(weights, losses, rule="rows") * losses.size, losses.dtype)
    if weights is None:
        return np.full(losses.shape, 1 / (losses.size or 1), losses.dtype)
    counted = np.count_nonzero(weights) if rule == "weights" else weights.size
    shares = weights / losses.dtype.type(counted or 1)
    if losses.ndim > weights.ndim:
        extra = losses.shape[weights.ndim :]
        shares = shares.reshape(*weights.shape, *[1] * len(extra)) / losses.dtype.type(np.prod(extra))
        shares = np.broadcast_to(shares, losses.shape)
    elif losses.ndim < weights.ndim:
        shares = shares.sum(axis=tuple(range(weights.ndim - losses.ndim)))
    return np.asarray(shares, losses.dtype)
