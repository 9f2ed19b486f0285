"""Docstrings of layers and of functions of arrays describe shapes, and each dtype that is not that of the arguments.

What holds for all is described once: dtypes of layers by `Layer`, and those of functions of K by the room `backend`.
"""

import inspect
import re

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Layer
from lamella.ops.tape import value_of
from tests.architecture.docstrings import all_public_of, sources
from tests.backend.roster import ROWS
from tests.backend.test_sweep import replaced
from tests.layers.layer_roster import IDS, ROSTER, Whole
from tests.layers.test_roster import make

SHAPE = re.compile(r"\[[^\]]+\]|\bshape|\bax[ei]s\b|elementwise|\bscalar|\bbroadcast|\bvector|\bmatri|\bnumber|\bsize")
DTYPE = re.compile(r"\bfloat|\bint(?:eger)?s?\b|\bint\d|\bdtype|\bbool", re.IGNORECASE)
FUNCTIONS = ["activations", "backend", "functional", "losses", "metrics", "ops", "preprocessing.image"]
# Rooms whose docstrings describe the dtypes once for all functions.
ONCE = {"backend", "losses", "metrics", "ops"}


def of_arrays(thing):
    """Whether a function has an argument or result that is annotated as an array or tensor."""
    signature = inspect.signature(thing)
    kinds = [signature.return_annotation, *(parameter.annotation for parameter in signature.parameters.values())]
    return any(re.search(r"\bArray|\bValue\b|\bTensor|NDArray", str(kind)) for kind in kinds)


def functions_of(room):
    return {name: f for name, f in all_public_of(room).items() if not inspect.isclass(f) and of_arrays(f)}


@pytest.mark.parametrize("room", FUNCTIONS)
def test_functions_of_arrays_describe_shapes(room):
    assert functions_of(room)
    assert [name for name, f in functions_of(room).items() if not SHAPE.search("\n".join(sources(f)))] == []


@pytest.mark.parametrize("room", sorted(set(FUNCTIONS) - ONCE))
def test_functions_of_arrays_describe_dtypes(room):
    assert [name for name, f in functions_of(room).items() if not DTYPE.search("\n".join(sources(f)))] == []


def test_layers_describe_shapes():
    own = {
        name: thing for name, thing in all_public_of("layers").items() if inspect.isclass(thing) and issubclass(thing, Layer)
    }
    missing = []
    for name, thing in own.items():
        bases = [base.__doc__ or "" for base in thing.__mro__ if issubclass(base, Layer) and base is not Layer]
        if thing is not Layer and not SHAPE.search("\n".join(bases)):
            missing.append(name)
    assert missing == []


@pytest.mark.parametrize("name", ROWS)
def test_other_dtypes_of_results_are_described(name):
    for row in ROWS[name]:
        arguments = replaced(row.arguments, lambda t: t.value.astype(np.float32) if t.value.dtype.kind == "f" else t.value)
        got = getattr(K, name)(*arguments, **row.named)
        arrays = [value_of(v) for v in (got if isinstance(got, (list, tuple)) else [got]) if hasattr(v, "dtype")]
        if {array.dtype for array in arrays} - {np.dtype(np.float32)}:
            assert DTYPE.search("\n".join(sources(getattr(K, name)))), arrays


@pytest.mark.filterwarnings("ignore:The `.*` layer is deprecated")
@pytest.mark.parametrize("name, arguments, shape", ROSTER, ids=IDS)
def test_layers_return_their_dtype(name, arguments, shape):
    several = isinstance(shape, list)
    values = [np.ones((2, *one), np.int32 if isinstance(one, Whole) else np.float32) for one in (shape if several else [shape])]
    got = make(name, arguments)(values if several else values[0])
    assert {value_of(y).dtype for y in (got if isinstance(got, list) else [got])} == {np.dtype(np.float32)}
