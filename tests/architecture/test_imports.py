"""Rooms import downwards only: DESIGN's table. Imports for type checkers do not count; those inside functions do."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "python" / "lamella"

FUNCTIONS = {"core", "ops"}  # of what the named functions and objects may be made
ALL = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()} | {"_kernels"}

# room: what it may import. "ops.tape" is that module alone.
MAY_IMPORT = {
    "_kernels": set(),
    "core": {"_kernels"},
    "config": {"core", "_kernels"},
    "__main__": {"", "_kernels"},  # the package itself, for its version
    "ops": {"core", "_kernels"},
    "activations": FUNCTIONS,
    "losses": FUNCTIONS,
    "regularizers": FUNCTIONS,
    "constraints": FUNCTIONS,
    "initializers": FUNCTIONS,
    "metrics": FUNCTIONS | {"losses"},  # beyond DESIGN: every loss is a metric too, under the same name
    "optimizers": {"core", "_kernels"},
    "graph": {"core", "ops", "initializers"},
    "layers": {"graph", "core", "ops", "initializers", "regularizers", "constraints", "activations"},
    "data": {"core", "_kernels"},
    "preprocessing": {"core", "_kernels"},
    "callbacks": {"core", "saving"},
    "training": {"core", "ops.tape", "ops.reduce", "data", "callbacks"},
    "saving": {"core"},
    "models": ALL - {"applications", "backend", "utils", "keras_alias"},
    "backend": {
        "core",
        "ops",
        "graph",
        "layers",
        "initializers",
        "regularizers",
        "constraints",
        "activations",
        "losses",
        "metrics",
    },
    "utils": ALL,
    "applications": ALL,
    "keras_alias": ALL,
}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """(module within lamella, name taken from it or "") for each import of ours that runs."""
    tree = ast.parse(path.read_text())
    for_checkers = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
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


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    room = room_of(path)
    assert room in MAY_IMPORT, f"a new room: say here what {room} may import"
    allowed = MAY_IMPORT[room] | {room}
    for target in targets(path):
        parts = target.split(".")
        assert parts[0] in allowed or ".".join(parts[:2]) in allowed, f"{room} imports {target}"


def test_what_is_imported_by_name():
    """No import statement shows these: the front doors that load what is asked for, and the registry's closed room."""
    doors = {"callbacks/__init__.py", "core/keras_names.py", "core/registry.py", "keras_alias.py", "utils/__init__.py"}
    assert {str(path.relative_to(PACKAGE)) for path in modules() if "import_module" in path.read_text()} == doors


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_private_names_stay_in_their_room(path):
    for module, name in imports(path):
        private = [part for part in [*module.split("."), name] if part.startswith("_") and part != "_kernels"]
        assert not private or module.split(".")[0] == room_of(path), f"{path}: {module}.{name}"


def test_tape_and_sums_are_all_of_ops_that_training_sees():
    for path in (PACKAGE / "training").rglob("*.py"):
        for target in targets(path):
            sees = target.split(".")[0] != "ops" or target.startswith(("ops.tape", "ops.reduce"))
            assert sees, f"{path.name} imports {target}"
