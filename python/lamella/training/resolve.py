"""The arguments of compile, sorted by output. The messages of errors are those of Keras 2.2.5."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lamella.core import config, registry
from lamella.core.checks import check_number
from lamella.core.configurable import deserialize
from lamella.core.shapes import Shape
from lamella.core.variable import Variable
from lamella.core.warn import warn

LossFunction = Callable[..., Any]


def losses_by_output(loss: Any, names: Sequence[str]) -> list[LossFunction | None]:
    """One loss function for each output; None for an output that is not trained."""
    if isinstance(loss, Mapping) and set(loss) != {"class_name", "config"}:
        refuse_unknown(loss, names, "loss")
        for name in names:
            if name not in loss:
                warn(
                    f'Output "{name}" missing from loss dictionary. We assume this was done on purpose, and we will '
                    f'not be expecting any data to be passed to "{name}" during training.'
                )
        given = [loss.get(name) for name in names]
    elif isinstance(loss, (list, tuple)):
        check_entries(loss, names, "loss", each="outputs")
        given = list(loss)
    else:
        given = [loss] * len(names)
    losses = [deserialize("losses", entry) for entry in given]
    for entry in losses:
        if isinstance(entry, type):
            raise ValueError(f"Could not interpret loss function identifier: {entry} is a class; pass {entry.__name__}(...)")
    return losses


def weights_by_output(loss_weights: Any, names: Sequence[str]) -> list[float | Variable]:
    """The factor of each output's loss in the total. A scalar Variable is kept: its value at the time of a batch counts."""
    if loss_weights is None:
        return [1.0] * len(names)
    if isinstance(loss_weights, Mapping):
        refuse_unknown(loss_weights, names, "loss_weights")
        return [_weight(loss_weights.get(name, 1.0), name) for name in names]
    if isinstance(loss_weights, list):
        check_entries(loss_weights, names, "loss_weights")
        return [_weight(w, name) for w, name in zip(loss_weights, names)]
    raise TypeError(f"Could not interpret loss_weights argument: {loss_weights} - expected a list or a dict.")


def _weight(value: Any, name: str) -> float | Variable:
    check_number(value, f"loss_weights of output '{name}'")
    return value if isinstance(value, Variable) else float(value)


def metrics_by_output(metrics: Any, names: Sequence[str]) -> list[list[Any]]:
    """The metrics of each output: a list applies to every output, a dict by output name."""
    if metrics is None or (isinstance(metrics, (list, tuple, Mapping)) and not metrics):
        return [[] for _ in names]
    if isinstance(metrics, list):
        return [list(metrics) for _ in names]
    if isinstance(metrics, Mapping):
        unknown = [name for name in metrics if name not in names]
        if unknown:
            warn(f"Invalid layer name for metric computations: {unknown}. Available names are {list(names)}.")
        chosen = [metrics.get(name, []) for name in names]
        return [list(m) if isinstance(m, (list, tuple)) else [m] for m in chosen]
    raise TypeError(f"Type of `metrics` argument not understood. Expected a list or dictionary, found: {metrics}")


def modes_by_output(mode: Any, names: Sequence[str]) -> list[str | None]:
    """sample_weight_mode for each output: None or "temporal"."""
    if isinstance(mode, Mapping):
        refuse_unknown(mode, names, "sample_weight_mode")
        missing = [name for name in names if name not in mode]
        if missing:
            raise ValueError(f'Output "{missing[0]}" missing from sample_weight_modes dictionary')
        modes = [mode[name] for name in names]
    elif isinstance(mode, list):
        check_entries(mode, names, "sample_weight_mode")
        modes = mode
    else:
        modes = [mode] * len(names)
    for entry in modes:
        if entry not in (None, "temporal"):
            raise ValueError(f'"sample_weight_mode should be None or "temporal". Found: {entry}')
    return modes


def metric_function(metric: Any, loss: LossFunction, output_shape: Shape) -> tuple[str, Callable[..., Any]]:
    """The column's name and the function of one metric.

    'acc' and 'ce' stand for the variant that fits the loss and the output, as in Keras 2.2.5: binary for an output of one
    column or for binary cross-entropy; sparse categorical for the sparse loss; categorical otherwise. The column is called
    "acc", "ce" or like the function in Keras 2. In tf.keras it has the name that compile was given.

    Args:
        metric: A name, function, object or config.
        loss: The loss of the output.
        output_shape: The shape of the output.

    Raises:
        ValueError: It is not a metric, or it is a class.
    """
    as_given = config.dialect() == "tf" and isinstance(metric, str)
    for aliases, short, long in ((("accuracy", "acc"), "acc", "accuracy"), (("crossentropy", "ce"), "ce", "crossentropy")):
        if isinstance(metric, str) and metric in aliases:
            kind = getattr(loss, "__name__", "")
            if output_shape[-1] == 1 or kind == "binary_crossentropy":
                family = "binary"
            elif kind == "sparse_categorical_crossentropy":
                family = "sparse_categorical"
            else:
                family = "categorical"
            return metric if as_given else short, registry.get("metrics", f"{family}_{long}")
    if isinstance(metric, type):
        raise ValueError(f"Could not interpret metric function identifier: {metric} is a class; pass {metric.__name__}(...)")
    function = deserialize("metrics", metric)
    name = getattr(function, "name", None) or getattr(function, "__name__", None)
    if not callable(function) or name is None:
        raise ValueError(f"Could not interpret metric function identifier: {metric}")
    return metric if as_given else name, function


def with_own_state(metric: Callable[..., Any], taken: set[int]) -> Callable[..., Any]:
    """`metric` itself, or a copy of it if it is stateful and another column already uses it.

    Args:
        metric: A metric function or object.
        taken: Ids of the stateful metrics that are in use; it is updated.

    Raises:
        ValueError: A copy is needed, but the metric has no get_config.
    """
    if not getattr(metric, "stateful", False):
        return metric
    if id(metric) in taken:
        if not hasattr(metric, "get_config"):
            raise ValueError(f"metrics: {metric} keeps state, so it cannot count for two columns; pass one object for each")
        kind: Any = type(metric)
        copy: Callable[..., Any] = kind.from_config(metric.get_config())
        return copy
    taken.add(id(metric))
    return metric


def refuse_unknown(given: Mapping[str, Any], names: Sequence[str], what: str) -> None:
    """Raise Keras's ValueError for a key that is no output.

    Args:
        given: An argument of compile, by output.
        names: The outputs.
        what: What the message calls the argument.
    """
    for name in given:
        if name not in names:
            raise ValueError(f'Unknown entry in {what} dictionary: "{name}". Only expected the following keys: {list(names)}')


def check_entries(given: Sequence[Any], names: Sequence[str], what: str, each: str = "output") -> None:
    """Raise Keras's ValueError unless a list has one entry for each output.

    Args:
        given: An argument of compile.
        names: The outputs.
        what: What the message calls the argument.
        each: What the message calls an output.
    """
    if len(given) != len(names):
        raise ValueError(
            f"When passing a list as {what}, it should have one entry per model {each}. "
            f"The model has {len(names)} outputs, but you passed {what.strip('`')}={given}"
        )
