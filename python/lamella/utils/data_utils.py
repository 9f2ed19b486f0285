"""Files from the network: `get_file`; batches from generators: Sequence and the enqueuers."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from time import sleep
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import numpy as np

from lamella.callbacks.progbar import Progbar
from lamella.core.files import Removing, lock
from lamella.core.keras_json import keras_home
from lamella.core.keras_names import complete as _complete
from lamella.core.warn import warn
from lamella.data.enqueuers import GeneratorEnqueuer, OrderedEnqueuer, SequenceEnqueuer
from lamella.data.sequence import Sequence

__all__ = [
    "GeneratorEnqueuer",
    "OrderedEnqueuer",
    "Sequence",
    "SequenceEnqueuer",
    "get_file",
    "get_index",
    "init_pool",
    "init_pool_generator",
    "next_sample",
    "validate_file",
]

_CHUNK = 1 << 18
# Seconds without a byte after which a server counts as not available.
_TIMEOUT = 60.0
_ALGORITHMS = ("sha512", "sha256", "md5")
# Seconds before each further attempt, and the limit of the pause that a server may ask for.
_PAUSES, _LONGEST_PAUSE = (1.0, 2.0, 4.0), 60.0
# HTTP codes after which another attempt may succeed: too many requests, internal error, bad gateway, unavailable, timeout.
_TEMPORARY = (429, 500, 502, 503, 504)


class _Temporary(Exception):
    """A temporary failure.

    Args:
        error: The error.
        pause: Seconds that the server asked to wait.
    """

    def __init__(self, error: OSError, pause: float = 0.0) -> None:
        super().__init__(error)
        self.error, self.pause = error, pause


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
    """The path of a file, which is downloaded from `origin` unless the cache has it.

    If the server is busy or the connection breaks, it is tried again up to three times, after 1, 2 and 4 seconds, or after the
    longer pause that the server asks for. If several processes need the same file, one downloads it and the others wait.

    Args:
        fname: Name of the file in cache_dir/cache_subdir, or an absolute path.
        origin: A URL with http, https, ftp or file.
        untar: Whether to download fname.tar.gz and unpack it; fname is returned.
        md5_hash: The name of file_hash in Keras 1, for MD5.
        file_hash: The expected SHA-512, SHA-256 or MD5, in hexadecimal.
        cache_subdir: Name of the directory in cache_dir.
        hash_algorithm: "sha512", "sha256" or "md5"; "auto" uses the length of the hash.
        extract: Whether to unpack the file in its directory.
        archive_format: The accepted formats if `extract` is set: "tar", "zip", a list of them, "auto" for both, or None to
            unpack nothing.
        cache_dir: Directory of the cache. None means $KERAS_HOME, or ~/.keras.

    Raises:
        OSError: The file cannot be downloaded or written.
        ValueError: The hash or an argument is wrong, or `archives.unpack` refuses the archive. The cache is unchanged then.

    Source: Keras 2.2.5. It does not check the hash of a file after the download, does not check the members of an archive, and
        uses /tmp if the cache cannot be written. Only lamella warns of a download without a hash.
    """
    algorithm = "md5" if md5_hash is not None and file_hash is None else hash_algorithm
    wanted = md5_hash if file_hash is None else file_hash
    if algorithm not in ("auto", *_ALGORITHMS):
        raise ValueError(f'get_file: expected hash_algorithm "auto", "sha512", "sha256" or "md5", got {algorithm!r}')
    formats = _formats(archive_format)
    directory = cache_path(cache_subdir, cache_dir=cache_dir)
    unpacked = _inside(directory, os.fspath(fname))
    path = f"{unpacked}.tar.gz" if untar else unpacked
    directory = os.path.dirname(path) if os.path.isabs(fname) else directory
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if not _is_there(path, wanted, algorithm):
        with _locked(path):
            if not os.path.exists(path) or (wanted is not None and not validate_file(path, wanted, algorithm)):
                _fetch(origin, path, wanted, algorithm)
    if untar and not os.path.exists(unpacked):
        _unpacked(path, directory, ("tar",))
    elif extract and not untar and formats:
        _unpacked(path, directory, formats)
    return unpacked


def cache_path(*parts: str, cache_dir: str | None = None) -> str:
    """A path in the cache, which is cache_dir if given, else $KERAS_HOME, else ~/.keras. A leading ~ is the user's home."""
    return os.path.join(os.path.expanduser(cache_dir) if cache_dir else keras_home(), *parts)


