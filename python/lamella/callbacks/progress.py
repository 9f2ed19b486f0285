"""Progress in Keras's line format.

A terminal or a notebook shows a bar of tqdm. Elsewhere each epoch is a line, and a long epoch adds a line every 10 seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from time import perf_counter
from typing import TYPE_CHECKING, Any, SupportsFloat

from lamella.callbacks.base import Callback
from lamella.callbacks.logs import Logs

if TYPE_CHECKING:
    from tqdm import tqdm

# Seconds, as in Keras: a drawing costs about 0.1 ms, and an eye sees no more of them.
_INTERVAL = 0.05
# Seconds. In a notebook each drawing is a message to the browser, and too many of them block it.
_NOTEBOOK_INTERVAL = 0.2
# Seconds. In a pipe or file every drawing is a line that stays.
_LINE_INTERVAL = 10.0
# Some metrics compute their value from all samples so far. If that takes over a millisecond, it gets at most 5 % of the time.
_LONG = 1e-3
_PAUSE = 20


def values_text(values: Mapping[str, SupportsFloat]) -> str:
    """' - loss: 0.6931 - acc: 0.5000': four digits after the point, with an exponent if the value is 0.001 or less."""
    numbers = [(name, float(value)) for name, value in values.items()]
    return "".join(f" - {name}: {value:.4f}" if abs(value) > 1e-3 else f" - {name}: {value:.4e}" for name, value in numbers)


def pace_text(seconds: float, count: int) -> str:
    """' - 2s 31us/step'."""
    each = seconds / count if count else 0.0
    unit, scale = ("s", 1.0) if each >= 1 else ("ms", 1e3) if each >= 1e-3 else ("us", 1e6)
    return f" - {seconds:.0f}s {each * scale:.0f}{unit}/step"


class ProgressLine:
    """A progress bar of `target` units.

    With verbose=1 a terminal or a notebook shows the bar while it fills; elsewhere a line is written every 10 seconds. The
    final line stays. verbose=2 writes only this line.

    Args:
        target: Number of units; None if unknown.
        width: Width of the bar in characters.
        verbose: 0, 1 or 2.
        interval: Seconds between two drawings, at least 0.2 in a notebook.
        title: Text before each line where no bar is drawn.
    """

    def __init__(
        self, target: int | None, width: int = 30, verbose: int = 1, interval: float = _INTERVAL, title: str = ""
    ) -> None:
        self.target = target
        self.width = width
        self.verbose = verbose
        self.title = title
        self._start = self._drawn = perf_counter()
        self._pause = 0.0  # seconds without a drawing, because the last one took long
        self._bar: tqdm[Any] | None = None
        self._live = is_live()
        self._in_notebook = _is_notebook() and find_spec("ipywidgets") is not None
        self.interval = _LINE_INTERVAL
        if self._live:
            self.interval = max(interval, _NOTEBOOK_INTERVAL) if _is_notebook() else interval
            self._drawn = 0.0

    def update(self, current: int, values: Mapping[str, SupportsFloat] | None = None) -> None:
        """Show the state after `current` units, unless the last drawing is less than `interval` seconds ago.

        Late numbers among the values are computed only for a drawing.
        """
        now = perf_counter()
        if self.verbose != 1 or now - self._drawn < max(self.interval, self._pause):
            return
        self._drawn = now
        seconds = now - self._start
        if self.target is None:
            rest = f" - {seconds:.0f}s"
        else:
            rest = f" - ETA: {_eta_text(seconds / current * (self.target - current) if current else 0.0)}"
        rest += values_text(values or {})
        took = perf_counter() - now
        self._pause = _PAUSE * took if took > _LONG else 0.0
        if not self._live:
            self._write(f"{self._drawing(current, self.target)}{rest}")
            return
        if self._bar is None:
            self._bar = _widget(self.target) if self._in_notebook else _line()
        if self._in_notebook:
            self._bar.n = current
            self._bar.left, self._bar.right = f"{current}/{self.target or 'Unknown'}", rest
        else:
            from shutil import get_terminal_size  # imported late: shutil loads nine modules, and few runs draw a bar

            # A line that wraps cannot be overwritten. get_terminal_size takes 80 for a width of 0, which some terminals give.
            self._bar.left = f"{self._drawing(current, self.target)}{rest}"[: get_terminal_size().columns]
        self._bar.refresh()

    def finish(self, current: int, values: Mapping[str, float] | None = None) -> None:
        """Write the final line."""
        seconds = perf_counter() - self._start
        if self._bar is not None:
            self._bar.leave = False  # the final line replaces the bar
            self._bar.total = self._bar.n  # else a notebook shows an epoch that a callback ended as a failure
            self._bar.close()
        text = values_text(values or {})
        if self.verbose == 1:
            target = current if self.target is None else self.target
            line = f"{self._drawing(current, target)}{pace_text(seconds, current)}{text}"
        elif self.verbose == 2:
            line = f" - {seconds:.0f}s{text}"
        else:
            return
        self._write(line)

    def _write(self, line: str) -> None:
        if self.title and not self._live:
            line = f"{self.title}{'' if line.startswith(' ') else ' - '}{line}"
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def _drawing(self, current: int, target: int | None) -> str:
        """' 30/100 [==>.......]': the count, padded to the width of the target, and the bar."""
        if target is None:
            return f"{current:7d}/Unknown"
        filled = int(self.width * current / target) if target else self.width
        bar = "=" * max(0, filled - 1) + (">" if filled else "") + "." * (self.width - filled)
        if filled >= self.width:
            bar = "=" * self.width
        return f"{current:{len(str(target))}d}/{target} [{bar}]"


def is_live() -> bool:
    """Whether the last line of stdout can be overwritten: on a terminal and in a notebook."""
    return bool(getattr(sys.stdout, "isatty", lambda: False)()) or _is_notebook()


def _is_notebook() -> bool:
    """Whether this process serves a notebook. IPython on a terminal does not."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return "IPKernelApp" in getattr(shell, "config", ())


