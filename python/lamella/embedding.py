"""Where the parts of this package are that C and C++ programs use: lamella.h, liblamella and the CMake package."""

from __future__ import annotations

import sys
from pathlib import Path

import lamella


def get_include() -> str:
    """The directory to compile with: `#include <lamella/lamella.h>`.

    Raises:
        FileNotFoundError: This copy of lamella was not installed by its build, so it has no header.
    """
    return str(_find("include", "lamella/lamella.h"))


def get_library() -> str:
    """The directory of the shared library liblamella, which the functions of lamella.h are in.

    Raises:
        FileNotFoundError: This copy of lamella was not installed by its build, so it has no library.
    """
    return str(_find("lib", "liblamella.dylib" if sys.platform == "darwin" else "liblamella.so"))


def get_cmake_dir() -> str:
    """The directory of the CMake package: `find_package(lamella)` with -Dlamella_DIR= of it.

    Raises:
        FileNotFoundError: This copy of lamella was not installed by its build, so it has no CMake package.
    """
    return str(_find("lib/cmake/lamella", "lamella-config.cmake"))


def _find(directory: str, file: str) -> Path:
    # An editable installation has two places: the sources, and what was compiled.
    for folder in lamella.__path__:
        if (Path(folder) / directory / file).is_file():
            return Path(folder) / directory
    raise FileNotFoundError(f"lamella: no {directory}/{file} in {', '.join(lamella.__path__)}: install it with pip")
