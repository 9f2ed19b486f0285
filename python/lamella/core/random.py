"""Random keys. Every stream is counter-based and keyed by what it belongs to, so order of threads never matters."""

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
_seedings = 0  # calls of set_random_seed: a stream begins anew after each

# More draws than any step makes; 2**43 steps fit beside them in the 63 bits of a kernel's offset.
_DRAWS = 20


def set_random_seed(seed: int) -> None:
    """Seed everything: Python's `random`, NumPy's global state, and all keys that lamella hands out afterwards."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= int(seed) < 2**32:
        raise ValueError(f"set_random_seed: expected an integer in [0, 2**32), got {seed!r}")
    python: random.Random = random.seed.__self__  # type: ignore[attr-defined]  # the one behind the module's functions
    # What random.seed does of an integer, in calls of C.
    of_python: list[Call] = [(super(random.Random, python).seed, (int(seed),)), (setattr, (python, "gauss_next", None))]
    own = {"_seed": int(seed), "_seedings": _seedings + 1}
    commit([*of_python, (np.random.seed, (int(seed),)), (_counters.clear, ()), (globals().update, (own,))])


def get_global_state() -> dict[str, Any]:
    """Where the global generators of NumPy and Python stand, from which users' own code may draw."""
    return {"numpy": np.random.get_state(legacy=False), "python": random.getstate()}


def set_global_state(state: Mapping[str, Any]) -> None:
    """Go on from what get_global_state returned, or from that as JSON gives it back."""
    np.random.set_state(state["numpy"])
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))


class Stream:
    """The random numbers of one model's training: a seed and the number of steps done say all that is to come.

    Within `run` this thread draws the keys of one step; whoever runs it commits the step, with all else that it changes.
    Two numbers are saved with a model, and its training goes on as if it had never stopped.

    Attributes:
        seed: Drawn at the first step, and anew after set_random_seed.
        step: Steps done.
        epoch: What `step` was when the epoch began; the order of the epoch's samples is keyed by it, so that it does not depend
            on the epochs that this process has run.
    """

    def __init__(self) -> None:
        self.seed = self.step = self.epoch = 0
        self._seeding: int | None = None
        self._draws = itertools.count()
        self._number: tuple[int | None, int] = None, 0  # drawn for the seeding, and the number

    def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """function(*arguments) within the step at hand, whose draws begin anew."""
        self._ready()
        self._draws = itertools.count()
        return Scope((_current, "stream", self)).run(function, *arguments)

    def count_step(self) -> Call:
        """The call that counts the step, for `commit`."""
        return setattr, (self, "step", self.step + 1)

    def begin_epoch(self) -> None:
        self._ready()
        self.epoch = self.step

    def order(self, ahead: int = 0) -> np.random.Generator:
        """A generator for the order of this epoch's samples: the same one however often it is asked for.

        Args:
            ahead: Of a pass through the data that begins so many steps after the epoch, or before it if negative.
        """
        self._ready()
        words = np.random.SeedSequence([self.seed, zlib.crc32(b"shuffle"), (self.epoch + ahead) % 2**64])
        return np.random.Generator(np.random.Philox(words))

    def key(self) -> tuple[int, int]:
        """(seed, offset) of the next draw of this step."""
        self._ready()
        return self.seed, self.step << _DRAWS | next(self._draws)

    def get_state(self) -> dict[str, int]:
        self._ready()
        return {"seed": self.seed, "step": self.step, "epoch": self.epoch}

    def set_state(self, state: dict[str, int]) -> None:
        """Raises ValueError unless it is what get_state returned."""
        names = ("seed", "step", "epoch")
        if set(state) != set(names) or not all(type(state[n]) is int and 0 <= state[n] < 2**43 for n in names):
            raise ValueError(f"random state: expected seed, step and epoch as integers in [0, 2**43), got {state}")
        vars(self).update(state, _seeding=_seedings)

    def __getstate__(self) -> dict[str, int]:
        """A copy draws what the original draws: one made before the first step settles the seed of both."""
        return self.get_state()

    def __setstate__(self, state: dict[str, int]) -> None:
        self.__init__()  # type: ignore[misc]
        self.set_state(state)

    def _ready(self) -> None:
        if self._seeding != _seedings:
            if self._number[0] != _seedings:
                # Drawn and kept in one call: an interrupt loses no number, so that the next try gets the same seed.
                vars(self).update(zip(("_number",), zip((_seedings,), _numbers("stream"))))
            seed = _seed_of("stream", self._number[1])
            vars(self).update(seed=seed, step=0, epoch=0, _draws=itertools.count(), _seeding=_seedings)


