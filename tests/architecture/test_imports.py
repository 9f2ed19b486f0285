"""Rooms import only downwards, as the table of ARCHITECTURE.md says. Imports inside functions count. Imports for type checkers do
not count, unless they are the list of a room's names (`core/lazy.py`).
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "python" / "lamella"

ARCHITECTURE = Path(__file__).parents[2] / "ARCHITECTURE.md"

# A room whose __init__.py contains this loads the names under `if TYPE_CHECKING:`.
ATTACHED = "lazy.attach(__name__)"

# Keras 2.2.5 shares these between its modules, and programs for it read them: their underscore is part of the API.
KERAS_ATTRIBUTES = {"_keras_history", "_inbound_nodes", "_make_train_function"}
# Python gives these to every NamedTuple; the underscore distinguishes them from its fields.
NAMED_TUPLE = {"_asdict", "_fields", "_replace"}


def import_table(document: str) -> dict[str, set[str]]:
    """Each room and the rooms that it may import, from the table of the document. "ops.tape" is only that module."""
    table: dict[str, set[str]] = {}
    lines = iter(document.splitlines())
    assert "| room | what it holds | may import |" in lines and next(lines) == "|---|---|---|", "no table of rooms"
    for line in lines:
        if not line.startswith("|"):
            break
        rooms, _, may_import = (cell.strip() for cell in line.strip("|").split("|"))
        listed = may_import.partition(";")[0].strip()
        allowed = set(re.findall(r"`([\w.]+)`", listed))
        rest = re.sub(r"`[\w.]+`|,", "", listed).strip()
        assert rest in ("", "nothing", "all above"), f"{rooms}: cannot read {rest!r}"
        assert allowed or rest, f"{rooms}: does not say what it may import"
        if rest == "all above":
            allowed |= set(table)
        for room in re.findall(r"`(\w+)`", rooms):
            assert room not in table, f"{room} is listed twice"
            table[room] = allowed
    return table


MAY_IMPORT = import_table(ARCHITECTURE.read_text())


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@cache
def nodes_of(source: str) -> list[ast.AST]:
    return list(ast.walk(ast.parse(source)))


@cache
def imports(path: Path) -> list[tuple[str, str]]:
    """(module within lamella, imported name or "") for each import of lamella that runs."""
    return list(imports_of(path, path.read_text()))


def imports_of(path: Path, source: str) -> Iterator[tuple[str, str]]:
    for_checkers = {
        id(inner)
        for node in nodes_of(source)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) and ATTACHED not in source
        for inner in ast.walk(node)
    }
    for node in nodes_of(source):
        if id(node) in for_checkers:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "lamella":
                    yield alias.name.removeprefix("lamella").removeprefix("."), ""
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            if module.split(".")[0] == "lamella":
                for alias in node.names:
                    yield module.removeprefix("lamella").removeprefix("."), alias.name


def targets(path: Path) -> Iterator[str]:
    """Each import as a dotted path within lamella."""
    for module, name in imports(path):
        yield f"{module}.{name}".strip(".")


each_module = pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))


def test_each_room_has_a_row():
    assert set(MAY_IMPORT) == {room_of(path) for path in modules()}


def test_rows_name_rooms():
    assert {name.split(".")[0] for allowed in MAY_IMPORT.values() for name in allowed} <= {*MAY_IMPORT, "lamella"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("| `core` | x | `_kernels`, most others |", "cannot read 'most others'"),
        ("| `core` | x | |", "does not say"),
        ("| `_kernels` | x | nothing |", "is listed twice"),
    ],
)
def test_an_unclear_row_is_refused(row, message):
    table = "| room | what it holds | may import |\n|---|---|---|\n| `_kernels` | x | nothing |\n"
    assert import_table(table + "| `a` `b` | x | `c`, `d.e`; never `f` |\n| `g` | x | all above |\n\n| `h` |") == {
        "_kernels": set(),
        "a": {"c", "d.e"},
        "b": {"c", "d.e"},
        "g": {"_kernels", "a", "b"},
    }
    with pytest.raises(AssertionError, match=message):
        import_table(table + row)


@each_module
def test_imports_point_down(path):
    room = room_of(path)
    allowed = MAY_IMPORT[room] | {room}
    for target in targets(path):
        parts = (target or "lamella").split(".")
        assert parts[0] in allowed or ".".join(parts[:2]) in allowed, f"{room} imports {target}"


def test_which_modules_import_by_name():
    """These use no import statement: they load names at their first use, Keras's modules, and formats."""
    importers = {
        "core/keras_imports.py",
        "core/keras_names.py",
        "core/lazy.py",
        "core/registry.py",
        "keras_alias.py",
        "tf_keras/__init__.py",
    }
    importers.add("saving/formats/__init__.py")  # only its own modules
    assert {str(path.relative_to(PACKAGE)) for path in modules() if "import_module" in path.read_text()} == importers


def attached() -> list[Path]:
    return [path for path in PACKAGE.rglob("__init__.py") if ATTACHED in path.read_text()]


def test_rooms_that_list_names_import_none_of_them():
    """A name that is imported outside of the list would load its module with the room, and would be in no list."""
    assert {path.parent.name for path in attached()} >= {"layers", "models", "callbacks", "utils"}
    for path in attached():
        outside = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ImportFrom)]
        ours = [alias for node in outside if (node.module or "").startswith("lamella") for alias in node.names]
        assert all((alias.asname or "").startswith("_") for alias in ours), f"{path}: {[alias.name for alias in ours]}"


@each_module
def test_private_names_stay_in_their_room(path):
    for module, name in imports(path):
        private = [part for part in [*module.split("."), name] if part.startswith("_") and part not in MAY_IMPORT]
        assert not private or module.split(".")[0] == room_of(path), f"{path}: {module}.{name}"


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def private_names_of(sources: list[str]) -> set[str]:
    """The names with an underscore that these sources define: functions, methods, variables, attributes of self or cls."""
    found: set[str] = set()
    for source in sources:
        for node in nodes_of(source):
            match node:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    found.add(name)
                case ast.Name(id=name, ctx=ast.Store()):
                    found.add(name)
                case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                    found.add(name)
    return {name for name in found if is_private(name)}


def private_attributes_of_others(source: str, own: set[str]) -> list[str]:
    """`other._x` where this room does not define _x. Private names of other packages do not count."""
    nodes = nodes_of(source)
    packages = {alias.asname or alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return [
        ast.unparse(node)
        for node in nodes
        if isinstance(node, ast.Attribute)
        and is_private(node.attr)
        and node.attr not in own | KERAS_ATTRIBUTES | NAMED_TUPLE
        and not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls", *packages})
        and not (isinstance(node.value, ast.Call) and ast.unparse(node.value) == "super()")
    ]


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_private_attributes_stay_in_their_room(room):
    sources = {path: path.read_text() for path in modules() if room_of(path) == room}
    own = private_names_of(list(sources.values()))
    found = {path.name: others for path, text in sources.items() if (others := private_attributes_of_others(text, own))}
    assert not found


def test_a_private_attribute_of_another_room_is_found():
    source = "import sys\nclass A:\n    def _mine(self): self._b = sys._getframe(0), other._mine, other._b, model._steps.x\n"
    assert private_attributes_of_others(source, private_names_of([source])) == ["model._steps"]
