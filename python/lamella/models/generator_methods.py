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
from lamella.training.evaluate import Numbers
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
# Arguments that count samples in Keras 1 and batches in Keras 2.
_COUNTED_SAMPLES = {"samples_per_epoch", "val_samples", "nb_val_samples"}
_POSITIONAL = 3


def _generator_method(method: Method) -> Method:
    """Accept at most three positional arguments, and translate names of Keras 1 with a warning that shows the new call."""
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
        new["steps_per_epoch"] = kwargs["samples_per_epoch"] // size  # rounded down, as Keras 2.2.5 does
    call = ", ".join(f"{_KERAS1[key]}={new[_KERAS1[key]]!r}" for key in old)
    text = f"Update your `{name}` call to the Keras 2 API: `{name}(..., {call})`"
    if counted := [key for key in old if key in _COUNTED_SAMPLES]:
        text += f". In Keras 1 {counted} counted samples; {[_KERAS1[key] for key in counted]} count batches."
    warn(text, UserWarning)
    return new


class GeneratorMethods:
    """The methods that take a generator, an iterator or a `keras.utils.Sequence` of batches.

    Each does the same as the method without `_generator`, in the same loop.

    Workers prepare up to `max_queue_size` batches in advance, and end with the call. They are threads, or processes with
    use_multiprocessing=True. With workers=0 the calling thread prepares each batch when it is needed. Results do not depend on
    the number of workers. One worker draws from a plain generator; all prepare batches of a Sequence. A process receives a
    pickle of the work, and of a Sequence again after each epoch that changed it. Work that cannot be pickled, that the script
    itself defines, or that is larger than 128 MiB, is forked.

    `timeout` is the limit in seconds for one batch, also of validation_data; None waits without limit. Keras does not have it.
    After the limit a process is killed; a thread cannot be killed, and ends with its batch. It needs at least one worker.

    Raises:
        TimeoutError: A batch takes more than `timeout` seconds. The message names it.
        WorkerDiedError: A worker process was killed.
        TypeError: There are more than three positional arguments.
        Exception: Any error of the generator.
    """

    def _run_fit(self, options: FitOptions) -> History:
        raise NotImplementedError

    def _run_evaluate(self, options: EvaluateOptions) -> Numbers:
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
        """`fit` on batches (x, y) or (x, y, sample_weight) of a generator.

        Args:
            generator: A generator, an iterator or a Sequence.
            steps_per_epoch: Batches in an epoch. None is the length of a Sequence. The next epoch begins with the batches of a
                Sequence that were not used.
            epochs: Index of the last epoch plus one.
            verbose: As in `fit`.
            callbacks: Callbacks, called in this order.
            validation_data: A generator or Sequence, which gives `validation_steps` batches each time; or arrays (x, y) or (x,
                y, weights), which are cut into batches of the last training batch's size.
            validation_steps: Batches of one validation.
            validation_freq: An int n to validate after every n-th epoch, or a list of the epochs, counted from 1.
            class_weight: A dict from class to weight, or a list or array of weights.
            max_queue_size: Number of batches that may wait.
            workers: Number of workers.
            use_multiprocessing: Whether the workers are processes instead of threads.
            shuffle: Whether to shuffle the order of a Sequence's batches.
            initial_epoch: Index of the first epoch.
            timeout: Seconds to wait for one batch.

        Returns:
            The History of this fit.

        Differences from Keras 2.2.5:
            - An epoch without validation has no val_ entries.
            - No batch is drawn that is not used.
            - A generator that ends early ends the training with a warning.
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
    ) -> Numbers:
        """`evaluate` on batches (x, y) or (x, y, sample_weight) of a generator.

        Args:
            generator: A generator, an iterator or a Sequence.
            steps: Number of batches. None is the length of a Sequence.
            callbacks: Callbacks, called in this order.
            max_queue_size: Number of batches that may wait.
            workers: Number of workers.
            use_multiprocessing: Whether the workers are processes instead of threads.
            verbose: 1 shows progress, 0 does not.
            timeout: Seconds to wait for one batch.

        Returns:
            As `evaluate`: means over the samples of all batches.
        """
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
        """`predict` on batches of a generator.

        Args:
            generator: A generator, an iterator or a Sequence. An item is x, a list of x for several inputs, or a tuple (x, ...).
            steps: Number of batches. None is the length of a Sequence.
            callbacks: Callbacks, called in this order.
            max_queue_size: Number of batches that may wait.
            workers: Number of workers.
            use_multiprocessing: Whether the workers are processes instead of threads.
            verbose: 1 shows progress, 0 does not.
            timeout: Seconds to wait for one batch.

        Returns:
            As `predict`: an array, or a list for several outputs.
        """
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
