"""The settings in pyproject.toml by which cibuildwheel builds the wheels."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETTINGS = PROJECT["tool"]["cibuildwheel"]
COMMANDS = [SETTINGS["test-command"], SETTINGS["macos"]["test-command"]]


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """What cibuildwheel copies beside an installed wheel, and nothing else."""
    folder = tmp_path_factory.mktemp("sources")
    for name in SETTINGS["test-sources"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, folder / name)
    return folder


def run(folder, *arguments):
    # A relative path in it would not be found from there.
    paths = [os.path.abspath(path) for path in sys.path if path and Path(path).resolve() != ROOT]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTEST_ADDOPTS": "-n 0 -p no:cacheprovider"}
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_tests_find_every_file_that_they_read(command, copied):
    paths = re.findall(r"tests/\S+", command)
    assert [path for path in paths if not (copied / path).exists()] == []
    done = run(copied, "--collect-only", *paths)
    assert done.returncode == 0, done.stdout
    collected = re.findall(r"^(tests/\S+\.py)(?:::|: )", done.stdout, flags=re.M)
    wanted = {path for path in paths if path.endswith(".py")}
    wanted |= {f"{p}/{file.name}" for p in paths if not p.endswith(".py") for file in (ROOT / p).glob("test_*.py")}
    assert set(collected) == wanted


def test_the_stub_is_compared_there(copied):
    done = run(copied, "tests/kernels/test_stub.py")
    assert done.returncode == 0, done.stdout


def test_each_python_of_the_metadata_has_a_wheel():
    oldest = int(re.fullmatch(r">=3\.(\d+)", PROJECT["project"]["requires-python"])[1])
    versions = [re.fullmatch(r"cp3(\d+)(t?)-\*", pattern) for pattern in SETTINGS["build"]]
    assert sorted(int(v[1]) for v in versions if not v[2]) == list(range(oldest, max(int(v[1]) for v in versions) + 1))


# What a build to work with has installed among the sources, maybe for another Python; and a file of the project.
INSTALLED = (
    "_kernels/_compiled.cpython-399-none.so",
    "lib/liblamella.so",
    "lib/cmake/lamella/lamella-config.cmake",
    "include/lamella/lamella.h",
)
PACKED = """
import os, sys, tarfile, zipfile
from scikit_build_core import build
folder = sys.argv[1]
sdist = build.build_sdist(folder)
with tarfile.open(os.path.join(folder, sdist)) as file:
    names = [name.partition("/")[2] for name in file.getnames()]
wheel = build.build_wheel(folder, {"wheel.cmake": "false"})
with zipfile.ZipFile(os.path.join(folder, wheel)) as file:
    names += [f"python/{name}" for name in file.namelist() if name.startswith("lamella/")]
print(*names, sep="\\n")
"""


@pytest.mark.skipif(not (ROOT / ".gitignore").exists(), reason="not the sources as they are in git")
def test_distributions_have_no_files_of_another_build(tmp_path):
    pytest.importorskip("scikit_build_core")
    source = tmp_path / "source"
    (source / "python/lamella/_kernels").mkdir(parents=True)
    kept = (
        "pyproject.toml",
        ".gitignore",
        "CMakeLists.txt",
        "README.md",
        "LICENSE",
        "python/lamella/__init__.py",
        "python/lamella/py.typed",
    )
    for name in kept:
        shutil.copy(ROOT / name, source / name)
    for name in INSTALLED:
        (source / "python/lamella" / name).parent.mkdir(parents=True, exist_ok=True)
        (source / "python/lamella" / name).touch()
    (tmp_path / "packed").mkdir()
    command = [sys.executable, "-c", PACKED, str(tmp_path / "packed")]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    names = [name for name in done.stdout.splitlines() if "/" in name]
    assert {*names} == {name for name in kept if "/" in name}
    assert names.count("python/lamella/__init__.py") == 2  # in each of the two
