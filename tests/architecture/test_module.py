"""The compiled module and its library as other modules of the process see them: names, read-only tables, no executable stack."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import lamella
from lamella import _kernels
from lamella.embedding import get_include

MODULES = [str(path) for folder in _kernels.__path__ for path in Path(folder).glob("_compiled*.so")]
HEADER = Path(get_include(), "lamella", "lamella.h")
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
    declared = re.findall(r"^LAMELLA_API [^(]*?(lamella_\w+)\(", HEADER.read_text(), flags=re.M)
    assert sorted(name for name in names if name.startswith("lamella_")) == sorted(declared)
    # Its names of C++ are for the Python module alone.
    used = {line.split()[-1] for line in read("nm", "--dynamic", "--undefined-only", *MODULES).splitlines()}
    assert [name for name in names if name.startswith("_ZN") and name not in used] == []


@pytest.mark.parametrize("path", MODULES + LIBRARIES)
def test_it_needs_only_what_every_linux_has_and_openmp(path):
    dynamic = read("readelf", "--dynamic", "--wide", path)
    # libgomp: also under the name that auditwheel gives to the copy in a wheel.
    allowed = (
        r"liblamella\.so|libgomp(-\w+)?\.so\.1[.\d]*|libstdc\+\+\.so\.6|libgcc_s\.so\.1|lib(c|m|dl|pthread)\.so\.\d|ld-linux.*"
    )
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
    assert [name for name in needed if not re.fullmatch(allowed, name)] == []
    # No directory of the machine that built it.
    runpaths = ":".join(re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", dynamic))
    assert [directory for directory in runpaths.split(":") if directory and not directory.startswith("$ORIGIN")] == []


@pytest.mark.parametrize("path", MODULES + LIBRARIES)
def test_it_is_stripped(path):
    sections = re.findall(r"^ +\[ *\d+\] (\.\S+)", read("readelf", "--sections", "--wide", path), flags=re.M)
    assert ".text" in sections
    assert [name for name in sections if name in (".symtab", ".strtab") or name.startswith(".debug")] == []


@pytest.mark.parametrize("path", MODULES + LIBRARIES)
def test_what_it_calls_is_bound_at_load_and_then_read_only(path):
    dynamic = read("readelf", "--dynamic", "--wide", path)
    assert re.search(r"\(FLAGS\).*BIND_NOW|\(BIND_NOW\)", dynamic)
    assert "TEXTREL" not in dynamic
    assert re.search(r"^ +GNU_RELRO ", read("readelf", "--segments", "--wide", path), flags=re.M)


@pytest.mark.parametrize("path", MODULES + LIBRARIES)
def test_its_stack_holds_no_code(path):
    segments = read("readelf", "--segments", "--wide", path)
    stack = re.search(r"^ +GNU_STACK .* ([RWE ]{3}) \w+$", segments, flags=re.M)
    assert stack and stack[1] == "RW "


# What headers or libraries of glibc 2.28 (RHEL 8) have, too, and newer ones have under a newer version or another name.
MOVED = {
    *("pthread_create", "pthread_detach", "pthread_join", "pthread_once", "pthread_setname_np", "pthread_sigmask"),
    *("fstat", "fstat64", "__libc_single_threaded", "pow"),
}


@pytest.mark.parametrize("path", MODULES + LIBRARIES)
def test_it_calls_nothing_that_rhel_8_lacks(path):
    called = re.findall(r" (\S+)@GLIBC_2\.(\d+)", read("nm", "--dynamic", "--undefined-only", path))
    assert "malloc" in {name for name, _ in called}
    assert sorted({name for name, minor in called if int(minor) > 28} - MOVED) == []
