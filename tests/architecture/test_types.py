"""The types that all rooms use are declared once."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "python" / "lamella"


def declared(tree):
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_array_and_value_are_declared_once():
    found = [
        (path.relative_to(PACKAGE).as_posix(), name)
        for path in sorted(PACKAGE.rglob("*.py"))
        for name in declared(ast.parse(path.read_text()))
        if name in ("Array", "Value")
    ]
    assert found == [("core/types.py", "Array"), ("core/types.py", "Value")]
