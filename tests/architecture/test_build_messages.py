"""If a tool for the build is missing, the error of the build says so and names the package that contains it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CMAKE = shutil.which("cmake") or shutil.which("cmake", path=str(Path(sys.executable).parent))

pytestmark = pytest.mark.skipif(CMAKE is None, reason="no cmake")


def configured(folder: Path, *options: str, **environment: str) -> tuple[int, str]:
    """(exit status, the whole output with each run of white space as one space)."""
    done = subprocess.run(
        [str(CMAKE), "-S", str(ROOT), "-B", str(folder / "build"), f"-DPython_EXECUTABLE={sys.executable}", *options],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=200,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_no_compiler(tmp_path):
    status, said = configured(tmp_path, CXX="/nowhere/c++")
    assert status != 0
    assert "lamella is compiled where it is installed, and there is no C++ compiler that works here" in said
    assert "apt install g++ python3-dev" in said and "dnf install gcc-c++ python3-devel" in said


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
@pytest.mark.parametrize(
    "package, words",
    [
        ("Python", ("no headers of Python", "apt install python3-dev", "dnf install python3-devel")),
        ("OpenMP", ("no OpenMP", "apt install libomp-dev", "dnf install libomp-devel")),
        ("pybind11", ("no pybind11", "pip install pybind11")),
    ],
)
def test_a_missing_package(tmp_path, package, words):
    status, said = configured(tmp_path, f"-DCMAKE_DISABLE_FIND_PACKAGE_{package}=ON")
    if package == "pybind11" and "no headers of Python" in said:
        pytest.skip("no headers of Python")
    assert status != 0
    assert all(text in said for text in words), said
