"""fit_generator, evaluate_generator, predict_generator. Source: Keras 2.2.5 keras/engine/training_generator.py."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar, cast

from lamella.callbacks.base import Callback
from lamella.callbacks.history import History
from lamella.core.warn import warn
from lamella.data.batches import Shuffle
from lamella.data.sequence import check_source
from lamella.training.options import EvaluateOptions, FitOptions, PredictOptions

Method = TypeVar("Method", bound=Callable[..., Any])

_KERAS1 = {
    "samples_per_epoch": "steps_per_epoch",
    "nb_epoch": "epochs",
    "val_samples": "steps",
    "nb_val_samples": "validation_steps",
    "nb_worker": "workers",
    "pickle_safe": "use_multiprocessing",
    "max_q_size": "max_queue_size",
}
# What counted samples in Keras 1 and counts batches now.
_COUNTED_SAMPLES = {"samples_per_epoch", "val_samples", "nb_val_samples"}
_POSITIONAL = 3


def _generator_method(method: Method) -> Method:
    """At most three positional arguments; Keras-1 names are translated, with a warning that shows the new call."""
    name = method.__name__
    first = tuple(inspect.signature(method).parameters)[1 : 1 + _POSITIONAL]

    @functools.wraps(method)
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        if len(args) > _POSITIONAL:
            raise TypeError(
                f"`{name}` can accept only {_POSITIONAL} positional arguments {first}, but you passed the following "
                f"positional arguments: {list(args)}"
            )
        old = [key for key in kwargs if key in _KERAS1]
        if old:
            kwargs = _translated(name, old, args, kwargs)
        return method(self, *args, **kwargs)

    return cast(Method, checked)


def _translated(name: str, old: Sequence[str], args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    new = {_KERAS1.get(key, key): value for key, value in kwargs.items()}
    size = getattr(args[0] if args else kwargs.get("generator"), "batch_size", None)
    if "samples_per_epoch" in old and size:
        new["steps_per_epoch"] = -(-kwargs["samples_per_epoch"] // size)
    call = ", ".join(f"{_KERAS1[key]}={new[_KERAS1[key]]!r}" for key in old)
    text = f"Update your `{name}` call to the Keras 2 API: `{name}(..., {call})`"
    if counted := [key for key in old if key in _COUNTED_SAMPLES]:
        text += f". In Keras 1 {counted} counted samples; {[_KERAS1[key] for key in counted]} count batches."
    warn(text, UserWarning)
    return new


class GeneratorMethods:
    """The methods that take a generator, an iterator or a `keras.utils.Sequence` of batches.

    Each does what the method without `_generator` does; there is one loop. Workers, threads or with
    use_multiprocessing=True processes, prepare up to `max_queue_size` batches ahead and end with the call; 0 workers:
    the calling thread prepares each when it is due. Results do not depend on the number of workers. A plain generator is
    drawn by one of them; the batches of a Sequence are prepared by all. Processes get a pickle of the work, and of a
    Sequence again after each epoch that changed it; what does not pickle, or is of the script itself, is forked.
    timeout, which Keras does not have: the seconds to wait for one batch, of validation_data too; None waits for ever. A
    process that is late is killed; a thread cannot be, and ends with the batch that it prepares. 0 workers cannot be timed.

    Raises:
        the generator's own errors; TimeoutError that names the batch; WorkerDiedError for a process that was killed; TypeError
            for more than three positional arguments.
    """

    def _run_fit(self, options: FitOptions) -> History:
        raise NotImplementedError

    def _run_evaluate(self, options: EvaluateOptions) -> float | list[float]:
        raise NotImplementedError

    def _run_predict(self, options: PredictOptions) -> Any:
        raise NotImplementedError

    @_generator_method
    def fit_generator(
        self,
        generator: Any,
        steps_per_epoch: int | None = None,
        epochs: int = 1,
        verbose: int | str = 1,
        callbacks: Sequence[Callback] | None = None,
        validation_data: Any = None,
        validation_steps: int | None = None,
        validation_freq: int | Collection[int] = 1,
        class_weight: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        shuffle: Shuffle = True,
        initial_epoch: int = 0,
        *,
        timeout: float | None = None,
    ) -> History:
        """`fit` on batches (x, y) or (x, y, sample_weight) as they come.

        Args:
            steps_per_epoch: Batches an epoch; None: all of a Sequence. What is left of a Sequence comes first in the next
                epoch.
            validation_data: A generator or Sequence, of which `validation_steps` batches are drawn each time, or arrays (x, y[,
                weights]), taken in batches of the last training batch's size.
            shuffle: The order of a Sequence's batches.

        Deviations:  no val_* in epochs without validation; exactly the batches that are used are drawn; a generator that
            ends early ends the training with a warning.
        """
        check_source("fit_generator", generator)
        return self._run_fit(
            FitOptions(
                generator,
                epochs=epochs,
                verbose=verbose,
                callbacks=callbacks,
                validation_data=validation_data,
                shuffle=shuffle,
                class_weight=class_weight,
                initial_epoch=initial_epoch,
                steps_per_epoch=steps_per_epoch,
                validation_steps=validation_steps,
                validation_freq=validation_freq,
                max_queue_size=max_queue_size,
                workers=workers,
                use_multiprocessing=use_multiprocessing,
                timeout=timeout,
            )
        )

    @_generator_method
    def evaluate_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Sequence[Callback] | None = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: int | str = 0,
        *,
        timeout: float | None = None,
    ) -> float | list[float]:
        """`evaluate` on `steps` batches, weighted by their sizes. steps=None: all of a Sequence."""
        check_source("evaluate_generator", generator)
        return self._run_evaluate(
            EvaluateOptions(
                generator,
                verbose=verbose,
                steps=steps,
                callbacks=callbacks,
                max_queue_size=max_queue_size,
                workers=workers,
                use_multiprocessing=use_multiprocessing,
                timeout=timeout,
            )
        )

    @_generator_method
    def predict_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Sequence[Callback] | None = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: int | str = 0,
        *,
        timeout: float | None = None,
    ) -> Any:
        """`predict` on `steps` batches, each x, a list of x for several inputs, or a tuple that begins with it."""
        check_source("predict_generator", generator)
        return self._run_predict(
            PredictOptions(
                generator,
                verbose=verbose,
                steps=steps,
                callbacks=callbacks,
                max_queue_size=max_queue_size,
                workers=workers,
                use_multiprocessing=use_multiprocessing,
                timeout=timeout,
            )
        )
