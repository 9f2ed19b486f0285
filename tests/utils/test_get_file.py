"""get_file: cache, hashes, failing servers, harmful archives. The tests run their own servers."""

import gzip
import hashlib
import io
import os
import signal
import stat
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

from lamella.applications import imagenet_utils
from lamella.core.files import with_staging
from lamella.utils import data_utils, get_file
from lamella.utils.data_utils import validate_file
from tests.file_server import Handler, serving

DATA = bytes(range(256)) * 500
SHA, MD5 = hashlib.sha256(DATA).hexdigest(), hashlib.md5(DATA).hexdigest()


class FailingHandler(Handler):
    def answer(self):
        if self.server.busy:
            self.server.busy -= 1
            self.send_response(self.server.busy_with)
            for header in self.server.headers:
                self.send_header(*header)
            self.end_headers()
        elif self.path == "/cut":  # declares more bytes than it sends
            self.send_response(200)
            self.send_header("Content-Length", str(len(DATA)))
            self.end_headers()
            self.wfile.write(DATA[:1000])
        else:
            super().answer()


@pytest.fixture
def server(tmp_path):
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "data.bin").write_bytes(DATA)
    with serving(tmp_path / "served", FailingHandler) as server:
        server.busy, server.busy_with, server.headers = 0, 503, []
        yield server


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """The seconds slept between tries."""
    slept = []
    monkeypatch.setattr(data_utils, "sleep", slept.append)
    return slept


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def listing(directory):
    return sorted(str(p.relative_to(directory)) for p in directory.rglob("*"))


@pytest.mark.parametrize(
    "hashes",
    [{"file_hash": SHA}, {"file_hash": MD5}, {"md5_hash": MD5}, {"file_hash": SHA.upper(), "hash_algorithm": "sha256"}],
)
def test_a_file_is_fetched_once(server, cache, hashes, capsys):
    for _ in range(2):
        path = get_file("a.bin", f"{server.url}/data.bin", **hashes)
    assert path == str(cache / "datasets" / "a.bin") and Path(path).read_bytes() == DATA
    assert server.asked == ["/data.bin"] and listing(cache) == ["datasets", "datasets/a.bin"]
    out = capsys.readouterr().out
    assert out.startswith(f"Downloading data from {server.url}/data.bin\n128000/128000 [====")


def test_a_cached_file_of_another_hash_is_fetched_anew(server, cache, capsys):
    (cache / "models").mkdir(parents=True)
    (cache / "models" / "a.bin").write_bytes(b"old")
    path = get_file("a.bin", f"{server.url}/data.bin", file_hash=SHA, cache_subdir="models")
    assert Path(path).read_bytes() == DATA
    assert "because the auto file hash does not match the original value of" in capsys.readouterr().out


def test_without_a_hash_a_cached_file_counts_and_a_download_warns(server, cache):
    with pytest.warns(UserWarning, match="the download from http://127.*data.bin is not checked"):
        get_file("a.bin", f"{server.url}/data.bin")
    (cache / "datasets" / "a.bin").write_bytes(b"mine")
    assert Path(get_file("a.bin", f"{server.url}/data.bin")).read_bytes() == b"mine"


def test_file_urls_cache_dir_and_absolute_names(tmp_path, cache):
    source = tmp_path / "x.bin"
    source.write_bytes(DATA)
    assert get_file("x", source.as_uri(), cache_dir=str(tmp_path / "own"), cache_subdir="s") == str(tmp_path / "own/s/x")
    path = get_file(str(tmp_path / "elsewhere"), source.as_uri(), file_hash=SHA)
    assert path == str(tmp_path / "elsewhere") and Path(path).read_bytes() == DATA


