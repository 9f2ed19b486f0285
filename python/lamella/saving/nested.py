"""The order of the weights in a nested layer's entry of a file.

Keras writes those that are trainable at that moment first, so the order tells what was frozen then, which may be other than
what is frozen now. lamella's own files say which order is which; in those of Keras the names tell.
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

# dense_2 -> dense, 2: Keras numbers the names that it makes, and TensorFlow those that are used twice.
_NUMBERED = re.compile(r"(.*?)(?:_(\d+))?")


class OrderUnknown(ValueError):
    """Neither names nor shapes tell which weight of a nested layer is which."""


def ordered(layer: SavedLayer) -> list[Variable]:
    """All weights, those made to be trained first, whatever is frozen now."""
    trained, others = layer.weights_by_kind()
    return [*trained, *others]


def names_in_order(layer: SavedLayer, named: Sequence[Named]) -> list[str] | None:
    """The names of an entry, given in the order of `layer.weights`, in the order of `ordered`; None for a simple layer."""
    if not parts(layer):
        return None
    names: dict[int, list[str]] = defaultdict(list)
    for variable, (name, _) in zip(layer.weights, named):
        names[id(variable)].append(name)
    return [names[id(variable)].pop(0) for variable in ordered(layer)]


def arranged(entry: Entry, layer: SavedLayer, *, by_name: bool, as_described: bool) -> list[Named]:
    """The weights of `entry`, as many as the layer's, in the order of `ordered(layer)`.

    Of a simple layer as they stand. Else, where the file says in which order they are, as it says; by_name: by their
    names, if these are the model's. A file of Keras does not say it: there the names count, then names without scopes
    that are numbered otherwise, then shapes that no two inner layers have in common.

    Args:
        as_described: The layer was made from the file's own description, so what was frozen then is frozen now.

    Raises:
        OrderUnknown if none of these tells.
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
            "the names of the weights inside are the model's, but in another order; by_name=True goes by the names, and with "
            "names that are not the model's weights are matched by place"
        )
    found = named or _by_numbered_names(entry.weights, wanted) or _by_shapes(entry.weights, inner, wanted)
    if found is None and as_described and not any(parts(part) for part in parts(layer)):
        places = {id(variable): named for variable, named in zip(layer.weights, entry.weights)}
        found = [places[id(variable)] for variable in wanted]
    if found is None and hasattr(layer, "backward_layer") and not layer.weights_by_kind()[1]:
        # Both directions are frozen together, so forward's stand before backward's whatever was frozen.
        return entry.weights
    if found is None:
        raise OrderUnknown(
            "the order of the weights inside depends on what was frozen when the file was written, and the names do not "
            f"tell it: {[name for name, _ in entry.weights]} in the file, {[v.name for v in wanted]} in the model. Give the "
            "inner layers the names that they have in the file; of a file that holds the whole model, load_model can tell"
        )
    return found


def _owned(layer: SavedLayer) -> list[list[Variable]]:
    """The weights of each simple layer inside, in order; those of a nested layer itself count as one more."""
    inner = parts(layer)
    found = [weights for part in inner for weights in _owned(part)]
    taken = {id(variable) for weights in found for variable in weights}
    own = [variable for variable in ordered(layer) if id(variable) not in taken]
    return [*found, own] if own else found


def _by_names(file: Sequence[Named], wanted: Sequence[Variable]) -> list[Named] | None:
    """By the same names, but for the ":0" that Keras 3 leaves out."""
    found = {name.removesuffix(":0"): (name, array) for name, array in file}
    names = [variable.name.removesuffix(":0") for variable in wanted]
    return [found[name] for name in names] if set(names) == set(found) and len(found) == len(names) == len(file) else None


def _by_numbered_names(file: Sequence[Named], wanted: Sequence[Variable]) -> list[Named] | None:
    """By layer/weight, scopes left out, where the layers' numbers may be others: dense_1, dense_2 and dense_5, dense_6.

    Only if numbers rise with the places on both sides, so that places and names say the same.
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
    """(name of the layer without its number, of the weight) -> its numbers and places."""
    groups: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for place, name in enumerate(names):
        *_, layer, weight = ["", "", *name.removesuffix(":0").split("/")]
        match = _NUMBERED.fullmatch(layer)
        assert match is not None
        groups[match[1], weight].append((int(match[2] or 0), place))
    return groups


def _by_shapes(file: Sequence[Named], inner: Sequence[list[Variable]], wanted: Sequence[Variable]) -> list[Named] | None:
    """By the shapes of each inner layer's weights, if no two inner layers have the same."""
    layers: dict[str, list[Named]] = defaultdict(list)
    for named in file:
        layers[named[0].rpartition("/")[0]].append(named)
    shapes = {tuple(array.shape for _, array in group): group for group in layers.values()}
    ours = [tuple(variable.shape for variable in weights) for weights in inner]
    if len(set(ours)) < len(ours) or len(shapes) < len(layers) or set(ours) != set(shapes):
        return None
    places = {id(v): named for weights, key in zip(inner, ours) for v, named in zip(weights, shapes[key])}
    return [places[id(variable)] for variable in wanted]
