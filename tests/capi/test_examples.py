"""examples/embed_c and examples/embed_cpp, built by CMake and by a compiler alone against the installed package."""

import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from lamella import embedding
from lamella.__main__ import libs

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=280, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built_by_cmake(example, directory, *options):
    if shutil.which("cmake") is None:
        pytest.skip("no cmake")
    run("cmake", "-S", EXAMPLES / example, "-B", directory, f"-Dlamella_DIR={embedding.get_cmake_dir()}", *options)
    run("cmake", "--build", directory)


def check_digits(program, tmp_path):
    digits = tmp_path / "digits.bin"
    run(sys.executable, EXAMPLES / "embed_c" / "digits_file.py", digits)
    said = run(program, digits)
    accuracies = dict(re.findall(r"^(\w[\w ]*): loss [\d.]+, accuracy on new digits ([\d.]+)$", said, flags=re.M))
    assert float(accuracies["logistic regression"]) >= 0.89
    assert float(accuracies["CNN"]) >= 0.92
    assert subprocess.run([str(program), str(tmp_path / "none")], capture_output=True).returncode == 2


def test_a_c_program_by_a_compiler_alone(tmp_path):
    if shutil.which("cc") is None:
        pytest.skip("no cc")
    source = EXAMPLES / "embed_c" / "digits.c"
    warnings = ["-std=c99", "-O2", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    run("cc", *warnings, source, "-I", embedding.get_include(), *shlex.split(libs()), "-lm", "-o", tmp_path / "digits")
    check_digits(tmp_path / "digits", tmp_path)


def test_a_c_program_by_cmake(tmp_path):
    built_by_cmake("embed_c", tmp_path / "build")
    check_digits(tmp_path / "build" / "digits", tmp_path)


def test_a_module_in_c_plus_plus(tmp_path, monkeypatch):
    pybind11 = pytest.importorskip("pybind11")
    if not Path(sysconfig.get_paths()["include"], "Python.h").exists():
        pytest.skip("no headers of Python")
    built_by_cmake("embed_cpp", tmp_path, f"-Dpybind11_DIR={pybind11.get_cmake_dir()}", f"-DPython_EXECUTABLE={sys.executable}")
    monkeypatch.syspath_prepend(str(tmp_path))
    import regression

    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(50_000, 20)).astype("f4"), rng.normal(size=(20, 1)).astype("f4")
    fitted = [regression.fit(x, x @ w, steps=200, rate=0.1, threads=threads) for threads in (1, 2)]
    for weights, loss in fitted:
        np.testing.assert_allclose(weights, w, atol=1e-5)
        assert 0 <= loss < 1e-8
    assert np.array_equal(fitted[0][0], fitted[1][0])
    with pytest.raises(ValueError, match=r"fit: expected x \[N, F\] and y \[N, 1\]"):
        regression.fit(x, w)
