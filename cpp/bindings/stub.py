"""Writes the kernels' part of python/lamella/_kernels/_compiled.pyi from cpp/table. The build runs it; you can run it, too.

The stub is committed, so that type checkers and editors know the kernels without a build. The other contents of the module are
above the mark in the stub; that part is written by hand.
"""

import keyword
import re
from collections.abc import Iterator
from pathlib import Path

TABLE = Path(__file__).parents[1] / "table"
STUB = Path(__file__).parents[2] / "python" / "lamella" / "_kernels" / "_compiled.pyi"
MARK = "# --- from cpp/table, by cpp/bindings/stub.py: what you write below this line is overwritten ---\n"

LONGEST = 128  # ruff's line-length in pyproject.toml

# The Python type for each type of the table. A bundle has its own alias.
TYPES = {
    "In": "_Floats",
    "Out": "_Floats",
    "InPlace": "_Floats",
    "Bytes": "NDArray[np.uint8]",
    "InBytes": "NDArray[np.uint8]",
    "Labels": "NDArray[np.int64]",
    "OutLabels": "NDArray[np.int64]",
    "Reals": "NDArray[np.float64]",
    "List": "list[_Floats]",
    "InList": "list[_Floats]",
    "InBytesList": "list[NDArray[np.uint8]]",
    "BytesList": "list[NDArray[np.uint8]]",
    "Int": "int",
    "Real": "float",
    "Window": "_Window",
}


def entries(macro: str) -> Iterator[tuple[str, str]]:
    """(name, arguments) of the table's KERNEL or BUNDLE lines, in its order."""
    families = re.findall(r'^#include "table/(\w+\.def)"', (TABLE / "all.def").read_text(), flags=re.M)
    for family in families:
        code = re.sub(r"//[^\n]*", "", (TABLE / family).read_text())
        for name, arguments in re.findall(rf"^{macro}\((\w+),\s*(\([^)]*\))\)", code, flags=re.M):
            yield name, " ".join(arguments.split())


def parameters(arguments: str) -> list[tuple[str, str]]:
    """[(type, name)] of "(In x, Real alpha, Out y)"; a name that is a keyword of Python gets an underscore."""
    pairs = (part.split() for part in arguments.strip("()").split(", "))
    return [(kind, f"{name}_" if keyword.iskeyword(name) else name) for kind, name in pairs]


def kernel(name: str, arguments: str) -> str:
    """The line of a kernel in the stub. Arguments have names for readers, but are positional in the module."""
    listed = [f"{parameter}: {TYPES.get(kind, f'_{kind}')}" for kind, parameter in parameters(arguments)]
    line = f"def {name}({', '.join([*listed, '/'])}) -> None: ...\n"
    if len(line.rstrip()) <= LONGEST:
        return line
    return f"def {name}(\n" + "".join(f"    {each},\n" for each in [*listed, "/"]) + ") -> None: ...\n"


def bundle(name: str, fields: str) -> str:
    """The alias of a bundle: a tuple of its fields, whose names are in a comment."""
    kinds = ", ".join(TYPES[kind] for kind, _ in parameters(fields))
    names = ", ".join(field for _, field in parameters(fields))
    line = f"_{name}: TypeAlias = tuple[{kinds}]\n"
    if len(line.rstrip()) > LONGEST:
        line = f"_{name}: TypeAlias = tuple[\n    {kinds}\n]\n"
    return f"# {names}\n{line}"


def kernels() -> str:
    bundles = "".join(bundle(*entry) for entry in entries("BUNDLE"))
    return bundles + "\n" + "".join(kernel(*entry) for entry in entries("KERNEL"))


def stub(before: str) -> str:
    """The whole stub, with the part above the mark from the stub `before`."""
    return before[: before.index(MARK)] + MARK + kernels()


if __name__ == "__main__":
    old = STUB.read_text()
    if (new := stub(old)) != old:  # the sources may be read-only if nothing changes
        STUB.write_text(new)
