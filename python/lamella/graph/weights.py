"""The weights of a layer: making, listing, reading and setting them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamella import initializers
from lamella.core import budget, config
from lamella.core.checks import as_array
from lamella.core.scopes import scoped
from lamella.core.shapes import count
from lamella.core.variable import Variable
from lamella.graph.made_in_calls import kept_weight

P = ParamSpec("P")


def _shape_first(method: Callable[P, Variable]) -> Callable[P, Variable]:
    """A method whose first two arguments may be shape and name, the order of Keras 1.

    Source: Keras 2.2.5 keras/legacy/interfaces.py.
    """

    @functools.wraps(method)
    def either(layer: Any, *arguments: Any, **named: Any) -> Variable:
        if arguments and isinstance(arguments[0], (tuple, list)):
            named["shape"], *rest = arguments
            if rest and isinstance(rest[0], str):
                named["name"], *rest = rest
            arguments = tuple(rest)
        make: Callable[..., Variable] = method
        return make(layer, *arguments, **named)

    return either  # type: ignore[return-value]


class Weighted:
    """Owns Variables. `trainable` decides whether those that were made trainable are in `trainable_weights`.

    A layer also owns the layers in its attributes, and in lists, tuples and dicts there. Their weights follow its own. Keras
    2.2.5 does not find them; tf.keras 2 does.
    """

    # True for a class that declares it: see `Layer`.
    self_contained = False

    name: str
    trainable: bool
    built: bool
    made_in_run = False  # whether a function that runs on values made it: the next run makes another one, with the same weights
    _trainable_weights: list[Variable]
    _non_trainable_weights: list[Variable]

    @_shape_first
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
        """Make a weight with the name "<layer>/<name>:0"; inside the calls of other layers their names come first.

        Arguments that are not given are the layer's attributes `<name>_initializer`, `<name>_regularizer` and
        `<name>_constraint`. For a weight "depthwise_kernel" these may be called depthwise_initializer and so on.

        Args:
            name: Name of the weight.
            shape: Its shape.
            dtype: Name of its dtype; None for the dtype that the layer was given, or floatx. Layers of lamella use it only if it
                is a float dtype, because there it may also be the dtype of the inputs.
            initializer: Its initializer.
            regularizer: Its regularizer.
            trainable: Whether it is trained.
            constraint: Its constraint.

        Returns:
            The Variable.

        Raises:
            ValueError: The initializer returns another shape.
        """
        fill = initializers.get(initializer) or self._said_of(name, "initializer")
        own = getattr(self, "dtype", None)
        dtype = dtype or (own if own and (own in ("float32", "float64") or not self.self_contained) else config.floatx())
        shape = tuple(shape)
        budget.spend(count(shape), f"Layer {self.name}, weight {name!r}")

        def make() -> Variable:
            return Variable(
                np.zeros(shape, dtype)
                if budget.filled_later()
                else (fill or initializers.glorot_uniform())(shape, dtype=dtype),
                f"{scoped(name, f'{self.name}/{name}')}:0",
                dtype=dtype,
                trainable=trainable,
                constraint=constraint or self._said_of(name, "constraint"),
                regularizer=regularizer or self._said_of(name, "regularizer"),
            )

        weight = kept_weight(make, (type(self).__name__, name, shape, dtype)) if self.made_in_run else make()
        if weight.shape != shape:
            raise ValueError(f"{self.name}: the initializer of {name!r} returned {weight.shape}, expected {shape}")
        (self._trainable_weights if trainable else self._non_trainable_weights).append(weight)
        return weight

    def _said_of(self, name: str, what: str) -> Any:
        """The layer's argument for the weight of this name, or None."""
        short = getattr(self, f"{name.removesuffix('_kernel')}_{what}", None)
        return getattr(self, f"{name}_{what}", short)

    def _contains(self, held: Weighted) -> bool:
        """Whether a layer in an attribute is inside this one."""
        return True

    def family(self) -> list[tuple[Weighted, bool]]:
        """This layer and the layers inside it, each once, and whether a layer that contains it is frozen."""
        found: dict[int, tuple[Weighted, bool]] = {}
        waiting: list[tuple[Weighted, bool]] = [(self, False)]
        while waiting:
            layer, frozen = waiting.pop()
            if id(layer) in found:
                continue
            found[id(layer)] = layer, frozen
            if not layer.self_contained and not layer._lists_itself():
                inside = [inner for inner in layer._layers_inside() if inner._lists_itself() or layer._contains(inner)]
                waiting += [(inner, frozen or not layer.trainable) for inner in reversed(inside)]
        return list(found.values())

    def _layers_inside(self) -> list[Weighted]:
        """The layers in its attributes; for a model those of its graph."""
        return layers_in(list(vars(self).values()))

    def layers_within(self) -> list[Weighted]:
        """This layer and all layers inside it, each once, also those in models."""
        found: dict[int, Weighted] = {}
        waiting: list[Weighted] = [self]
        while waiting:
            layer = waiting.pop()
            if id(layer) not in found:
                found[id(layer)] = layer
                waiting += layer._layers_inside()
        return list(found.values())

    def _own_weights(self) -> tuple[list[Variable], list[Variable]]:
        """Those of its own weights that it lists: the trainable ones, and the others."""
        return self._trainable_weights, self._non_trainable_weights

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes: none if `trainable` is False. Those of layers inside follow its own."""
        if not self.trainable:
            return []
        weights = list(self._own_weights()[0])
        for layer, frozen in self.family()[1:]:
            if layer.trainable and not frozen:
                weights += layer.trainable_weights if layer._lists_itself() else layer._own_weights()[0]
        return unique(weights)

    @trainable_weights.setter
    def trainable_weights(self, weights: Sequence[Variable]) -> None:
        self._trainable_weights = list(weights)

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The other weights: all of them if `trainable` is False."""
        if self._lists_itself():
            return [*([] if self.trainable else self._trainable_weights), *self._non_trainable_weights]
        trained, others = self.weights_by_kind()
        moving = {id(w) for w in self.trainable_weights}
        return [w for w in trained + others if id(w) not in moving]

    @non_trainable_weights.setter
    def non_trainable_weights(self, weights: Sequence[Variable]) -> None:
        self._non_trainable_weights = list(weights)

    @property
    def weights(self) -> list[Variable]:
        """The trainable weights, then the others. This is the order in files of Keras, which depends on which are frozen."""
        return self.trainable_weights + self.non_trainable_weights

    def weights_by_kind(self) -> tuple[list[Variable], list[Variable]]:
        """The weights that were made trainable, and the others. It does not depend on which are frozen."""
        if self._lists_itself():
            own = self.trainable_weights  # the class lists them itself
            return own, [w for w in self.weights if all(w is not other for other in own)]
        trained, others = map(list, self._own_weights())
        for layer, _ in self.family()[1:]:
            more, rest = layer.weights_by_kind() if layer._lists_itself() else layer._own_weights()
            trained += more
            others += rest
        trained = unique(trained)
        known = {id(w) for w in trained}
        return trained, [w for w in unique(others) if id(w) not in known]

    def _lists_itself(self) -> bool:
        """Whether the class defines its list of weights itself, as a model does."""
        cls = type(self)
        names = ("trainable_weights", "weights", "weights_by_kind")
        return any(getattr(cls, name) is not getattr(Weighted, name) for name in names)

    def _by_layer(self) -> list[Variable]:
        """The weights in the order of get_weights; for a network layer by layer."""
        trained, others = self.weights_by_kind()
        return trained + others

    def get_weights(self) -> list[NDArray[Any]]:
        """Copies of the weights, in an order that does not depend on which are frozen.

        In Keras 2.2.5, the weights of frozen layers in a nested model are listed after the others.
        """
        return [w.numpy() for w in self._by_layer()]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set the weights.

        Args:
            weights: Arrays in the order of get_weights.

        Raises:
            ValueError: The number or a shape does not fit. Nothing is changed.
        """
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
        """The number of elements of all weights.

        Raises:
            RuntimeError: The layer is not built.
        """
        if not self.built:
            raise RuntimeError(
                f"You tried to call `count_params` on {self.name}, but the layer isn't built. "
                f"You can build it manually via: `{self.name}.build(batch_input_shape)`."
            )
        return sum(count(w.shape) for w in self.weights)


def unique(weights: Sequence[Variable]) -> list[Variable]:
    """The weights, each at its first place only."""
    return list({id(w): w for w in weights}.values())


def layers_in(value: Any) -> list[Weighted]:
    """The layers in lists, tuples and dicts."""
    if isinstance(value, Weighted):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [layer for v in value for layer in layers_in(v)] if isinstance(value, (list, tuple)) else []
