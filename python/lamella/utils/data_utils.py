"""Data from elsewhere: `get_file`; and from generators: Sequence and the enqueuers."""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from collections.abc import Iterable
from contextlib import suppress
from typing import BinaryIO
from urllib.parse import urlsplit

from lamella.core.keras_names import complete as _complete
from lamella.callbacks.progbar import Progbar
from lamella.data.enqueuers import GeneratorEnqueuer, OrderedEnqueuer, SequenceEnqueuer
from lamella.data.sequence import Sequence

__all__ = ["GeneratorEnqueuer", "OrderedEnqueuer", "Sequence", "SequenceEnqueuer", "get_file", "validate_file"]

_CHUNK = 1 << 18
# Seconds without a byte until a server counts as gone.
_TIMEOUT = 60.0


def get_file(
    fname: str,
    origin: str,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str | Iterable[str] | None = "auto",
    cache_dir: str | None = None,
) -> str:
    """The path of a file, fetched from `origin` unless the cache has it.

    Args:  fname: under cache_dir/cache_subdir, or an absolute path.  origin: a URL: http, https, ftp or file.
        untar: fetch fname.tar.gz, unpack it, return fname.  file_hash: SHA-256 or MD5, in hexadecimal; hash_algorithm
        "sha256", "md5" or "auto", by its length.  md5_hash: Keras 1's.  extract: unpack beside it; archive_format "tar",
        "zip", "auto" for either, a list, or None.  cache_dir: $KERAS_HOME or ~/.keras unless given.
    Raises:  OSError for what cannot be fetched or written; ValueError for a wrong hash, other arguments, and archives that
        `archives.unpack` refuses. What is in the cache is then as it was.
    Source:  Keras 2.2.5. It does not check what it has just fetched, unpacks whatever an archive says, and goes on in
        /tmp where the cache cannot be written. A download without a hash warns here.
    """
    algorithm = "md5" if md5_hash is not None and file_hash is None else hash_algorithm
    wanted = md5_hash if file_hash is None else file_hash
    if algorithm not in ("auto", "sha256", "md5"):
        raise ValueError(f'get_file: expected hash_algorithm "auto", "sha256" or "md5", got {algorithm!r}')
    formats = _formats(archive_format)
    base = cache_dir or os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
    directory = os.path.join(os.path.expanduser(base), cache_subdir)
    unpacked = _inside(directory, os.fspath(fname))
    path = f"{unpacked}.tar.gz" if untar else unpacked
    directory = os.path.dirname(path) if os.path.isabs(fname) else directory
    os.makedirs(os.path.dirname(path), exist_ok=True)
    present = os.path.exists(path)
    if present and wanted is not None and not validate_file(path, wanted, algorithm):
        print(
            f"A local file was found, but it seems to be incomplete or outdated because the {algorithm} file hash does not "
            f"match the original value of {wanted} so we will re-download the data."
        )
        present = False
    if not present:
        _fetch(origin, path, wanted, algorithm)
    if untar and not os.path.exists(unpacked):
        _unpacked(path, directory, ("tar",))
    elif extract and not untar and formats:
        _unpacked(path, directory, formats)
    return unpacked


def validate_file(fpath: str, file_hash: str, algorithm: str = "auto", chunk_size: int = 65535) -> bool:
    """Whether the file has this hash: SHA-256 if the algorithm or, for "auto", the hash's length of 64 says so, else MD5."""
    with open(fpath, "rb") as file:
        return _read_into(_digest(file_hash, algorithm), file, chunk_size) == file_hash.lower()


def _hash_file(fpath: str, algorithm: str = "sha256", chunk_size: int = 65535) -> str:
    """The file's SHA-256, or with "md5" its MD5, in hexadecimal. Scripts for Keras import it to fill file_hash."""
    if algorithm not in ("sha256", "md5", "auto"):
        raise ValueError(f'_hash_file: expected algorithm "sha256", "md5" or "auto", got {algorithm!r}')
    with open(fpath, "rb") as file:
        return _read_into(_digest("", "md5" if algorithm == "md5" else "sha256"), file, chunk_size)


def _read_into(digest: hashlib._Hash, file: BinaryIO, chunk_size: int) -> str:
    while chunk := file.read(chunk_size):
        digest.update(chunk)
    return digest.hexdigest()


def _digest(file_hash: str, algorithm: str) -> hashlib._Hash:
    sha256 = algorithm == "sha256" or (algorithm == "auto" and len(file_hash) == 64)
    return hashlib.sha256() if sha256 else hashlib.md5(usedforsecurity=False)


def _formats(archive_format: str | Iterable[str] | None) -> tuple[str, ...]:
    if archive_format is None:
        return ()
    if archive_format == "auto":
        return ("tar", "zip")
    formats = (archive_format,) if isinstance(archive_format, str) else tuple(archive_format)
    if not set(formats) <= {"tar", "zip"}:
        raise ValueError(f'get_file: expected archive_format "auto", "tar", "zip", a list of them or None, got {archive_format!r}')
    return formats


def _inside(directory: str, fname: str) -> str:
    path = os.path.join(directory, fname)
    root = os.path.realpath(directory)
    if not os.path.isabs(fname) and not os.path.realpath(path).startswith(root + os.sep):
        raise ValueError(f"get_file: expected a name inside {directory}, got {fname!r}")
    return path


def _fetch(origin: str, path: str, wanted: str | None, algorithm: str) -> None:
    """Written beside, checked, then renamed: `path` is never half a file."""
    # 3 MiB of modules, for those who download only.
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    scheme = urlsplit(origin).scheme
    if scheme not in ("http", "https", "ftp", "file"):
        raise ValueError(f"get_file: expected an origin with http, https, ftp or file, got {origin!r}")
    if wanted is None and scheme != "file":
        warnings.warn(f"get_file: nothing says what {origin} should hold; pass file_hash to have it checked", stacklevel=3)
    print("Downloading data from", origin)
    descriptor, beside = tempfile.mkstemp(prefix=".download-", dir=os.path.dirname(path))
    try:
        digest = _digest(wanted or "", algorithm)
        with open(descriptor, "wb") as file:
            try:
                with urlopen(origin, timeout=_TIMEOUT) as answer:
                    length = answer.headers.get("Content-Length")
                    total = int(length) if length else None
                    bar = Progbar(total)
                    came = 0
                    while chunk := answer.read(_CHUNK):
                        file.write(chunk)
                        digest.update(chunk)
                        came += len(chunk)
                        bar.update(came)
            except HTTPError as error:
                raise OSError(f"URL fetch failure on {origin} : {error.code} -- {error.msg}") from error
            except URLError as error:
                raise OSError(f"URL fetch failure on {origin} : {error.errno} -- {error.reason}") from error
            except HTTPException as error:
                raise OSError(f"URL fetch failure on {origin} : {error!r}") from error
            if total is not None and came != total:
                raise OSError(f"URL fetch failure on {origin} : {came} of {total} bytes came")
            file.flush()
            os.fsync(descriptor)
        if wanted is not None and digest.hexdigest() != wanted.lower():
            raise ValueError(f"get_file: expected the hash {wanted} from {origin}, got {digest.hexdigest()}")
        os.chmod(beside, 0o644)
        os.replace(beside, path)
    finally:
        with suppress(FileNotFoundError):  # renamed
            os.unlink(beside)


def _unpacked(path: str, directory: str, formats: tuple[str, ...]) -> None:
    from lamella.utils.archives import unpack  # with its formats it is some twenty modules

    if not unpack(path, directory, formats):
        raise ValueError(f"get_file: expected an archive ({' or '.join(formats)}), and {path} is none")

_complete(__name__)
