"""evaluate, predict, and the methods for a single batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.callbacks.base import Callback, CallbackList, checked_callbacks
from lamella.callbacks.progress import ProgressLine
from lamella.core.checks import checked_count
from lamella.core.pool import in_pool
from lamella.core.types import Array
from lamella.data.batches import ArrayBatches, Batches, Data, WholeBatches
from lamella.data.standardize import check_lengths
from lamella.ops.tape import value_of
from lamella.training import feed, loop
from lamella.training.exclusive import Exclusive
from lamella.training.feed import checked_batch_size
from lamella.training.step import Run, Steps, infer


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
    return run_evaluation(model, steps, batches, size, verbose, callbacks)


def run_evaluation(
    model: Any,
    steps: Steps,
    batches: Batches,
    size: int | None,
    verbose: int,
    callbacks: Sequence[Callback] | None,
) -> float | list[float]:
    """Progress, hooks and the loop, for batches of any kind. `size`: of a batch, for callbacks."""
    progress = _progress(batches, verbose)
    hooks = _hooks(model, callbacks, batches, size, verbose, steps.objective.names)
    with Run(steps) as objective:
        values = loop.evaluate(steps, objective, batches, hooks, progress)
    if progress is not None:
        progress.finish(_target(batches) or 0)
    return _scalar(values)


def predict(
    model: Any, x: Any, batch_size: int | None, verbose: int, count: int | None, callbacks: Sequence[Callback] | None
) -> Array | list[Array]:
    """See Model.predict. The outputs are the caller's own arrays."""
    size = _batch_size(model, batch_size, count)
    _, inputs = feed.inputs_of(model, x)
    samples = check_lengths(inputs, [])
    data = Data(inputs, [], [])
    batches: Batches
    if count is not None:
        batches = WholeBatches(data, checked_count("steps", count))
    else:
        if samples > size:
            feed.check_whole_batches(model, samples, size, f". Batch size: {size}.")
        batches = ArrayBatches(data, size)
    return run_prediction(model, batches, size, verbose, callbacks)


def run_prediction(
    model: Any, batches: Batches, size: int | None, verbose: int, callbacks: Sequence[Callback] | None
) -> Array | list[Array]:
    """The outputs for all batches, one after the other: made in place where the number of samples is known."""
    progress = _progress(batches, verbose)
    hooks = _hooks(model, callbacks, batches, size, verbose, [])
    if hooks is not None:
        hooks.on_predict_begin()
    whole: list[Array] = []
    parts: list[list[Array]] = []
    done = 0
    for index, (batch, _, _, length) in enumerate(batches.epoch(0)):
        if hooks is not None:
            hooks.call_batch("predict", "begin", index)
        values = _arrays(infer(model, batch))
        if batches.samples is None:
            parts.append(_owned(values, batch))
        else:
            if not whole:
                whole = [np.empty((batches.samples, *v.shape[1:]), v.dtype) for v in values]
            for output, value in zip(whole, values):
                output[done : done + length] = value
        done += length
        if hooks is not None:
            hooks.call_batch("predict", "end", index)
        if progress is not None:
            progress.update(index + 1 if batches.samples is None else done)
    if hooks is not None:
        hooks.on_predict_end()
    if progress is not None:
        progress.finish(_target(batches) or 0)
    outputs = whole or [np.concatenate(part) for part in zip(*parts)]
    return outputs[0] if len(outputs) == 1 else outputs


def _progress(batches: Batches, verbose: int) -> ProgressLine | None:
    return ProgressLine(_target(batches), verbose=1) if verbose == 1 else None


def _target(batches: Batches) -> int | None:
    return batches.steps if batches.samples is None else batches.samples


def _batch_size(model: Any, batch_size: int | None, steps: int | None) -> int:
    if steps is not None and batch_size is not None:
        raise ValueError("If steps is set, the `batch_size` must be None.")
    return checked_batch_size(model, batch_size)


def _hooks(
    model: Any, callbacks: Sequence[Callback] | None, batches: Batches, size: int | None, verbose: int, names: list[str]
) -> CallbackList | None:
    chosen = checked_callbacks(callbacks)
    if not chosen:
        return None
    hooks = CallbackList(chosen)
    hooks.set_model(model)
    hooks.set_params(
        {
            "batch_size": size,
            "steps": batches.steps if batches.samples is None else None,
            "samples": batches.samples,
            "verbose": verbose,
            "metrics": names,
        }
    )
    return hooks


def train_on_batch(model: Any, steps: Steps, x: Any, y: Any, sample_weight: Any, class_weight: Any) -> float | list[float]:
    """One step on one batch; see Model.train_on_batch."""
    data, _ = feed.data_of(model, steps.objective, x, y, sample_weight, class_weight)
    with Exclusive(model), Run(steps, training=True):
        return _scalar(steps.train(*data.read()))


def test_on_batch(model: Any, steps: Steps, x: Any, y: Any, sample_weight: Any) -> float | list[float]:
    """The numbers of one batch; see Model.test_on_batch."""
    data, _ = feed.data_of(model, steps.objective, x, y, sample_weight)
    with Run(steps) as objective:
        return _scalar(in_pool(steps.test, *data.read(), objective))


def gradients_on_batch(model: Any, steps: Steps, x: Any, y: Any, sample_weight: Any) -> list[Array]:
    """See Model.gradients_on_batch."""
    data, _ = feed.data_of(model, steps.objective, x, y, sample_weight)
    return in_pool(steps.gradients, *data.read())


def activations_on_batch(model: Any, x: Any) -> dict[str, Array]:
    """See Model.activations_on_batch."""
    inputs = _batch_inputs(model, x)
    return {name: value_of(value) for name, value in in_pool(model.run_inside, inputs).items()}  # type: ignore[misc]


def predict_on_batch(model: Any, x: Any) -> Array | list[Array]:
    """The outputs for one batch, arrays of the caller's own."""
    inputs = _batch_inputs(model, x)
    outputs = _owned(_arrays(infer(model, inputs)), inputs)
    return outputs[0] if len(outputs) == 1 else outputs


def _batch_inputs(model: Any, x: Any) -> list[Array]:
    _, inputs = feed.inputs_of(model, x)
    check_lengths(inputs, [])
    return Data(inputs, [], []).read()[0]


def _owned(values: list[Array], inputs: list[Array]) -> list[Array]:
    """A model that only reshapes hands a view of its input on: that is copied."""
    return [v.copy() if any(np.may_share_memory(v, a) for a in inputs) else v for v in values]


def _arrays(values: list[Any]) -> list[Array]:
    return [value_of(v) for v in values]  # type: ignore[misc]  # a model's outputs are never None


def _scalar(values: list[float]) -> float | list[float]:
    """np.float64 all, as in Keras."""
    numbers: list[float] = [np.float64(value) for value in values]
    return numbers[0] if len(numbers) == 1 else numbers
