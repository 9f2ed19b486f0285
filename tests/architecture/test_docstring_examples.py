"""Docstrings name their source, a paper or a release, and their examples run."""

import doctest
import importlib
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

from lamella.layers import Dense
from tests.architecture.docstrings import all_public_of

PACKAGE = Path(__file__).parents[2] / "python" / "lamella"
WITH_EXAMPLES = sorted(path for path in PACKAGE.rglob("*.py") if ">>> " in path.read_text())
# Rooms whose classes compute what a paper or a release defines.
SOURCED = ["callbacks", "constraints", "initializers", "layers", "losses", "metrics", "optimizers", "regularizers"]


@pytest.mark.parametrize("room", SOURCED)
def test_docstrings_of_classes_or_their_modules_name_the_source(room):
    missing = []
    for name, thing in filter(lambda named: inspect.isclass(named[1]), all_public_of(room).items()):
        texts = [thing.__doc__ or "", importlib.import_module(thing.__module__).__doc__ or ""]
        if not re.search(r"Source: |Keras \d|\(?arXiv|torch\.optim|tf\.keras", "\n".join(texts)):
            missing.append(name)
    assert not missing


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.stem)
def test_examples_in_docstrings(path):
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    if "sklearn" in path.read_text():
        pytest.importorskip("sklearn", "1.6")
    done = doctest.testmod(importlib.import_module(name), extraglobs={"np": np, "Dense": Dense})
    assert done.attempted >= 1 and done.failed == 0
