"""Metrics: functions (y_true, y_pred) -> one value per sample, averaged over batches, and objects of class Metric, which count
over the whole epoch. Every loss is also a metric.

Source: Keras 2.2.5. A custom metric may use plain NumPy. An object may declare its `direction`, "min" or "max".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lamella.core import configurable
from lamella.core.registry import enter, names
from lamella.losses.functions import *  # noqa: F403
from lamella.losses.functions import FUNCTIONS
from lamella.metrics.accuracies import *  # noqa: F403
from lamella.metrics.auc import *  # noqa: F403
from lamella.metrics.confusion import *  # noqa: F403
from lamella.metrics.iou import *  # noqa: F403
from lamella.metrics.means import *  # noqa: F403
from lamella.metrics.of_losses import *  # noqa: F403
from lamella.metrics.streaming import Metric as Metric

for _name, _loss in FUNCTIONS.items():
    enter("metrics", _name, _loss)


def serialize(metric: Any) -> Any:
    """The name of a metric function, or the description of a metric object.

    Args:
        metric: The metric.
    """
    return configurable.serialize(metric)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The metric of a name or description.

    Args:
        config: A name, or {"class_name": ..., "config": ...}.
        custom_objects: Functions and classes by name.

    Raises:
        ValueError: The name is unknown ("Unknown metric function: ...").
    """
    return configurable.deserialize("metrics", config, custom_objects)


def get(identifier: Any) -> Callable[..., Any]:
    """The metric that `identifier` names or describes.

    Args:
        identifier: A name, a description, or a function or object, which is returned itself.

    Raises:
        ValueError: It is something else, or an unknown name.
    """
    if isinstance(identifier, (str, Mapping)):
        found: Callable[..., Any] = deserialize(identifier)
        return found
    if callable(identifier):
        function: Callable[..., Any] = identifier
        return function
    raise ValueError(f"Could not interpret metric function identifier: {identifier}")


__all__ = list(names("metrics"))
__all__ += ["Metric", "deserialize", "get", "serialize"]
