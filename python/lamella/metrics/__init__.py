"""Metrics: functions (y_true, y_pred) -> one value per sample, averaged over batches; every loss is one, too. Objects of
class Metric count over the whole epoch.

Source: Keras 2.2.5. A metric of one's own may be plain NumPy; an object may declare `direction`, "min" or "max".
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
from lamella.metrics.means import *  # noqa: F403
from lamella.metrics.streaming import Metric as Metric

for _name, _loss in FUNCTIONS.items():
    enter("metrics", _name, _loss)


def serialize(metric: Any) -> Any:
    """The name of a metric function."""
    return configurable.serialize(metric)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The metric of that name or config. Raises ValueError "Unknown metric function: ..."."""
    return configurable.deserialize("metrics", config, custom_objects)


def get(identifier: Any) -> Callable[..., Any]:
    """A name or config, or a function as it is. Raises ValueError for anything else."""
    if isinstance(identifier, (str, Mapping)):
        found: Callable[..., Any] = deserialize(identifier)
        return found
    if callable(identifier):
        function: Callable[..., Any] = identifier
        return function
    raise ValueError(f"Could not interpret metric function identifier: {identifier}")


__all__ = list(names("metrics"))
__all__ += ["Metric", "deserialize", "get", "serialize"]
