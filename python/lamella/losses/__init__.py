"""What compile takes as a loss: functions of Keras 2.2.5, and the objects of class Loss of Keras 2.3 and tf.keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.core import configurable
from lamella.losses.functions import KLD as KLD
from lamella.losses.functions import MAE as MAE
from lamella.losses.functions import MAPE as MAPE
from lamella.losses.functions import MSE as MSE
from lamella.losses.functions import MSLE as MSLE
from lamella.losses.functions import binary_crossentropy as binary_crossentropy
from lamella.losses.functions import categorical_crossentropy as categorical_crossentropy
from lamella.losses.functions import categorical_hinge as categorical_hinge
from lamella.losses.functions import cosine as cosine
from lamella.losses.functions import cosine_proximity as cosine_proximity
from lamella.losses.functions import hinge as hinge
from lamella.losses.functions import kld as kld
from lamella.losses.functions import kullback_leibler_divergence as kullback_leibler_divergence
from lamella.losses.functions import logcosh as logcosh
from lamella.losses.functions import mae as mae
from lamella.losses.functions import mape as mape
from lamella.losses.functions import mean_absolute_error as mean_absolute_error
from lamella.losses.functions import mean_absolute_percentage_error as mean_absolute_percentage_error
from lamella.losses.functions import mean_squared_error as mean_squared_error
from lamella.losses.functions import mean_squared_logarithmic_error as mean_squared_logarithmic_error
from lamella.losses.functions import mse as mse
from lamella.losses.functions import msle as msle
from lamella.losses.functions import poisson as poisson
from lamella.losses.functions import sparse_categorical_crossentropy as sparse_categorical_crossentropy
from lamella.losses.functions import squared_hinge as squared_hinge
from lamella.losses.objects import BinaryCrossentropy as BinaryCrossentropy
from lamella.losses.objects import CategoricalCrossentropy as CategoricalCrossentropy
from lamella.losses.objects import CategoricalHinge as CategoricalHinge
from lamella.losses.objects import CosineSimilarity as CosineSimilarity
from lamella.losses.objects import Hinge as Hinge
from lamella.losses.objects import Huber as Huber
from lamella.losses.objects import KLDivergence as KLDivergence
from lamella.losses.objects import LogCosh as LogCosh
from lamella.losses.objects import Loss as Loss
from lamella.losses.objects import MeanAbsoluteError as MeanAbsoluteError
from lamella.losses.objects import MeanAbsolutePercentageError as MeanAbsolutePercentageError
from lamella.losses.objects import MeanSquaredError as MeanSquaredError
from lamella.losses.objects import MeanSquaredLogarithmicError as MeanSquaredLogarithmicError
from lamella.losses.objects import Poisson as Poisson
from lamella.losses.objects import Reduction as Reduction
from lamella.losses.objects import SparseCategoricalCrossentropy as SparseCategoricalCrossentropy
from lamella.losses.objects import SquaredHinge as SquaredHinge
from lamella.losses.objects import huber as huber
from lamella.losses.objects import last_axis as last_axis


def serialize(loss: Any) -> Any:
    """The name of a loss function."""
    return configurable.serialize(loss)


def deserialize(name: str | Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The loss of that name, or of {"class_name", "config"}. Raises ValueError "Unknown loss function: ..."."""
    return configurable.deserialize("losses", name, custom_objects)


def get(identifier: Any) -> Any:
    """A name or config, or a function as it is; None stays None. Raises ValueError for anything else."""
    if identifier is None or callable(identifier):
        return identifier
    if isinstance(identifier, (str, Mapping)):
        return deserialize(identifier)
    raise ValueError(f"Could not interpret loss function identifier: {identifier}")
