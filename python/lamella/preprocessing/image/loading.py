"""load_img: decodes image files with Pillow, which is imported by the first call."""

from __future__ import annotations

import functools
import io
import operator
import os
import struct
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from lamella.core.types import Array
from lamella.core.warn import warn

if TYPE_CHECKING:
    from PIL.Image import Image

ColorMode: TypeAlias = Literal["grayscale", "grayscale16", "rgb", "rgba"]
KeepAspectRatio: TypeAlias = bool | Literal["pad"]
PathOrFile: TypeAlias = str | os.PathLike[str] | IO[bytes]

_MODES = {"grayscale": "L", "grayscale16": "I;16", "rgba": "RGBA", "rgb": "RGB"}
# The modes with one byte for each channel, and the shape of the channels.
_BYTE_MODES: dict[str, tuple[int, ...]] = {"L": (), "RGB": (3,), "RGBA": (4,)}
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
_READ_WHOLE_BYTES = 1 << 26  # photographs are smaller
_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")
# Pillow has about forty formats. Harmful files have used decoders of rare formats (EPS starts an interpreter, FITS had a
# decompression bomb), so only the usual formats of photographs and drawings are accepted.
_FORMATS = ("JPEG", "PNG", "BMP", "PPM", "TIFF", "GIF", "WEBP")


def load_img(
    path: PathOrFile,
    grayscale: bool = False,
    color_mode: ColorMode = "rgb",
    target_size: Sequence[int] | None = None,
    interpolation: str = "nearest",
    *,
    keep_aspect_ratio: KeepAspectRatio = False,
    exif_orientation: bool = False,
    draft: bool = False,
) -> Image:
    """Read and fully decode the image in a file.

    Args:
        path: Path of the file, or an open binary file. A file that is opened here is closed.
        grayscale: Deprecated, the same as color_mode="grayscale".
        color_mode: "rgb", "rgba" or "grayscale", 8 bits each. Of 16-bit grey the higher byte (value >> 8) is taken, as Pillow does
            for 16-bit colours. "grayscale16" keeps 16 bits, 0 to 65535, and converts other images to this range (8-bit
            grey * 257).
        target_size: (height, width). None keeps the size.
        interpolation: "nearest", "bilinear", "bicubic", "hamming", "box" or "lanczos". It has an effect only if the size changes.
        keep_aspect_ratio: True crops the image to its largest centred part with the aspect ratio of target_size. "pad" centres the
            whole image on black (transparent for "rgba"). False, as in Keras 2, stretches the whole image to target_size.
        exif_orientation: True rotates the image upright if its EXIF data has the orientation of the camera. False, as in Keras,
            returns the pixels as they are stored: photographs of a telephone may be rotated.
        draft: True lets the JPEG decoder scale by 1/2, 1/4 or 1/8 if the image stays at least as large as target_size. This is
            several times faster for large photographs, and smoother than "nearest".

    Returns:
        A Pillow image. If mode and size already fit, it is the image that Pillow opened (for example a JpegImageFile). The mode
        is "I;16" for "grayscale16".

    Raises:
        OSError: The file is missing, truncated, corrupt or of an unknown format. The message has the path.
        PIL.Image.DecompressionBombError: The image has more than PIL.Image.MAX_IMAGE_PIXELS pixels. Pillow itself warns then, and
            raises for twice as many.
        ValueError: The color_mode, interpolation or target_size is not one of these; or the image has 32-bit integers or floats
            outside 0 to 255, for which no value is known to be white.

    Source: keras-preprocessing 1.1.0, which decodes later, so that a broken file fails somewhere else, and clips 16-bit grey at
        255. In 1.1.1 and later "grayscale" keeps 16 bits.
    """
    if grayscale is True:
        warn('grayscale is deprecated. Please use color_mode = "grayscale"')
        color_mode = "grayscale"
    if color_mode not in _MODES:
        raise ValueError(f'color_mode must be "grayscale", "grayscale16", "rgb", or "rgba", got {color_mode!r}')
    least = None
    if draft and target_size is not None:
        # After the rotation, either side may be the height.
        height, width = height_and_width("load_img", target_size)
        least = (max(height, width),) * 2 if exif_orientation else (width, height)
    image = _decode(path, exif_orientation, least)
    return converted_and_resized(image, path, color_mode, target_size, interpolation, keep_aspect_ratio)


