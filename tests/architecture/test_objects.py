"""Each object of a target exports only one function. If the linker used an inline function of it for other objects, a CPU without
the target's instructions would stop at an illegal instruction.

LAMELLA_BUILD_DIR names a CMake build directory; without it there are no objects, and the test is skipped.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

BUILD = os.environ.get("LAMELLA_BUILD_DIR")


def directory_of(path):
    return path.parts[path.parts.index("CMakeFiles") + 1]


OBJECTS = sorted(Path(BUILD).glob("CMakeFiles/target_*.dir/**/family.cpp.o")) if BUILD else []
# What an object may import: its workspaces, its threads, and C's memory functions.
WANTED = {"memcpy", "memset", "memmove", "_GLOBAL_OFFSET_TABLE_"}


def symbols(path):
    """(kind, name) of each symbol, kinds as nm prints them."""
    lines = subprocess.run(["nm", str(path)], check=True, capture_output=True, text=True).stdout.splitlines()
    return [tuple(line.split()[-2:]) for line in lines]


def test_there_are_objects():
    if BUILD is None:
        pytest.skip("LAMELLA_BUILD_DIR is not set")
    assert OBJECTS, f"no target objects under {BUILD}"


@pytest.mark.skipif(shutil.which("nm") is None, reason="no nm")
@pytest.mark.parametrize("path", OBJECTS, ids=directory_of)
def test_one_global_symbol_and_no_weak_ones(path):
    target, family = directory_of(path).removeprefix("target_").removesuffix(".dir").split("_", 1)
    exported = [(kind, name) for kind, name in symbols(path) if (kind.isupper() and kind != "U") or kind in "vwu"]
    assert exported == [("T", f"lamella_fill_{family}_{target}")]


@pytest.mark.skipif(shutil.which("nm") is None, reason="no nm")
@pytest.mark.parametrize("path", OBJECTS, ids=directory_of)
def test_it_imports_only_what_it_may(path):
    wanted = {name for kind, name in symbols(path) if kind == "U"}
    assert {name for name in wanted if not name.startswith("_ZN7lamella")} <= WANTED


def loops_over_k():
    """(instantiation, instructions) of the loop over k in each whole float32 tile of the AVX2 object."""
    for path in (path for path in OBJECTS if directory_of(path) == "target_avx2_multiply.dir"):
        command = ["objdump", "-d", "-C", "--no-show-raw-insn", str(path)]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for function in text.split("\n\n"):
            name = re.search(r"<.*multiply_tiles<float, 6, 2, (\d+), (\d+)>", function.split("\n", 1)[0])
            if name:
                yield name.groups(), innermost(re.findall(r"^ *([0-9a-f]+):\t(.*)$", function, flags=re.M))


def innermost(code):
    """The instructions of the shortest loop with a multiply-add: from the target of a backward jump to the jump."""
    places = {int(address, 16): i for i, (address, _) in enumerate(code)}
    jumps = ((i, re.match(r"j\w+ +([0-9a-f]+)", line)) for i, (_, line) in enumerate(code))
    loops = (code[places[int(to[1], 16)] : i + 1] for i, to in jumps if to and places.get(int(to[1], 16), i) < i)
    bodies = ([line for _, line in loop] for loop in loops)
    return min((body for body in bodies if any(line.startswith("vfmadd") for line in body)), key=len)


@pytest.mark.skipif(not any(directory_of(path) == "target_avx2_multiply.dir" for path in OBJECTS), reason="no AVX2 object")
@pytest.mark.skipif(shutil.which("objdump") is None, reason="no objdump")
def test_a_tile_stays_in_registers():
    """The loop over k loads no vector from the stack and stores none there: gcc 12 kept tiles there, at half the speed."""
    seen = dict(loops_over_k())
    assert {("1", "16"), ("0", "16"), ("6", "16")} <= seen.keys()
    for name, loop in seen.items():
        assert sum(line.startswith("vfmadd231ps") for line in loop) >= 12, name
        assert not [line for line in loop if "mm" in line and re.search(r"\(%r[sb]p", line)], name
