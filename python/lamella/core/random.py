"""Random keys. Every stream is counter-based and has the key of its owner, so the order of threads does not matter."""

from __future__ import annotations

import itertools
import random
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

import numpy as np

from lamella.core.atomic import Call, Scope, commit

T = TypeVar("T")

_seed: int | None = None
_counters: dict[str, itertools.count[int]] = {}
_seedings = 0  # number of calls of set_random_seed; each stream starts again after a call

# Bits of the number of a draw within a step. No step makes 2**20 draws; 43 of the 63 bits of an offset remain for the step.
_DRAWS = 20


def set_random_seed(seed: int) -> None:
    """Set the seed of Python's `random`, of NumPy's global state, and of all later keys of lamella.

    Args:
        seed: An integer in [0, 2**32).

    Raises:
        ValueError: seed is not such an integer.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= int(seed) < 2**32:
        raise ValueError(f"set_random_seed: expected an integer in [0, 2**32), got {seed!r}")
    python: random.Random = random.seed.__self__  # type: ignore[attr-defined]  # the generator of the module's functions
    # The same as random.seed for an integer, as calls of C functions.
    of_python: list[Call] = [(super(random.Random, python).seed, (int(seed),)), (setattr, (python, "gauss_next", None))]
    own = {"_seed": int(seed), "_seedings": _seedings + 1}
    commit([*of_python, (np.random.seed, (int(seed),)), (_counters.clear, ()), (globals().update, (own,))])


def get_global_state() -> dict[str, Any]:
    """The states of the global generators of NumPy and Python, which users' code may use."""
    return {"numpy": np.random.get_state(legacy=False), "python": random.getstate()}


def set_global_state(state: Mapping[str, Any]) -> None:
    """Restore the states that get_global_state returned, also after a round trip through JSON."""
    np.random.set_state(state["numpy"])
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))


class Stream:
    """The random numbers of one model's training. The seed and the number of finished steps determine all later numbers.

    Inside of `run` this thread draws the keys of one step. The caller counts the step in the commit of its other changes. The
    attributes are saved with a model, whose training then continues as if it had not been interrupted.

    Attributes:
        seed: Drawn at the first step, and again after set_random_seed.
        step: Number of finished steps.
        epoch: The value of `step` at the start of the epoch. It is the key for the order of the epoch's samples, which therefore
            does not depend on the epochs that this process has run.
    """

    def __init__(self) -> None:
        self.seed = self.step = self.epoch = 0
        self._seeding: int | None = None
        self._draws = itertools.count()
        self._number: tuple[int | None, int] = None, 0  # the value of _seedings for which a number was drawn, and the number

    def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """function(*arguments), inside of the current step. Its draws start at the first one."""
        self._ready()
        self._draws = itertools.count()
        return Scope((_current, "stream", self)).run(function, *arguments)

    def count_step(self) -> Call:
        """The call that counts the step, for `commit`."""
        return setattr, (self, "step", self.step + 1)

    def begin_epoch(self) -> None:
        """Let the epoch start at the current step."""
        self._ready()
        self.epoch = self.step

    def order(self, ahead: int = 0) -> np.random.Generator:
        """A generator for the order of this epoch's samples. Every call returns an equal one.

        Args:
            ahead: The order of a pass through the data that begins this number of steps after the epoch, or before it if
                negative.
        """
        self._ready()
        words = np.random.SeedSequence([self.seed, zlib.crc32(b"shuffle"), (self.epoch + ahead) % 2**64])
        return np.random.Generator(np.random.Philox(words))

    def key(self) -> tuple[int, int]:
        """(seed, offset) of the next draw of this step."""
        self._ready()
        return self.seed, self.step << _DRAWS | next(self._draws)

    def get_state(self) -> dict[str, int]:
        """seed, step and epoch."""
        self._ready()
        return {"seed": self.seed, "step": self.step, "epoch": self.epoch}

    def set_state(self, state: dict[str, int]) -> None:
        """Restore what get_state returned.

        Raises:
            ValueError: It is something else.
        """
        names = ("seed", "step", "epoch")
        if set(state) != set(names) or not all(type(state[n]) is int and 0 <= state[n] < 2**43 for n in names):
            raise ValueError(f"random state: expected seed, step and epoch as integers in [0, 2**43), got {state}")
        vars(self).update(state, _seeding=_seedings)

    def __getstate__(self) -> dict[str, int]:
        """The state of a copy, which draws the same numbers. If there is no seed yet, it is drawn now, for both."""
        return self.get_state()

    def __setstate__(self, state: dict[str, int]) -> None:
        self.__init__()  # type: ignore[misc]
        self.set_state(state)

    def _ready(self) -> None:
        """Draw the seed if there is none, or if set_random_seed was called."""
        if self._seeding != _seedings:
            if self._number[0] != _seedings:
                # Drawn and stored in one call, so that no number is lost by an interrupt and the next try gets the same seed.
                vars(self).update(zip(("_number",), zip((_seedings,), _numbers("stream"))))
            seed = _seed_of("stream", self._number[1])
            vars(self).update(seed=seed, step=0, epoch=0, _draws=itertools.count(), _seeding=_seedings)


