"""Each target's object exports its table and nothing else: one leaked inline function is an illegal instruction somewhere.

LAMELLA_BUILD_DIR names a CMake build directory; without it there are no objects to look at, and the test is skipped.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

BUILD = os.environ.get("LAMELLA_BUILD_DIR")
OBJECTS = sorted(Path(BUILD).glob("CMakeFiles/target_*.dir/**/target.cpp.o")) if BUILD else []
# What an object may ask of others: its scratch, its threads, and C's memory functions.
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
@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.parts[-4])
def test_one_global_symbol_and_no_weak_ones(path):
    target = path.parts[path.parts.index("CMakeFiles") + 1].removeprefix("target_").removesuffix(".dir")
    exported = [(kind, name) for kind, name in symbols(path) if kind.isupper() and kind != "U" or kind in "vwu"]
    assert exported == [("T", f"lamella_table_{target}")]


@pytest.mark.skipif(shutil.which("nm") is None, reason="no nm")
@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.parts[-4])
def test_it_asks_for_little(path):
    wanted = {name for kind, name in symbols(path) if kind == "U"}
    assert {name for name in wanted if not name.startswith("_ZN7lamella")} <= WANTED
