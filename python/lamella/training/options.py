"""The arguments of fit, evaluate and predict. Each is listed once: a model's methods get their signatures from here."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import numpy as np

from lamella.callbacks.base import Callback
from lamella.core.checks import check_number, checked_verbose
from lamella.core.warn import warn
from lamella.data.batches import Shuffle, check_shuffle
from lamella.data.sequence import is_generated
from lamella.data.workers.options import WorkerOptions

P = ParamSpec("P")
Options = TypeVar("Options")
Result = TypeVar("Result")


def takes(
    options: Callable[P, Options], renamed: dict[str, str] | None = None
) -> Callable[[Callable[[Any, Options], Result]], Callable[Concatenate[Any, P], Result]]:
    """A decorator for a method that takes one options object. The result takes the fields of the options as its arguments.

    It has the signature of the options and the "Args" section of their docstring.

    Args:
        options: The class of the options.
        renamed: Names of arguments of Keras 1 with their names in Keras 2. They are accepted with a warning.

    Raises:
        TypeError: By the method, for arguments that it does not have.
    """
    names = list(inspect.signature(options).parameters)

    def decorate(method: Callable[[Any, Options], Result]) -> Callable[Concatenate[Any, P], Result]:
        @functools.wraps(method)
        def with_fields(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Result:
            given: Any = kwargs
            for old in [name for name in given if name not in names]:
                if renamed is None or old not in renamed:
                    unknown = {name: value for name, value in given.items() if name not in names}
                    raise TypeError(f"{method.__name__}: Unrecognized keyword arguments: {unknown}")
                warn(f"The `{old}` argument in `{method.__name__}` has been renamed `{renamed[old]}`.")
                given = {renamed.get(name, name): value for name, value in given.items()}
            try:
                chosen = options(*args, **given)
            except TypeError:
                _check_call(method.__name__, options, args, given)
                raise
            return method(self, chosen)

        setattr(with_fields, "__signature__", _signature_of(method, options))
        with_fields.__doc__ = _documented(method, options)
        return cast(Callable[Concatenate[Any, P], Result], with_fields)

    return decorate


def _check_call(name: str, options: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise the TypeError of arguments that do not fit with the method's name instead of the name of its options."""
    try:
        inspect.signature(options).bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None


def _signature_of(method: Callable[..., object], options: Callable[..., object]) -> inspect.Signature:
    own = inspect.signature(method)
    fields = inspect.signature(options).parameters.values()
    return own.replace(parameters=[own.parameters["self"], *fields])


def _documented(method: Callable[..., object], options: Callable[..., object]) -> str:
    """The method's docstring with the "Args" section of its options before "Returns"."""
    own, of_options = (inspect.cleandoc(thing.__doc__ or "") for thing in (method, options))
    summary, returns, rest = own.partition("\n\nReturns:")
    return f"{summary}\n\n{''.join(of_options.partition('Args:')[1:])}{returns}{rest}"


class _WithWorkers:
    """The part that the options of all methods share."""

    x: Any
    batch_size: int | None
    verbose: int | str
    max_queue_size: int
    workers: int
    use_multiprocessing: bool
    timeout: float | None

    @property
    def worker_options(self) -> WorkerOptions:
        return WorkerOptions(self.workers, self.max_queue_size, self.use_multiprocessing, self.timeout)

    def __post_init__(self) -> None:
        object.__setattr__(self, "verbose", checked_verbose(self.verbose))  # the options are frozen
        if is_generated(self.x):
            _refuse_beside_generator(self)
        elif not self.validates_generated:
            _refuse_timeout(self.timeout)

    @property
    def validates_generated(self) -> bool:
        """Whether validation draws from a generator or Sequence, so that a timeout is allowed."""
        return False


@dataclass(frozen=True)
class FitOptions(_WithWorkers):
    """The arguments of Model.fit. Everything is checked that needs no model.

    Args:
        x: An array, or a list or dict of arrays; or a generator or Sequence of batches (x, y) or (x, y, weights).
        y: The values that the model should output. A generator has its own.
        batch_size: Samples in a batch. None means 32.
        epochs: Index of the last epoch plus one, so the number of epochs if initial_epoch is 0.
        verbose: 0 shows nothing, 1 a bar, 2 a line for each epoch, "auto" is 1. Without a terminal or notebook, 1 shows a line
            every 10 seconds.
        callbacks: Callbacks, called in this order.
        validation_split: Fraction of the samples, from the end of the arrays before shuffling, that is used for validation.
        validation_data: (x, y) or (x, y, weights), used instead of validation_split; or a Sequence; or a generator, which gives
            `validation_steps` batches each time. Keras 2.2.5 accepts the last two only in fit_generator.
        shuffle: True, False or "batch". For a Sequence, True and "batch" both shuffle the order of its batches.
        class_weight: A dict from class to weight, or a list or array of weights, one for each class. With arrays also
            "balanced" or "auto". It is multiplied by sample_weight. It is an error if a sample has several labels.
        sample_weight: An array for each output.
        initial_epoch: Index of the first epoch. With a loaded model, give the number of epochs that it was trained for, so that
            callbacks continue; see load_model.
        steps_per_epoch: Steps in an epoch. With arrays, each step uses all samples; with a generator, one batch.
        validation_steps: Batches of one validation, see validation_data.
        validation_freq: An int n to validate after every n-th epoch, or a list of the epochs, counted from 1.
        max_queue_size: Number of batches of a generator or Sequence that may wait; see fit_generator.
        workers: Number of threads or processes that prepare batches.
        use_multiprocessing: Whether the workers are processes instead of threads.
        timeout: Seconds to wait for one batch. Not in Keras.

    Raises:
        TypeError: An argument has a wrong type.
        ValueError: Arguments contradict each other. The messages are those of Keras if it has one.
    """

    x: Any = None
    y: Any = None
    batch_size: int | None = None
    epochs: int = 1
    verbose: int | str = 1
    callbacks: Sequence[Callback] | None = None
    validation_split: float = 0.0
    validation_data: Any = None
    shuffle: Shuffle = True
    class_weight: Any = None
    sample_weight: Any = None
    initial_epoch: int = 0
    steps_per_epoch: int | None = None
    validation_steps: int | None = None
    validation_freq: int | Collection[int] = 1
    max_queue_size: int = 10
    workers: int = 1
    use_multiprocessing: bool = False
    _: KW_ONLY
    timeout: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if is_generated(self.x) and self.validation_split:
            raise ValueError(
                "`validation_split` argument is not supported when data is a generator or Sequence instance. Instead pass "
                "validation data through the `validation_data` argument."
            )
        if self.validation_split and self.validation_data is None:
            check_number(self.validation_split, "validation_split")
            if not 0.0 < self.validation_split < 1.0:  # Keras says nothing
                warn(f"validation_split={self.validation_split} is ignored: expected a fraction between 0 and 1")
        check_shuffle(self.shuffle)
        if self.batch_size is not None and self.steps_per_epoch is not None:
            raise ValueError("If steps_per_epoch is set, the `batch_size` must be None.")
        for name in ("epochs", "initial_epoch"):
            if not _is_integer(value := getattr(self, name)):
                raise TypeError(f"expected {name} to be an integer, got {value!r}")
        _check_frequency(self.validation_freq)

    @property
    def validates_generated(self) -> bool:
        return is_generated(self.validation_data)


