"""CONTRIBUTING.md's recipe for an op, followed to the letter in a copy of the project. It compiles for minutes: LAMELLA_RECIPE=1."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("cmake", "cpp", "python", "tests", "bench", "docs", "examples", ".ci")
STEP = re.compile(
    r"[Ii]n\s`(?P<file>[^`]+)`[^`]*?,\s(?P<where>above|below)\s`(?P<line>[^`]+)`[^`]*?```\w+\n(?P<block>.*?)```", re.S
)


def recipe():
    return (ROOT / "CONTRIBUTING.md").read_text().partition("## An op, step by step")[2].partition("\n## ")[0]


def steps():
    """(file, "above" or "below", the line to look for, the lines to put there)"""
    return [(step["file"], step["where"], step["line"], step["block"]) for step in STEP.finditer(recipe())]


def put(root, file, where, line, block):
    path = root / file
    lines = path.read_text().splitlines(keepends=True)
    at = next((i for i, text in enumerate(lines) if line in text), None)
    assert at is not None, f"CONTRIBUTING.md: there is no line with {line!r} in {file}"
    at += where == "below"
    # Functions are separated by an empty line.
    lines[at:at] = [block + ("\n" if "\n}\n" in block else "")]
    path.write_text("".join(lines))


def test_each_block_of_code_has_its_place():
    blocks = re.findall(r"```(?:python|cpp)\n(.*?)```", recipe(), flags=re.S)
    assert [block for *_, block in steps()] == blocks
    assert len(blocks) == 5  # the oracle, the table, the kernels, the row, the op
    for file, _, line, _ in steps():
        assert line in (ROOT / file).read_text(), f"CONTRIBUTING.md: there is no line with {line!r} in {file}"


@pytest.mark.skipif("LAMELLA_RECIPE" not in os.environ, reason="compiles: LAMELLA_RECIPE=1")
@pytest.mark.timeout(1500)
def test_the_recipe_for_an_op_builds_and_passes_its_tests(tmp_path):
    pybind11 = pytest.importorskip("pybind11")
    if not (shutil.which("cmake") and shutil.which("ninja")):
        pytest.skip("cmake and ninja build it")
    for part in PARTS:
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for path in [*ROOT.glob("*.md"), *ROOT.glob("*.toml"), ROOT / "CMakeLists.txt", ROOT / "LICENSE"]:
        shutil.copy(path, tmp_path)
    for step in steps():
        put(tmp_path, *step)
    # A directory as deep as those of other builds, so that a ccache has most objects.
    build = "build/recipe"
    configure = ["cmake", "-S", ".", "-B", build, "-G", "Ninja", f"-Dpybind11_DIR={pybind11.get_cmake_dir()}"]
    # Only one target, because all of them would take minutes to compile and show nothing more.
    run(tmp_path, *configure, f"-DPython_EXECUTABLE={sys.executable}", "-DLAMELLA_TARGETS=sse4;neon")
    run(tmp_path, "cmake", "--build", build, "--target", "_compiled", "--parallel", "2")
    run(tmp_path, "cmake", "--install", build, "--prefix", "python")
    run(tmp_path, sys.executable, "-c", USE)
    (command,) = re.findall(r"^pytest (.*)$", recipe(), flags=re.M)
    run(tmp_path, sys.executable, "-m", "pytest", *command.split())


USE = """
import numpy as np
from lamella import _kernels, layers, models
assert "hard_tanh_forward" in _kernels.KERNELS
model = models.Sequential([layers.Dense(2, activation="hard_tanh", kernel_initializer="ones", input_shape=(1,))])
assert model.predict(np.array([[-3], [0.25], [2]], "float32")).tolist() == [[-1, -1], [0.25, 0.25], [1, 1]]
assert model.get_config()["layers"][0]["config"]["activation"] == "hard_tanh"
"""


def run(root, *command):
    environment = {k: v for k, v in os.environ.items() if k not in ("LAMELLA_TARGET", "LAMELLA_RECIPE", "LAMELLA_BUILD_DIR")}
    environment |= {"PYTHONPATH": str(root / "python"), "CCACHE_BASEDIR": str(root)}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-8000:]}\n{done.stderr[-4000:]}"
