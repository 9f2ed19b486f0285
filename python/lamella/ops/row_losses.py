"""The losses of rows except the cross-entropies: they reduce the last axis, the row, and keep the others.

Each has one kernel for forward and one for backward. The constants are those of Keras 2.2.5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from lamella import _kernels
from lamella.core.config import epsilon
from lamella.core.types import Array
from lamella.ops.arrays import contiguous, empty_like
from lamella.ops.tape import Backward, Gradients, Tensor, differentiable
from lamella.ops.targets import target_like

Kernel = Callable[..., None]
# How the gradient of y is computed: by a kernel, or by that of p with its sign "negated", or with p and y "swapped".
ToTarget = Literal["negated", "swapped"] | Kernel


def _row_loss(
    who: str, formula: str, forward: Kernel, to_p: Kernel, to_y: ToTarget, *, clipped: bool = False
) -> Callable[..., Array | Tensor]:
    """An op for a loss of rows.

    Args:
        who: Name of the op.
        formula: Formula, for its docstring.
        forward: The kernel forward(p, y, loss).
        to_p: The kernel of the gradient of p, (p, y, dloss, dp).
        to_y: The gradient of y, see ToTarget.
        clipped: Whether the kernels take K.epsilon() before the array that they write.
    """

    def op(p: Array, y: Array) -> tuple[Array, Backward]:
        p, y = contiguous(p), target_like(p, y, who)
        constants = (epsilon(),) if clipped else ()
        loss = empty_like(p, p.shape[:-1])
        forward(p, y, *constants, loss)

        def backward(dloss: Array, need: tuple[bool, ...]) -> Gradients:
            dloss = contiguous(dloss)
            dp = dy = None
            if need[0]:
                dp = empty_like(p)
                to_p(p, y, dloss, *constants, dp)
            if need[1]:
                dy = empty_like(y)
                if to_y == "negated":
                    to_p(p, y, np.negative(dloss), *constants, dy)
                elif to_y == "swapped":
                    to_p(y, p, dloss, *constants, dy)
                else:
                    to_y(p, y, dloss, *constants, dy)
            return dp, dy

        return loss, backward

    op.__name__ = op.__qualname__ = who
    op.__doc__ = f"{formula} over the last axis; p, y: float [..., C] of one shape. Returns [...]."
    return differentiable(op)


squared_error = _row_loss(
    "squared_error", "mean((p - y)**2)", _kernels.squared_error_forward, _kernels.squared_error_backward, "negated"
)
absolute_error = _row_loss(
    "absolute_error", "mean(|p - y|)", _kernels.absolute_error_forward, _kernels.absolute_error_backward, "negated"
)
percentage_error = _row_loss(
    "percentage_error", "mean(100 * |p - y| / max(|y|, epsilon))",
    _kernels.percentage_error_forward, _kernels.percentage_error_backward, _kernels.percentage_error_backward_target,
    clipped=True,
)  # fmt: skip
logarithmic_error = _row_loss(
    "logarithmic_error", "mean((log(max(p, epsilon) + 1) - log(max(y, epsilon) + 1))**2)",
    _kernels.logarithmic_error_forward, _kernels.logarithmic_error_backward, "swapped", clipped=True,
)  # fmt: skip
logcosh = _row_loss("logcosh", "mean(log(cosh(p - y)))", _kernels.logcosh_forward, _kernels.logcosh_backward, "negated")
poisson = _row_loss(
    "poisson", "mean(p - y * log(p + epsilon))",
    _kernels.poisson_forward, _kernels.poisson_backward, _kernels.poisson_backward_target, clipped=True,
)  # fmt: skip
hinge = _row_loss("hinge", "mean(max(1 - y * p, 0))", _kernels.hinge_forward, _kernels.hinge_backward, "swapped")
squared_hinge = _row_loss(
    "squared_hinge", "mean(max(1 - y * p, 0)**2)", _kernels.squared_hinge_forward, _kernels.squared_hinge_backward, "swapped"
)
categorical_hinge = _row_loss(
    "categorical_hinge", "max(0, max((1 - y) * p) - sum(y * p) + 1)",
    _kernels.categorical_hinge_forward, _kernels.categorical_hinge_backward, _kernels.categorical_hinge_backward_target,
)  # fmt: skip
kl_divergence = _row_loss(
    "kl_divergence", "sum(y * log(y / p)), both clipped to [epsilon, 1],",
    _kernels.kl_divergence_forward, _kernels.kl_divergence_backward, _kernels.kl_divergence_backward_target, clipped=True,
)  # fmt: skip
cosine_proximity = _row_loss(
    "cosine_proximity", "-sum(p * y) / (|p| * |y|)", _kernels.cosine_forward, _kernels.cosine_backward, "swapped"
)
