"""python -m lamella prints the machine and the versions, for a bug report. python -m lamella preview DIR shows augmented images.

python -m lamella --includes | --libs | --cmakedir | --version: for the build of a C or C++ program.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import lamella
from lamella import _kernels
from lamella.embedding import get_cmake_dir, get_include, get_library

# Where Linux describes its processes and the machine. Other systems, such as macOS, do not have it.
PROC = Path("/proc")
# The names of the OpenMP runtimes of GNU, Intel and LLVM.
RUNTIME = re.compile(rb"lib(?:gomp|iomp5|omp)\b")


def libs() -> str:
    """What a compiler needs to link with liblamella, and the program to find it when it runs."""
    directory = shlex.quote(get_library())
    return f"-L{directory} -Wl,-rpath,{directory} -llamella"


# What each option prints, and its help.
FACTS: dict[str, tuple[Callable[[], str], str]] = {
    "--version": (lambda: lamella.__version__, "print the version"),
    "--includes": (lambda: f"-I{shlex.quote(get_include())}", "print the compiler's option for the headers"),
    "--libs": (libs, "print the linker's options for the library"),
    "--cmakedir": (get_cmake_dir, "print the folder of the CMake package"),
}


def main(arguments: list[str] | None = None) -> None:
    """Run the command.

    Args:
        arguments: Its arguments; None for those of the process.
    """
    parser = argparse.ArgumentParser(
        prog="python -m lamella", description="Without arguments: print the machine and the versions, for a bug report."
    )
    for name, (fact, what) in FACTS.items():
        parser.add_argument(name, dest="facts", action="append_const", const=fact, help=what)
    preview = parser.add_subparsers().add_parser("preview", help="write a PNG with augmented images of a folder")
    add_preview(preview)
    given = parser.parse_args(arguments)
    if "folder" in given:
        try:
            write_preview(given)
        except (ImportError, OSError, ValueError) as error:
            preview.error(str(error))
    elif given.facts:
        print("\n".join(fact() for fact in given.facts))
    else:
        for name, value in report():
            print(f"{name}: {value}")


def add_preview(command: argparse.ArgumentParser) -> None:
    """Add the arguments of the command that writes a picture of augmented images.

    Args:
        command: The parser of the command.
    """
    command.add_argument("folder", metavar="DIR", help="a folder with images or with folders of images")
    command.add_argument("--out", default="preview.png", help="the file to write (preview.png)")
    command.add_argument("--size", type=int, default=128, help="height and width of each image (128)")
    command.add_argument("--count", type=int, default=16, help="number of images (16)")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--rotation", type=float, default=0, metavar="DEGREES")
    command.add_argument("--shift", type=float, default=0.0, metavar="FRACTION")
    command.add_argument("--zoom", type=float, default=0.0, metavar="FRACTION")
    command.add_argument("--flip", action="store_true", help="mirror half of the images")


def write_preview(given: argparse.Namespace) -> None:
    """Write a picture of augmented images of a folder.

    Args:
        given: The arguments of the command.

    Raises:
        ImportError: Pillow is not installed.
        OSError: An image cannot be read, or the picture cannot be written.
        ValueError: DIR is not a folder or has no images, or an argument is out of its range.
    """
    if not os.path.isdir(given.folder):
        raise ValueError(f"expected DIR to be a folder, got {given.folder!r}")
    generator = lamella.preprocessing.image.ImageDataGenerator(
        rotation_range=given.rotation,
        width_shift_range=given.shift,
        height_shift_range=given.shift,
        zoom_range=given.zoom,
        horizontal_flip=given.flip,
    )
    parent, name = os.path.split(os.path.realpath(given.folder))
    iterator = generator.flow_from_directory(
        parent,
        target_size=(given.size, given.size),
        classes=[name],
        class_mode=None,
        seed=given.seed,
        interpolation="bilinear",
        keep_aspect_ratio=True,
    )
    iterator.preview(given.out, given.count)
    print(f"wrote {given.out}")


def report() -> Iterator[tuple[str, str]]:
    """The lines of the report as pairs (name, value)."""
    yield "lamella", lamella.__version__
    yield "Python", f"{platform.python_version()} ({platform.python_implementation()})"
    yield "NumPy", np.__version__
    yield "system", f"{platform.system()} {platform.release()}, {' '.join(platform.libc_ver())}"
    yield "CPU", f"{cpu()} ({platform.machine()})"
    yield "targets", " ".join(_kernels.targets())
    yield "target in use", _kernels.target()
    yield "threads", str(_kernels.num_threads())
    yield "thread backend", f"{_kernels.thread_backend()} (of {', '.join(_kernels.thread_backends())})"
    yield "CPUs to use", str(_kernels.cpu_limit())
    quota = _kernels.read_cpu_quota()
    yield "control group's quota", f"{quota} CPUs" if quota else "none"
    libraries = loaded()
    runtimes, users = (["unknown"], ["unknown"]) if libraries is None else openmp(libraries)
    yield "OpenMP runtimes loaded", ", ".join(runtimes) or "none"
    yield "libraries that use OpenMP", ", ".join(users) or "none"


def cpu() -> str:
    """The model of the CPU, or "unknown". On Arm the system does not name it."""
    try:
        found = re.search(r"^model name\s*: (.*)$", (PROC / "cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        return "unknown"
    return found[1] if found else "unknown"


def loaded() -> list[Path] | None:
    """The paths of the shared libraries in this process; None if the system does not list them."""
    try:
        lines = (PROC / "self/maps").read_text().splitlines()
    except OSError:
        return None
    paths = {line.split(maxsplit=5)[5] for line in lines if line.count("/") and ".so" in line}
    return sorted(path for path in map(Path, paths) if path.is_file())


def openmp(libraries: list[Path]) -> tuple[list[str], list[str]]:
    """(paths of the OpenMP runtimes, names of the libraries that contain the name of one)."""
    runtimes = [path for path in libraries if RUNTIME.match(path.name.encode())]
    users = [path for path in libraries if path not in runtimes and RUNTIME.search(path.read_bytes())]
    return [str(path) for path in runtimes], [path.name for path in users]


if __name__ == "__main__":
    main()