def _is_there(path: str, wanted: str | None, algorithm: str) -> bool:
    if not os.path.exists(path):
        return False
    if wanted is None or validate_file(path, wanted, algorithm):
        return True
    print(
        f"A local file was found, but it seems to be incomplete or outdated because the {algorithm} file hash does not "
        f"match the original value of {wanted} so we will re-download the data."
    )
    return False


@contextmanager
def _locked(path: str) -> Iterator[None]:
    """A lock that one process has at a time. The system releases it when a process dies.

    A file system without locks, as some network disks, is used without one.
    """
    name = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.lock")
    while True:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            lock(descriptor)
            try:
                current = os.path.samestat(os.fstat(descriptor), os.stat(name))
            except FileNotFoundError:
                current = False
            if not current:
                continue  # its last holder has removed the file, and maybe another process has made a new one
            try:
                yield
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name)
            return
        finally:
            os.close(descriptor)


def validate_file(fpath: str, file_hash: str, algorithm: str = "auto", chunk_size: int = 65535) -> bool:
    """Whether the file has this hash.

    Args:
        fpath: Path of the file.
        file_hash: The expected hash, in hexadecimal.
        algorithm: "sha512", "sha256" or "md5". "auto" uses the length of the hash: 128 is SHA-512, 64 SHA-256, any other MD5.
        chunk_size: Bytes that are read at once.
    """
    with open(fpath, "rb") as file:
        return _read_into(_digest(file_hash, algorithm), file, chunk_size) == file_hash.lower()


def _hash_file(fpath: str, algorithm: str = "sha256", chunk_size: int = 65535) -> str:
    """The file's SHA-256, SHA-512 or MD5 in hexadecimal; "auto" is SHA-256. Scripts for Keras import it to get file_hash."""
    if algorithm not in ("auto", *_ALGORITHMS):
        raise ValueError(f'_hash_file: expected algorithm "sha512", "sha256", "md5" or "auto", got {algorithm!r}')
    with open(fpath, "rb") as file:
        return _read_into(_digest("", "sha256" if algorithm == "auto" else algorithm), file, chunk_size)


def _read_into(digest: hashlib._Hash, file: BinaryIO, chunk_size: int) -> str:
    while chunk := file.read(chunk_size):
        digest.update(chunk)
    return digest.hexdigest()


def _digest(file_hash: str, algorithm: str) -> hashlib._Hash:
    name = {128: "sha512", 64: "sha256"}.get(len(file_hash), "md5") if algorithm == "auto" else algorithm
    return hashlib.new(name, usedforsecurity=False)


def _formats(archive_format: str | Iterable[str] | None) -> tuple[str, ...]:
    if archive_format is None:
        return ()
    if archive_format == "auto":
        return ("tar", "zip")
    formats = (archive_format,) if isinstance(archive_format, str) else tuple(archive_format)
    if not set(formats) <= {"tar", "zip"}:
        raise ValueError(
            f'get_file: expected archive_format "auto", "tar", "zip", a list of them or None, got {archive_format!r}'
        )
    return formats


def _inside(directory: str, fname: str) -> str:
    path = os.path.join(directory, fname)
    root = os.path.realpath(directory)
    if not os.path.isabs(fname) and not os.path.realpath(path).startswith(root + os.sep):
        raise ValueError(f"get_file: expected a name inside {directory}, got {fname!r}")
    return path


