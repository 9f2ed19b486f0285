"""Each path that a comment, a docstring or a document names exists."""

import ast
import io
import re
import tokenize
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("python", "cpp", "tests", "bench", "examples", "docs", ".ci")

# A source or page, with or without directories; data with directories; a directory with its slash, as in `tests/kernels/`.
PATH = re.compile(
    r"(?<![\w./<>{}*$~-])("
    r"(?:[\w.-]+/)*[\w-]+\.(?:inl\.h|h|cpp|def|pyi?|md|toml)|(?:[\w.-]+/)+[\w-]+\.(?:txt|json|ya?ml|map)"
    rf"|(?:[\w.-]+/)*(?:{'|'.join(map(re.escape, PARTS))})/(?:[\w-]+/)*)"
    r"(?![\w/*<{(]|\.\w)"
)
# Files of other projects that a source names.
ELSEWHERE = ("keras/", "models/imagenet_class_index.json", "addition_rnn.py")


@cache
def files() -> tuple[Path, ...]:
    kept = [path for path in ROOT.iterdir() if path.is_file()]
    for part in PARTS:
        kept += [path for path in (ROOT / part).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return tuple(sorted(kept))


@cache
def names() -> frozenset[str]:
    """The project's files and directories, each with every end of its path: ops/tape.py as well as tape.py."""
    paths = [path.relative_to(ROOT) for path in files()]
    whole = {*paths, *(parent for path in paths for parent in path.parents)}
    return frozenset("/".join(path.parts[start:]) for path in whole for start in range(len(path.parts)))


def prose_of_python(source: str) -> str:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = [ast.get_docstring(node) or "" for node in ast.walk(ast.parse(source)) if isinstance(node, owners)]
    return "\n".join(comments + docstrings)


def prose_of_cpp(source: str) -> str:
    return "\n".join(re.findall(r"//[^\n]*|/\*.*?\*/", source, flags=re.S))


def prose_of_settings(source: str) -> str:
    return "\n".join(re.findall(r"(?:^|\s)#[^\n]*", source))


def reader(path: Path) -> Callable[[str], str] | None:
    """The function that returns the text for people in a file; None for data."""
    if path.suffix == ".md":
        return None if path.name == "CHANGELOG.md" else str  # it names files of earlier versions
    if path.suffix in (".py", ".pyi"):
        return prose_of_python
    if path.suffix in (".h", ".c", ".cpp", ".def", ".rs"):
        return prose_of_cpp
    if path.suffix in (".toml", ".yaml", ".yml", ".cmake") or path.name in ("CMakeLists.txt", "run", ".clang-format"):
        return prose_of_settings
    return None


def missing(text: str) -> list[str]:
    named = [PurePosixPath(name) for name in PATH.findall(text) if not name.startswith(ELSEWHERE)]
    return [str(name) for name in named if str(name) not in names()]


@pytest.mark.parametrize("path", [p for p in files() if reader(p) is not None], ids=lambda p: str(p.relative_to(ROOT)))
def test_named_paths_exist(path):
    text, prose = path.read_text(), reader(path)
    assert prose is not None
    # Parsing is slow. It is needed only if the source, code included, names a path that does not exist.
    assert not missing(text) or missing(prose(text)) == []


def test_a_path_that_is_not_there_is_found():
    text = (
        "see tests/layers/test_nowhere.py, `ops/tape.py`, cpp/kernels/, tests/nowhere/ and tape.py; `core/tapes.py:12` of\n"
        "keras/engine/saving.py, <name>/x.py, ops/{tape,math}.py, cpp/kernels/*.inl.h, winograd.inl.h, pi.inl.h."
    )
    assert missing(text) == ["tests/layers/test_nowhere.py", "tests/nowhere", "core/tapes.py", "pi.inl.h"]
    assert missing(prose_of_python('"""See a.py."""\nx = "b.py"  # c.py\ndef f():\n    "d.py"\n    "e.py"\n')) == [
        "c.py",
        "a.py",
        "d.py",
    ]


def test_no_kind_of_source_is_left_out():
    kinds = {path.suffix for path in files() if path.parent != ROOT and reader(path) is None}
    assert kinds <= {".txt", ".json", ".npz", ".gz", ".xz", ".map", ".typed", ".so", ".lock"}
