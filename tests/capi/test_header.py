"""lamella.h: it is what the table gives, and C and C++ compilers take it without a warning."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lamella
from lamella import _kernels, embedding
from tests.capi.library import HEADER

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "cpp" / "include" / "lamella" / "lamella.h"


def generator():
    spec = importlib.util.spec_from_file_location("header", ROOT / "cpp" / "capi" / "header.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_header_is_what_the_table_gives():
    """A build brings it up to date; so does `python cpp/capi/header.py`."""
    assert SOURCE.read_text() == generator().header(SOURCE.read_text())
    assert HEADER.read_text() == SOURCE.read_text()


def test_what_is_written_is_named():
    effects = generator().effects
    assert effects("(In x, Real alpha, InPlace y)") == "// Writes y; in place: y.\n"
    assert effects("(List ps, InList gs, Bounds bounds)") == "// Writes ps.\n"
    assert (
        effects("(In x, InPlace dgates, RecurrentGradients gradients, Out dc0)")
        == "// Writes dgates, gradients, dc0; in place: dgates.\n"
    )


@pytest.mark.parametrize("compiler, options", [("cc", ["-x", "c", "-std=c99"]), ("c++", ["-x", "c++", "-std=c++11"])])
def test_compilers_take_it(compiler, options, tmp_path):
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    (tmp_path / "it.c").write_text(
        "#include <lamella/lamella.h>\n#include <lamella/lamella.h>\nint main(void) { return lamella_abi_version() != LAMELLA_ABI_VERSION; }\n"
    )
    command = [compiler, *options, "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-I", lamella.get_include()]
    library = embedding.get_library()
    subprocess.run(
        [*command, str(tmp_path / "it.c"), "-L", library, f"-Wl,-rpath,{library}", "-llamella", "-o", str(tmp_path / "it")],
        check=True,
    )
    assert subprocess.run([str(tmp_path / "it")]).returncode == 0


def test_the_command_line_says_where_things_are():
    def said(option):
        return subprocess.run(
            [sys.executable, "-m", "lamella", option], check=True, capture_output=True, text=True
        ).stdout.strip()

    assert said("--version") == lamella.__version__
    assert said("--includes") == f"-I{lamella.get_include()}"
    assert said("--cmakedir") == embedding.get_cmake_dir()
    assert (Path(said("--cmakedir")) / "lamella-config.cmake").is_file()
    assert said("--libs") == "-L{0} -Wl,-rpath,{0} -llamella".format(embedding.get_library())


def test_a_copy_that_no_build_installed_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(lamella, "__path__", [str(tmp_path)])
    for function in (embedding.get_include, embedding.get_library, embedding.get_cmake_dir):
        with pytest.raises(FileNotFoundError, match=f"lamella: no .* in {tmp_path}: install it with pip"):
            function()
    assert _kernels.KERNELS
