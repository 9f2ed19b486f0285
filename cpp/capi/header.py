"""Writes the kernels' part of cpp/include/lamella/lamella.h from cpp/table, and into the build their definitions.

The build runs it; so may you. The header is committed, because people read it.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

CPP = Path(__file__).parents[1]
sys.path.insert(0, str(CPP / "bindings"))
from stub import TABLE, entries, parameters  # noqa: E402

HEADER = CPP / "include" / "lamella" / "lamella.h"
MARK = "/* --- from cpp/table, by cpp/capi/header.py: what you write below this line is overwritten --- */\n"
END = """
#ifdef __cplusplus
}
#endif

#endif
"""
ELEMENTS = ("f32", "f64")
LONGEST = 128

# What stands for each type of the table; {} is the element type.
TYPES = {
    "In": "const lamella_{}*",
    "Out": "const lamella_{}*",
    "InPlace": "const lamella_{}*",
    "Bytes": "const lamella_u8*",
    "InBytes": "const lamella_u8*",
    "Labels": "const lamella_i64*",
    "OutLabels": "const lamella_i64*",
    "Reals": "const lamella_f64*",
    "List": "const lamella_{}_list*",
    "InList": "const lamella_{}_list*",
    "InBytesList": "const lamella_u8_list*",
    "BytesList": "const lamella_u8_list*",
    "Int": "int64_t",
    "Real": "double",
    "Window": "const lamella_window*",
}
WRITTEN = {"Out", "InPlace", "Bytes", "OutLabels", "List", "BytesList"}


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def declared(kind: str, name: str, element: str) -> str:
    """One argument of a function, or one member of a struct."""
    return f"{TYPES.get(kind, f'const lamella_{snake(kind)}_{{}}*').format(element)} {name}"


def in_c(signature: str, element: str) -> str:
    return ", ".join(declared(kind, name.removesuffix("_"), element) for kind, name in parameters(signature))


def broken(text: str, indent: str) -> str:
    """The text in lines of at most LONGEST characters, broken after commas; all but the first are indented."""
    lines = [""]
    for part in re.findall(r"[^,]+,? ?", text):
        if len(lines[-1] + part.rstrip()) > LONGEST:
            lines[-1] = lines[-1].rstrip()
            lines.append(indent)
        lines[-1] += part
    return "\n".join(lines)


def prototypes(name: str, signature: str) -> str:
    return "".join(
        broken(f"LAMELLA_API lamella_status lamella_{name}_{element}({in_c(signature, element)});", " " * 8) + "\n"
        for element in ELEMENTS
    )


def struct(name: str, fields: str) -> str:
    """The struct of a bundle, for each element type."""
    return "".join(
        "typedef struct {\n"
        + "".join(f"    {declared(kind, field, element)};\n" for kind, field in parameters(fields))
        + f"}} lamella_{snake(name)}_{element};\n"
        for element in ELEMENTS
    )


def parts() -> Iterator[tuple[str, str, str]]:
    """("", "", a line of comment), or (macro, name, arguments), in the order of the table."""
    text = (TABLE / "all.def").read_text()
    for family in re.findall(r'^#include "table/(\w+\.def)"', text, flags=re.M):
        found = re.finditer(r"^(//[^\n]*)|^(KERNEL|BUNDLE)\((\w+),\s*(\([^)]*\))\)", (TABLE / family).read_text(), flags=re.M)
        for match in found:
            comment, macro, name, arguments = match.groups()
            yield ("", "", comment) if comment else (macro, name, " ".join(arguments.split()))
        yield "", "", ""


def effects(signature: str) -> str:
    """A comment that says what a kernel writes, and what of it may be one of the inputs."""
    fields = dict(entries("BUNDLE"))
    written = {
        name: kind
        for kind, name in parameters(signature)
        if kind in WRITTEN or any(field in WRITTEN for field, _ in parameters(fields.get(kind, "(Int none)")))
    }
    in_place = [name for name, kind in written.items() if kind == "InPlace"]
    return "// Writes " + ", ".join(written) + (f"; in place: {', '.join(in_place)}" if in_place else "") + ".\n"


def header(before: str) -> str:
    """The whole header; `before` is the one whose part above the mark stays."""
    made = ""
    for macro, name, text in parts():
        if macro == "BUNDLE":
            made += struct(name, text)
        elif macro == "KERNEL":
            made += effects(text) + prototypes(name, text)
        else:
            made += text + "\n"
    return before[: before.index(MARK)] + MARK + "// clang-format off\n" + made.rstrip("\n") + "\n" + END


def functions() -> str:
    """A line for each kernel, for cpp/capi/kernels.cpp: name, signature, parameters for float and double, arguments."""
    lines = []
    for name, signature in entries("KERNEL"):
        given = ", ".join(argument.removesuffix("_") for _, argument in parameters(signature))
        lines.append(f'FUNCTION({name}, "{signature}", ({in_c(signature, "f32")}), ({in_c(signature, "f64")}), {given})\n')
    return "".join(lines)


def update(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:  # the sources may be read-only where nothing is to be written
        path.write_text(text)


if __name__ == "__main__":
    update(HEADER, header(HEADER.read_text()))
    for path in sys.argv[1:]:
        update(Path(path), functions())
