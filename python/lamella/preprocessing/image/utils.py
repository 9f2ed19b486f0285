"""The names of keras_preprocessing.image.utils. Source: Keras_Preprocessing 1.1.2."""

from __future__ import annotations

import os
from collections.abc import Sequence

from lamella.preprocessing.image.files import array_to_img as array_to_img
from lamella.preprocessing.image.files import img_to_array as img_to_array
from lamella.preprocessing.image.files import save_img as save_img
from lamella.preprocessing.image.loading import load_img as load_img


def validate_filename(filename: str, white_list_formats: Sequence[str]) -> bool:
    """Whether a file exists and its name ends with one of the extensions.

    Args:
        filename: The path.
        white_list_formats: Extensions in lower case, with or without the dot.
    """
    return filename.lower().endswith(tuple(white_list_formats)) and os.path.isfile(filename)


def list_pictures(directory: str, ext: str | Sequence[str] = ("jpg", "jpeg", "bmp", "png", "ppm", "tif", "tiff")) -> list[str]:
    """The paths of all images in a directory and the directories below it.

    Args:
        directory: The directory.
        ext: One or several extensions, without the dot; case does not matter.
    """
    ends = tuple(f".{e}".lower() for e in ([ext] if isinstance(ext, str) else ext))
    return [os.path.join(root, name) for root, _, names in os.walk(directory) for name in names if name.lower().endswith(ends)]
