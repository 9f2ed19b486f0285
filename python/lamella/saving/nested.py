"""The order of the weights in the file's entry of a nested layer.

Keras writes the weights that are trainable at this moment first. So the order depends on which weights were frozen then, and
others may be frozen in the model. Files of lamella contain the order; in files of Keras it follows from the names.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Sequence

from lamella.core.protocols import SavedLayer
from lamella.core.variable import Variable
from lamella.saving.contents import Entry, Named
from lamella.saving.inside import parts

# dense_2 -> dense, 2: Keras numbers its default names, and TensorFlow numbers names that are used twice.
_NUMBERED = re.compile(r"(.*?)(?:_(\d+))?")


class OrderUnknown(ValueError):
    """Neither names nor shapes identify the weights of a nested layer."""


def ordered(layer: SavedLayer) -> list[Variable]:
    """All weights, those that were made trainable first. The order does not depend on which weights are frozen."""
    trained, others = layer.weights_by_kind()
    return [*trained, *others]


def names_in_order(layer: SavedLayer, named: Sequence[Named]) -> list[str] | None:
    """The names of an entry in the order of `ordered(layer)`; None for a layer without layers inside.

    Args:
        layer: The layer.
        named: Its names and arrays, in the order of `layer.weights`.
    """
    if not parts(layer):
        return None
    names: dict[int, list[str]] = defaultdict(list)
    for variable, (name, _) in zip(layer.weights, named):
        names[id(variable)].append(name)
    return [names[id(variable)].pop(0) for variable in ordered(layer)]


def arranged(entry: Entry, layer: SavedLayer, *, by_name: bool, as_described: bool) -> list[Named]:
    """The weights of an entry in the order of `ordered(layer)`.

    The weights of a simple layer are in this order already. For a nested layer, the order in the file decides if there is
    one, or with by_name the names, if they are the model's. A file of Keras has no order. Then the names decide; then names
    without scopes and with other numbers; then the shapes, if no two inner layers have the same ones.

    Args:
        entry: The file's entry, with as many weights as the layer.
        layer: The layer.
        by_name: Whether the user asked for loading by name.
        as_described: Whether the layer was made from the file's description, so that the same weights are frozen.

    Raises:
        OrderUnknown: None of these decides.
    """
    inner = _owned(layer)
    if len(inner) < 2:
        return entry.weights
    wanted = ordered(layer)
    named = _by_names(entry.weights, wanted)
    if entry.order is not None and sorted(entry.order) == sorted(name for name, _ in entry.weights):
        arrays = dict(entry.weights)
        placed = [(name, arrays[name]) for name in entry.order]
        if named is None or (not by_name and [n for n, _ in named] == [n for n, _ in placed]):
            return placed
        if by_name:
            return named
        raise OrderUnknown(
            "the names of the weights inside are the model's, but in another order; by_name=True uses the names; if the names "
            "differ from the model's, the weights are matched by place"
        )
    found = named or _by_numbered_names(entry.weights, wanted) or _by_shapes(entry.weights, inner, wanted)
    if found is None and as_described and not any(parts(part) for part in parts(layer)):
        places = {id(variable): named for variable, named in zip(layer.weights, entry.weights)}
        found = [places[id(variable)] for variable in wanted]
    if found is None and hasattr(layer, "backward_layer") and not layer.weights_by_kind()[1]:
        # Both directions are frozen together, so the forward weights are always before the backward weights.
        return entry.weights
    if found is None:
        raise OrderUnknown(
            "the order of the weights inside depends on which were frozen when the file was written, and the names do not "
            f"show it: {[name for name, _ in entry.weights]} in the file, {[v.name for v in wanted]} in the model. Give the "
            "inner layers the names that they have in the file; if the file holds the whole model, use load_model"
        )
    return found


def _owned(layer: SavedLayer) -> list[list[Variable]]:
    """The weights of each simple layer inside, in order. A nested layer's own weights are one more entry."""
    inner = parts(layer)
    found = [weights for part in inner for weights in _owned(part)]
    taken = {id(variable) for weights in found for variable in weights}
    own = [variable for variable in ordered(layer) if id(variable) not in taken]
    return [*found, own] if own else found


def _by_names(file: Sequence[Named], wanted: Sequence[Variable]) -> list[Named] | None:
    """Match by equal names, without the ":0" that Keras 3 does not write."""
    found = {name.removesuffix(":0"): (name, array) for name, array in file}
    names = [variable.name.removesuffix(":0") for variable in wanted]
    return [found[name] for name in names] if set(names) == set(found) and len(found) == len(names) == len(file) else None


def _by_numbered_names(file: Sequence[Named], wanted: Sequence[Variable]) -> list[Named] | None:
    """Match by layer/weight without scopes, where the layers may have other numbers: dense_1, dense_2 and dense_5, dense_6.

    The numbers must increase with the places on both sides, so that places and names agree.
    """
    ours, theirs = _grouped([v.name for v in wanted]), _grouped([name for name, _ in file])
    if {key: len(group) for key, group in ours.items()} != {key: len(group) for key, group in theirs.items()}:
        return None
    found: list[Named | None] = [None] * len(wanted)
    for key, group in ours.items():
        for numbers in (group, theirs[key]):
            if any(earlier >= later for (earlier, _), (later, _) in itertools.pairwise(numbers)):
                return None
        for (_, place), (_, origin) in zip(group, theirs[key]):
            found[place] = file[origin]
    fitting = [named for named, variable in zip(found, wanted) if named is not None and named[1].shape == variable.shape]
    return fitting if len(fitting) == len(wanted) else None


def _grouped(names: Sequence[str]) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """A dict from (name of the layer without its number, name of the weight) to the pairs (number, place)."""
    groups: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for place, name in enumerate(names):
        *_, layer, weight = ["", "", *name.removesuffix(":0").split("/")]
        match = _NUMBERED.fullmatch(layer)
        assert match is not None
        groups[match[1], weight].append((int(match[2] or 0), place))
    return groups


def _by_shapes(file: Sequence[Named], inner: Sequence[list[Variable]], wanted: Sequence[Variable]) -> list[Named] | None:
    """Match by the shapes of each inner layer's weights, if no two inner layers have the same shapes."""
    layers: dict[str, list[Named]] = defaultdict(list)
    for named in file:
        layers[named[0].rpartition("/")[0]].append(named)
    shapes = {tuple(array.shape for _, array in group): group for group in layers.values()}
    ours = [tuple(variable.shape for variable in weights) for weights in inner]
    if len(set(ours)) < len(ours) or len(shapes) < len(layers) or set(ours) != set(shapes):
        return None
    places = {id(v): named for weights, key in zip(inner, ours) for v, named in zip(weights, shapes[key])}
    return [places[id(variable)] for variable in wanted]
