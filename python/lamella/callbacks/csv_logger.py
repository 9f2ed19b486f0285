"""CSVLogger: one line of a CSV file for each epoch."""

from __future__ import annotations

import csv
import io
import itertools
import os
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

import numpy as np

from lamella.callbacks.base import Callback
from lamella.callbacks.logs import Logs
from lamella.core.files import replace_file


class CSVLogger(Callback):
    """Writes the epoch and its logs as one line of a CSV file, after each epoch.

    The columns are `epoch`, then the names in the first epoch's logs, sorted.

    Differences from Keras 2.2.5:
        - With validation, the val_ names have columns from the first line on.
        - A name that first appears in a later epoch gets a new last column.
        - A missing value is a blank cell.
        - append=True uses the columns of the existing file.
        - A resumed run continues after its last line.

    Args:
        filename: Path of the file.
        separator: The character between two cells.
        append: Whether to continue an existing file instead of replacing it.

    Raises:
        OSError: Before training, if the file cannot be written.
        ValueError: The separator is not one character; or with append=True, the first column of the file is not `epoch`.

    Source: Keras 2.2.5.
    """

    # The state is a number of rows of the CSV file. Another training may have written to it since a model was saved.
    state_in_model_files = False

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        super().__init__()
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"CSVLogger: expected separator to be one character, got {separator!r}")
        self.filename = os.fspath(filename)
        self.sep = separator
        self.append = append
        self.keys: list[str] | None = None
        self.csv_file: TextIO | None = None
        # What is kept of the file when the next line is written: bytes, and rows with the header.
        self._keep, self._rows = 0, 0

    def on_train_begin(self, logs: Logs[Any] | None = None) -> None:
        self._close()
        self.csv_file = self._opened()
        self.keys = self._columns() if self.append else None
        if self.append:
            self._end_last_line()
        self._keep = os.path.getsize(self.filename) if self.append else 0
        self._rows = self._count() if self.append else 0

    def on_epoch_end(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        logs = Logs(logs or {})
        assert self.csv_file is not None, "CSVLogger: on_train_begin must be called first"
        self.csv_file.truncate(self._keep)
        if self.keys is None:
            names = set(logs)
            if self.params.get("do_validation"):
                names.update(name for name in self.params["metrics"] if name.startswith("val_"))
            self.keys = sorted(names)
            self._write(["epoch", *self.keys])
        new = [name for name in logs if name not in self.keys]
        if new:
            self._widen(new)
        self._write([epoch, *("" if name not in logs else _cell(logs[name]) for name in self.keys)])
        self.csv_file.flush()
        self._keep = os.path.getsize(self.filename)

    def on_train_end(self, logs: Logs[Any] | None = None) -> None:
        self._close()

    def get_state(self) -> dict[str, Any]:
        return {"rows": self._rows}

    def set_state(self, state: Mapping[str, Any]) -> None:
        rows = state["rows"]
        size = self._size_of(rows)
        if size is not None:
            self.keys, self._keep, self._rows = self._columns(), size, rows

    def _size_of(self, rows: int) -> int | None:
        """The bytes of the first rows of the file, the header included; None if it has fewer."""
        with open(self.filename, "rb") as file:
            lines = file.read().splitlines(keepends=True)
        reader = csv.reader((line.decode() for line in lines), delimiter=self.sep)
        if sum(1 for _ in itertools.islice(reader, rows)) < rows:
            return None
        return sum(map(len, lines[: reader.line_num]))

    def _end_last_line(self) -> None:
        """End the last line of the file if another program has not: the next line would be a part of it."""
        assert self.csv_file is not None
        with open(self.filename, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            complete = file.read() in (b"", b"\n", b"\r")
        if not complete:
            self.csv_file.write("\n")
            self.csv_file.flush()

    def _count(self) -> int:
        with open(self.filename, newline="", encoding="utf-8") as file:
            return sum(1 for _ in csv.reader(file, delimiter=self.sep))

    def _columns(self) -> list[str] | None:
        """The columns after `epoch` of the existing file; None if it has no line."""
        with open(self.filename, newline="", encoding="utf-8") as file:
            first = next(csv.reader(file, delimiter=self.sep), None)
        if first is None:
            return None
        if first[:1] != ["epoch"]:
            raise ValueError(f"CSVLogger: expected the first column of '{self.filename}' to be epoch, got the columns {first}")
        return first[1:]

    def _widen(self, names: list[str]) -> None:
        """Add columns, with blank cells in the existing lines. A new file replaces the old one."""
        assert self.keys is not None and self.csv_file is not None
        self.csv_file.flush()
        self.csv_file.seek(0)
        header, *rows = csv.reader(self.csv_file, delimiter=self.sep)
        lines = [[*header, *names], *([*row, *[""] * len(names)] for row in rows)]
        replace_file(self.filename, "".join(map(self._line, lines)).encode())
        self.keys = [*self.keys, *names]
        self.csv_file.close()
        self.csv_file = self._opened()

    def _write(self, cells: Iterable[Any]) -> None:
        # One write per line, so that a full disk or a kill does not leave a part of a line that looks complete.
        assert self.csv_file is not None
        self.csv_file.write(self._line(cells))
        self._rows += 1

    def _line(self, cells: Iterable[Any]) -> str:
        line = io.StringIO()
        csv.writer(line, delimiter=self.sep, lineterminator="\n").writerow(cells)
        return line.getvalue()

    def _opened(self) -> TextIO:
        # To append: a resumed run needs the old lines, and only set_state tells that this is one.
        return open(self.filename, "a+", newline="", encoding="utf-8")

    def _close(self) -> None:
        if self.csv_file is not None:
            self.csv_file.close()
            self.csv_file = None


def _cell(value: Any) -> Any:
    """A number unchanged; several numbers as "[a, b]"."""
    if isinstance(value, str) or not isinstance(value, Iterable) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value
    return f"[{', '.join(map(str, value))}]"