@pytest.mark.parametrize(
    "path, arguments, error, text",
    [
        ("/data.bin", {"file_hash": "0" * 64}, ValueError, f"expected the hash {'0' * 64} from .*, got {SHA}"),
        ("/data.bin", {"md5_hash": "1" * 32}, ValueError, f"got {MD5}"),
        ("/cut", {"file_hash": SHA}, OSError, "URL fetch failure on .*/cut : 1000 of 128000 bytes received"),
        ("/none", {"file_hash": SHA}, OSError, "URL fetch failure on .*/none : 404 -- File not found"),
    ],
)
def test_what_fails_leaves_the_cache_as_it_was(server, cache, path, arguments, error, text):
    (cache / "datasets").mkdir(parents=True)
    (cache / "datasets" / "a.bin").write_bytes(b"old")
    with pytest.raises(error, match=text):
        get_file("a.bin", server.url + path, **arguments)
    assert listing(cache) == ["datasets", "datasets/a.bin"] and (cache / "datasets" / "a.bin").read_bytes() == b"old"


def test_a_missing_server_raises(cache):
    with pytest.raises(OSError, match="URL fetch failure on http://127.0.0.1:1/x"):
        get_file("x", "http://127.0.0.1:1/x", file_hash=SHA)


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"fname": "../x"}, "expected a name inside .*datasets, got '../x'"),
        ({"origin": "data:,x"}, "expected an origin with http, https, ftp or file, got 'data:,x'"),
        (
            {"hash_algorithm": "crc32", "file_hash": "0"},
            'expected hash_algorithm "auto", "sha512", "sha256" or "md5", got \'crc32\'',
        ),
        ({"archive_format": "rar"}, "expected archive_format .*, got 'rar'"),
    ],
)
def test_arguments_that_are_refused(cache, arguments, text):
    with pytest.raises(ValueError, match=text):
        get_file(**{"fname": "x", "origin": "file:///nothing", **arguments})


def test_validate_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(DATA)
    assert validate_file(path, SHA) and validate_file(path, MD5) and validate_file(path, MD5, "md5", chunk_size=7)
    assert not validate_file(path, SHA[:-1] + "x") and not validate_file(path, SHA, "md5")


# Archives ------------------------------------------------------------------------------------------------


def tar(path, *members, mode="w:gz"):
    """Write a tar. Members are names of files, whose content is their name, or TarInfos."""
    with tarfile.open(path, mode) as archive:
        for member in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            data = info.name.encode() if info.isreg() else b""
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path.as_uri()


