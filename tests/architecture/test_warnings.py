"""Warnings show the user's line, found by `core/warn.py`. A stacklevel that is counted by hand becomes wrong in a refactoring."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "python" / "lamella"


def own_warnings(source: str) -> list[str]:
    """The calls of a source that warn without `core.warn`, or that count stack frames."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and (
            ast.unparse(node.func) in {"warnings.warn", "warnings.warn_explicit"}
            or any(keyword.arg == "stacklevel" for keyword in node.keywords)
        )
    ]


def test_only_core_warn_finds_the_line_that_a_warning_shows():
    found = {str(path.relative_to(PACKAGE)): own_warnings(path.read_text()) for path in PACKAGE.rglob("*.py")}
    assert [path for path, calls in found.items() if calls] == ["core/warn.py"]


@pytest.mark.parametrize("call", ["warnings.warn('x')", "warn('x', stacklevel=2)", "logging.info('x', stacklevel=2)"])
def test_a_warning_of_its_own_is_found(call):
    source = f"def f():\n    warn('x')\n    {call}\n"
    assert own_warnings(source) == [call]


def test_a_module_does_not_import_the_function_of_warnings_by_name():
    """`from warnings import warn` would look like lamella's function."""
    imports = [
        (path.name, node.module)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "warnings"
    ]
    assert imports == []
