"""A target is listed at the two places that the recipe names, and nowhere else; AVX-512 can be emulated."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECIPE = (ROOT / "docs" / "recipes" / "target.md").read_text()
CODE = [
    ROOT / "CMakeLists.txt",
    *(p for d in ("cpp", "cmake", "python", "tests", "bench", ".ci") for p in (ROOT / d).rglob("*")),
]
ENDINGS = ("", ".py", ".pyi", ".h", ".cpp", ".def", ".txt", ".cmake", ".in")


def listed(file: str, line: str) -> list[str]:
    return re.findall(line, (ROOT / file).read_text(), re.M)


IN_TABLE = listed("cpp/targets.def", r"^TARGET\((\w+), ")
IN_CMAKE = listed("CMakeLists.txt", r"^ *lamella_target\((\w+) \d")


def test_each_target_is_in_both_lists_once():
    assert len(IN_TABLE) == len(set(IN_TABLE)) >= 4
    assert sorted(IN_TABLE) == sorted(IN_CMAKE)


def test_no_other_file_lists_the_targets():
    words = re.compile(rf"\b({'|'.join(IN_TABLE)})\b")
    named = {
        str(path.relative_to(ROOT)): set(words.findall(path.read_text()))
        for path in CODE
        if path.is_file() and path.suffix in ENDINGS and not {"lib", "build", "__pycache__"} & set(path.parts)
    }
    # A comment or a test may name some of them.
    lists = {file for file, found in named.items() if len(found) >= len(IN_TABLE) - 1}
    steps = set(re.findall(r"^\d\. \*\*`([^`]+)`\*\*", RECIPE, re.M))
    assert lists == {"CMakeLists.txt", "cpp/targets.def"} < steps


def test_the_emulation_has_each_instruction_that_is_used():
    used = {name for path in (ROOT / "cpp").rglob("*.h") for name in re.findall(r"\b_mm512_\w+", path.read_text())}
    emulated = listed("tests/cpp/avx512_by_loops.h", r"^#define (_mm512_\w+)\(")
    assert used and sorted(used) == sorted(emulated)
