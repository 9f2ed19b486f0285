"""The weights of a layer: making, listing, reading and setting them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamella import initializers
from lamella.core import budget, config
from lamella.core.checks import as_array
from lamella.core.shapes import count
from lamella.core.variable import Variable


class Weighted:
    """Owns Variables. `trainable` says on which side of the list those made trainable stand now."""

    name: str
    trainable: bool
    built: bool
    _trainable_weights: list[Variable]
    _non_trainable_weights: list[Variable]

    def add_weight(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str | None = None,
        initializer: Any = None,
        regularizer: Callable[..., Any] | None = None,
        trainable: bool = True,
        constraint: Callable[..., Any] | None = None,
    ) -> Variable:
        """A weight called "<layer>/<name>:0".

        What is not given is looked up as `<name>_initializer`, `_regularizer` and `_constraint` of the layer.
        """
        fill = initializers.get(initializer) or getattr(self, f"{name}_initializer", None)
        dtype = dtype or config.floatx()
        shape = tuple(shape)
        budget.spend(count(shape), f"Layer {self.name}, weight {name!r}")
        weight = Variable(
            np.zeros(shape, dtype) if budget.filled_later() else (fill or initializers.glorot_uniform())(shape, dtype=dtype),
            f"{self.name}/{name}:0",
            dtype=dtype,
            trainable=trainable,
            constraint=constraint or getattr(self, f"{name}_constraint", None),
            regularizer=regularizer or getattr(self, f"{name}_regularizer", None),
        )
        if weight.shape != shape:
            raise ValueError(f"{self.name}: the initializer of {name!r} returned {weight.shape}, expected {shape}")
        (self._trainable_weights if trainable else self._non_trainable_weights).append(weight)
        return weight

    @property
    def trainable_weights(self) -> list[Variable]:
        return list(self._trainable_weights) if self.trainable else []

    @trainable_weights.setter
    def trainable_weights(self, weights: Sequence[Variable]) -> None:
        self._trainable_weights = list(weights)

    @property
    def non_trainable_weights(self) -> list[Variable]:
        frozen = [] if self.trainable else self._trainable_weights
        return [*frozen, *self._non_trainable_weights]

    @non_trainable_weights.setter
    def non_trainable_weights(self, weights: Sequence[Variable]) -> None:
        self._non_trainable_weights = list(weights)

    @property
    def weights(self) -> list[Variable]:
        """Those that are trainable now, then the others: the order in weight files of Keras, which depends on what is frozen."""
        return self.trainable_weights + self.non_trainable_weights

    def weights_by_kind(self) -> tuple[list[Variable], list[Variable]]:
        """Those made to be trained, and the others: unlike `trainable_weights`, whatever is frozen now."""
        cls = type(self)
        if cls.trainable_weights is not Weighted.trainable_weights or cls.weights is not Weighted.weights:
            own = self.trainable_weights  # the class lists them itself
            return own, [w for w in self.weights if all(w is not other for other in own)]
        return list(self._trainable_weights), list(self._non_trainable_weights)

    def _by_layer(self) -> list[Variable]:
        """In the order of get_weights: a network's goes layer by layer."""
        trained, others = self.weights_by_kind()
        return trained + others

    def get_weights(self) -> list[NDArray[Any]]:
        """Copies, in an order that does not depend on what is frozen now.

        Deviation from Keras 2.2.5: within a nested model, Keras lists the weights of frozen layers behind the others.
        """
        return [w.numpy() for w in self._by_layer()]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set what get_weights lists. Raises ValueError, and changes nothing, if the number or a shape does not fit."""
        variables = self._by_layer()
        if len(weights) != len(variables):
            raise ValueError(
                f'You called `set_weights(weights)` on layer "{self.name}" with a  weight list of length '
                f"{len(weights)}, but the layer was expecting {len(variables)} weights. "
                f"Provided weights: {str(weights)[:50]}..."
            )
        arrays = [as_array(w, v.dtype, f"set_weights on {v.name}") for w, v in zip(weights, variables)]
        for variable, array in zip(variables, arrays):
            if variable.shape != array.shape:
                raise ValueError(
                    f"Layer weight shape {variable.shape} not compatible with provided weight shape {array.shape} "
                    f"({variable.name})"
                )
        for variable, array in zip(variables, arrays):
            variable.assign(array)

    def count_params(self) -> int:
        """Raises RuntimeError before the layer is built."""
        if not self.built:
            raise RuntimeError(
                f"You tried to call `count_params` on {self.name}, but the layer isn't built. "
                f"You can build it manually via: `{self.name}.build(batch_input_shape)`."
            )
        return sum(count(w.shape) for w in self.weights)
