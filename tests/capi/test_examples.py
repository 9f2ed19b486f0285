"""The programs of examples/embed_c, embed_cpp and embed_rust, built against the installed package in each way that it offers."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
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


def digits_file(tmp_path):
    digits = tmp_path / "digits.bin"
    run(sys.executable, EXAMPLES / "embed_c" / "digits_file.py", digits)
    return digits


def accuracies_in(said):
    return dict(re.findall(r"^(\w[\w ]*): loss [\d.]+, accuracy on new digits ([\d.]+)$", said, flags=re.M))


def check_digits(program, tmp_path):
    accuracies = accuracies_in(run(program, digits_file(tmp_path)))
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


def test_a_package_that_scikit_build_core_builds(tmp_path):
    """find_package(lamella) without -Dlamella_DIR: by the entry point cmake.root of the installed distribution."""
    for module in ("scikit_build_core", "pybind11"):
        pytest.importorskip(module)
    if not list(metadata.entry_points(group="cmake.root", name="lamella")):
        pytest.skip("lamella is not installed as a distribution")
    if shutil.which("cmake") is None or shutil.which("ninja") is None:
        pytest.skip("no cmake or no ninja")
    if not Path(sysconfig.get_paths()["include"], "Python.h").exists():
        pytest.skip("no headers of Python")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-index", "--no-deps"]
    source, target = tmp_path / "source", tmp_path / "target"
    shutil.copytree(EXAMPLES / "embed_cpp", source)
    run(*pip, "--no-build-isolation", "--target", target, source)
    script = (
        "import sys, numpy as np; sys.path.insert(0, sys.argv[1]); import regression\n"
        "x = np.random.default_rng(0).normal(size=(1000, 3)).astype('f4'); w = np.float32([[1], [-2], [3]])\n"
        "print(regression.__file__, np.abs(regression.fit(x, x @ w)[0] - w).max() < 1e-4)"
    )
    file, right = run(sys.executable, "-c", script, target).split()
    assert Path(file).parent == target and right == "True"


TINY = """
cmake_minimum_required(VERSION 3.20)
project(tiny LANGUAGES C CXX)
find_package(lamella {version} REQUIRED)
add_executable(digits {source})
target_link_libraries(digits PRIVATE {target} m)
"""


def tiny(directory, target="lamella::lamella", version="0.1"):
    directory.mkdir()
    text = TINY.format(version=version, source=EXAMPLES / "embed_c" / "digits.c", target=target)
    (directory / "CMakeLists.txt").write_text(text)
    return directory


def test_another_version_is_refused(tmp_path):
    if shutil.which("cmake") is None:
        pytest.skip("no cmake")
    source = tiny(tmp_path / "source", version="7.0")
    command = ["cmake", "-S", source, "-B", tmp_path / "build", f"-Dlamella_DIR={embedding.get_cmake_dir()}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert 'compatible with requested version "7.0"' in done.stderr and "version: 0.1.0" in done.stderr


def test_the_static_library(tmp_path):
    """What -DLAMELLA_STATIC=ON installs, made of this package and of the static library of a build directory."""
    if "LAMELLA_BUILD_DIR" not in os.environ:
        pytest.skip("LAMELLA_BUILD_DIR is not set")
    if shutil.which("cmake") is None:
        pytest.skip("no cmake")
    package = tmp_path / "lamella"
    shutil.copytree(embedding.get_cmake_dir(), package / "lib" / "cmake" / "lamella")
    shutil.copytree(embedding.get_include(), package / "include")
    shutil.copy(Path(os.environ["LAMELLA_BUILD_DIR"], "liblamella.a"), package / "lib")
    source = tiny(tmp_path / "source", target="lamella::static")
    run("cmake", "-S", source, "-B", tmp_path / "build", f"-Dlamella_DIR={package / 'lib' / 'cmake' / 'lamella'}")
    run("cmake", "--build", tmp_path / "build")
    program = tmp_path / "build" / "digits"
    check_digits(program, tmp_path)
    if shutil.which("readelf"):
        assert "liblamella" not in run("readelf", "--dynamic", program)


def test_a_program_in_rust(tmp_path):
    if shutil.which("cargo") is None:
        pytest.skip("no cargo")
    command = ["cargo", "run", "--offline", "--locked", "--quiet", "--release"]
    command += ["--manifest-path", EXAMPLES / "embed_rust" / "Cargo.toml", "--target-dir", tmp_path, "--"]
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": os.pathsep.join(sys.path)}
    said = run(*command, digits_file(tmp_path), env=environment)
    assert float(accuracies_in(said)["logistic regression"]) >= 0.89
    assert "refused: lamella_dense_forward_f32: " in said
    done = subprocess.run([str(tmp_path / "release" / "digits"), str(tmp_path / "none")], capture_output=True, text=True)
    assert done.returncode == 1 and "none: " in done.stderr