def _eta_text(seconds: float) -> str:
    """'59s', '1:01' or '1:06:40'."""
    whole = int(seconds)
    if whole > 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}" if whole > 60 else f"{whole}s"


def _line() -> tqdm[Any]:
    """A bar that overwrites the last line of a terminal. tqdm is imported here: only a drawn bar needs it."""
    from tqdm import tqdm

    return _with_texts(tqdm)(bar_format="{left}{right}", file=sys.stdout, leave=True, mininterval=0)


def _widget(target: int | None) -> tqdm[Any]:
    """The bar of a notebook: tqdm's widget, which needs ipywidgets."""
    from tqdm.notebook import tqdm

    return _with_texts(tqdm)(total=target, bar_format="{left}{bar}{right}", leave=True, mininterval=0)


def _with_texts(tqdm: type) -> type:
    class Bar(tqdm):  # type: ignore[misc]
        monitor_interval = 0  # tqdm starts no thread
        left = right = ""

        @property
        def format_dict(self) -> dict[str, Any]:
            values: dict[str, Any] = super().format_dict
            values.update(left=self.left, right=self.right)
            return values

    return Bar


class ProgbarLogger(Callback):
    """Prints the progress of fit. It is part of every run with verbose 1 or 2.

    Args:
        count_mode: "samples" or "steps": the units of the bar.
        stateful_metrics: Names of values that are shown unchanged instead of as means.

    Raises:
        ValueError: count_mode is another string.

    Source: Keras 2.2.5.
    """

    state_names = ("seen", "samples", "totals")

    def __init__(self, count_mode: str = "samples", stateful_metrics: Iterable[str] | None = None) -> None:
        super().__init__()
        if count_mode not in ("samples", "steps"):
            raise ValueError(f"Unknown `count_mode`: {count_mode}")
        self.count_mode = count_mode
        self.stateful_metrics = set(stateful_metrics or ())

    def on_train_begin(self, logs: Logs[Any] | None = None) -> None:
        self.verbose = self.params["verbose"]
        self.epochs = self.params["epochs"]

    def on_epoch_begin(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        title = f"Epoch {epoch + 1}/{self.epochs}"
        if self.verbose and is_live():
            print(title)
        self.seen = self.samples = 0
        self.totals: dict[str, float] = {}
        self.progbar = ProgressLine(self.params.get(self.count_mode), verbose=self.verbose, title=title)

    def on_batch_end(self, batch: int, logs: Logs[Any] | None = None) -> None:
        logs = logs or Logs()
        size = logs.get("size", 0)
        self.samples += size
        self.seen += size if self.count_mode == "samples" else 1
        shown = {}
        for name in self.params["metrics"]:
            if name in logs and name in self.stateful_metrics:
                shown[name] = logs[name]
            elif name in logs:
                self.totals[name] = self.totals.get(name, 0.0) + logs[name] * size
                shown[name] = self.totals[name] / max(1, self.samples)
        if self.progbar.target is None or self.seen < self.progbar.target:
            self.progbar.update(self.seen, shown)

    def on_epoch_end(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        logs = logs or Logs()
        self.progbar.finish(self.seen, {name: logs[name] for name in self.params["metrics"] if name in logs})
