"""The published weights of the networks: their URLs, their names, and the MD5s that Keras 2.2.5 has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lamella.utils.data_utils import get_file

# All releases of weights are here.
SITE = "https://github.com"


@dataclass(frozen=True)
class WeightFile:
    """One .h5 file of a release.

    Attributes:
        release: Path of the release on SITE.
        name: The name of the file in the release, and in the cache.
        md5: The MD5 in hexadecimal. None if Keras has none; a download is then not checked.
        cached_as: The name in the cache, if it is another one.
    """

    release: str
    name: str
    md5: str | None
    cached_as: str | None = None

    def fetch(self, who: str) -> str:
        """The path of the file in the cache; see `cached`."""
        return cached(who, self.cached_as or self.name, f"{SITE}/{self.release}/{self.name}", self.md5)


# The file of the whole network for True, and of the network without its top for False.
Published = Mapping[bool, WeightFile]


def published(network: str, release: str, md5: str, md5_no_top: str) -> Published:
    """The two files of a network, with the usual names."""
    stem = f"{network}_weights_tf_dim_ordering_tf_kernels"
    return {True: WeightFile(release, f"{stem}.h5", md5), False: WeightFile(release, f"{stem}_notop.h5", md5_no_top)}


def published_without_hashes(release: str, stem: str) -> Published:
    """The two files of a MobileNet, of which Keras has no MD5s."""
    return {True: WeightFile(release, f"{stem}.h5", None), False: WeightFile(release, f"{stem}_no_top.h5", None)}


def cached(who: str, name: str, origin: str, md5: str | None) -> str:
    """The path of a file in `models` of Keras's cache ($KERAS_HOME or ~/.keras). It is downloaded if it is not there.

    Args:
        who: The name of the function that needs the file, for the error.
        name: The name of the file in the cache.
        origin: The URL of the file.
        md5: Its MD5 in hexadecimal; None if unknown.

    Raises:
        OSError: The file cannot be downloaded; the message says where to save it.
        ValueError: The downloaded file has another hash.
    """
    try:
        return get_file(name, origin, cache_subdir="models", file_hash=md5)
    except OSError as error:
        raise OSError(f"{who} needs {origin} as models/{name} in ~/.keras or $KERAS_HOME: {error}") from error
