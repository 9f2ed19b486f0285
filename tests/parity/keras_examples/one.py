"""one.py SCRIPT: run one published example in this directory, with stand-in data sets and small numbers.

The file is not changed. It is parsed, the constants that `sizes.py` names get smaller values, and the result runs as __main__.
"""

import ast
import functools
import importlib.util
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import stand_ins
from sizes import ANSWERS, EVERYWHERE, LENGTHS, NAMES, NUMBERS

import lamella


class Smaller(ast.NodeTransformer):
    """Other constants for what is assigned to a name, given as an argument or its default, and for single numbers."""

    def __init__(self, names, numbers):
        self.names, self.numbers = names, numbers

    def _value(self, name, given):
        plain = given is not None and all(isinstance(node, (ast.Constant, ast.Tuple, ast.Load)) for node in ast.walk(given))
        return (
            ast.copy_location(ast.parse(repr(self.names[name])).body[0].value, given) if plain and name in self.names else given
        )

    def visit_Assign(self, node):
        self.generic_visit(node)
        if isinstance(node.targets[0], ast.Name):
            node.value = self._value(node.targets[0].id, node.value)
        return node

    def visit_keyword(self, node):
        self.generic_visit(node)
        node.value = self._value(node.arg, node.value)
        return node

    def visit_arguments(self, node):
        self.generic_visit(node)
        named = node.args[len(node.args) - len(node.defaults) :]
        node.defaults = [self._value(argument.arg, default) for argument, default in zip(named, node.defaults)]
        return node

    def visit_Constant(self, node):
        changes = type(node.value) is int and node.value in self.numbers
        return ast.copy_location(ast.Constant(self.numbers[node.value]), node) if changes else node


def today():
    """What NumPy, Python and matplotlib have changed since 2019, and scripts of then rely on."""
    for old, new in (("bool", bool), ("int", int), ("float", float), ("object", object)):
        if old not in vars(np):
            setattr(np, old, new)
    split = re.split
    # Python 3.7 splits at empty matches, too.
    re.split = lambda pattern, text, *rest: split(pattern.removesuffix("?") if pattern == r"(\W+)?" else pattern, text, *rest)
    if importlib.util.find_spec("matplotlib"):
        from matplotlib import pyplot as plt

        # matplotlib 3.3 refuses one tick more than labels.
        for which in ("xticks", "yticks"):
            setattr(plt, which, functools.partial(as_many_ticks, getattr(plt, which)))


def as_many_ticks(function, ticks, labels):
    return function(ticks[: len(labels)], labels)


def main(path):
    name = Path(path).stem
    warnings.simplefilter("ignore")
    today()
    keras = lamella.install_as_keras()
    stand_ins.fill_cache(Path(keras.utils.data_utils.cache_path()))
    stand_ins.accept_them()
    sys.argv = [path, *stand_ins.files_of(name)]
    if name in ANSWERS:
        keras.backend.backend = lambda: ANSWERS[name]
    tree = Smaller(EVERYWHERE | NAMES.get(name, {}), LENGTHS | NUMBERS.get(name, {})).visit(
        ast.parse(Path(path).read_text(), path)
    )
    exec(compile(ast.fix_missing_locations(tree), path, "exec"), {"__name__": "__main__", "__file__": path})


if __name__ == "__main__":
    main(sys.argv[1])
