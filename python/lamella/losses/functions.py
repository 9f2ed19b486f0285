"""Losses: functions (y_true, y_pred) -> one value per row, over the last axis. Source: Keras 2.2.5.

y_pred is float32 or float64, and the result has its dtype; y_true has numbers of any dtype, which are converted.

Called on symbolic tensors, they make tensors of the graph, for Model.add_loss. A custom loss is any such function that uses
`lamella.backend` or Python's operators.
"""

from __future__ import annotations

from lamella import ops
from lamella.core.graphs import accepts_symbolic
from lamella.core.registry import enter
from lamella.core.types import Value


@accepts_symbolic("losses")
def mean_squared_error(y_true: Value, y_pred: Value) -> Value:
    """mean (p - y)^2.

    Args:
        y_true: The values that the model should output, [..., C].
        y_pred: The model's outputs, [..., C].

    Returns:
        One value for each row, [...].
    """
    return ops.squared_error(y_pred, y_true)


@accepts_symbolic("losses")
def mean_absolute_error(y_true: Value, y_pred: Value) -> Value:
    """mean |p - y|.

    Args:
        y_true: The values that the model should output, [..., C].
        y_pred: The model's outputs, [..., C].

    Returns:
        One value for each row, [...].
    """
    return ops.absolute_error(y_pred, y_true)


@accepts_symbolic("losses")
def mean_absolute_percentage_error(y_true: Value, y_pred: Value) -> Value:
    """100 * mean |(y - p) / max(|y|, epsilon)|.

    Args:
        y_true: The values that the model should output, [..., C].
        y_pred: The model's outputs, [..., C].

    Returns:
        One value for each row, [...].
    """
    return ops.percentage_error(y_pred, y_true)


@accepts_symbolic("losses")
def mean_squared_logarithmic_error(y_true: Value, y_pred: Value) -> Value:
    """mean (log(max(p, epsilon) + 1) - log(max(y, epsilon) + 1))^2.

    Args:
        y_true: The values that the model should output, [..., C].
        y_pred: The model's outputs, [..., C].

    Returns:
        One value for each row, [...].
    """
    return ops.logarithmic_error(y_pred, y_true)


@accepts_symbolic("losses")
def squared_hinge(y_true: Value, y_pred: Value) -> Value:
    """mean max(1 - y*p, 0)^2, with y in {-1, 1}.

    Args:
        y_true: The values that the model should output, [..., C].
        y_pred: The model's outputs, [..., C].

    Returns:
        One value for each row, [...].
    """
    return ops.squared_hinge(y_pred, y_true)


@accepts_symbolic("losses")
def hinge(y_true: Value, y_pred: Value) -> Value:
    """mean max(1 - y*p, 0), with y in {-1, 1}.

    Args:
        y_true: The values that the model should output, [..., C].
        y_pred: The model's outputs, [..., C].

    Returns:
        One value for each row, [...].
    """
    return ops.hinge(y_pred, y_true)


@accepts_symbolic("losses")
def categorical_hinge(y_true: Value, y_pred: Value) -> Value:
    """max(0, max((1-y)*p) - sum(y*p) + 1).

    Args:
        y_true: The values that the model should output, [..., C].
        y_pred: The model's outputs, [..., C].

    Returns:
        One value for each row, [...].
    """
    return ops.categorical_hinge(y_pred, y_true)


@accepts_symbolic("losses")
def logcosh(y_true: Value, y_pred: Value) -> Value:
    """mean log(cosh(p - y)), computed without overflow, and precisely near 0.

    Args:
        y_true: The values that the model should output, [..., C].
        y_pred: The model's outputs, [..., C].

    Returns:
        One value for each row, [...].
    """
    return ops.logcosh(y_pred, y_true)


@accepts_symbolic("losses")
def categorical_crossentropy(y_true: Value, y_pred: Value) -> Value:
    """-sum y log(p / sum p), where p is clipped to [epsilon, 1 - epsilon].

    Deviation from Keras 2.2.5: if softmax made y_pred, its input gets the gradient p - y also where p is clipped. Keras
    passes 0 there, so that a row whose class has p < epsilon is not learned.

    Args:
        y_true: The values that the model should output, [..., C].
        y_pred: The model's outputs, [..., C].

    Returns:
        One value for each row, [...].
    """
    return ops.categorical_crossentropy(y_pred, y_true)