class Draws:
    """What the calls of one run of a graph draw, so that a call which is computed again draws the same.

    A call is known by its node, within the calls around it: a model that is called twice draws twice.

    Attributes:
        position: The number of the next draw within the call. Who sets it back gets the same draws again.
    """

    def __init__(self) -> None:
        self._drawn: dict[tuple[object, ...], list[Any]] = {}
        self._path: tuple[object, ...] = ()
        self.position = 0

    def call(self, node: object, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """function(*arguments, **named) as the call of `node`."""
        return self._within((*self._path, node), function, *arguments, **named)

    def again(self, function: Callable[..., T], *arguments: Any) -> T:
        """function(*arguments), in which nodes stand for those beside the one that is called."""
        return self._within(self._path[:-1], function, *arguments)

    def _within(self, path: tuple[object, ...], function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        before = self._path, self.position
        self._path, self.position = path, 0
        try:
            return function(*arguments, **named)
        finally:
            self._path, self.position = before

    def one(self, draw: Callable[[], T]) -> T:
        """The next draw of this call: as it was before, else what `draw` returns."""
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
_outside = Stream()  # of draws that belong to no training step: there every draw is new


def draw_key(seed: int | None = None) -> tuple[int, int]:
    """(seed, offset) for a kernel that draws, by the n-th draw of the current training step.

    Args:
        seed: A layer's own; None takes the training's.
    """
    key = (_current.stream or _outside).key
    own, offset = key() if _current.draws is None else _current.draws.one(key)
    return own if seed is None else int(seed) % 2**63, offset


def drawing(function: Callable[..., T], *arguments: Any) -> T:
    """function(*arguments) as one run of a graph, if it is not within one: `drawn` then keeps what calls draw."""
    if _current.draws is not None:
        return function(*arguments)
    return Scope((_current, "draws", Draws())).run(function, *arguments)


def drawn() -> Draws:
    """What the run of `drawing` at hand draws."""
    assert _current.draws is not None
    return _current.draws


def next_seed(what: str) -> int:
    """A fresh 31-bit key for one owner of the kind `what` ("initializer", "dropout", "random" ...).

    After set_random_seed the n-th owner of a kind always gets the same key. Before it the key comes from NumPy's
    global state, as in Keras 2, so that scripts with `np.random.seed(1)` stay reproducible. Within a training step it
    follows from the step, so that a training that was taken up again draws the same.
    """
    return _fresh_seed(what) if _current.draws is None else _current.draws.one(partial(_fresh_seed, what))


def _fresh_seed(what: str) -> int:
    if _current.stream is not None:
        return _hashed(*_current.stream.key(), zlib.crc32(what.encode()))
    return _seed_of(what, next(_numbers(what)))


def _numbers(what: str) -> Iterator[int]:
    """What seeds are made of; `next` draws one in C."""
    if _seed is None:
        return iter(partial(np.random.randint, 0, 2**31 - 1), None)
    return _counters.setdefault(what, itertools.count())


def _seed_of(what: str, number: int) -> int:
    return int(number) if _seed is None else _hashed(_seed, zlib.crc32(what.encode()), number)


def _hashed(*words: int) -> int:
    return int(np.random.SeedSequence(words).generate_state(1)[0]) >> 1


def generator(seed: int | None = None, what: str = "initializer") -> np.random.Generator:
    """A NumPy generator on Philox. The same seed gives the same stream; None takes `next_seed(what)`."""
    return np.random.Generator(np.random.Philox(next_seed(what) if seed is None else int(seed) % 2**64))


def generator_of(key: tuple[int, int]) -> np.random.Generator:
    """A NumPy generator for what `draw_key` returned: the same key gives the same numbers."""
    seed, offset = key
    return np.random.Generator(np.random.Philox(key=seed | offset << 64))