@dataclass(frozen=True)
class EvaluateOptions(_WithWorkers):
    """The arguments of Model.evaluate. Everything is checked that needs no model.

    Args:
        x: An array, or a list or dict of arrays; or a generator or Sequence of batches. The last four arguments are only for
            these, see evaluate_generator.
        y: The values that the model should output. A generator has its own.
        batch_size: Samples in a batch. None means 32.
        verbose: 1 shows progress, 0 does not.
        sample_weight: An array for each output.
        steps: Number of batches of a generator. With arrays, the number of passes over all samples.
        callbacks: Callbacks, called in this order.
        max_queue_size: Number of batches that may wait.
        workers: Number of threads or processes that prepare batches.
        use_multiprocessing: Whether the workers are processes instead of threads.
        timeout: Seconds to wait for one batch. Not in Keras.
        return_dict: Whether to return a dict by name, as tf.keras.
    """

    x: Any = None
    y: Any = None
    batch_size: int | None = None
    verbose: int | str = 1
    sample_weight: Any = None
    steps: int | None = None
    callbacks: Sequence[Callback] | None = None
    max_queue_size: int = 10
    workers: int = 1
    use_multiprocessing: bool = False
    _: KW_ONLY
    timeout: float | None = None
    return_dict: bool = False


@dataclass(frozen=True)
class PredictOptions(_WithWorkers):
    """The arguments of Model.predict. Everything is checked that needs no model.

    Args:
        x: An array, or a list or dict of arrays; or a generator or Sequence of batches. The last four arguments are only for
            these, see predict_generator.
        batch_size: Samples in a batch. None means 32.
        verbose: 1 shows progress, 0 does not.
        steps: Number of batches of a generator. With arrays, the number of passes over all samples.
        callbacks: Callbacks, called in this order.
        max_queue_size: Number of batches that may wait.
        workers: Number of threads or processes that prepare batches.
        use_multiprocessing: Whether the workers are processes instead of threads.
        timeout: Seconds to wait for one batch. Not in Keras.
    """

    x: Any
    batch_size: int | None = None
    verbose: int | str = 0
    steps: int | None = None
    callbacks: Sequence[Callback] | None = None
    max_queue_size: int = 10
    workers: int = 1
    use_multiprocessing: bool = False
    _: KW_ONLY
    timeout: float | None = None


def _refuse_beside_generator(options: _WithWorkers) -> None:
    """Raise Keras's ValueError for arguments that cannot be combined with a generator."""
    where = "argument is not supported when data is a generator or Sequence instance. Instead pass"
    if options.batch_size is not None:
        raise ValueError("The `batch_size` argument must not be specified when using a generator or Sequence as an input.")
    if getattr(options, "y", None) is not None:
        raise ValueError(f"`y` {where} targets as the second element of the generator.")
    if getattr(options, "sample_weight", None) is not None:
        raise ValueError(f"`sample_weight` {where} sample weights as the third element of the generator.")


def _refuse_timeout(timeout: float | None) -> None:
    """Raise ValueError for a timeout with arrays, which need no waiting."""
    if timeout is not None:
        raise ValueError(f"timeout={timeout!r} is only for a generator or Sequence: with arrays there is nothing to wait for")


def validates_after(frequency: int | Collection[int], epoch: int) -> bool:
    """Whether validation follows an epoch, which is counted from 0. `frequency` is a checked validation_freq."""
    return (epoch + 1) in frequency if isinstance(frequency, Collection) else (epoch + 1) % frequency == 0


def _check_frequency(frequency: object) -> None:
    if isinstance(frequency, (str, bool)) or not (_is_integer(frequency) or isinstance(frequency, Collection)):
        raise TypeError(f"expected validation_freq to be an integer or a list of epochs, got {frequency!r}")
    if isinstance(frequency, (int, np.integer)) and frequency < 1:
        raise ValueError(f"`validation_freq` must be a positive integer, got {frequency}")


def _is_integer(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
