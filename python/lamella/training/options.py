"""The arguments of fit, evaluate and predict, each listed once: the methods of a model take their signatures from here."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import numpy as np

from lamella.callbacks.base import Callback
from lamella.core.checks import checked_verbose
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
    """Make a method that takes options one that takes their fields, with the signature and the "Args" of the options.

    Args:
        renamed: Arguments of Keras 1 by the names that they have now; they are taken with a warning.

    Raises:
        TypeError: From the method, for arguments that it does not have.
    """
    names = list(inspect.signature(options).parameters)

    def decorate(method: Callable[[Any, Options], Result]) -> Callable[Concatenate[Any, P], Result]:
        @functools.wraps(method)
        def door(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Result:
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

        setattr(door, "__signature__", _signature_of(method, options))
        door.__doc__ = _documented(method, options)
        return cast(Callable[Concatenate[Any, P], Result], door)

    return decorate


def _check_call(name: str, options: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raises TypeError in the method's name, not that of its options, where the arguments do not fit."""
    try:
        inspect.signature(options).bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None


def _signature_of(method: Callable[..., object], options: Callable[..., object]) -> inspect.Signature:
    own = inspect.signature(method)
    fields = inspect.signature(options).parameters.values()
    return own.replace(parameters=[own.parameters["self"], *fields])


def _documented(method: Callable[..., object], options: Callable[..., object]) -> str:
    """The method's docstring, with the arguments where they belong."""
    own, of_options = (inspect.cleandoc(thing.__doc__ or "") for thing in (method, options))
    summary, returns, rest = own.partition("\n\nReturns:")
    return f"{summary}\n\n{''.join(of_options.partition('Args:')[1:])}{returns}{rest}"


class _WithWorkers:
    """What the options of all methods have in common."""

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
        """Whether validation draws from a generator or Sequence, which a timeout then is for."""
        return False


@dataclass(frozen=True)
class FitOptions(_WithWorkers):
    """The arguments of Model.fit, checked as far as that needs no model.

    Args:
        x: Arrays, a list or a dict of them; or a generator or Sequence of batches (x, y) or (x, y, weights).
        y: Targets; a generator brings its own.
        batch_size: None means 32.
        epochs: The number of the epoch after the last one.
        verbose: 0; 1 a bar, or away from terminals and notebooks a line every 10 seconds; 2 a line for each epoch; "auto" means
            1.
        callbacks: Called in their order.
        validation_split: The tail of the arrays, before shuffling, is held out.
        validation_data: (x, y) or (x, y, weights), overrides the split; or a Sequence, or a generator of which
            `validation_steps` batches are drawn each time. Keras 2.2.5 takes these in fit_generator only.
        shuffle: True, False or "batch"; of a Sequence both shuffle the order of its batches.
        class_weight: dict of class -> weight; a list or array of weights by class; on arrays also "balanced" or "auto". It is
            multiplied with sample_weight; refused for several labels a sample.
        sample_weight: An array for each output.
        initial_epoch: With a loaded model the number of epochs that it was trained for, so that callbacks continue; see load_model.
        steps_per_epoch: That many steps, each on all of the arrays, or batches of a generator.
        validation_steps: Batches of one validation, see validation_data.
        validation_freq: Validate after every n-th epoch, or after the epochs of a list.
        max_queue_size: Of a generator's or Sequence's batches, as the next ones; see fit_generator.
        workers: Threads or processes that prepare batches.
        use_multiprocessing: Processes instead of threads.
        timeout: Seconds to wait for one batch. Not in Keras.

    Raises:
        TypeError or ValueError: In Keras's own words where it has any.
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
    """The arguments of Model.evaluate, checked as far as that needs no model.

    Args:
        x: Arrays, or a generator or Sequence of batches; the last four arguments are for it alone, see evaluate_generator.
        y: Targets; a generator brings its own.
        batch_size: None means 32.
        verbose: 1 shows progress.
        sample_weight: An array for each output.
        steps: Batches of a generator, or so many times all of the arrays.
        callbacks: Called in their order.
        max_queue_size: How many batches may wait.
        workers: Threads or processes that prepare batches.
        use_multiprocessing: Processes instead of threads.
        timeout: Seconds to wait for one batch. Not in Keras.
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


@dataclass(frozen=True)
class PredictOptions(_WithWorkers):
    """The arguments of Model.predict, checked as far as that needs no model.

    Args:
        x: Arrays, or a generator or Sequence of batches; the last four arguments are for it alone, see predict_generator.
        batch_size: None means 32.
        verbose: 1 shows progress.
        steps: Batches of a generator, or so many times all of the arrays.
        callbacks: Called in their order.
        max_queue_size: How many batches may wait.
        workers: Threads or processes that prepare batches.
        use_multiprocessing: Processes instead of threads.
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
    """Raises ValueError, in Keras's own words, for arguments that a generator rules out."""
    where = "argument is not supported when data is a generator or Sequence instance. Instead pass"
    if options.batch_size is not None:
        raise ValueError("The `batch_size` argument must not be specified when using a generator or Sequence as an input.")
    if getattr(options, "y", None) is not None:
        raise ValueError(f"`y` {where} targets as the second element of the generator.")
    if getattr(options, "sample_weight", None) is not None:
        raise ValueError(f"`sample_weight` {where} sample weights as the third element of the generator.")


def _refuse_timeout(timeout: float | None) -> None:
    """Raises ValueError for arrays, for which nobody waits."""
    if timeout is not None:
        raise ValueError(f"timeout={timeout!r} is for a generator or Sequence: the samples of arrays are there already")


def _check_frequency(frequency: object) -> None:
    if isinstance(frequency, (str, bool)) or not (_is_integer(frequency) or isinstance(frequency, Collection)):
        raise TypeError(f"expected validation_freq to be an integer or a list of epochs, got {frequency!r}")
    if isinstance(frequency, (int, np.integer)) and frequency < 1:
        raise ValueError(f"`validation_freq` must be a positive integer, got {frequency}")


def _is_integer(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
