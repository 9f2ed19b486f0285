"""evaluate, predict, and the methods for a single batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.callbacks.base import Callback, CallbackList, checked_callbacks
from lamella.callbacks.progress import ProgressLine
from lamella.core.checks import checked_count
from lamella.data.batches import ArrayBatches, Batches, Data, WholeBatches
from lamella.data.standardize import Array, check_lengths
from lamella.ops.tape import value_of
from lamella.training import feed, loop
from lamella.training.exclusive import Exclusive
from lamella.training.feed import checked_batch_size
from lamella.training.step import Steps


def evaluate(
    model: Any,
    steps: Steps,
    x: Any,
    y: Any,
    batch_size: int | None,
    verbose: int,
    sample_weight: Any,
    count: int | None,
    callbacks: Sequence[Callback] | None,
) -> float | list[float]:
    """See Model.evaluate. A number if the loss is all there is, else one for each of metrics_names."""
    size = _batch_size(model, batch_size, count)
    data, _ = feed.data_of(model, steps.objective, x, y, sample_weight)
    batches: Batches
    if count is None:
        feed.check_whole_batches(model, data.samples, size)
        batches = ArrayBatches(data, size)
    else:
        batches = WholeBatches(data, checked_count("steps", count))
    progress = ProgressLine(batches.samples, verbose=1) if verbose == 1 else None
    hooks = _hooks(model, callbacks, batches, size, verbose, steps.objective.names)
    values = loop.evaluate(steps, batches, hooks, progress)
    if progress is not None:
        progress.finish(batches.samples or 0)
    return _scalar(values)


def predict(
    model: Any, x: Any, batch_size: int | None, verbose: int, count: int | None, callbacks: Sequence[Callback] | None
) -> Array | list[Array]:
    """See Model.predict. The outputs are the caller's own arrays."""
    size = _batch_size(model, batch_size, count)
    _, inputs = feed.inputs_of(model, x)
    samples = check_lengths(inputs, [])
    if count is not None:
        size, inputs = samples, [np.concatenate([a] * checked_count("steps", count)) for a in inputs]
        samples *= count
    elif samples > size:
        feed.check_whole_batches(model, samples, size, f". Batch size: {size}.")
    batches = ArrayBatches(Data(inputs, [], []), size)
    progress = ProgressLine(samples, verbose=1) if verbose == 1 else None
    hooks = _hooks(model, callbacks, batches, size, verbose, [])
    if hooks is not None:
        hooks.on_predict_begin()
    outputs: list[Array] = []
    done = 0
    for index, (batch, _, _, length) in enumerate(batches.epoch(0)):
        if hooks is not None:
            hooks.call_batch("predict", "begin", index)
        values = _arrays(model.run(batch, training=False))
        if not outputs:
            outputs = [np.empty((samples, *v.shape[1:]), v.dtype) for v in values]
        for output, value in zip(outputs, values):
            output[done : done + length] = value
        done += length
        if hooks is not None:
            hooks.call_batch("predict", "end", index)
        if progress is not None:
            progress.update(done)
    if hooks is not None:
        hooks.on_predict_end()
    if progress is not None:
        progress.finish(done)
    return outputs[0] if len(outputs) == 1 else outputs


def _batch_size(model: Any, batch_size: int | None, steps: int | None) -> int:
    if steps is not None and batch_size is not None:
        raise ValueError("If steps is set, the `batch_size` must be None.")
    return checked_batch_size(model, batch_size)


def _hooks(
    model: Any, callbacks: Sequence[Callback] | None, batches: Batches, size: int, verbose: int, names: list[str]
) -> CallbackList | None:
    chosen = checked_callbacks(callbacks)
    if not chosen:
        return None
    hooks = CallbackList(chosen)
    hooks.set_model(model)
    hooks.set_params(
        {"batch_size": size, "steps": None, "samples": batches.samples, "verbose": verbose, "metrics": names}
    )
    return hooks


def train_on_batch(model: Any, steps: Steps, x: Any, y: Any, sample_weight: Any, class_weight: Any) -> float | list[float]:
    """One step on one batch; see Model.train_on_batch."""
    data, _ = feed.data_of(model, steps.objective, x, y, sample_weight, class_weight)
    with Exclusive(model):
        return _scalar(steps.train(*data))


def test_on_batch(model: Any, steps: Steps, x: Any, y: Any, sample_weight: Any) -> float | list[float]:
    """The numbers of one batch; see Model.test_on_batch."""
    data, _ = feed.data_of(model, steps.objective, x, y, sample_weight)
    return _scalar(steps.test(*data))


def gradients_on_batch(model: Any, steps: Steps, x: Any, y: Any, sample_weight: Any) -> list[Array]:
    """See Model.gradients_on_batch."""
    data, _ = feed.data_of(model, steps.objective, x, y, sample_weight)
    return steps.gradients(*data)


def activations_on_batch(model: Any, x: Any) -> dict[str, Array]:
    """See Model.activations_on_batch."""
    _, inputs = feed.inputs_of(model, x)
    check_lengths(inputs, [])
    return {name: value_of(value) for name, value in model.run_inside(inputs).items()}  # type: ignore[misc]


def predict_on_batch(model: Any, x: Any) -> Array | list[Array]:
    """The outputs for one batch, arrays of the caller's own."""
    _, inputs = feed.inputs_of(model, x)
    check_lengths(inputs, [])
    outputs = _arrays(model.run(inputs, training=False))
    # A model that only reshapes hands a view of its input on.
    outputs = [v.copy() if any(np.may_share_memory(v, a) for a in inputs) else v for v in outputs]
    return outputs[0] if len(outputs) == 1 else outputs


def _arrays(values: list[Any]) -> list[Array]:
    return [value_of(v) for v in values]  # type: ignore[misc]  # a model's outputs are never None


def _scalar(values: list[float]) -> float | list[float]:
    return values[0] if len(values) == 1 else values