class Draws:
    """The draws of all calls in one run of a graph, so that a call that is computed again gets the same draws.

    A call is identified by its node and the nodes of the calls around it: a model that is called twice has different draws.

    Attributes:
        position: The number of the next draw of the current call. Setting it back gives the same draws again.
    """

    def __init__(self) -> None:
        self._drawn: dict[tuple[object, ...], list[Any]] = {}
        self._path: tuple[object, ...] = ()
        self.position = 0

    def call(self, node: object, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """function(*arguments, **named) as the call of `node`."""
        return self._within((*self._path, node), function, *arguments, **named)

    def again(self, function: Callable[..., T], *arguments: Any) -> T:
        """function(*arguments), in which nodes are siblings of the current call instead of parts of it."""
        return self._within(self._path[:-1], function, *arguments)

    def _within(self, path: tuple[object, ...], function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        before = self._path, self.position
        self._path, self.position = path, 0
        try:
            return function(*arguments, **named)
        finally:
            self._path, self.position = before

    def one(self, draw: Callable[[], T]) -> T:
        """The next draw of this call: the same as before, or a new one from `draw`."""
        drawn = self._drawn.setdefault(self._path, [])
        if self.position == len(drawn):
            drawn.append(draw())
        self.position += 1
        found: T = drawn[self.position - 1]
        return found


class _Current(threading.local):
    stream: Stream | None = None
    draws: Draws | None = None


_current = _Current()
_outside = Stream()  # for draws outside of training steps, which are never repeated


def draw_key(seed: int | None = None) -> tuple[int, int]:
    """(seed, offset) for a kernel that draws. The offset follows from the training step and the number of the draw in it.

    Args:
        seed: The seed of a layer; None is the seed of the training.
    """
    key = (_current.stream or _outside).key
    own, offset = key() if _current.draws is None else _current.draws.one(key)
    return own if seed is None else int(seed) % 2**63, offset


def in_step() -> bool:
    """Whether this thread computes a training step."""
    return _current.stream is not None


def drawing(function: Callable[..., T], *arguments: Any) -> T:
    """function(*arguments) as one run of a graph, whose draws `drawn` keeps. Inside of a run it only calls the function."""
    if _current.draws is not None:
        return function(*arguments)
    return Scope((_current, "draws", Draws())).run(function, *arguments)


def drawn() -> Draws:
    """The draws of the current run of `drawing`."""
    assert _current.draws is not None
    return _current.draws


def next_seed(what: str) -> int:
    """A new 31-bit key for one owner of the kind `what`: "initializer", "dropout", "random" and so on.

    After set_random_seed the n-th owner of a kind always gets the same key. Without set_random_seed the key comes from NumPy's
    global state, as in Keras 2, so that scripts with `np.random.seed(1)` are reproducible. Inside of a training step the key
    follows from the step, so that a training that was resumed draws the same keys.
    """
    return _fresh_seed(what) if _current.draws is None else _current.draws.one(partial(_fresh_seed, what))


def _fresh_seed(what: str) -> int:
    if _current.stream is not None:
        return _hashed(*_current.stream.key(), zlib.crc32(what.encode()))
    return _seed_of(what, next(_numbers(what)))


def _numbers(what: str) -> Iterator[int]:
    """The numbers from which seeds are made. `next` draws one in a C function."""
    if _seed is None:
        return iter(partial(np.random.randint, 0, 2**31 - 1), None)
    return _counters.setdefault(what, itertools.count())


def _seed_of(what: str, number: int) -> int:
    return int(number) if _seed is None else _hashed(_seed, zlib.crc32(what.encode()), number)


def _hashed(*words: int) -> int:
    return int(np.random.SeedSequence(words).generate_state(1)[0]) >> 1


def generator(seed: int | None = None, what: str = "initializer") -> np.random.Generator:
    """A NumPy generator with Philox. The same seed gives the same numbers; None is `next_seed(what)`."""
    return np.random.Generator(np.random.Philox(next_seed(what) if seed is None else int(seed) % 2**64))


def generator_of(key: tuple[int, int]) -> np.random.Generator:
    """A NumPy generator for a key of `draw_key`. The same key gives the same numbers."""
    seed, offset = key
    return np.random.Generator(np.random.Philox(key=seed | offset << 64))
