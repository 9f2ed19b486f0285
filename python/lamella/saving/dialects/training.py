"""Translates the training configurations of tf.keras and Keras 3 to the form of Keras 2.2.5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.core import registry
from lamella.core.configurable import Config, own_arguments
from lamella.saving.dialects.models import class_name

# Arguments of later optimizers and losses, with the values that change nothing.
_INERT: dict[str, tuple[Any, ...]] = {
    "loss_scale_factor": (None,),
    "gradient_accumulation_steps": (None,),
    "clipnorm_per_tensor": (None,),
    "weight_decay": (None, 0.0),
    "clipnorm": (None,),
    "clipvalue": (None,),
    "momentum": (0.0,),
    "centered": (False,),
    "reduction": ("auto", "sum_over_batch_size"),
    "from_logits": (False,),
    "label_smoothing": (0, 0.0),
    "axis": (-1,),
    "dtype": (None, "float32"),
    "fn": (None,),
}


def in_keras_2(training: Config, outputs: Sequence[str]) -> Config:
    """The training configuration in the form of Keras 2.2.5.

    Args:
        training: The file's training configuration.
        outputs: The names of the model's outputs.

    Raises:
        ValueError: Keras 2.2.5 cannot express something in it.
    """
    return {
        "optimizer_config": _optimizer(training["optimizer_config"]),
        "loss": _losses(training["loss"]),
        "metrics": _metrics(training.get("metrics"), outputs),
        "weighted_metrics": _metrics(training.get("weighted_metrics"), outputs),
        "sample_weight_mode": training.get("sample_weight_mode"),
        "loss_weights": training.get("loss_weights"),
    }


def _optimizer(entry: Config) -> Config:
    name = class_name(entry)
    config = dict(entry["config"])
    # Optimizers of Keras 2 have no name.
    config.pop("name", None)
    config["lr"] = config.pop("learning_rate", config.get("lr"))
    if not isinstance(config["lr"], (int, float)):
        raise ValueError(f"{name}: a schedule as learning rate")
    # In Keras 2 clipnorm bounds the norm of all arrays together.
    config["clipnorm_per_tensor"] = config.pop("clipnorm", None)
    config["clipnorm"] = config.pop("global_clipnorm", None)
    # These change only how the optimizer runs, or the initial value of slots, which are read from the file.
    for key in ("jit_compile", "is_legacy_optimizer"):
        config.pop(key, None)
    if name.lower() == "adagrad":
        config.pop("initial_accumulator_value", None)
    if not config.get("use_ema"):
        for key in ("use_ema", "ema_momentum", "ema_overwrite_frequency"):
            config.pop(key, None)
    cls = registry.find("optimizers", name) or registry.get("optimizers", name.lower())
    known = own_arguments(cls) + ("clipnorm", "clipnorm_per_tensor", "clipvalue", "gradient_accumulation_steps")
    return {"class_name": name, "config": _without_inert(config, known, name)}


def _without_inert(config: Config, known: Sequence[str], who: str) -> Config:
    kept = {}
    for key, value in config.items():
        if key in known and value is not None:
            kept[key] = value
        elif value not in _INERT.get(key, ()):
            raise ValueError(f"{who}: {key}={value!r} has no counterpart")
    return kept


def _losses(loss: Any) -> Any:
    if isinstance(loss, list):
        return [_losses(entry) for entry in loss]
    if isinstance(loss, dict) and "class_name" not in loss:
        return {key: _losses(entry) for key, entry in loss.items()}
    return _function("losses", loss)


def _metrics(metrics: Any, outputs: Sequence[str]) -> Any:
    """The metrics. tf.keras writes a list for each output; with one output, or before training, only one list."""
    if isinstance(metrics, dict):
        return {name: _metrics(some, outputs) for name, some in metrics.items()}
    if isinstance(metrics, list) and metrics and all(isinstance(some, list) for some in metrics):
        if len(metrics) != len(outputs):
            raise ValueError(f"metrics for {len(metrics)} outputs, but the model has {len(outputs)}")
        if len(outputs) > 1:
            return {name: _metrics(some, outputs) for name, some in zip(outputs, metrics)}
        metrics = metrics[0]
    if isinstance(metrics, list):
        return [_function("metrics", entry) for entry in metrics]
    return None if metrics is None else _function("metrics", metrics)


def _function(room: str, entry: Any) -> Any:
    """The name, or the class in lamella, of a loss or metric that tf.keras and Keras 3 write as an object."""
    if not isinstance(entry, dict):
        return entry
    name, config = class_name(entry), dict(entry["config"])
    if registry.find(room, name) is not None and name != "MeanMetricWrapper":
        config = {k: v for k, v in config.items() if v not in _INERT.get(k, ())}
        return {"class_name": name, "config": config}
    function = config.pop("fn", None)
    called = config.pop("name", None)
    _without_inert(config, (), name)
    if called is not None and str(called).rpartition("_")[2] in ("acc", "accuracy"):
        return "acc"
    if isinstance(function, dict):
        function = function.get("config")
    return function or called
