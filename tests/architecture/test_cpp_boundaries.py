"""C++: includes point down; intrinsics, threads and Python stay in their directories; kernels share no code between targets."""

import re
from pathlib import Path

import pytest

CPP = Path(__file__).parents[2] / "cpp"
SOURCES = sorted(p for p in CPP.rglob("*") if p.suffix in (".h", ".cpp", ".def"))

# directory: directories whose headers it may include. cpp/include/ has the table that dispatch fills and bindings read.
MAY_INCLUDE = {
    "core": {"core"},
    "simd": {"simd", "core"},
    "kernels": {"kernels", "simd", "core"},
    "targets": {"targets", "kernels", "lamella", "table"},
    "dispatch": {"lamella", "targets.def", "core"},
    "arguments": {"arguments", "lamella", "table", "core"},
    "bindings": {"bindings", "arguments", "lamella", "table", "core"},
    "capi": {"capi", "arguments", "lamella", "table", "core"},
    "include": {"lamella", "core", "table"},
}
ids = pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(CPP)))


def room_of(path):
    return path.relative_to(CPP).parts[0]


def code(path):
    """The source without comments."""
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text(), flags=re.S)


@ids
def test_includes_point_down(path):
    if path.suffix == ".def":
        return
    for header in re.findall(r'#include "([^"]+)"', code(path)):
        assert header.split("/")[0] in MAY_INCLUDE[room_of(path)], f"{path.name} includes {header}"


@ids
def test_intrinsics_stay_in_simd(path):
    if room_of(path) == "simd":
        return
    text = code(path)
    # The denormal guard sets a control register of the CPU; it uses no vectors.
    text = re.sub(r"_mm_[gs]etcsr", "", text) if path.name == "denormals.h" else text
    assert not re.search(r"\b_mm\d*_\w+|\b__m(128|256|512)|\bv(ld|st)\dq?_|float(32|64)x\d", text)
    assert path.name == "denormals.h" or ("intrin.h" not in text and "arm_neon.h" not in text)


# Each file of cpp/core/ that uses threads, and the headers and pragmas that it uses for them.
THREADS = {
    "parallel.cpp": {"<pthread.h>"},
    "pool.cpp": {"<pthread.h>"},
    "openmp.cpp": {"<omp.h>", "#pragma omp", "<pthread.h>"},
    "team.cpp": {"<pthread.h>"},
    "sleep.cpp": {"<pthread.h>"},
}


@ids
def test_threads_stay_in_core(path):
    found = set(re.findall(r"#pragma omp|<omp\.h>|<thread>|<pthread\.h>|<mutex>|<semaphore\.h>", code(path)))
    assert found == (THREADS.get(path.name, set()) if room_of(path) == "core" else set())
    assert path.name == "openmp.cpp" or not re.search(r"\bomp_\w+\(", code(path))


@ids
def test_python_stays_in_bindings(path):
    if room_of(path) != "bindings":
        assert not re.search(r"pybind11|Python\.h|\bPy[A-Z]\w+\(", code(path))


@ids
def test_a_variable_for_one_type_in_a_header_is_inline(path):
    """Else g++ 16 defines it in each file that includes the header. Names of kernels and simd are of one file each."""
    if path.suffix == ".h" and room_of(path) not in ("kernels", "simd"):
        assert re.findall(r"template <>\s+(?!inline )(?:static )?constexpr [^({;]*=", code(path)) == []


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if room_of(p) in ("kernels", "simd")], ids=lambda p: str(p.relative_to(CPP))
)
def test_kernels_and_simd_share_no_code_between_targets(path):
    text = code(path)
    allowed = {"<cstdint>", "<cstring>", "<immintrin.h>", "<arm_neon.h>"}
    assert set(re.findall(r"#include (<[^>]+>)", text)) <= allowed
    # Fixed-width integers, size_t and memcpy are from C; other names of std:: could be templates.
    assert not re.search(r"\bstd::(?!u?int\d+_t\b|size_t\b|memcpy\b|memset\b)", text)
    assert not re.search(r"\b(new|malloc|throw|catch)\b", text)
    assert "namespace {" in text or (path.parent.name == "kernels" and not re.sub(r"#.*", "", text).strip())


def test_every_kernel_is_defined_in_its_family():
    families = re.findall(
        r"^FAMILY\((\w+)\)\n#include \"table/(\w+)\.def\"$", (CPP / "table" / "all.def").read_text(), flags=re.M
    )
    assert families and all(family == file for family, file in families)
    names = [family for family, _ in families]
    assert sorted(["all", "bundles", *names]) == sorted(path.stem for path in (CPP / "table").iterdir())
    assert sorted(names) == sorted(path.name for path in (CPP / "kernels").iterdir() if path.is_dir())
    for name in names:
        defined = "\n".join(path.read_text() for path in (CPP / "kernels" / name).iterdir())
        for kernel in re.findall(r"^KERNEL\((\w+),", (CPP / "table" / f"{name}.def").read_text(), flags=re.M):
            assert re.search(rf"\bStatus {kernel}\(", defined), kernel


def included(path, family, seen):
    """The headers and lines of the table that `path` includes when it is compiled for `family`, directly or not."""
    for header in re.findall(r'#include (?:"([^"]+)"|LAMELLA_STRING\(([^)]+)\))', code(path)):
        name = (header[0] or header[1]).replace("LAMELLA_FAMILY", family)
        file = CPP / "include" / name if name.startswith("lamella/") else CPP / name
        if file not in seen:
            seen.add(file)
            included(file, family, seen)
    return seen


def test_a_family_includes_no_lines_of_other_families():
    """Else a new kernel would compile the objects of all families again."""
    for folder in (path for path in (CPP / "kernels").iterdir() if path.is_dir()):
        family = folder.name
        table = {path.name for path in included(CPP / "targets" / "family.cpp", family, set()) if path.suffix == ".def"}
        assert table == {"bundles.def", f"{family}.def"}
