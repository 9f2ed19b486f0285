"""Makes the entries of a file of a model's weights, and the reverse. Nothing is set before everything is checked.

Source: Keras 2.2.5 keras/engine/saving.py, messages of errors included.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamella.core.protocols import SavedLayer
from lamella.core.shapes import count
from lamella.core.variable import Variable
from lamella.core.warn import warn
from lamella.saving.contents import Contents, Entry, Named
from lamella.saving.dialects import keras1
from lamella.saving.dialects.theano import rotated
from lamella.saving.nested import OrderUnknown, arranged, names_in_order, ordered
from lamella.saving.recurrent_weights import converted

Assignment = tuple[Variable, NDArray[Any]]


def entries(layers: Iterable[SavedLayer]) -> list[Entry]:
    """The entries of the layers, with copies of all weights."""
    return [_entry(layer) for layer in layers]


def _entry(layer: SavedLayer) -> Entry:
    arrays = named([(w.name, w.numpy()) for w in layer.weights])
    return Entry(layer.name, arrays, names_in_order(layer, arrays))


def places(layers: Iterable[SavedLayer], variables: Iterable[Variable]) -> list[int]:
    """The indices of `variables` among all weights of the layers, in the order of get_weights."""
    numbers = {id(weight): i for i, weight in enumerate(_all(layers))}
    return [numbers[id(variable)] for variable in variables]


def at(layers: Iterable[SavedLayer], places: Sequence[int]) -> list[Variable]:
    """The weights at these indices.

    Raises:
        ValueError: An entry is not an index, or occurs twice.
    """
    found = _all(layers)
    if not all(type(place) is int and 0 <= place < len(found) for place in places) or len(set(places)) < len(places):
        raise ValueError(f"expected places among {len(found)} weights, each once, got {places}")
    return [found[place] for place in places]


def _all(layers: Iterable[SavedLayer]) -> list[Variable]:
    return [weight for layer in layers for weight in ordered(layer)]


def named(arrays: Sequence[Named]) -> list[Named]:
    """The arrays with unique names: kernel:0, kernel:0_1, kernel:0_2."""
    taken: set[str] = set()
    result = []
    for i, (name, array) in enumerate(arrays):
        name = name or f"param_{i}"
        unique, n = name, 0
        while unique in taken:
            n += 1
            unique = f"{name}_{n}"
        taken.add(unique)
        result.append((unique, array))
    return result


def by_position(
    contents: Contents,
    layers: Sequence[SavedLayer],
    *,
    skip_mismatch: bool = False,
    reshape: bool = False,
    as_described: bool = False,
) -> list[Assignment]:
    """Match layers that have weights in order.

    Args:
        contents: The contents of the file.
        layers: The model's layers.
        skip_mismatch: Whether layers that do not fit are skipped with a warning.
        reshape: Whether weights of another shape but the same size are reshaped.
        as_described: See `nested.arranged`.

    Returns:
        The Variables with their new values.

    Raises:
        ValueError: Something does not fit. The message lists both sides.
    """
    filled = [entry for entry in contents.layers if entry.weights]
    owners = [layer for layer in layers if layer.weights]
    if len(filled) != len(owners):
        raise ValueError(
            f"You are trying to load a weight file containing {len(filled)} layers into a model with {len(owners)} "
            f"layers.\nIn the file: {_listed(filled)}\nIn the model: {_listed(entries(owners))}"
        )
    found: list[Assignment] = []
    for k, (entry, layer) in enumerate(zip(filled, owners)):
        entry = _of_this_layout(entry, layer, contents)
        if len(entry.weights) != len(layer.weights):
            text = (
                f'Layer #{k} (named "{layer.name}" in the current model) was found to correspond to layer {entry.name} '
                f"in the save file. However the new layer {layer.name} expects {len(layer.weights)} weights, but the "
                f"saved weights have {len(entry.weights)} elements.\nIn the file: {_listed([entry])}\n"
                f"In the model: {_listed(entries([layer]))}"
            )
            refuse(text, layer, f"number of weights ({len(layer.weights)} vs {len(entry.weights)})", skip_mismatch)
            continue
        found += _matched(k, entry, layer, contents, skip_mismatch, reshape, by_name=False, as_described=as_described)
    return found


def by_name(
    contents: Contents, layers: Sequence[SavedLayer], *, skip_mismatch: bool = False, reshape: bool = False
) -> list[Assignment]:
    """The same as `by_position`, but match layers by name. Layers that are not in the file keep their weights, with a warning."""
    found: list[Assignment] = []
    for k, entry in enumerate(contents.layers):
        for layer in layers:
            if layer.name != entry.name:
                continue
            entry = _of_this_layout(entry, layer, contents)
            if len(entry.weights) != len(layer.weights):
                text = (
                    f'Layer #{k} (named "{layer.name}") expects {len(layer.weights)} weight(s), but the saved weights '
                    f"have {len(entry.weights)} element(s).\nIn the file: {_listed([entry])}\n"
                    f"In the model: {_listed(entries([layer]))}"
                )
                refuse(text, layer, f"number of weights ({len(layer.weights)} vs {len(entry.weights)})", skip_mismatch)
                continue
            found += _matched(k, entry, layer, contents, skip_mismatch, reshape, by_name=True, as_described=False)
    _warn_of_the_rest(contents.layers, layers)
    return found


def _warn_of_the_rest(file: Sequence[Entry], layers: Sequence[SavedLayer]) -> None:
    """Warn about the layers that keep their weights. Keras does not."""
    saved, owners = [entry.name for entry in file if entry.weights], [layer.name for layer in layers if layer.weights]
    kept = [name for name in owners if name not in saved]
    if len(kept) == len(owners):
        text = f"loaded nothing: no layer of the model is in the file. In the file: {saved}; in the model: {owners}"
    else:
        left = [name for name in saved if name not in owners]
        text = f"the file has nothing for {kept}, which keep their weights. In the file, but not in the model: {left}"
    if kept:
        warn(f"load_weights(by_name=True): {text}")


def names_in_file(contents: Contents, layers: Sequence[SavedLayer], variables: Iterable[Variable]) -> list[str]:
    """The names that weights of a model have in the file from which it was made, or else in the model."""
    names: dict[int, str] = {}
    filled = [entry for entry in contents.layers if entry.weights]
    for entry, layer in zip(filled, (layer for layer in layers if layer.weights)):
        entry = _of_this_layout(entry, layer, contents)
        arrays = arranged(entry, layer, by_name=False, as_described=True)
        names |= {id(variable): name for variable, (name, _) in zip(ordered(layer), arrays)}
    return [names.get(id(variable), variable.name) for variable in variables]


def _of_this_layout(entry: Entry, layer: SavedLayer, contents: Contents) -> Entry:
    """The entry with one array for each weight of the layer: Keras 1 has more for recurrent layers."""
    return replace(entry, weights=keras1.joined(layer, entry.weights)) if contents.dialect.is_keras_1 else entry


def assign(assignments: Iterable[Assignment]) -> None:
    for variable, array in assignments:
        variable.assign(array)


def _matched(
    k: int,
    entry: Entry,
    layer: SavedLayer,
    contents: Contents,
    skip_mismatch: bool,
    reshape: bool,
    *,
    by_name: bool,
    as_described: bool,
) -> list[Assignment]:
    found: list[Assignment] = []
    try:
        arrays = arranged(entry, layer, by_name=by_name, as_described=as_described)
    except OrderUnknown as error:
        refuse(f'Layer #{k} (named "{layer.name}"): {error}', layer, "names of the weights inside", skip_mismatch)
        return []
    transposed = rotated(layer) if contents.backend == "theano" else frozenset()
    convolutions = keras1.kernels(layer) if contents.dialect.is_keras_1 else {}
    variables = ordered(layer)
    try:
        values = converted(layer, variables, [array for _, array in arrays])
    except ValueError as error:
        refuse(f'Layer #{k} (named "{layer.name}"): {error}', layer, "kinds of recurrent weights", skip_mismatch)
        return []
    for variable, array in zip(variables, values):
        if id(variable) in convolutions:
            array = keras1.moved(convolutions[id(variable)], array)
        if id(variable) in transposed:
            array = array[tuple(slice(None, None, -1) for _ in array.shape[:-2])]
        if array.shape != variable.shape and reshape:
            if array.size != variable.size:
                raise ValueError(
                    f"Weights must be of equal size to apply a reshape operation. Layer {layer.name}'s weights have "
                    f"shape {variable.shape} and size {variable.size}. The weights for loading have shape "
                    f"{array.shape} and size {count(array.shape)}."
                )
            array = array.reshape(variable.shape)
        if array.shape != variable.shape:
            text = (
                f'Layer #{k} (named "{layer.name}"), weight {variable.name} has shape {variable.shape}, but the saved '
                f"weight has shape {array.shape}.\nIn the file: {_listed([entry])}\n"
                f"In the model: {_listed(entries([layer]))}"
            )
            refuse(text, layer, f"shape ({variable.shape} vs {array.shape})", skip_mismatch)
            continue
        found.append((variable, np.asarray(array, variable.dtype)))
    return found


def refuse(text: str, layer: SavedLayer, what: str, skip: bool) -> None:
    """Raise ValueError, or with `skip` warn that the layer keeps its weights.

    Args:
        text: The message of the error.
        layer: The layer that does not fit.
        what: What does not fit, for the warning.
        skip: Whether to warn instead of raising.
    """
    if not skip:
        raise ValueError(text)
    warn(f"Skipping loading of weights for layer {layer.name} due to mismatch in {what}.")


def _listed(layers: Sequence[Entry]) -> str:
    """dense_1 (3, 4) (4,), dense_2 ..."""
    return ", ".join(" ".join([entry.name, *(str(array.shape) for _, array in entry.weights)]) for entry in layers)