def _name(path: PathOrFile) -> object:
    return os.fspath(path) if isinstance(path, (str, os.PathLike)) else getattr(path, "name", path)


def _decode(path: PathOrFile, upright: bool, least: tuple[int, int] | None) -> Image:
    pillow = imported_pillow("load_img")
    name = _name(path)
    try:
        with pillow.open(_read_whole(path), formats=_FORMATS) as image:
            if (excess := _excess(image.width * image.height)) is not None:
                raise pillow.DecompressionBombError(excess)
            if least is not None:
                image.draft(None, least)
            image.load()
            if upright:
                from PIL import ImageOps

                kind = image.format
                image = ImageOps.exif_transpose(image)
                image.format = kind
            if isinstance(name, str) and hasattr(image, "filename"):
                image.filename = name
    # The program may have set a filter that raises the warning.
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        raise pillow.DecompressionBombError(f"{name}: {error}") from error
    except pillow.UnidentifiedImageError:
        raise pillow.UnidentifiedImageError(f"cannot identify image file {name!r}") from None
    except OSError as error:
        if error.filename is not None:
            raise  # the message has the path
        raise type(error)(f"{name}: {error}") from error
    except (SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, ArithmeticError, struct.error) as error:
        # The errors of Pillow's decoders for damaged bytes.
        raise OSError(f"{name}: cannot decode this image: {error}") from error
    decoded: Image = image
    return decoded


def _read_whole(path: PathOrFile) -> PathOrFile:
    """The bytes of a file as a file in memory, unless it is very large. Pillow reads a small JPEG in about forty pieces."""
    if not isinstance(path, (str, os.PathLike)):
        return path
    with open(path, "rb") as file:
        return path if os.fstat(file.fileno()).st_size > _READ_WHOLE_BYTES else io.BytesIO(file.read())


def height_and_width(who: str, target_size: Sequence[int]) -> tuple[int, int]:
    """target_size as two integers of Python.

    Args:
        who: The function or class, for messages.
        target_size: (height, width).

    Raises:
        ValueError: It is not two positive integers.
    """
    try:
        height, width = map(operator.index, target_size)
    except (TypeError, ValueError):
        height = width = 0
    if height < 1 or width < 1:
        raise ValueError(f"{who}: expected target_size to be (height, width), two positive integers, got {target_size!r}")
    return height, width


