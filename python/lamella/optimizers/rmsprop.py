"""RMSprop: AdaGrad with a moving average instead of a sum."""

from __future__ import annotations

from collections.abc import Sequence

from lamella import _kernels
from lamella.core.atomic import Call
from lamella.core.registry import register
from lamella.core.types import Array
from lamella.optimizers.arguments import epsilon_or_default
from lamella.optimizers.base import Optimizer
from lamella.optimizers.schedules import LearningRate
from lamella.optimizers.state import Bounds


@register("optimizers", "rmsprop")
class RMSprop(Optimizer):
    """a = rho*a + (1-rho)*g*g;  p -= lr * g / (sqrt(a) + epsilon).

    With `centered`, the rule divides by the variance a - c*c, at least 0, where c = rho*c + (1-rho)*g, instead of a.
    With a momentum: m = momentum*m + lr * g / sqrt(a + epsilon);  p -= m.

    These are two forms: epsilon is outside of the root without a momentum, and inside with one. A small a gives different steps
    (a = 0: lr*g / epsilon, and lr*g / sqrt(epsilon)). tf.keras has both: without a momentum it uses the formula of Keras, with
    one TensorFlow's ApplyRMSProp. So momentum=0 is not the limit of small momenta, here and in tf.keras.

    Args:
        lr: Learning rate: a number or a LearningRateSchedule.
        rho: Decay of the moving averages.
        epsilon: Number >= 0; None is the current value of K.epsilon().
        decay: The learning rate of a step is lr / (1 + decay * iterations).
        momentum: Number >= 0. It may be changed during training, unless it is 0 at first.
        centered: Whether to divide by the root of the variance.
        **kwargs: The arguments of Optimizer.

    Raises:
        ValueError: The momentum is below 0. In a step: the optimizer was made without a momentum and has one now.

    Source: Tieleman & Hinton 2012, lecture 6.5; Keras 2.2.5, which has neither momentum nor centered; tf.keras of TensorFlow 2.10.
    """

    lists_iterations = False
    added = ("momentum", "centered")

    def __init__(
        self,
        lr: LearningRate = 0.001,
        rho: float = 0.9,
        epsilon: float | None = None,
        decay: float = 0.0,
        *,
        momentum: float = 0.0,
        centered: bool = False,
        **kwargs: float | None,
    ) -> None:
        super().__init__(**kwargs)
        self.lr = self.rate(lr)
        self.rho = self.number("rho", rho)
        self.decay = self.number("decay", decay)
        self.epsilon = epsilon_or_default(epsilon)
        self.initial_decay = float(self.decay)
        self.momentum = self.number("momentum", momentum)
        if float(self.momentum) < 0:
            raise ValueError(f"RMSprop: expected momentum to be a number >= 0, got {momentum!r}")
        self.centered = bool(centered)
        # The order in which tf.keras saves them.
        moments, means = ("moments",) if float(self.momentum) else (), ("means",) if self.centered else ()
        self.slots = ("accumulators", *moments, *means)

    def calls(self, params: Sequence[Array], grads: Sequence[Array], iterations: int, bounds: Bounds) -> list[Call]:
        lr, rho, epsilon, slots = self.decayed(iterations), self.rounded(self.rho), self.epsilon, self._state.slots
        momentum = self.rounded(self.momentum)
        if "moments" in self.slots:
            means = slots[2] if self.centered else []
            return [(_kernels.momentum_rmsprop_update, (params, grads, *slots[:2], means, lr, rho, momentum, epsilon, bounds))]
        if momentum:
            raise ValueError(f"RMSprop: it was made without a momentum, got {momentum!r}; make it with momentum={momentum!r}")
        kernel = _kernels.centered_rmsprop_update if self.centered else _kernels.rmsprop_update
        return [(kernel, (params, grads, *slots, lr, rho, epsilon, bounds))]
