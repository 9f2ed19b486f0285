"""Ctrl-C at any bytecode while a file is written, downloaded or unpacked: the file is the old or the new one, and nothing else remains."""

import contextlib
import io
import tarfile

import pytest

from lamella.core.files import check_target, replace_file
from lamella.utils import get_file
from tests.interrupts import Interrupt

pytestmark = [
    # Between open() and its `with` block nobody but the interpreter has the file: it closes the file, and warns.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    # CPython drops an error that is raised while it deletes an object.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

OLD, NEW = b"old", bytes(range(256)) * 40


def at_each_bytecode(run, most=150):
    """Yields after each interrupt of a run, at most this number of times."""
    with Interrupt() as interrupt:
        run()
    yield
    for n in range(1, interrupt.seen + 1, -(-interrupt.seen // most)):
        # Modules of Python may raise another error for an interrupt, or drop it while they delete an object.
        with contextlib.suppress(ValueError, OSError), Interrupt(n):
            run()
        yield


def names(directory):
    return {path.name for path in directory.iterdir()}


@pytest.mark.parametrize("old", [OLD, b""])
def test_a_file_is_the_old_or_the_new_one(tmp_path, old):
    path = tmp_path / "file"

    def run():
        replace_file(path, NEW)

    for _ in at_each_bytecode(run, 10_000):
        assert names(tmp_path) <= {"file"}
        assert path.read_bytes() in (old, NEW)
        path.write_bytes(old)


def test_a_check_of_the_path_leaves_nothing(tmp_path):
    for _ in at_each_bytecode(lambda: check_target(tmp_path / "file"), 10_000):
        assert names(tmp_path) == set()


def test_a_download_is_complete_or_missing(tmp_path, capsys):
    (tmp_path / "source").write_bytes(NEW)
    cache = tmp_path / "cache"

    def run():
        get_file("file", (tmp_path / "source").as_uri(), cache_dir=cache, cache_subdir=".")

    for _ in at_each_bytecode(run):
        # The lock file is empty; the next process uses it.
        there = names(cache) - {".file.lock"} if cache.exists() else set()
        assert there <= {"file"}
        if there:
            assert (cache / "file").read_bytes() == NEW
            (cache / "file").unlink()


def test_an_archive_is_unpacked_or_not(tmp_path):
    from lamella.utils.archives import unpack

    archive = tmp_path / "archive.tar"
    with tarfile.open(archive, "w") as file:
        for name in ("a/one", "two"):
            member = tarfile.TarInfo(name)
            member.size = len(NEW)
            file.addfile(member, io.BytesIO(NEW))
    place = tmp_path / "place"
    place.mkdir()

    def run():
        unpack(str(archive), str(place), ("tar",))

    for _ in at_each_bytecode(run):
        assert names(place) <= {"a", "two"}
