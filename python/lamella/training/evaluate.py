"""evaluate and predict, and the methods for a single batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from lamella.callbacks.callback_list import CallbackList, checked_callbacks
from lamella.callbacks.logs import Logs
from lamella.callbacks.progress import ProgressLine
from lamella.core.checks import checked_steps
from lamella.core.config import floatx
from lamella.core.pool import in_pool
from lamella.core.protocols import TrainableModel
from lamella.core.types import Array
from lamella.core.warn import warn
from lamella.data.adapt import feed
from lamella.data.adapt.arrays import check_lengths, of_first_length
from lamella.data.adapt.expected import ModelInputs
from lamella.data.batches import ArrayBatches, Batches, Data, WholeBatches
from lamella.data.sequence import is_generated, is_sequence, named
from lamella.ops.tape import value_of
from lamella.training import loop
from lamella.training.exclusive import Exclusive
from lamella.training.objective import Objective
from lamella.training.options import EvaluateOptions, PredictOptions
from lamella.training.session import Run
from lamella.training.step import Steps, infer

# A function of a batch of inputs in place of `infer`, which a script has set.
Inferring: TypeAlias = Callable[[list[Array]], list[Any]]
# Loss and metrics: the loss alone, in the order of metrics_names, or by name.
Numbers: TypeAlias = float | list[float] | dict[str, float]


def evaluate(steps: Steps, inputs: ModelInputs, options: EvaluateOptions) -> list[float]:
    """Evaluate the model, see Model.evaluate.

    Returns:
        A number for each of metrics_names.
    """
    outputs = steps.objective.outputs
    batches: Batches
    if is_generated(options.x):
        size = None
        batches = _generated(options, feed.items_to_data(inputs, outputs))
    else:
        size = _batch_size(inputs, options)
        data, _ = feed.data_of(inputs, outputs, options.x, options.y, options.sample_weight)
        if options.steps is None:
            feed.check_arrays(data, "evaluate", "steps")
            feed.check_whole_batches(inputs, data.samples, size)
            batches = ArrayBatches(data, size)
        else:
            batches = WholeBatches(data, checked_steps("steps", options.steps))
    try:
        progress = _progress(batches, options)
        hooks = _hooks(steps.model, options, batches, size, steps.objective.names)
        with Run(steps) as own:
            values = loop.evaluate(steps, own, batches, hooks, progress)
        if progress is not None:
            progress.finish(_target(batches) or 0)
    finally:
        batches.close()
    return values


def predict(
    model: TrainableModel, inputs: ModelInputs, options: PredictOptions, own: Inferring | None = None
) -> Array | list[Array]:
    """Predict, see Model.predict.

    Returns:
        An array, or a list with an array for each output. The arrays are new: no input is among them. Without samples they have
        no rows.
    """
    batches: Batches
    if is_generated(options.x):
        size = None
        if getattr(options.x, "shuffle", False) is True and is_sequence(options.x):
            warn(
                f"predict: the {named(options.x)} shuffles, so the rows of the result are not in the order of its files or "
                "labels; create it with shuffle=False"
            )
        batches = _generated(options, feed.items_to_inputs(inputs))
    else:
        size = _batch_size(inputs, options)
        arrays = of_first_length(feed.inputs_of(inputs, options.x)[1], inputs.names)
        if not inputs.names and options.steps is None:
            raise ValueError("If predicting from data tensors, you should specify the `steps` argument.")
        if arrays and not arrays[0].shape[0]:
            return _no_rows(model)
        samples = check_lengths(arrays, []) if inputs.names else 0
        data = Data(arrays, [], [])
        if options.steps is not None:
            batches = WholeBatches(data, checked_steps("steps", options.steps))
        else:
            if samples > size:
                feed.check_whole_batches(inputs, samples, size, f". Batch size: {size}.")
            batches = ArrayBatches(data, size)
    try:
        progress = _progress(batches, options)
        hooks = _hooks(model, options, batches, size, None)
        outputs = _predicted(model, batches, hooks, progress, own)
        if progress is not None:
            progress.finish(_target(batches) or 0)
    finally:
        batches.close()
    return outputs[0] if len(outputs) == 1 else outputs


def _no_rows(model: TrainableModel) -> Array | list[Array]:
    """The outputs for no sample at all, such as the crops of an image without a face. Sizes that vary are 0."""
    none = [np.empty((0, *(size or 0 for size in shape[1:])), floatx()) for shape in model.output_shapes]
    return none[0] if len(none) == 1 else none


def _generated(options: EvaluateOptions | PredictOptions, convert: Callable[[Any], Data]) -> Batches:
    from lamella.data.generated import GeneratedBatches  # imported late: with its workers it is five modules

    return GeneratedBatches(options.x, options.steps, convert, options.worker_options, argument="steps")


def _predicted(
    model: TrainableModel,
    batches: Batches,
    hooks: CallbackList | None,
    progress: ProgressLine | None,
    own: Inferring | None,
) -> list[Array]:
    """The outputs for all batches, concatenated. If the number of samples is known, they are written into the result in place."""
    if hooks is not None:
        hooks.on_predict_begin()
    heard = hooks is not None and hooks.listeners("predict")
    logs: Logs[Any] = Logs()
    whole: list[Array] = []
    parts: list[list[Array]] = []
    done = 0
    for index, (batch, _, _, length) in enumerate(batches.epoch(0)):
        if hooks is not None and heard:
            logs = Logs(batch=index, size=length)
            hooks.call_batch("predict", "begin", index, logs)
        values = _arrays(infer(model, batch) if own is None else own(batch))
        if batches.samples is None:
            parts.append(_owned(values, batch))
        else:
            if not whole:
                whole = [np.empty((batches.samples, *v.shape[1:]), v.dtype) for v in values]
            for output, value in zip(whole, values):
                output[done : done + length] = value
        done += length
        if hooks is not None and heard:
            logs["outputs"] = _owned(values, batch)
            hooks.call_batch("predict", "end", index, logs)
        if progress is not None:
            progress.update(index + 1 if batches.samples is None else done)
    if hooks is not None:
        hooks.on_predict_end()
    return whole or [np.concatenate(part) for part in zip(*parts)]


def _progress(batches: Batches, options: EvaluateOptions | PredictOptions) -> ProgressLine | None:
    return ProgressLine(_target(batches), verbose=1) if options.verbose == 1 else None


def _target(batches: Batches) -> int | None:
    return batches.steps if batches.samples is None else batches.samples


def _batch_size(inputs: ModelInputs, options: EvaluateOptions | PredictOptions) -> int:
    if options.steps is not None and options.batch_size is not None:
        raise ValueError("If steps is set, the `batch_size` must be None.")
    # As in Keras 2.2.5 only fit, and states, require the batch size that an Input fixes.
    return feed.checked_batch_size(inputs, options.batch_size, free=not inputs.stateful)


def _hooks(
    model: TrainableModel,
    options: EvaluateOptions | PredictOptions,
    batches: Batches,
    size: int | None,
    names: list[str] | None,
) -> CallbackList | None:
    """The callbacks of this run, with model and params set; None without any. `size`: the batch size that they see."""
    chosen = checked_callbacks(options.callbacks)
    if not chosen:
        return None
    hooks = CallbackList(chosen)
    hooks.set_model(model)
    # As in Keras, generators have no samples, and predict no metrics.
    size = None if options.steps is not None else size
    sizes = {} if is_generated(options.x) else {"batch_size": size, "samples": batches.known_samples}
    metrics = {} if names is None else {"metrics": names}
    steps = batches.steps if batches.samples is None else None
    hooks.set_params({**sizes, "steps": steps, "verbose": options.verbose, **metrics})
    return hooks


def train_on_batch(
    steps: Steps,
    inputs: ModelInputs,
    x: Any,
    y: Any,
    sample_weight: Any,
    class_weight: Any = None,
    *,
    reset_metrics: bool | None = None,
) -> list[Any]:
    """One step on one batch; see Model.train_on_batch."""
    data, _ = feed.data_of(inputs, steps.objective.outputs, x, y, sample_weight, class_weight)
    with Exclusive(steps.model), Run(steps, training=True) as objective:
        _begin_batch(objective, reset_metrics)
        return steps.train_batch(*data.read())


def test_on_batch(
    steps: Steps, inputs: ModelInputs, x: Any, y: Any, sample_weight: Any, *, reset_metrics: bool | None = None
) -> list[Any]:
    """The numbers of one batch; see Model.test_on_batch."""
    data, _ = feed.data_of(inputs, steps.objective.outputs, x, y, sample_weight)
    with Run(steps) as objective:
        _begin_batch(objective, reset_metrics)
        return in_pool(steps.test_batch, *data.read(), objective)


def _begin_batch(objective: Objective, reset_metrics: bool | None) -> None:
    if objective.resets_each_batch if reset_metrics is None else reset_metrics:
        objective.reset()


def gradients_on_batch(
    steps: Steps, inputs: ModelInputs, x: Any, y: Any, sample_weight: Any, wanted: Sequence[Any]
) -> list[Array]:
    """The gradients of the `wanted` weights, see Model.gradients_on_batch."""
    data, _ = feed.data_of(inputs, steps.objective.outputs, x, y, sample_weight)
    found = in_pool(steps.gradients, *data.read())
    by_weight = {id(variable): gradient for variable, gradient in zip(steps.variables, found, strict=True)}
    # The others have no influence on the loss, or were frozen when the model was compiled.
    return [by_weight[id(w)] if id(w) in by_weight else np.zeros_like(w.value) for w in wanted]


def activations_on_batch(model: TrainableModel, inputs: ModelInputs, x: Any) -> dict[str, Array]:
    """See Model.activations_on_batch."""
    batch = _batch(inputs, x)
    return {name: value_of(value) for name, value in in_pool(model.run_inside, batch).items()}  # type: ignore[misc]


def predict_on_batch(model: TrainableModel, inputs: ModelInputs, x: Any, own: Inferring | None = None) -> Array | list[Array]:
    """The outputs for one batch, as new arrays; see Model.predict_on_batch."""
    if any(a.shape[:1] == (0,) for a in feed.inputs_of(inputs, x)[1]):
        return _no_rows(model)
    batch = _batch(inputs, x)
    outputs = _owned(_arrays(infer(model, batch) if own is None else own(batch)), batch)
    return outputs[0] if len(outputs) == 1 else outputs


def _batch(inputs: ModelInputs, x: Any) -> list[Array]:
    _, arrays = feed.inputs_of(inputs, x)
    if arrays:  # a model may hold the values of all its inputs
        check_lengths(arrays, [])
    return Data(arrays, [], []).read()[0]


def _owned(values: list[Array], inputs: list[Array]) -> list[Array]:
    """Copy the outputs that share memory with an input: a model that only reshapes returns views of its input."""
    return [v.copy() if any(np.may_share_memory(v, a) for a in inputs) else v for v in values]


def _arrays(values: list[Any]) -> list[Array]:
    return [value_of(v) for v in values]  # type: ignore[misc]  # a model's outputs are never None


def number(value: Any) -> Any:
    """A number of the logs as users see it."""
    return np.float64(value)


def as_numbers(values: list[Any], names: Sequence[str], *, return_dict: bool = False) -> Numbers:
    """One number, a list of several, or a dict by name, as np.float64 like in Keras."""
    numbers: list[float] = [number(value) for value in values]
    if return_dict:
        return dict(zip(names, numbers, strict=True))
    return numbers[0] if len(numbers) == 1 else numbers
