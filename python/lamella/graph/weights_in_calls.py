"""Weights of inner layers that the `call` of a script's layer replaces, as wrappers for DropConnect do:

    self.layer.kernel = K.in_train_phase(K.dropout(self.layer.kernel, 0.5), self.layer.kernel)
    return self.layer.call(inputs)

Keras runs `call` once for a call in the graph. Here each run calls it, so each call begins with the weights themselves.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

from lamella.core.locks import ForkedLock
from lamella.core.types import Value
from lamella.core.user_array import of_lamella
from lamella.core.variable import Variable
from lamella.graph.weights import Weighted, layers_in

# Only one thread at a time runs a `call` that writes to its layer or to layers inside it.
writing_lock = ForkedLock()

# vars() of a layer, the name of an attribute, and the weight that it is.
_Place = tuple[dict[str, Any], str, Variable]

# The places inside a layer, of the first call that made none: a search takes longer than a small layer.
_known: weakref.WeakKeyDictionary[Any, list[_Place]] = weakref.WeakKeyDictionary()


def keeping_weights(layer: Any, call: Callable[[], Value]) -> Value:
    """call(), after which attributes of the layers inside a script's layer are the weights that they were."""
    if of_lamella(type(layer)) or _known.get(layer) == []:
        return call()
    # Another thread must neither read a replaced weight nor take it for the weight itself.
    with writing_lock.current:
        return _keeping(layer, call)


def _keeping(layer: Any, call: Callable[[], Value]) -> Value:
    known = _known.get(layer)
    if known is not None and all(attributes.get(name) is weight for attributes, name, weight in known):
        places = known
    else:
        places, known = list(_inside(layer, {id(layer)})), None
    try:
        return call()
    finally:
        for attributes, name, weight in places:
            if attributes.get(name) is not weight:
                attributes[name] = weight
        if known is None and len(places) == sum(1 for _ in _inside(layer, {id(layer)})):
            _known[layer] = places


def _inside(layer: Weighted, seen: set[int]) -> Iterator[_Place]:
    for inner in layers_in(list(vars(layer).values())):
        if id(inner) not in seen:
            seen.add(id(inner))
            attributes = vars(inner)
            yield from ((attributes, name, value) for name, value in attributes.items() if isinstance(value, Variable))
            yield from _inside(inner, seen)
