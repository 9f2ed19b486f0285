"""Interleaved timing: every round runs every contender once, so that changes of the machine's speed affect all equally."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["ours", "peer", "limit"]
Clock = Callable[[], float]

# A contender whose relative error against float64 is larger is wrong; it is not timed.
WRONG = 1e-3
MOST_PARTS = 5


class WrongResult(Exception):
    pass


@dataclass(frozen=True)
class Contender:
    """A function to time.

    Attributes:
        name: Its name in tables.
        role: "ours", "peer" or "limit".
        run: The function.
        amount: Work of one call (flops, bytes, samples), so that rates of different calls can be compared.
        error: Returns the largest difference from a float64 reference, divided by the reference's largest element. It is
            called once, before timing.
        settle: Seconds to sleep before its turn, if idle threads of another contender spin for so long.
        cpu_clock: If another process does the work, the clock of its CPU time.
    """

    name: str
    role: Role
    run: Callable[[], object]
    amount: float
    error: Callable[[], float] | None = None
    settle: float = 0.0
    cpu_clock: Clock | None = None


@dataclass(frozen=True)
class Case:
    """Contenders that do the same work. `unit` says how a table prints a time: see tables.UNITS."""

    name: str
    unit: str
    contenders: Sequence[Contender]


@dataclass(frozen=True)
class Plan:
    """What to run.

    Attributes:
        rounds: Number of rounds; at least 5 for figures to quote.
        slice: Seconds of a contender's turn in each round.
        quick: Only a few small cases, to check that everything runs.
        threads: Threads of each contender.
        torch: Whether torch is a peer.
        only: Run only cases whose names contain this text.
        others: Interpreters of environments with other peers, see bench/elsewhere.py.
        images: A folder of class folders with images, instead of those that `folder` writes.
    """

    rounds: int = 9
    slice: float = 0.1
    quick: bool = False
    threads: int = 1
    torch: bool = False
    only: str = ""
    others: tuple[str, ...] = ()
    images: str = ""

    def wants(self, case: str) -> bool:
        return self.only in case


@dataclass
class Timing:
    """One contender's result: seconds per call, one figure for each round."""

    role: Role
    amount: float
    seconds: list[float] = field(default_factory=list)
    error: float | None = None

    @property
    def rates(self) -> list[float]:
        return [self.amount / s for s in self.seconds]


@dataclass
class Result:
    case: str
    unit: str
    timings: dict[str, Timing]


@dataclass(frozen=True)
class Spread:
    """The median, and the distance between the quartiles divided by the median."""

    median: float
    spread: float


def spread_of(values: Sequence[float]) -> Spread:
    """Raises ValueError for no values."""
    if not values:
        raise ValueError("spread_of: expected at least one value")
    middle = statistics.median(values)
    if len(values) == 1:
        return Spread(middle, 0.0)
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(middle, (high - low) / middle if middle else 0.0)


def ratio(ours: Timing, other: Timing) -> Spread:
    """Our rate divided by the other's rate in each round; the median over the rounds."""
    return spread_of([a / b for a, b in zip(ours.rates, other.rates, strict=True)])


def beyond(ours: Timing, limit: Timing) -> Spread:
    """Seconds for one unit of work beyond those of the limit; the median over the rounds' differences."""
    return spread_of([1 / a - 1 / b for a, b in zip(ours.rates, limit.rates, strict=True)])


def best_peer(result: Result) -> str | None:
    """The peer with the highest median rate."""
    peers = [name for name, timing in result.timings.items() if timing.role == "peer"]
    return max(peers, key=lambda name: statistics.median(result.timings[name].rates), default=None)


def binding_limit(result: Result) -> Timing | None:
    """The limit with the lowest median rate."""
    limits = [timing for timing in result.timings.values() if timing.role == "limit"]
    return min(limits, key=lambda timing: statistics.median(timing.rates), default=None)


@dataclass(frozen=True)
class Turn:
    """A number of parts with a number of calls each. The fastest part counts, because other programs can only add time."""

    parts: int
    calls: int


def plan_turn(run: Callable[[], object], seconds: float, clock: Clock) -> Turn:
    """A turn of about `seconds`. Calls are doubled until they take a tenth of that, then scaled; at least one call."""
    calls = 1
    while True:
        start = clock()
        for _ in range(calls):
            run()
        taken = clock() - start
        if taken >= seconds / 10:
            break
        calls *= 2
    each = taken / calls
    calls = max(1, round(seconds / MOST_PARTS / each))
    return Turn(min(MOST_PARTS, max(1, round(seconds / (calls * each)))), calls)


def take_turn(run: Callable[[], object], turn: Turn, clock: Clock) -> float:
    """Seconds per call, after a first call that is not timed: it fills caches and wakes the contender's threads."""
    run()
    best = math.inf
    for _ in range(turn.parts):
        start = clock()
        for _ in range(turn.calls):
            run()
        best = min(best, clock() - start)
    return best / turn.calls


def measure(case: Case, plan: Plan, clock: Clock = time.perf_counter) -> Result:
    """Check the results, then time. The order is fixed and starts one contender later in every round.

    Raises:
        WrongResult: The result of a contender is wrong.
    """
    timings = {c.name: Timing(c.role, c.amount) for c in case.contenders}
    for contender in case.contenders:
        if contender.error is not None:
            error = contender.error()
            if not error <= WRONG:
                raise WrongResult(
                    f"{case.name}: {contender.name} is off by {error:.1e} of the largest element, expected at most {WRONG:.0e}"
                )
            timings[contender.name].error = error
    clocks = [c.cpu_clock if c.cpu_clock is not None and clock is time.process_time else clock for c in case.contenders]
    planned = [plan_turn(c.run, plan.slice, own) for c, own in zip(case.contenders, clocks, strict=True)]
    for position in turns(len(planned), plan.rounds):
        contender = case.contenders[position]
        if contender.settle:
            time.sleep(contender.settle)
        timings[contender.name].seconds.append(take_turn(contender.run, planned[position], clocks[position]))
    return Result(case.name, case.unit, timings)


def turns(contenders: int, rounds: int) -> Iterator[int]:
    for round in range(rounds):
        for i in range(contenders):
            yield (i + round) % contenders
