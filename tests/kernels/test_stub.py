"""The stub and the compiled module have the same names and signatures."""

import ast
import importlib.util
import inspect
import re
from pathlib import Path

import pytest

from lamella import _kernels
from lamella._kernels import _compiled

ROOT = Path(__file__).parents[2]
STUB = Path(_kernels.__file__).with_name("_compiled.pyi")  # of the package that is tested, a wheel's perhaps
BODY = ast.parse(STUB.read_text()).body
FUNCTIONS = {node.name: node for node in BODY if isinstance(node, ast.FunctionDef)}
CLASSES = {node.name: node for node in BODY if isinstance(node, ast.ClassDef)}
VALUES = {node.target.id for node in BODY if isinstance(node, ast.AnnAssign) and not node.target.id.startswith("_")}
# Members that Python adds to each class, and members that only C code calls.
GIVEN = {"__doc__", "__module__", "__new__", "__getattribute__", "__dictoffset__", "__vectorcalloffset__", "__weaklistoffset__"}
SLOTS = {"__dict__", "__get__", "__repr__", "__reduce__"}


def generator():
    spec = importlib.util.spec_from_file_location("stub", ROOT / "cpp" / "bindings" / "stub.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kinds(function, bound):
    """[(name, kind, whether it has a default)] of a function of the stub, without `self`."""
    a = function.args
    plain = [*((p.arg, "POSITIONAL_ONLY") for p in a.posonlyargs), *((p.arg, "POSITIONAL_OR_KEYWORD") for p in a.args)]
    defaults = [False] * (len(plain) - len(a.defaults)) + [True] * len(a.defaults)
    listed = [(name, kind, default) for (name, kind), default in zip(plain, defaults, strict=True)]
    listed += [(a.vararg.arg, "VAR_POSITIONAL", False)] if a.vararg else []
    listed += [(p.arg, "KEYWORD_ONLY", d is not None) for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True)]
    listed += [(a.kwarg.arg, "VAR_KEYWORD", False)] if a.kwarg else []
    return listed[1:] if bound else listed


def kinds_in_module(function):
    """The same of a built function. pybind11 writes the signature into the docstring; CPython's functions have one."""
    written = re.match(r"(\w+)\((.*)\) -> ([\w\[\], ]+)\n", function.__doc__ or "")
    if written is None:
        return [(p.name, p.kind.name, p.default is not p.empty) for p in inspect.signature(function).parameters.values()]
    return [(name, "POSITIONAL_OR_KEYWORD", False) for name in re.findall(r"(\w+): ", written[2])]


def test_the_stub_lists_all_names_of_the_module():
    held = {name for name in vars(_compiled) if not name.startswith("_")}
    assert held == {*FUNCTIONS, *CLASSES, *VALUES}
    assert held <= set(dir(_kernels))
    assert {name for name in held if isinstance(getattr(_compiled, name), type)} == set(CLASSES)


def test_the_stub_is_up_to_date_with_the_table():
    """A build and `python cpp/bindings/stub.py` update it."""
    assert STUB.read_text() == generator().stub(STUB.read_text())


def test_the_stub_has_the_kernels_of_the_module():
    stub = generator()
    listed = [name for name in FUNCTIONS if name in _compiled.KERNELS]
    assert tuple(listed) == _compiled.KERNELS
    text = STUB.read_text()
    for name in _compiled.KERNELS:
        # The module was built from this text, which decides how arguments are converted.
        assert stub.kernel(name, getattr(_compiled, name).__doc__) in text, name
    for name, fields in _compiled.BUNDLES.items():
        assert stub.bundle(name, fields) in text, name


@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - set(_kernels.KERNELS)))
def test_other_functions_have_the_signatures_of_the_module(name):
    function = getattr(_compiled, name)
    assert kinds(FUNCTIONS[name], bound=False) == kinds_in_module(function)
    written = re.match(r"\w+\(.*\) -> ([\w\[\], ]+)\n", function.__doc__ or "")
    if written:
        assert re.sub(r"\[.*", "", ast.unparse(FUNCTIONS[name].returns)) == re.sub(r"\[.*", "", written[1])


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_classes_have_the_members_of_the_module(name):
    built = getattr(_compiled, name)
    methods = {node.name: node for node in CLASSES[name].body if isinstance(node, ast.FunctionDef)}
    fields = {node.target.id for node in CLASSES[name].body if isinstance(node, ast.AnnAssign)}
    held = set(vars(built)) - GIVEN - SLOTS
    assert {*methods, *fields} - {"__init__"} == held - {"__init__"}
    for method, node in methods.items():
        if method == "__init__":
            signature = inspect.signature(built)
            given = [(p.name, p.kind.name, p.default is not p.empty) for p in signature.parameters.values()]
            assert kinds(node, bound=True) == given
        elif method != "__call__":  # for CPython each call slot has the signature (*args, **kwargs)
            assert kinds(node, bound=True) == kinds_in_module(getattr(built, method))[1:], method


def test_a_build_ships_the_stub_and_its_marker():
    assert (STUB.parents[1] / "py.typed").exists()
    assert not STUB.with_name("__init__.pyi").exists()