def _fetch(origin: str, path: str, wanted: str | None, algorithm: str) -> None:
    """Download a file. It is written to a temporary file, checked, then renamed, so `path` is never an incomplete file."""
    scheme = urlsplit(origin).scheme
    if scheme not in ("http", "https", "ftp", "file"):
        raise ValueError(f"get_file: expected an origin with http, https, ftp or file, got {origin!r}")
    if wanted is None and scheme != "file":
        warn(f"get_file: the download from {origin} is not checked; pass file_hash to check it")
    print("Downloading data from", origin)
    for pause in (*_PAUSES, None):
        try:
            _download(origin, path, wanted, algorithm)
            return
        except _Temporary as failure:
            if pause is None:
                raise failure.error from failure.error.__cause__
            sleep(max(pause, min(failure.pause, _LONGEST_PAUSE)))


def _download(origin: str, path: str, wanted: str | None, algorithm: str) -> None:
    """One attempt. Raises _Temporary if a further attempt may succeed."""
    # These modules take 3 MiB, so only a download loads them.
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    beside = os.path.join(os.path.dirname(path), f".download-{secrets.token_hex(8)}")
    with Removing(beside), Removing(beside):
        digest = _digest(wanted or "", algorithm)
        with open(beside, "xb") as file:
            try:
                with urlopen(origin, timeout=_TIMEOUT) as answer:
                    length = answer.headers.get("Content-Length")
                    total = int(length) if length else None
                    bar = Progbar(total)
                    received = 0
                    while chunk := answer.read(_CHUNK):
                        file.write(chunk)
                        digest.update(chunk)
                        received += len(chunk)
                        bar.update(received)
            except HTTPError as error:
                failed = OSError(f"URL fetch failure on {origin} : {error.code} -- {error.msg}")
                failed.__cause__ = error
                error.close()
                if error.code not in _TEMPORARY:
                    raise failed from error
                asked = error.headers.get("Retry-After", "")
                raise _Temporary(failed, float(asked) if asked.isdecimal() else 0.0) from error
            except URLError as error:
                failed = OSError(f"URL fetch failure on {origin} : {error.errno} -- {error.reason}")
                failed.__cause__ = error
                raise (_Temporary(failed) if isinstance(error.reason, (ConnectionError, TimeoutError)) else failed) from error
            except (HTTPException, ConnectionError, TimeoutError) as error:
                failed = OSError(f"URL fetch failure on {origin} : {error!r}")
                failed.__cause__ = error
                raise _Temporary(failed) from error
            if total is not None and received != total:
                raise _Temporary(OSError(f"URL fetch failure on {origin} : {received} of {total} bytes received"))
            file.flush()
            os.fsync(file.fileno())
        if wanted is not None and digest.hexdigest() != wanted.lower():
            raise ValueError(f"get_file: expected the hash {wanted} from {origin}, got {digest.hexdigest()}")
        os.chmod(beside, 0o644)
        os.replace(beside, path)


# The Sequences or generators that the processes of a user's pool share, by number.
_shared: Mapping[int, Any] = {}


def init_pool(seqs: Mapping[int, Any]) -> None:
    """Set the Sequences, by number, from which `get_index` takes batches: an initializer of a multiprocessing.Pool."""
    global _shared
    _shared = seqs


def init_pool_generator(gens: Mapping[int, Any], random_seed: int | None = None) -> None:
    """Set the generators, by number, of `next_sample`, as `init_pool` does for Sequences.

    Args:
        gens: The generators, by number.
        random_seed: Seeds np.random, in each process differently; None does not seed it.
    """
    init_pool(gens)
    if random_seed is not None:
        np.random.seed(random_seed + os.getpid())


def get_index(uid: int, i: int) -> Any:
    """Batch i of the Sequence with the number `uid`, see `init_pool`."""
    return _shared[uid][i]


def next_sample(uid: int) -> Any:
    """The next batch of the generator with the number `uid`, see `init_pool_generator`."""
    return next(_shared[uid])


def _unpacked(path: str, directory: str, formats: tuple[str, ...]) -> None:
    from lamella.utils.archives import unpack  # it imports about twenty modules of the formats

    if not unpack(path, directory, formats):
        raise ValueError(f"get_file: expected an archive ({' or '.join(formats)}), but {path} is not one")


_complete(__name__)
