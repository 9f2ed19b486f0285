"""Tensors and names that scripts append to metrics_tensors and metrics_names. Source: Keras 2.2.5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lamella.core.graphs import GraphTensor
from lamella.core.pickling import PickledByName
from lamella.core.types import Value
from lamella.ops.tape import value_of
from lamella.training.objective import Place


class Column:
    """The entry of metrics_tensors for a column that compile made.

    Args:
        name: The column.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<Column '{self.name}' of the logs>"


class AddedMetrics(PickledByName):
    """The tensors that a script appended, and their numbers.

    Args:
        names: Keras's metrics_names; scripts append to this list.

    Attributes:
        tensors: Keras's metrics_tensors.
        symbolic: Those of the appended tensors that the model computes.
        count: The number of appended tensors.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.tensors: list[Any] = [Column(name) for name in names[1:]]
        self.symbolic: list[Any] = []
        self.count = 0
        self._made = len(names) - 1
        self._seen: list[Any] = []  # those that `symbolic` was found of

    def changed(self) -> bool:
        """Whether tensors were appended, replaced or removed since the last call.

        Raises:
            TypeError: An entry is not a tensor.
            ValueError: metrics_names and metrics_tensors do not match.
        """
        count = len(self.tensors) - self._made
        if len(self.names) - 1 != len(self.tensors) or count < 0:
            raise ValueError(
                f"metrics_tensors has {len(self.tensors)} entries, metrics_names {len(self.names)} with 'loss'; append a tensor to "
                "the one and its name to the other, and remove nothing that compile made"
            )
        if not count and not self.count:
            return False
        added = self.tensors[self._made :]
        if count == self.count and all(x is y for x, y in zip(added, self._seen)):
            return False
        for tensor in added:
            if not isinstance(tensor, GraphTensor) and np.asarray(tensor).dtype.kind not in "biuf":
                raise TypeError(f"metrics_tensors: expected tensors, got {tensor!r}")
        self.count, self._seen = count, added
        self.symbolic = [tensor for tensor in added if isinstance(tensor, GraphTensor)]
        return True

    def places(self, values: Iterator[Value]) -> dict[Place, Value]:
        """The values of `symbolic`, by places that no output has."""
        return {(-1, i): value for i, value in enumerate(values)}

    def numbers(self, made: Mapping[Place, Value]) -> list[float]:
        """One number for each appended tensor.

        Args:
            made: What the model computed, with `places`.
        """
        values = iter([value_of(made[-1, i]) for i in range(len(self.symbolic))])
        added = self.tensors[self._made :]
        return [float(np.mean(np.asarray(next(values) if isinstance(x, GraphTensor) else x))) for x in added]
