"""Data from elsewhere: `get_file`; and from generators: Sequence and the enqueuers."""

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
from lamella.core.files import Removing
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
# Seconds without a byte until a server counts as gone.
_TIMEOUT = 60.0
_ALGORITHMS = ("sha512", "sha256", "md5")
# Seconds before each further try, and the most that a server may ask for.
_PAUSES, _LONGEST_PAUSE = (1.0, 2.0, 4.0), 60.0
# What a server says that may serve the next time: too many requests, an error of its own, or of one behind it, busy, late.
_PASSING = (429, 500, 502, 503, 504)


class _Passing(Exception):
    """A failure that may pass. pause: seconds that the server asked for."""

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
    """The path of a file, fetched from `origin` unless the cache has it.

    A server that is busy, or a connection that breaks, is asked again up to three times, after 1, 2 and 4 seconds or when the
    server says. Processes that want one file at a time download it once: the others wait.

    Args:
        fname: Under cache_dir/cache_subdir, or an absolute path.
        origin: A URL: http, https, ftp or file.
        untar: Fetch fname.tar.gz, unpack it, return fname.
        file_hash: SHA-512, SHA-256 or MD5, in hexadecimal; hash_algorithm "sha512", "sha256", "md5" or "auto", by its length.
        md5_hash: Keras 1's.
        extract: Unpack beside it; archive_format "tar", "zip", "auto" for either, a list, or None.
        cache_dir: $KERAS_HOME or ~/.keras unless given.

    Raises:
        OSError: For what cannot be fetched or written.
        ValueError: For a wrong hash, other arguments, and archives that `archives.unpack` refuses. What is in the cache is then
            as it was.

    Source: Keras 2.2.5. It does not check what it has just fetched, unpacks whatever an archive says, and goes on in /tmp where
        the cache cannot be written. A download without a hash warns here.
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
    """The path of a file or directory in the cache: cache_dir, else $KERAS_HOME, else ~/.keras; a leading ~ is the user's home."""
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
    """For one process at a time. The system frees the lock of one that dies; without locks, as on some network disks, go on."""
    import fcntl

    name = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.lock")
    while True:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if not os.path.samestat(os.fstat(descriptor), os.stat(name)):
                    continue  # whoever had it has removed it, and another has made a new one
                try:
                    yield
                finally:
                    os.unlink(name)
                return
        finally:
            os.close(descriptor)


def validate_file(fpath: str, file_hash: str, algorithm: str = "auto", chunk_size: int = 65535) -> bool:
    """Whether the file has this hash, of this algorithm; for "auto" its length says which: 128 SHA-512, 64 SHA-256, else MD5."""
    with open(fpath, "rb") as file:
        return _read_into(_digest(file_hash, algorithm), file, chunk_size) == file_hash.lower()


def _hash_file(fpath: str, algorithm: str = "sha256", chunk_size: int = 65535) -> str:
    """The file's SHA-256, or its SHA-512 or MD5, in hexadecimal. Scripts for Keras import it to fill file_hash."""
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
    """Written beside, checked, then renamed: `path` is never half a file."""
    scheme = urlsplit(origin).scheme
    if scheme not in ("http", "https", "ftp", "file"):
        raise ValueError(f"get_file: expected an origin with http, https, ftp or file, got {origin!r}")
    if wanted is None and scheme != "file":
        warn(f"get_file: nothing says what {origin} should hold; pass file_hash to have it checked")
    print("Downloading data from", origin)
    for pause in (*_PAUSES, None):
        try:
            _download(origin, path, wanted, algorithm)
            return
        except _Passing as failure:
            if pause is None:
                raise failure.error from failure.error.__cause__
            sleep(max(pause, min(failure.pause, _LONGEST_PAUSE)))


def _download(origin: str, path: str, wanted: str | None, algorithm: str) -> None:
    """One try. Raises _Passing for what a further one may mend."""
    # 3 MiB of modules, for those who download only.
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
                    came = 0
                    while chunk := answer.read(_CHUNK):
                        file.write(chunk)
                        digest.update(chunk)
                        came += len(chunk)
                        bar.update(came)
            except HTTPError as error:
                failed = OSError(f"URL fetch failure on {origin} : {error.code} -- {error.msg}")
                failed.__cause__ = error
                error.close()
                if error.code not in _PASSING:
                    raise failed from error
                asked = error.headers.get("Retry-After", "")
                raise _Passing(failed, float(asked) if asked.isdecimal() else 0.0) from error
            except URLError as error:
                failed = OSError(f"URL fetch failure on {origin} : {error.errno} -- {error.reason}")
                failed.__cause__ = error
                raise (_Passing(failed) if isinstance(error.reason, (ConnectionError, TimeoutError)) else failed) from error
            except (HTTPException, ConnectionError, TimeoutError) as error:
                failed = OSError(f"URL fetch failure on {origin} : {error!r}")
                failed.__cause__ = error
                raise _Passing(failed) from error
            if total is not None and came != total:
                raise _Passing(OSError(f"URL fetch failure on {origin} : {came} of {total} bytes came"))
            file.flush()
            os.fsync(file.fileno())
        if wanted is not None and digest.hexdigest() != wanted.lower():
            raise ValueError(f"get_file: expected the hash {wanted} from {origin}, got {digest.hexdigest()}")
        os.chmod(beside, 0o644)
        os.replace(beside, path)


# What the processes of a pool of one's own share, by number.
_shared: Mapping[int, Any] = {}


def init_pool(seqs: Mapping[int, Any]) -> None:
    """For the processes of a multiprocessing.Pool: the Sequences, by number, from which `get_index` takes batches."""
    global _shared
    _shared = seqs


def init_pool_generator(gens: Mapping[int, Any], random_seed: int | None = None) -> None:
    """As `init_pool`, for the generators of `next_sample`; random_seed seeds np.random, in each process differently."""
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
    from lamella.utils.archives import unpack  # with its formats it is some twenty modules

    if not unpack(path, directory, formats):
        raise ValueError(f"get_file: expected an archive ({' or '.join(formats)}), and {path} is none")


_complete(__name__)
