"""The published weights of the networks: where they are, what they are called, and their MD5s as Keras 2.2.5 has them."""

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
        release: Path of the release under SITE.
        name: The file's name, there and in the cache.
        md5: In hexadecimal; None where Keras has none, so that nothing checks what was fetched.
        cached_as: Its name in the cache, where that is another one.
    """

    release: str
    name: str
    md5: str | None
    cached_as: str | None = None

    def fetch(self, who: str) -> str:
        """Its path in the cache; see `cached`."""
        return cached(who, self.cached_as or self.name, f"{SITE}/{self.release}/{self.name}", self.md5)


# The file of the whole network under True, that of the network without its top under False.
Published = Mapping[bool, WeightFile]


def published(network: str, release: str, md5: str, md5_no_top: str) -> Published:
    """The two files of a network that are named as most are."""
    stem = f"{network}_weights_tf_dim_ordering_tf_kernels"
    return {True: WeightFile(release, f"{stem}.h5", md5), False: WeightFile(release, f"{stem}_notop.h5", md5_no_top)}


def published_without_hashes(release: str, stem: str) -> Published:
    """The two files of a MobileNet; Keras has no MD5s of them."""
    return {True: WeightFile(release, f"{stem}.h5", None), False: WeightFile(release, f"{stem}_no_top.h5", None)}


def cached(who: str, name: str, origin: str, md5: str | None) -> str:
    """The path of models/`name` in Keras's cache ($KERAS_HOME or ~/.keras), fetched from `origin` if it is not there.

    Args:
        who: Who needs the file, for the error.

    Raises:
        OSError: It cannot be fetched; the message says where to put it.
        ValueError: What came has another hash.
    """
    try:
        return get_file(name, origin, cache_subdir="models", file_hash=md5)
    except OSError as error:
        raise OSError(f"{who} needs {origin} as models/{name} in ~/.keras or $KERAS_HOME: {error}") from error
