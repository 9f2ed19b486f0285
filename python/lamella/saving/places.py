"""Matches weights that are identified by their place in the model (Keras 3, `formats/weights_h5.py`) with a model's weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from lamella.core.names import snake_case
from lamella.core.protocols import SavedLayer
from lamella.core.variable import Variable
from lamella.saving import weights
from lamella.saving.contents import Contents, Entry, Named
from lamella.saving.nested import ordered

T = TypeVar("T")

_LAYERS = "layers"
# Classes that have another name in Keras 3.
_CALLED = {"Model": "functional", "ConvLSTM2D": "conv_lstm2d"}


@dataclass
class _Part(Generic[T]):
    """A layer with weights, or a model: in the file (T is a name and an array) or in lamella (T is Variable).

    Attributes:
        place: Its path below the part that contains it.
        whole: Its path from the model on.
        name: Its name.
        own: Its weights, without those of the layers inside.
        inner: The layers inside.
        given: Whether the user chose the name.
    """

    place: str
    whole: str
    name: str
    own: list[T]
    inner: list[_Part[T]] = field(default_factory=list)
    given: bool = True

    def all(self) -> list[T]:
        return [*self.own, *(weight for part in self.inner for weight in part.all())]


class _Unfit(ValueError):
    """A part of the file does not fit the model. `what` is for the warning that it is skipped."""

    def __init__(self, text: str, what: str) -> None:
        super().__init__(text)
        self.what = what


def as_in_model(
    contents: Contents, layers: Sequence[SavedLayer], *, by_name: bool, skip_mismatch: bool
) -> tuple[Contents, list[SavedLayer]]:
    """The file's contents in the form that `weights.by_position` and `weights.by_name` need.

    Layers are matched separately in each model. If all names in it are equal on both sides, the names decide, else the
    places. If names and places contradict each other it is an error, unless by_name=True lets the names decide.

    Args:
        contents: The contents of the file.
        layers: The model's layers.
        by_name: Whether to match by name.
        skip_mismatch: Whether layers that do not fit are skipped with a warning.

    Returns:
        (contents, layers): entries in the order of the returned layers.

    Raises:
        ValueError: Neither names nor places fit. The message lists both sides.
    """
    file, model = _of_file(contents.layers), _of_model(layers, numbered_all=True)
    if _places(file) != _places(model):
        # Keras 3 and tf-keras count differently. If the difference matters the last numbers differ, so only one way fits.
        other = _of_model(layers, numbered_all=False)
        model = other if _places(file) == _places(other) else model
    if file.own:
        shapes = [array.shape for _, array in file.own]
        raise ValueError(
            f"The file has weights of the model itself, outside of its layers: {shapes}; no model here has such weights"
        )
    if not by_name:
        try:
            pairs = _pairs(file, model, by_name=False)
        except _Unfit as error:
            raise ValueError(f"You are trying to load a weight file that does not fit the model. {error}") from None
    elif any(part.name for part in file.inner):
        names = {part.name: part for part in file.inner}
        pairs = [(names[part.name], part) for part in model.inner if part.name in names]
    else:
        raise ValueError("by_name=True: the file has only the places of layers, no names; tf-keras writes such files")
    arrays: dict[int, Named] = {}
    owners = [layer for layer in layers if layer.weights]
    known = {layer.name: layer for layer in owners}
    skipped: set[str] = set()
    for theirs, ours in pairs:
        layer = known[ours.name]
        try:
            arrays.update(_placed(theirs, ours, by_name=by_name))
        except _Unfit as error:
            text = f'Layer #{owners.index(layer)} (named "{layer.name}"): {error}'
            weights.refuse(text, layer, error.what, skip_mismatch)
            skipped.add(layer.name)
    shown = {ours.name: theirs.name or theirs.whole for theirs, ours in pairs}
    entries: list[Entry] = []
    for layer in owners:
        wanted = ordered(layer)
        if all(id(variable) in arrays for variable in wanted):
            found = [arrays[id(variable)] for variable in wanted]
            entries.append(Entry(shown.get(layer.name, layer.name), found, [name for name, _ in found]))
        elif layer.name not in skipped and (layer.name in shown or not by_name):
            weights.refuse(f'"{layer.name}" holds a layer that does not fit', layer, "a layer inside", skip_mismatch)
            skipped.add(layer.name)
    if by_name:  # the rest of the file, for the warning
        entries += [Entry(part.name, part.all()) for part in file.inner if part.name not in shown]
    return Contents(entries, contents.keras_version, None), [layer for layer in owners if layer.name not in skipped]


def _placed(theirs: _Part[Named], ours: _Part[Variable], *, by_name: bool) -> dict[int, Named]:
    """The arrays of a part, by the ids of the Variables that they belong to."""
    if len(theirs.own) != len(ours.own):
        what = f"number of weights ({len(ours.own)} vs {len(theirs.own)})"
        raise _Unfit(f"expects {len(ours.own)} weights, but the file has {len(theirs.own)}.{_both([theirs], [ours])}", what)
    found = {id(variable): named for variable, named in zip(ours.own, theirs.own)}
    for pair in _pairs(theirs, ours, by_name=by_name):
        found |= _placed(*pair, by_name=by_name)
    return found


def _pairs(file: _Part[Named], model: _Part[Variable], *, by_name: bool) -> list[tuple[_Part[Named], _Part[Variable]]]:
    """Pairs of the layers directly inside, matched by name or by place."""
    names, places = ({getattr(part, key): part for part in file.inner} for key in ("name", "place"))
    named = len(names) == len(file.inner) and names.keys() == {part.name for part in model.inner}
    placed = places.keys() == {part.place for part in model.inner}
    moved = [part for part in model.inner if part.name in names and names[part.name].place != part.place]
    if named and (by_name or not placed or not moved):
        return [(names[part.name], part) for part in model.inner]
    if placed and (not named and not any(part.given for part in moved)):
        return [(places[part.place], part) for part in model.inner]
    what = "names of the layers inside"
    if placed:
        text = f"the names say that {[part.name for part in moved]} have other places; by_name=True uses the names"
    elif len(file.inner) != len(model.inner):
        text = f"The file contains {len(file.inner)} layers with weights, the model {len(model.inner)}"
    else:
        text = "Neither the names nor the places of the layers are the same"
    raise _Unfit(f"{text}.{_both(file.inner, model.inner)}", what)


def _both(file: Sequence[_Part[Named]], model: Sequence[_Part[Variable]]) -> str:
    def listed(parts: Sequence[_Part[Any]], arrays: Any) -> str:
        return ", ".join(
            " ".join([f"{part.whole} ({part.name or 'no name'})", *(str(a.shape) for a in arrays(part.all()))])
            for part in parts
        )

    ours = listed(model, list)
    return f"\nIn the file: {listed(file, lambda named: [a for _, a in named])}\nIn the model: {ours}"


def _of_file(entries: Sequence[Entry]) -> _Part[Named]:
    """The entries as a tree, without parts that have no weights."""
    root: _Part[Named] = _Part("", "", "", [])
    parts = {"": root}
    # A part comes before the parts inside it.
    for entry in sorted(entries, key=lambda entry: (len(entry.place or ""), entry.place or "")):
        whole = entry.place or ""
        if not whole:
            root.own = entry.weights
            continue
        if whole.rpartition("/")[2] == "seed_generator":
            continue  # the random stream of a Dropout
        owner = whole
        while owner not in parts:
            owner = owner.rpartition("/")[0]
        place = whole.removeprefix(owner).removeprefix("/")
        parts[whole] = _Part(place, whole, entry.name, entry.weights)
        parts[owner].inner.append(parts[whole])
    return _pruned(root)


def _of_model(layers: Sequence[SavedLayer], *, numbered_all: bool) -> _Part[Variable]:
    """The layers of a model in the order in which Keras 3 visits them, each once, at its first place.

    Args:
        layers: The model's layers.
        numbered_all: Whether a layer that was already visited also uses up a number at its second place.
    """
    root: _Part[Variable] = _Part("", "", "", [])
    seen: set[int] = set()

    def add(owner: _Part[Variable], place: str, layer: SavedLayer) -> None:
        seen.add(id(layer))
        held = [inner for _, inner in _held(layer, lambda inner: True)]
        elsewhere = {id(variable) for inner in held for variable in ordered(inner)}
        own = [variable for variable in ordered(layer) if id(variable) not in elsewhere]
        plain = snake_case(type(layer).__name__)
        given = layer.name != plain and not layer.name.removeprefix(f"{plain}_").isdigit()
        part = _Part(place, f"{owner.whole}/{place}".strip("/"), layer.name, own, given=given)
        owner.inner.append(part)
        add_all(part, _held(layer, counted))

    def add_all(owner: _Part[Variable], placed: Iterator[tuple[str, SavedLayer]]) -> None:
        for place, layer in placed:
            if id(layer) not in seen:
                add(owner, place, layer)

    def counted(layer: SavedLayer) -> bool:
        return numbered_all or id(layer) not in seen

    add_all(root, _numbered(_LAYERS, layers, counted))
    return _pruned(root)


def _places(part: _Part[Any]) -> set[str]:
    return {part.whole} | {place for inner in part.inner for place in _places(inner)}


def _pruned(part: _Part[T]) -> _Part[T]:
    part.inner = [_pruned(inner) for inner in part.inner if inner.all()]
    return part


def _held(layer: SavedLayer, counted: Callable[[SavedLayer], bool]) -> Iterator[tuple[str, SavedLayer]]:
    """The layers directly inside, by place: the layers of a model, or attributes of a layer, private ones last."""
    if hasattr(type(layer), "layers"):
        model: Any = layer
        yield from _numbered(_LAYERS, model.layers, counted)
        return
    for name, value in sorted(vars(layer).items(), key=lambda item: (item[0].startswith("_"), item[0])):
        if _is_layer(value):
            yield name, value
        elif isinstance(value, (list, tuple, dict)):
            yield from _numbered(name, value, counted)


def _numbered(place: str, container: Any, counted: Callable[[SavedLayer], bool]) -> Iterator[tuple[str, SavedLayer]]:
    used: dict[str, int] = {}
    for value in container.values() if isinstance(container, dict) else container:
        inside = isinstance(value, (list, tuple, dict))
        if not inside and not (_is_layer(value) and counted(value)):
            continue
        name = "container" if inside else _CALLED.get(type(value).__name__) or snake_case(type(value).__name__)
        used[name] = used.get(name, -1) + 1
        below = f"{place}/{name}_{used[name]}" if used[name] else f"{place}/{name}"
        if inside:
            yield from _numbered(below, value, counted)
        else:
            yield below, value


def _is_layer(value: object) -> bool:
    return hasattr(value, "weights_by_kind")
