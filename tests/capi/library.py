"""lamella.h by ctypes: the functions' parameters are read from the header, arguments are those of `lamella._kernels`."""

import ctypes
import re
from pathlib import Path

import numpy as np

import lamella
from lamella.embedding import get_library

HEADER = Path(lamella.get_include()) / "lamella" / "lamella.h"
TEXT = re.sub(r"//[^\n]*|/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
PROTOTYPES = {
    name: [parameter.rpartition(" ")[::2] for parameter in " ".join(parameters.split()).split(", ")]
    for name, parameters in re.findall(r"LAMELLA_API lamella_status (lamella_\w+_f(?:32|64))\(([^)]*)\);", TEXT)
}
STRUCTS = {
    name: [member.strip().rpartition(" ")[::2] for member in members.split(";")[:-1]]
    for members, name in re.findall(r"typedef struct \{([^{}]*)\} (lamella_\w+);", TEXT)
}
OK, INVALID, OUT_OF_MEMORY, UNSUPPORTED = range(4)

LIBRARY = ctypes.CDLL(str(Path(get_library()) / "liblamella.so"))
LIBRARY.lamella_last_error.restype = ctypes.c_char_p
LIBRARY.lamella_version.restype = ctypes.c_char_p
LIBRARY.lamella_target.restype = ctypes.c_char_p
LIBRARY.lamella_available_target.restype = ctypes.c_char_p

Run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
ParallelFor = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, Run, ctypes.c_void_p)


class Array(ctypes.Structure):
    """lamella_f32, and the same struct for other dtypes."""

    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_int64), ("rank", ctypes.c_int64), ("shape", ctypes.c_int64 * 8)]


class List(ctypes.Structure):
    _fields_ = [("items", ctypes.POINTER(Array)), ("count", ctypes.c_int64)]


class Window(ctypes.Structure):
    _fields_ = [("axes", ctypes.c_int64), *((name, ctypes.c_int64 * 3) for name in ("size", "stride", "dilation", "before"))]


def array_of(array):
    shape = (ctypes.c_int64 * 8)(*array.shape, *[1] * (8 - array.ndim))
    return Array(array.ctypes.data, array.size, array.ndim, shape)


def in_c(argument, kind):
    """An argument of a kernel as the type `kind` of the header."""
    if isinstance(argument, np.ndarray):
        return ctypes.pointer(array_of(argument))
    if isinstance(argument, list):
        return ctypes.pointer(List((Array * len(argument))(*map(array_of, argument)), len(argument)))
    if kind == "const lamella_window*":
        axes = len(argument[0])
        return ctypes.pointer(Window(axes, *((ctypes.c_int64 * 3)(*part) for part in argument)))
    if isinstance(argument, tuple):
        members = STRUCTS[kind.removeprefix("const ").removesuffix("*")]
        fields = [in_c(field, member) for field, (member, _) in zip(argument, members, strict=True)]
        struct = type("Bundle", (ctypes.Structure,), {"_fields_": [(f"m{i}", type(field)) for i, field in enumerate(fields)]})
        return ctypes.pointer(struct(*fields))
    return ctypes.c_double(argument) if kind == "double" else ctypes.c_int64(argument)


def call(name, *arguments):
    """Its status. An object of ctypes, or None, is passed unchanged."""
    given = [
        argument
        if argument is None or type(argument).__module__ == "ctypes" or isinstance(argument, ctypes._Pointer)
        else in_c(argument, kind)
        for argument, (kind, _) in zip(arguments, PROTOTYPES[name], strict=True)
    ]
    return getattr(LIBRARY, name)(*given)


def error():
    return LIBRARY.lamella_last_error().decode()