def entry(name, kind, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_untar(tmp_path, cache):
    origin = tar(tmp_path / "t.tgz", entry("set", tarfile.DIRTYPE), "set/a", "./set/b/c")
    path = get_file("set", origin, untar=True)
    assert path == str(cache / "datasets" / "set")
    assert listing(cache / "datasets") == ["set", "set.tar.gz", "set/a", "set/b", "set/b/c"]
    assert (cache / "datasets/set/b/c").read_text() == "./set/b/c"
    (cache / "datasets/set/a").write_text("mine")
    get_file("set", origin, untar=True)  # unpacked already
    assert (cache / "datasets/set/a").read_text() == "mine"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("archive_format", ["auto", "tar", ["zip", "tar"]])
def test_extract_tar(tmp_path, cache, mode, archive_format):
    path = get_file("a.tar", tar(tmp_path / "a.tar", "x/y", "z", mode=mode), extract=True, archive_format=archive_format)
    assert path == str(cache / "datasets/a.tar") and (cache / "datasets/x/y").read_text() == "x/y"
    # It replaces existing files, and keeps files that are not in the archive.
    (cache / "datasets/x/y").write_text("old")
    (cache / "datasets/x/mine").write_text("mine")
    get_file("a.tar", "file:///nothing", extract=True)
    assert (cache / "datasets/x/y").read_text() == "x/y" and (cache / "datasets/x/mine").read_text() == "mine"


def test_extract_zip(tmp_path, cache):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/y", "hello")
        archive.writestr("empty/", "")
    get_file("a.zip", (tmp_path / "a.zip").as_uri(), extract=True)
    assert listing(cache / "datasets") == ["a.zip", "empty", "x", "x/y"] and (cache / "datasets/x/y").read_text() == "hello"
    with pytest.raises(ValueError, match=r"expected an archive \(tar\), but .*a.zip is not one"):
        get_file("a.zip", "file:///nothing", extract=True, archive_format="tar")
    get_file("a.zip", "file:///nothing", extract=True, archive_format=None)


def refused(cache, origin, text):
    with pytest.raises(ValueError, match=text):
        get_file("bad", origin, extract=True)
    assert listing(cache / "datasets") == ["bad"]


@pytest.mark.parametrize(
    "member, text",
    [
        ("../out", "'../out' leads out of the directory"),
        ("/tmp/lamella-out", "leads out of the directory"),
        ("a/../../out", "leads out of the directory"),
        ("a\\..\\out", "leads out of the directory"),
        (entry("link", tarfile.SYMTYPE, "/etc"), "'link' is not a regular file: links and devices are not unpacked"),
        (entry("link", tarfile.LNKTYPE, "good"), "'link' is not a regular file"),
        (entry("fifo", tarfile.FIFOTYPE), "'fifo' is not a regular file"),
        (entry("null", tarfile.CHRTYPE), "'null' is not a regular file"),
        ("good", "'good' occurs twice"),
        ("./good", "'./good' occurs twice"),
    ],
)
def test_a_harmful_tar_leaves_nothing_behind(tmp_path, cache, member, text):
    refused(cache, tar(tmp_path / "bad", "good", member), text)
    assert not (tmp_path / "out").exists() and not os.path.exists("/tmp/lamella-out")


def test_a_harmful_zip_leaves_nothing_behind(tmp_path, cache):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    for number, (member, text) in enumerate(
        [(link, "'link' is not a regular file"), ("../out", "leads out"), ("/out", "leads out")]
    ):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as archive:
            archive.writestr("good", "x")
            archive.writestr(member, "/etc")
        refused(cache, (tmp_path / f"{number}.zip").as_uri(), text)
        (cache / "datasets" / "bad").unlink()


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_bomb_is_refused(tmp_path, cache, kind):
    zeros = b"\0" * (100 << 20)
    path = tmp_path / "bomb"
    if kind == "tar":
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            info = tarfile.TarInfo("zeros")
            info.size = len(zeros)
            archive.addfile(info, io.BytesIO(zeros))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr("zeros", zeros)
    refused(cache, path.as_uri(), "unpacks to at least 104861696 bytes; [0-9]+ are allowed")


def test_a_zip_with_a_wrong_size_is_refused(tmp_path, cache):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", b"\1" * 1000)
    lying = (tmp_path / "a.zip").read_bytes().replace((1000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    (tmp_path / "a.zip").write_bytes(lying)
    refused(cache, (tmp_path / "a.zip").as_uri(), "damaged|declares 10 bytes")


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz", "zip"])
def test_a_damaged_archive_is_refused(tmp_path, cache, mode):
    noise = zlib.compress(os.urandom(6000))
    path = tmp_path / "a"
    if mode == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x", noise)
    else:
        with tarfile.open(path, mode) as archive:
            info = tarfile.TarInfo("x")
            info.size = len(noise)
            archive.addfile(info, io.BytesIO(noise))
    whole = path.read_bytes()
    for cut in range(0, len(whole) - 40, len(whole) // 20):
        path.write_bytes(whole[:cut])
        (cache / "datasets" / "bad").unlink(missing_ok=True)
        refused(cache, path.as_uri(), "damaged|declares|expected an archive")


def test_a_link_in_the_cache_is_not_followed(tmp_path, cache):
    (cache / "datasets").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (cache / "datasets" / "x").symlink_to(tmp_path / "outside")
    with pytest.raises(ValueError, match="x is a link out of "):
        get_file("a.tar", tar(tmp_path / "a.tar", "x/y"), extract=True)
    assert listing(tmp_path / "outside") == [] and listing(cache / "datasets") == ["a.tar", "x"]


def peak_kilobytes(tmp_path, origin):
    """The growth of the peak memory by get_file in a new process, and the error that it raises."""
    code = """
import resource, sys
from lamella.utils import archives, get_file
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    get_file("bad", sys.argv[1], extract=True, cache_dir=sys.argv[2])
    error = None
except ValueError as raised:
    error = raised
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error)
"""
    done = subprocess.run([sys.executable, "-c", code, origin, tmp_path / "own"], capture_output=True, text=True, check=True)
    grown, _, error = done.stdout.splitlines()[-1].partition(" ")
    assert listing(tmp_path / "own" / "datasets") == ["bad"]
    return int(grown), error


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE])
@pytest.mark.parametrize("first", [True, False])
def test_a_long_record_is_not_read_into_memory(tmp_path, kind, first):
    record, size = tarfile.TarInfo("././@LongLink"), 48 << 20
    record.type, record.size = kind, size
    with gzip.open(tmp_path / "bad", "wb", compresslevel=1) as file:
        if not first:
            file.write(tarfile.TarInfo("good").tobuf())
        file.write(record.tobuf(tarfile.GNU_FORMAT))
        for _ in range(size >> 20):
            file.write(b"a" * (1 << 20))
        file.write(tarfile.TarInfo("x").tobuf() + bytes(1024))
    grown, error = peak_kilobytes(tmp_path, (tmp_path / "bad").as_uri())
    assert f"bad: {size} bytes of names or attributes; 65536 are allowed for one member" in error
    assert grown < 20_000


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize(
    "names, text",
    [
        (["x/" * 65 + "y"], "has 66 parts and 131 bytes; 64 and 2048 are allowed"),
        (["/".join(["a" * 200] * 11)], "has 11 parts and 2210 bytes; 64 and 2048 are allowed"),
        ([f"{i}/" + "x/" * 60 for i in range(300)], "unpacks to at least 67112960 bytes; 67108864 are allowed"),
        (["good", "good/x"], "'good/x' occurs twice, as a file and as a directory"),
        (["good/x", "good"], "'good' occurs twice, or is not the name of a file"),
    ],
)
def test_many_files_and_deep_trees_are_refused(tmp_path, cache, kind, names, text):
    if kind == "tar":
        with tarfile.open(tmp_path / "bad", "w:gz") as archive:
            for name in names:
                archive.addfile(entry(name, tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE))
    else:
        with zipfile.ZipFile(tmp_path / "bad", "w") as archive:
            for name in names:
                archive.writestr(name, b"")
    refused(cache, (tmp_path / "bad").as_uri(), text)


def test_very_many_tiny_files_are_refused(tmp_path, cache):
    origin = tar(tmp_path / "bad", *map(str, range(17_000)))
    refused(cache, origin, "unpacks to at least 67109957 bytes; 67108864 are allowed")


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_attributes_are_read(tmp_path, cache, format):
    name = "/".join(["b" * 90] * 4) + "/\u00e4"
    with tarfile.open(tmp_path / "a.tar", "w", format=format, pax_headers={"comment": "all"}) as archive:
        for i, member in enumerate([name, "short"]):
            info = tarfile.TarInfo(member)
            info.size, info.pax_headers = 3, {"mtime": "1.5", "size": "3"}
            archive.addfile(info, io.BytesIO(b"%03d" % i))
    get_file("a.tar", (tmp_path / "a.tar").as_uri(), extract=True)
    assert (cache / "datasets" / name).read_text() == "000" and (cache / "datasets" / "short").read_text() == "001"


@pytest.mark.parametrize(
    "attributes, text",
    [
        (b"20 size=99\n", "damaged attributes"),
        (b"x", "damaged attributes"),
        (b"10 size=-1\n", "damaged attributes"),
        (b"11 size=-1\n", "a member declares '-1' bytes"),
        (b"9 path=y\n12 size=999\n", "cut off"),
        (b"22 GNU.sparse.major=1\n", "a sparse file is not a regular file"),
    ],
)
def test_harmful_attributes_are_refused(tmp_path, cache, attributes, text):
    record = tarfile.TarInfo("attributes")
    record.type, record.size = tarfile.XHDTYPE, len(attributes)
    data = record.tobuf() + attributes.ljust(512, b"\0") + tarfile.TarInfo("x").tobuf() + bytes(1024)
    (tmp_path / "bad").write_bytes(data)
    refused(cache, (tmp_path / "bad").as_uri(), text)


def test_negative_sizes_and_sparse_files_are_refused(tmp_path, cache):
    for number, (kind, size, text) in enumerate(
        [(tarfile.GNUTYPE_SPARSE, 0, "not a regular file"), (tarfile.REGTYPE, -5, "'x' declares -5 bytes")]
    ):
        info = tarfile.TarInfo("x")
        info.type, info.size = kind, size
        (tmp_path / str(number)).write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
        refused(cache, (tmp_path / str(number)).as_uri(), text)
        (cache / "datasets" / "bad").unlink()


def test_a_flipped_bit_in_compressed_data_is_found(tmp_path, cache):
    path = tmp_path / "bad"
    tar(path, "x")
    data = bytearray(path.read_bytes())
    data[-8] ^= 1  # a byte of gzip's checksum
    path.write_bytes(data)
    refused(cache, path.as_uri(), "damaged, or of an unsupported kind .*incorrect data check")


def tree(directory):
    return {name: (directory / name).read_bytes() for name in listing(directory) if (directory / name).is_file()}


@pytest.mark.parametrize(
    "mine, text",
    [
        (["a", "b"], "b is not a directory, but the archive has a directory of that name"),
        (["a", "c/x"], "c is a directory, but the archive has a file of that name"),
        (["a", "b/y", "b/z/x"], "z is a directory, but the archive has a file of that name"),
    ],
)
def test_an_archive_that_does_not_fit_changes_nothing(tmp_path, cache, mine, text):
    origin = tar(tmp_path / "bad", "a", "b/y", "b/z", "c")
    for name in mine:
        (cache / "datasets" / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / "datasets" / name).write_text("mine")
    with pytest.raises(ValueError, match=text):
        get_file("bad", origin, extract=True)
    found = tree(cache / "datasets")
    assert found.pop("bad") and found == dict.fromkeys(mine, b"mine")


def test_a_disk_that_fails_halfway_changes_nothing(tmp_path, cache, monkeypatch):
    origin = tar(tmp_path / "bad", *"abcd", "e/f", "e/g/h")
    (cache / "datasets" / "e").mkdir(parents=True)
    for name in ("a", "c", "e/f"):
        (cache / "datasets" / name).write_text("mine")
    rename = os.rename
    for number in range(9):  # six moves, and three replaced files
        left = [number]

        def failing(source, place):
            left[0] -= 1
            if left[0] == -1:
                raise OSError(5, "Input/output error")
            rename(source, place)

        with monkeypatch.context() as patched, pytest.raises(OSError, match="Input/output error"):
            patched.setattr(os, "rename", failing)
            get_file("bad", origin, extract=True)
        found = tree(cache / "datasets")
        assert found.pop("bad") and found == dict.fromkeys(["a", "c", "e/f"], b"mine")
    get_file("bad", origin, extract=True)
    assert {name: text.decode() for name, text in tree(cache / "datasets").items() if name != "bad"} == {
        name: name for name in ("a", "b", "c", "d", "e/f", "e/g/h")
    }


# The class names of ImageNet, which get_file downloads ---------------------------------------------------


@pytest.fixture
def class_index(tmp_path, monkeypatch):
    text = "{" + ", ".join(f'"{i}": ["n{i:08d}", "name_{i}"]' for i in range(1000)) + "}"
    (tmp_path / "index.json").write_text(text)
    monkeypatch.setattr(imagenet_utils, "CLASS_INDEX_PATH", (tmp_path / "index.json").as_uri())
    monkeypatch.setattr(imagenet_utils, "_CLASS_INDEX_HASH", hashlib.md5(text.encode()).hexdigest())
    imagenet_utils._class_names.cache_clear()
    yield tmp_path / "index.json"
    imagenet_utils._class_names.cache_clear()


def test_decode_predictions(class_index, cache):
    import numpy as np

    scores = np.zeros((2, 1000), "f4")
    scores[0, [7, 999, 3]] = [0.5, 0.25, 0.125]
    scores[1, [0, 1]] = [0.25, 0.75]
    first, second = imagenet_utils.decode_predictions(scores, top=2)
    assert first == [("n00000007", "name_7", 0.5), ("n00000999", "name_999", 0.25)]
    assert second == [("n00000001", "name_1", 0.75), ("n00000000", "name_0", 0.25)]
    assert [len(row) for row in imagenet_utils.decode_predictions(scores)] == [5, 5]
    assert listing(cache) == ["models", "models/imagenet_class_index.json"]
    for wrong in (scores[0], scores[:, :10]):
        with pytest.raises(ValueError) as error:
            imagenet_utils.decode_predictions(wrong)
        assert str(error.value) == (
            "`decode_predictions` expects a batch of predictions (i.e. a 2D array of shape (samples, 1000)). "
            f"Found array with shape: {wrong.shape}"
        )
    for top in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match=f"expected top to be a positive integer, got {top}"):
            imagenet_utils.decode_predictions(scores, top)


def test_decode_predictions_without_the_file_says_where_it_belongs(class_index, cache):
    import numpy as np

    class_index.unlink()
    with pytest.raises(OSError, match="decode_predictions needs .*index.json as models/imagenet_class_index.json in "):
        imagenet_utils.decode_predictions(np.zeros((1, 1000)))
    assert listing(cache) == ["models"]


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(server, cache, pauses, code):
    server.busy, server.busy_with = 3, code
    path = get_file("data.bin", f"{server.url}/data.bin", file_hash=SHA)
    assert Path(path).read_bytes() == DATA
    assert server.asked == ["/data.bin"] * 4 and pauses == [1.0, 2.0, 4.0]


def test_a_server_that_stays_busy_is_tried_four_times(server, cache, pauses):
    server.busy = 9
    with pytest.raises(OSError, match="URL fetch failure on .* : 503 -- Service Unavailable"):
        get_file("data.bin", f"{server.url}/data.bin", file_hash=SHA)
    assert len(server.asked) == 4 and os.listdir(cache / "datasets") == []


def test_the_pause_is_what_the_server_asks_for_within_a_minute(server, cache, pauses):
    server.busy, server.headers = 1, [("Retry-After", "7")]
    get_file("a", f"{server.url}/data.bin", file_hash=SHA)
    server.busy, server.headers = 1, [("Retry-After", "100000")]
    get_file("b", f"{server.url}/data.bin", file_hash=SHA)
    server.busy, server.headers = 1, [("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT")]
    get_file("c", f"{server.url}/data.bin", file_hash=SHA)
    assert pauses == [7.0, 60.0, 1.0]


def test_permanent_failures_are_tried_once(server, cache, pauses):
    with pytest.raises(OSError, match="404"):
        get_file("none", f"{server.url}/none", file_hash=SHA)
    with pytest.raises(ValueError, match="expected the hash"):
        get_file("data.bin", f"{server.url}/data.bin", file_hash="0" * 64)
    assert len(server.asked) == 2 and pauses == []


def test_a_broken_transfer_is_tried_again(server, cache, pauses):
    with pytest.raises(OSError, match=f"1000 of {len(DATA)} bytes received"):
        get_file("data.bin", f"{server.url}/cut", file_hash=SHA)
    assert server.asked == ["/cut"] * 4


@pytest.mark.parametrize("algorithm", ["sha512", "auto"])
def test_sha512(server, cache, algorithm):
    wanted = hashlib.sha512(DATA).hexdigest()
    path = get_file("data.bin", f"{server.url}/data.bin", file_hash=wanted, hash_algorithm=algorithm)
    assert validate_file(path, wanted, algorithm) and not validate_file(path, "0" * 128, algorithm)
    assert data_utils._hash_file(path, "sha512") == wanted
    with pytest.raises(ValueError, match="expected the hash"):
        get_file("other", f"{server.url}/data.bin", file_hash="1" * 128, hash_algorithm=algorithm)


FETCH = """
import sys
from lamella.utils import get_file
print(get_file("data.bin", sys.argv[1], file_hash=sys.argv[2], cache_dir=sys.argv[3]))
"""


def test_processes_at_once_download_once(server, tmp_path):
    command = [sys.executable, "-c", FETCH, f"{server.url}/data.bin", SHA, str(tmp_path / "c")]
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert server.asked == ["/data.bin"]
    assert os.listdir(tmp_path / "c" / "datasets") == ["data.bin"]


def test_the_lock_of_a_dead_process_blocks_nobody(server, cache):
    (cache / "datasets").mkdir(parents=True)
    (cache / "datasets" / ".data.bin.lock").touch()
    assert Path(get_file("data.bin", f"{server.url}/data.bin", file_hash=SHA)).read_bytes() == DATA
    assert os.listdir(cache / "datasets") == ["data.bin"]


# Unpacks one file, and is killed during this.
KILLED = """
import os, signal, sys
from lamella.utils import archives
def killed(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[3] == "write":
    archives._write = killed
else:
    rename = os.rename
    os.rename = lambda source, place: killed() if source.endswith("new/a") else rename(source, place)
archives.unpack(sys.argv[1], sys.argv[2], ("tar",))
"""


def kill_while_unpacking(archive, directory, at):
    done = subprocess.run([sys.executable, "-c", KILLED, archive, directory, at], check=False)
    assert done.returncode == -signal.SIGKILL


def test_the_next_call_removes_what_a_killed_process_unpacked(tmp_path, cache):
    directory = cache / "datasets"
    directory.mkdir(parents=True)
    (directory / ".unpacking-mine").mkdir()
    origin = tar(tmp_path / "a.tar", "a")
    kill_while_unpacking(tmp_path / "a.tar", directory, "write")

    def meanwhile(living):
        kill_while_unpacking(tmp_path / "a.tar", directory, "write")
        assert len(list(directory.glob(".unpacking-*"))) == 3
        get_file("a.tar", origin, extract=True)
        assert sorted(directory.glob(".unpacking-*")) == sorted([Path(living), directory / ".unpacking-mine"])

    with_staging(str(directory), ".unpacking-", "old", meanwhile)
    assert listing(directory) == [".unpacking-mine", "a", "a.tar"]


def test_the_users_files_in_a_stray_directory_stay(tmp_path, cache):
    directory = cache / "datasets"
    directory.mkdir(parents=True)
    (directory / "a").write_text("mine")
    origin = tar(tmp_path / "a.tar", "a")
    kill_while_unpacking(tmp_path / "a.tar", directory, "replace")
    get_file("a.tar", origin, extract=True)
    (stray,) = directory.glob(".unpacking-*")
    assert (stray / "old" / "0").read_text() == "mine"
    assert (directory / "a").read_text() == "a"


def test_an_error_within_the_lock_keeps_its_type(tmp_path):
    name = tmp_path / ".data.lock"
    with pytest.raises(FileNotFoundError, match="missing"), data_utils._locked(str(tmp_path / "data")):
        assert name.exists()
        open(tmp_path / "missing")
    assert not name.exists()
    with data_utils._locked(str(tmp_path / "data")):  # free again; its file may be removed by somebody else
        name.unlink()
