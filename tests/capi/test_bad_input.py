"""Each argument of each C function, replaced by what it must refuse: a status, a message with the function's name, nothing written."""

import ctypes
import re

import numpy as np
import pytest

from tests.capi.library import HEADER, INVALID, LIBRARY, OK, PROTOTYPES, TEXT, Array, List, Window, array_of, call, error, in_c
from tests.kernels.cases import MEASURES, calls, copied, everything

HUGE = 2**62
# The arguments that a kernel writes, by its name. The header has a line above its functions: "// Writes y, dx; in place: dx."
WRITTEN = {
    name: names.split(", ")
    for names, name in re.findall(
        r"^// Writes ([^.;]*)(?:;[^.]*)?\.\nLAMELLA_API lamella_status lamella_(\w+)_f32\(", HEADER.read_text(), flags=re.M
    )
}


def with_members(struct, **members):
    for name, value in members.items():
        setattr(struct, name, value)
    return struct


def wrong_arrays(array):
    """(what is wrong, struct) for an array. Each struct still points to the array's memory."""
    sizes = list(array.shape) + [1] * (8 - array.ndim)
    yield "rank", with_members(array_of(array), rank=-1)
    yield "rank", with_members(array_of(array), rank=9)
    yield "size", with_members(array_of(array), size=array.size + 1)
    yield "size", with_members(array_of(array), size=-array.size - 1)
    yield "shape", with_members(array_of(array), shape=(ctypes.c_int64 * 8)(*[-1, *sizes[1:]]), size=-1)
    yield "2^63", with_members(array_of(array), shape=(ctypes.c_int64 * 8)(*[HUGE] * 8), rank=8)
    if array.size:
        yield "NULL", with_members(array_of(array), data=None)
    if array.size and array.itemsize > 1:
        yield "aligned", with_members(array_of(array), data=array.ctypes.data + 1)


def wrong(argument, kind):
    """(word of the message, replacement) for each way in which an argument can be wrong."""
    if isinstance(argument, np.ndarray):
        for word, struct in wrong_arrays(argument):
            yield word, ctypes.pointer(struct)
    elif isinstance(argument, list):
        yield "list of arrays", ctypes.pointer(List(None, -1))
        yield "list of arrays", ctypes.pointer(List(None, 1))
        for word, struct in wrong_arrays(argument[0]) if argument else ():
            items = (Array * len(argument))(*map(array_of, argument))
            items[len(argument) - 1] = struct
            yield word, ctypes.pointer(List(items, len(argument)))
    elif kind == "const lamella_window*":
        yield "window", None
        for axes in (-1, 0, 4, HUGE):
            yield "window", ctypes.pointer(with_members(in_c(argument, kind).contents, axes=axes))
        for member, values in (("size", (0, -1)), ("stride", (0, -1)), ("dilation", (0, -1)), ("before", (-1,))):
            for value in values:
                three = (ctypes.c_int64 * 3)(value, value, value)
                window = in_c(argument, kind).contents
                yield (
                    "",
                    ctypes.pointer(
                        Window(
                            window.axes,
                            *(three if name == member else getattr(window, name) for name, _ in Window._fields_[1:]),
                        )
                    ),
                )
    elif isinstance(argument, tuple):
        yield "struct", None


@pytest.mark.parametrize("dtype, element", [(np.float32, "f32"), (np.float64, "f64")])
def test_each_argument_of_each_function(dtype, element):
    refused = 0
    for name, arguments in calls(dtype):
        if name in MEASURES:
            continue
        function = f"lamella_{name}_{element}"
        before = everything(arguments)
        for place, (argument, (kind, _)) in enumerate(zip(arguments, PROTOTYPES[function], strict=True)):
            for word, replacement in wrong(argument, kind):
                status = call(function, *arguments[:place], replacement, *arguments[place + 1 :])
                assert status == INVALID, (function, place, word)
                assert error().startswith(function + ": ") and word in error(), (function, place, word, error())
                refused += 1
        assert everything(arguments) == before, function
    assert refused > 1000


@pytest.mark.parametrize("dtype, element", [(np.float32, "f32"), (np.float64, "f64")])
def test_an_output_in_the_memory_of_another_argument(dtype, element):
    """Moved by one element it overlaps in every function, whether it may be written in place or not."""
    refused = 0
    for name, arguments in calls(dtype):
        arrays = [i for i, a in enumerate(arguments) if isinstance(a, np.ndarray) and a.dtype == dtype and a.size > 1]
        function = f"lamella_{name}_{element}"
        outputs = [i for i in arrays if PROTOTYPES[function][i][1] in WRITTEN[name]]
        for out in outputs:
            for other in arrays:
                if name in MEASURES or other == out:
                    continue
                given = [copied(a) for a in arguments]
                memory = np.zeros(max(given[out].size + 1, given[other].size), dtype)
                memory[: given[other].size] = given[other].ravel()
                given[other] = memory[: given[other].size].reshape(given[other].shape)
                given[out] = memory[1 : 1 + given[out].size].reshape(given[out].shape)
                before = everything(given)
                assert call(function, *given) == INVALID, (function, out, other)
                assert f"{function}: " in error() and "memory of its own" in error(), error()
                assert everything(given) == before, (function, out, other)
                refused += 1
    assert refused > 100


def test_the_version_is_that_of_the_header():
    """A program compares these two when it starts; that is how it notices a library of another version."""
    assert f"#define LAMELLA_ABI_VERSION {LIBRARY.lamella_abi_version()}\n" in TEXT


def test_a_list_of_more_arrays_than_any_memory_is_not_read():
    one = np.ones(3, "f4")
    lists = [List((Array * 1)(array_of(one)), 1) for _ in range(3)]
    long = List(None, HUGE)
    done = call(
        "lamella_sgd_update_f32", *map(ctypes.pointer, (long, lists[0], lists[1])), 0.1, 0.0, 0, ([], 1.0, 0.0, 0.0, 0.0)
    )
    assert (
        done == INVALID
        and error() == f"lamella_sgd_update_f32: argument 'ps': expected a list of arrays, got a count of {HUGE} and NULL"
    )
    assert call("lamella_sgd_update_f32", [], [], [], 0.1, 0.0, 0, ([], 1.0, 0.0, 0.0, 0.0)) == OK
    assert one.tolist() == [1, 1, 1]
