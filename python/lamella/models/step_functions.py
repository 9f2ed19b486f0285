"""StepFunctions: Keras 2.2.5's functions of a list of arrays for one batch, for scripts that call them instead of the methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamella.core.types import Array
from lamella.training.step import Steps

# A list of arrays in, a list of numbers or arrays out.
Function = Callable[[Sequence[Any]], list[Any]]


class StepFunctions:
    """train_function, test_function and predict_function. Each takes the arrays of `_feed_inputs`; the first two also those of
    `_feed_targets` and `_feed_sample_weights`; a learning phase may follow, which must be that of the function.

    None may be assigned to them, which does nothing: in Keras it lets the next call make the function anew.

    Source: Keras 2.2.5 keras/engine/training.py.
    """

    # Of the model that this is mixed into.
    name: str
    _feed_input_names: list[str]
    train_on_batch: Callable[..., Any]
    test_on_batch: Callable[..., Any]
    predict_on_batch: Callable[..., Any]
    _of_compile: Callable[[str], Steps]

    @property
    def train_function(self) -> Function:
        """One step: the list of numbers that train_on_batch returns.

        Raises:
            AttributeError: The model is not compiled or not built.
        """
        return self._of_batches("train_function", self.train_on_batch, 1)

    @train_function.setter
    def train_function(self, value: None) -> None:
        self._accept_none("train_function", value)

    @property
    def test_function(self) -> Function:
        """The list of numbers that test_on_batch returns.

        Raises:
            AttributeError: The model is not compiled or not built.
        """
        return self._of_batches("test_function", self.test_on_batch, 0)

    @test_function.setter
    def test_function(self, value: None) -> None:
        self._accept_none("test_function", value)

    @property
    def predict_function(self) -> Function:
        """The list of outputs in the inference phase."""

        def predict(values: Sequence[Any]) -> list[Any]:
            (inputs,) = self._split("predict_function", values, [len(self._feed_input_names)], 0)
            outputs = self.predict_on_batch(inputs)
            return list(outputs) if isinstance(outputs, list) else [outputs]

        return predict

    @predict_function.setter
    def predict_function(self, value: None) -> None:
        self._accept_none("predict_function", value)

    @property
    def metrics_tensors(self) -> list[Any]:
        """An entry for each of `metrics_names` except "loss". Scripts for Keras append a tensor here and its name there: a function
        of the model's inputs and `targets`, a Variable, or a hyperparameter of the optimizer. The column has the mean of its
        elements.

        The entries that compile makes only have names, because lamella computes their numbers from arrays.

        Raises:
            AttributeError: The model is not compiled or not built.
        """
        return self._of_compile("metrics_tensors").added.tensors

    @metrics_tensors.setter
    def metrics_tensors(self, value: Sequence[Any]) -> None:
        self.metrics_tensors[:] = value

    def _of_batches(self, who: str, method: Callable[..., Any], phase: int) -> Function:
        outputs = self._of_compile(who).objective.outputs
        counts = [len(self._feed_input_names), sum(output.fed for output in outputs), len(outputs)]

        def step(values: Sequence[Any]) -> list[Any]:
            inputs, targets, weights = self._split(who, values, counts, phase)
            numbers = method(inputs, targets or None, sample_weight=weights or None)
            return list(numbers) if isinstance(numbers, list) else [numbers]

        return step

    def _split(self, who: str, values: Sequence[Any], counts: list[int], phase: int) -> list[list[Array]]:
        total = sum(counts)
        if len(values) not in (total, total + 1):
            raise ValueError(
                f"Model '{self.name}': {who} expects {total} arrays, and a learning phase if you like, got {len(values)}"
            )
        if len(values) > total and float(values[total]) != phase:
            raise ValueError(f"Model '{self.name}': {who} computes in the learning phase {phase}, got {values[total]}")
        ends = [sum(counts[: i + 1]) for i in range(len(counts))]
        return [list(values[end - count : end]) for count, end in zip(counts, ends)]

    def _accept_none(self, who: str, value: object) -> None:
        if value is not None:
            raise AttributeError(f"Model '{self.name}': {who} cannot be set, because fit would not use it")
