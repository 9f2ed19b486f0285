"""The compiled module and its library as other modules of the process see them: names, read-only tables, no executable stack."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import lamella
from lamella import _kernels

MODULES = [str(path) for folder in _kernels.__path__ for path in Path(folder).glob("_compiled*.so")]
LIBRARIES = [str(path) for folder in lamella.__path__ for path in Path(folder).glob("lib/liblamella*")]


def read(*command: str) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]}: it comes with the compiler's binutils")
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_there_is_one_of_each():
    assert len(MODULES) == 1
    assert len(LIBRARIES) == 1


@pytest.mark.parametrize("path", MODULES)
def test_it_exports_only_its_init_function(path):
    lines = read("nm", "--dynamic", "--defined-only", path).splitlines()
    assert [line.split()[1:] for line in lines] == [["T", "PyInit__compiled"]]


@pytest.mark.parametrize("path", LIBRARIES)
def test_the_library_shows_its_own_names_only(path):
    names = [line.split()[2] for line in read("nm", "--dynamic", "--defined-only", path).splitlines()]
    assert "_ZN7lamella7currentEv" in names
    assert [name for name in names if not re.match(r"lamella_|_ZN7lamella\d", name)] == []


@pytest.mark.parametrize("path", MODULES + LIBRARIES)
def test_what_it_calls_is_bound_at_load_and_then_read_only(path):
    dynamic = read("readelf", "--dynamic", "--wide", path)
    assert re.search(r"\(FLAGS\).*BIND_NOW|\(BIND_NOW\)", dynamic)
    assert "TEXTREL" not in dynamic
    assert re.search(r"^ +GNU_RELRO ", read("readelf", "--segments", "--wide", path), flags=re.M)


@pytest.mark.parametrize("path", MODULES + LIBRARIES)
def test_its_stack_holds_no_code(path):
    segments = read("readelf", "--segments", "--wide", path)
    stack = re.search(r"^ +GNU_STACK .* ([RWE ]{3}) 0x\w+$", segments, flags=re.M)
    assert stack and stack[1] == "RW "
