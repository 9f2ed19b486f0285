"""Names of weights as Keras 2.2.5 gives them to layers that hold others: files show them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from lamella.core.variable import Variable
from lamella.graph.layer import Layer


def rename(inner: Any, scope: str, named: Collection[Variable] = ()) -> None:
    """Call the weights of a cell or layer "<scope>/kernel:0", a second kernel "<scope>/kernel_1:0".

    The scopes that the layer made itself stay: "<scope>/forward_lstm_1/kernel:0" of a Bidirectional.

    Args:
        inner: The cell or layer.
        scope: The name of the layer around it.
        named: Weights that have their names already.
    """
    if not isinstance(inner, Layer):
        return
    taken: set[str] = set()
    for weight in inner.weights:
        if any(weight is other for other in named):
            continue
        inside = weight.name.removeprefix(f"{inner.name}/")
        stem, _, number = (inside if inside != weight.name else inside.rpartition("/")[2]).partition(":")
        name, n = f"{scope}/{stem}", 0
        while name in taken:
            n += 1
            name = f"{scope}/{stem}_{n}"
        taken.add(name)
        weight.name = f"{name}:{number or 0}"


def put_into(inner: Layer, scope: str) -> None:
    """Call the weights of a layer "<scope>/<name so far>"."""
    for weight in inner.weights:
        weight.name = f"{scope}/{weight.name}"