def _resized(image: Image, target_size: Sequence[int], interpolation: str, keep_aspect_ratio: KeepAspectRatio) -> Image:
    height, width = height_and_width("load_img", target_size)
    if image.size == (width, height):
        return image
    if keep_aspect_ratio not in (True, False, "pad"):
        raise ValueError(f'load_img: expected keep_aspect_ratio to be True, False or "pad", got {keep_aspect_ratio!r}')
    if keep_aspect_ratio == "pad":
        wide = max(min(width, round(image.width * height / image.height)), 1)
        high = max(min(height, round(image.height * width / image.width)), 1)
        padded: Image = imported_pillow("load_img").new(image.mode, (width, height))
        resized = image.resize((wide, high), _resampling(interpolation))
        padded.paste(resized, ((width - wide) // 2, (height - high) // 2))
        return padded
    box = None
    if keep_aspect_ratio:
        wide, high = min(image.width, image.height * width // height), min(image.height, image.width * height // width)
        left, top = (image.width - wide) // 2, (image.height - high) // 2
        box = left, top, left + wide, top + high
    return image.resize((width, height), _resampling(interpolation), box)


def _converted(image: Image, mode: str, path: PathOrFile) -> Image:
    """The image in a mode of 8 bits. Raise ValueError if Pillow would clip values."""
    if image.mode == mode:
        return image
    if _has_16_bits(image):
        high: Image = imported_pillow("load_img").fromarray((np.asarray(image) >> 8).astype(np.uint8))
        return high.convert(mode)
    return _checked(image, path).convert(mode)


def _in_16_bits(image: Image, path: PathOrFile) -> Image:
    """16-bit grey, stored as 32-bit integers, which Pillow can resize with every interpolation."""
    if _has_16_bits(image):
        values = np.asarray(image).astype(np.int32)
    else:
        values = np.asarray(_checked(image, path).convert("L")).astype(np.int32) * 257
    grey: Image = imported_pillow("load_img").fromarray(values)
    return grey


def _has_16_bits(image: Image) -> bool:
    # Pillow opens 16-bit grey in PPM as 32-bit integers, and also in PNG before its release 11.
    return image.mode in _SIXTEEN_BITS or (image.mode == "I" and image.format in ("PNG", "PPM"))


def _checked(image: Image, path: PathOrFile) -> Image:
    """The image itself. Raise ValueError if it has 32-bit values that Pillow would clip to 0 to 255."""
    if image.mode in ("I", "F"):
        values = np.asarray(image)
        if not (values.min() >= 0 and values.max() <= 255):
            raise ValueError(
                f"{_name(path)}: pixels of {values.dtype} from {values.min()} to {values.max()}, expected 0 to 255; open it with "
                "PIL.Image.open and scale what numpy.asarray returns"
            )
    return image


def _resampling(interpolation: str) -> Any:
    check_interpolation(interpolation)
    return imported_pillow("load_img").Resampling[interpolation.upper()]


def check_pixels(path: str, pixels: int) -> None:
    """Raise DecompressionBombError, with the path, for more than PIL.Image.MAX_IMAGE_PIXELS pixels."""
    if (excess := _excess(pixels)) is not None:
        raise imported_pillow("load_img").DecompressionBombError(f"{path}: {excess}")


def _excess(pixels: int) -> str | None:
    """The text of the error for too many pixels."""
    limit = imported_pillow("load_img").MAX_IMAGE_PIXELS
    return None if limit is None or pixels <= limit else f"{pixels} pixels, more than the limit of {limit}"


def image_of(pixels: Array) -> Image:
    """A Pillow image of uint8 [H, W, 1] or [H, W, 3]."""
    image: Image = imported_pillow("load_img").fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return image


def pixels_of(image: Image) -> Array:
    """The pixels as a read-only array [H, W] or [H, W, C]. For small images this is faster than np.asarray."""
    channels = _BYTE_MODES.get(image.mode)
    if channels is None:
        return np.asarray(image)
    return np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width, *channels)


def converted_and_resized(
    image: Image,
    path: PathOrFile,
    color_mode: ColorMode,
    target_size: Sequence[int] | None,
    interpolation: str,
    keep_aspect_ratio: KeepAspectRatio,
) -> Image:
    """The decoded image in the mode and size that load_img returns."""
    image = _in_16_bits(image, path) if color_mode == "grayscale16" else _converted(image, _MODES[color_mode], path)
    if target_size is not None:
        image = _resized(image, target_size, interpolation, keep_aspect_ratio)
    if color_mode == "grayscale16":  # some interpolations give values outside the range
        image = imported_pillow("load_img").fromarray(np.clip(np.asarray(image), 0, 65535).astype(np.uint16))
    return image


def check_interpolation(interpolation: str) -> None:
    """Raise ValueError if load_img does not have this interpolation."""
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(
            f"Invalid interpolation method {interpolation} specified. Supported methods are {', '.join(_INTERPOLATIONS)}"
        )


def is_file_error(error: Exception) -> bool:
    """Whether an error of load_img is caused by the file. The arguments must have been checked."""
    return isinstance(error, (OSError, ValueError, imported_pillow("load_img").DecompressionBombError))


@functools.cache  # each image asks for it
def imported_pillow(who: str) -> Any:  # Any: PIL.Image, which the types of this module cannot import
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(f"Could not import PIL.Image. The use of `{who}` requires PIL.") from error
    return Image
