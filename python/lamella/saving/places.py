"""Weights by their place in the model, as Keras 3's `.weights.h5` has them (`formats/weights_h5.py`), matched with a model's."""

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
# Classes that Keras 3 calls otherwise.
_CALLED = {"Model": "functional", "ConvLSTM2D": "conv_lstm2d"}


@dataclass
class _Part(Generic[T]):
    """A layer with weights, or a model: as the file has it (T: a name and an array) or as lamella has it (T: Variable).

    place: below the part that it is in.  whole: from the model on.  given: the user chose the name.
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
    """A part of the file is not the model's. what: for the warning that it is skipped."""

    def __init__(self, text: str, what: str) -> None:
        super().__init__(text)
        self.what = what


def as_in_model(
    contents: Contents, layers: Sequence[SavedLayer], *, by_name: bool, skip_mismatch: bool
) -> tuple[Contents, list[SavedLayer]]:
    """What the file holds, for `weights.by_position` or `weights.by_name`: entries in the order of the layers returned.

    Layers are matched one model at a time. Where all names in it are the same on both sides the names count, else the
    places. Where names and places contradict each other nothing is known, and by_name=True goes by the names.

    Raises:
        ValueError: That lists both sides where neither fits.
    """
    file, model = _of_file(contents.layers), _of_model(layers, numbered_all=True)
    if _places(file) != _places(model):
        # Numbers end at another one if any layer is counted otherwise, so no set of places fits both ways.
        other = _of_model(layers, numbered_all=False)
        model = other if _places(file) == _places(other) else model
    if file.own:
        shapes = [array.shape for _, array in file.own]
        raise ValueError(f"The file has weights of the model itself, beside its layers: {shapes}; no model here has such")
    if not by_name:
        try:
            pairs = _pairs(file, model, by_name=False)
        except _Unfit as error:
            raise ValueError(f"You are trying to load a weight file that does not fit the model. {error}") from None
    elif any(part.name for part in file.inner):
        names = {part.name: part for part in file.inner}
        pairs = [(names[part.name], part) for part in model.inner if part.name in names]
    else:
        raise ValueError("by_name=True: the file says the places of layers only, no names; tf-keras writes such files")
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
    if by_name:  # what the file has beside, to be warned of
        entries += [Entry(part.name, part.all()) for part in file.inner if part.name not in shown]
    return Contents(entries, contents.keras_version, None), [layer for layer in owners if layer.name not in skipped]


def _placed(theirs: _Part[Named], ours: _Part[Variable], *, by_name: bool) -> dict[int, Named]:
    """The arrays of a part by the ids of the Variables that they are for."""
    if len(theirs.own) != len(ours.own):
        what = f"number of weights ({len(ours.own)} vs {len(theirs.own)})"
        raise _Unfit(f"expects {len(ours.own)} weights, the file has {len(theirs.own)}.{_both([theirs], [ours])}", what)
    found = {id(variable): named for variable, named in zip(ours.own, theirs.own)}
    for pair in _pairs(theirs, ours, by_name=by_name):
        found |= _placed(*pair, by_name=by_name)
    return found


def _pairs(file: _Part[Named], model: _Part[Variable], *, by_name: bool) -> list[tuple[_Part[Named], _Part[Variable]]]:
    """Which of the layers directly inside are the same."""
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
        text = f"the names say that {[part.name for part in moved]} have other places; by_name=True goes by the names"
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
    """The entries as a tree, without what has no weights."""
    root: _Part[Named] = _Part("", "", "", [])
    parts = {"": root}
    # Owners before what is in them.
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
    """The layers of a model as Keras 3 walks through them: each once, where it is met first.

    numbered_all: a layer that was met before has a number in the second place, too.
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
    """The layers directly inside, by place: of a model its layers, else attributes, the private ones last."""
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
