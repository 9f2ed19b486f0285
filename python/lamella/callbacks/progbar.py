"""Progbar: a progress bar for custom loops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from lamella.callbacks.progress import ProgressLine


class Progbar:
    """A progress bar of `target` units, with running means of the given values.

    Args:
        target: Number of units; None if unknown.
        width: Width of the bar in characters.
        verbose: 1 draws a bar, 2 writes a line at the end, 0 shows nothing.
        interval: Seconds between two drawings.
        stateful_metrics: Names of values that are shown unchanged instead of as means.

    Source: Keras 2.2.5. Without a terminal, Keras writes a line at every update; here a line is written every 10 seconds and
        at the end.
    """

    def __init__(
        self,
        target: int | None,
        width: int = 30,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
    ) -> None:
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.stateful_metrics = set(stateful_metrics or ())
        self._line = ProgressLine(target, width, verbose, interval)
        self._seen = 0
        self._sums: dict[str, tuple[float, int]] = {}  # value * units, units
        self._latest: dict[str, float] = {}

    def update(self, current: int, values: Sequence[tuple[str, float]] | None = None) -> None:
        """Draw the state after `current` units. At the target, write the final line.

        Args:
            current: Units so far.
            values: Pairs (name, mean value of the units since the last update).
        """
        units = current - self._seen
        for name, value in values or ():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = total + value * units, count + units
            self._latest[name] = value
        self._seen = current
        draw = self._line.update if self.target is None or current < self.target else self._line.finish
        draw(current, {name: self._shown(name) for name in self._sums})

    def add(self, n: int, values: Sequence[tuple[str, float]] | None = None) -> None:
        """Call `update` after n more units.

        Args:
            n: Units since the last call.
            values: As in `update`.
        """
        self.update(self._seen + n, values)

    def _shown(self, name: str) -> float:
        if name in self.stateful_metrics:
            return self._latest[name]
        total, count = self._sums[name]
        return float(np.mean(total / max(1, count)))