@accepts_symbolic("losses")
def sparse_categorical_crossentropy(y_true: Value, y_pred: Value) -> Value:
    """-log p[y] for class labels y [..., 1] or [...].

    Deviation from Keras 2.2.5: if softmax made y_pred, its input gets the gradient p - y also where p is clipped. Keras
    passes 0 there, so that a row whose class has p < epsilon is not learned.

    Args:
        y_true: The values that the model should output: class labels, [...] or [..., 1].
        y_pred: The model's outputs, [..., C].

    Returns:
        One value for each row, [...].
    """
    return ops.sparse_categorical_crossentropy(y_pred, y_true)


@accepts_symbolic("losses")
def binary_crossentropy(y_true: Value, y_pred: Value) -> Value:
    """mean -(y log p + (1-y) log(1-p)), where p is clipped to [epsilon, 1 - epsilon].

    Deviation from Keras 2.2.5: if sigmoid made y_pred, its input gets the gradient p - y also where p is clipped. Keras
    passes 0 there, so that a row whose class has p < epsilon is not learned.

    Args:
        y_true: The values that the model should output, [..., C].
        y_pred: The model's outputs, [..., C].

    Returns:
        One value for each row, [...].
    """
    return ops.binary_crossentropy(y_pred, y_true)


@accepts_symbolic("losses")
def kullback_leibler_divergence(y_true: Value, y_pred: Value) -> Value:
    """sum y log(y / p), both clipped to [epsilon, 1].

    Args:
        y_true: The values that the model should output, [..., C].
        y_pred: The model's outputs, [..., C].

    Returns:
        One value for each row, [...].
    """
    return ops.kl_divergence(y_pred, y_true)


@accepts_symbolic("losses")
def poisson(y_true: Value, y_pred: Value) -> Value:
    """mean p - y log(p + epsilon).

    Args:
        y_true: The values that the model should output, [..., C].
        y_pred: The model's outputs, [..., C].

    Returns:
        One value for each row, [...].
    """
    return ops.poisson(y_pred, y_true)


@accepts_symbolic("losses")
def cosine_proximity(y_true: Value, y_pred: Value) -> Value:
    """-cos(y, p).

    Args:
        y_true: The values that the model should output, [..., C].
        y_pred: The model's outputs, [..., C].

    Returns:
        One value for each row, [...].
    """
    return ops.cosine_proximity(y_pred, y_true)


@accepts_symbolic("losses")
def huber(y_true: Value, y_pred: Value, delta: float = 1.0) -> Value:
    """mean of e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2), e = p - y.

    Args:
        y_true: The values that the model should output, [..., C].
        y_pred: The model's outputs, [..., C].
        delta: The error, above 0, from which the loss is linear.

    Returns:
        One value for each row, [...].
    """
    error = ops.abs(ops.subtract(y_pred, y_true))
    square = ops.minimum(error, delta)
    line = ops.subtract(error, square)
    return ops.mean(ops.add(ops.multiply(ops.square(square), 0.5), ops.multiply(line, delta)), axis=-1)


mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
kld = KLD = kullback_leibler_divergence
cosine = cosine_proximity

# Each function that this module defines is a loss by each of its names, and also a metric.
FUNCTIONS = {name: value for name, value in globals().items() if getattr(value, "__module__", None) == __name__}
for _name, _function in FUNCTIONS.items():
    enter("losses", _name, _function)

# As metrics, Keras also computes these of labels [..., 1]: each label counts for all classes. Scripts list "mae" beside "acc".
for _function in (
    mean_squared_error, mean_absolute_error, mean_absolute_percentage_error, mean_squared_logarithmic_error, squared_hinge, hinge,
    logcosh, kullback_leibler_divergence, poisson, categorical_crossentropy, binary_crossentropy,
):  # fmt: skip
    setattr(_function, "takes_labels", True)
