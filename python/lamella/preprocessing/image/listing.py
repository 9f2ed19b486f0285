"""Lists the image files in a folder, in an order that does not depend on the system."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from lamella.core.warn import warn


def subfolders(folder: str) -> list[str]:
    """The names of the folders in a folder, sorted."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if _is_folder(entry))


def image_files(
    folder: str, extensions: Sequence[str], *, follow_links: bool, on_error: Callable[[OSError], None]
) -> list[str]:
    """The files in a folder and below it that have one of the extensions, as paths relative to the folder.

    Folders are in the order of their paths, and the files of each folder are sorted. A link to a folder that contains the link is
    not followed, because the search would not end.

    Args:
        folder: The folder.
        extensions: The extensions, in lower case.
        follow_links: Whether folders that are links are searched.
        on_error: Called with the error of a folder that cannot be read.
    """
    endings = tuple(extensions)
    found: list[tuple[str, list[str]]] = []

    def visit(inside: str, above: frozenset[tuple[int, int]]) -> None:
        path = os.path.join(folder, inside) if inside else folder
        try:
            with os.scandir(path) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
            status = os.stat(path)
        except OSError as error:
            on_error(error)
            return
        own = status.st_dev, status.st_ino
        if own in above:
            return
        folders = [entry for entry in listed if _is_folder(entry)]
        names = {entry.name for entry in folders}
        found.append((path, [os.path.join(inside, e.name) for e in listed if _fits(e.name, endings) and e.name not in names]))
        for entry in folders:
            if follow_links or not entry.is_symlink():
                visit(os.path.join(inside, entry.name), above | {own})

    visit("", frozenset())
    return [path for _, paths in sorted(found) for path in paths]


def _fits(name: str, endings: tuple[str, ...]) -> bool:
    return name.lower().endswith(endings)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def raise_error(error: OSError) -> None:
    raise error


def warn_of_error(error: OSError) -> None:
    warn(f"skipped a folder that cannot be read: {error}")
