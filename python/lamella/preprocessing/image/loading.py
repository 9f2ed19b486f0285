"""load_img: image files decoded by Pillow, which loads with the first call, not before."""

from __future__ import annotations

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
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
_AT_ONCE_BYTES = 1 << 26  # larger than photographs are
_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")
# Pillow knows some forty formats. Decoders that few files need have been the way in for hostile ones (EPS starts an
# interpreter, FITS had a decompression bomb), so only what photographs and drawings come in is opened.
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
    """The image in a file, fully decoded, with the file closed.

    Args:
        path: Or an open binary file.
        grayscale: Deprecated, the same as color_mode="grayscale".
        color_mode: "rgb", "rgba" or "grayscale", 8 bits each: of a 16-bit grey image the higher byte (value >> 8), as
            Pillow takes it of 16-bit colours. "grayscale16" keeps 16 bits, 0 to 65535, and gives other images the same
            range (8-bit grey * 257).
        target_size: (height, width); None keeps the size.
        interpolation: Looked at only if the size changes.
        keep_aspect_ratio: True cuts away what is left and right, or above and below, of the largest part in the middle that has
            the proportions of target_size; "pad" puts the whole image in the middle, on black (transparent for "rgba"); False, as
            in Keras 2, squeezes the whole image into it.
        exif_orientation: True turns the image upright where its EXIF data says how the camera was held. False, as in
            Keras, gives the pixels as they are stored: photographs of a telephone may lie on their side.
        draft: True lets the JPEG decoder scale by 1/2, 1/4 or 1/8 where the image stays at least as large as target_size: some
            times faster for large photographs, and smoother than "nearest".

    Returns:
        A Pillow image; the one that Pillow opened (a JpegImageFile, say) where mode and size fit already. Mode "I;16"
        for "grayscale16".

    Raises:
        OSError: With the path, for a missing, truncated, corrupt or unknown file.
        PIL.Image.DecompressionBombError: For more pixels than PIL.Image.MAX_IMAGE_PIXELS, where Pillow itself warns
            and raises for twice as many.
        ValueError: For an unknown color_mode or interpolation, another target_size, and an image of 32-bit integers or
            floats outside 0 to 255, which have no white.

    Source: keras-preprocessing 1.1.0, which decodes late, so that a broken file fails somewhere else, and cuts 16-bit greys
    off at 255. From 1.1.1 on "grayscale" keeps them.
    """
    if grayscale is True:
        warn('grayscale is deprecated. Please use color_mode = "grayscale"')
        color_mode = "grayscale"
    if color_mode not in _MODES:
        raise ValueError(f'color_mode must be "grayscale", "grayscale16", "rgb", or "rgba", got {color_mode!r}')
    least = None
    if draft and target_size is not None:
        # An image that is turned may take either side for its height.
        height, width = _height_and_width(target_size)
        least = (max(height, width),) * 2 if exif_orientation else (width, height)
    image = _decode(path, exif_orientation, least)
    return _fitted(image, path, color_mode, target_size, interpolation, keep_aspect_ratio)


def _name(path: PathOrFile) -> object:
    return os.fspath(path) if isinstance(path, (str, os.PathLike)) else getattr(path, "name", path)


def _decode(path: PathOrFile, upright: bool, least: tuple[int, int] | None) -> Image:
    pillow = imported_pillow("load_img")
    name = _name(path)
    try:
        with pillow.open(_whole(path), formats=_FORMATS) as image:
            _check_pixels(image.width * image.height)
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
    # The warning is an error where the program says so.
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        raise pillow.DecompressionBombError(f"{name}: {error}") from error
    except pillow.UnidentifiedImageError:
        raise pillow.UnidentifiedImageError(f"cannot identify image file {name!r}") from None
    except OSError as error:
        if error.filename is not None:
            raise  # says where already
        raise type(error)(f"{name}: {error}") from error
    except (SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, ArithmeticError, struct.error) as error:
        # What Pillow's decoders throw at bytes that they do not expect.
        raise OSError(f"{name}: cannot decode this image: {error}") from error
    decoded: Image = image
    return decoded


def _whole(path: PathOrFile) -> PathOrFile:
    """The file's bytes, read at once where that is reasonable: Pillow asks for some forty pieces of a small JPEG."""
    if not isinstance(path, (str, os.PathLike)):
        return path
    with open(path, "rb") as file:
        return path if os.fstat(file.fileno()).st_size > _AT_ONCE_BYTES else io.BytesIO(file.read())


def _height_and_width(target_size: Sequence[int]) -> tuple[int, int]:
    try:
        height, width = map(operator.index, target_size)
    except (TypeError, ValueError):
        raise ValueError(f"load_img: expected target_size to be (height, width), two integers, got {target_size!r}") from None
    return height, width


def _resized(image: Image, target_size: Sequence[int], interpolation: str, keep_aspect_ratio: KeepAspectRatio) -> Image:
    height, width = _height_and_width(target_size)
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
    """In a mode of 8 bits; nothing is cut off."""
    if image.mode == mode:
        return image
    if _is_deep(image):
        high: Image = imported_pillow("load_img").fromarray((np.asarray(image) >> 8).astype(np.uint8))
        return high.convert(mode)
    return _checked(image, path).convert(mode)


def _deep(image: Image, path: PathOrFile) -> Image:
    """Grey in 16 bits, as Pillow's 32-bit integers, which it can resize in any way."""
    if _is_deep(image):
        values = np.asarray(image).astype(np.int32)
    else:
        values = np.asarray(_checked(image, path).convert("L")).astype(np.int32) * 257
    deep: Image = imported_pillow("load_img").fromarray(values)
    return deep


def _is_deep(image: Image) -> bool:
    # Pillow opens 16-bit grey as 32-bit integers in PPM, and before its release 11 in PNG.
    return image.mode in _SIXTEEN_BITS or (image.mode == "I" and image.format in ("PNG", "PPM"))


def _checked(image: Image, path: PathOrFile) -> Image:
    """The image. Raises ValueError for one of 32 bits that Pillow would cut off at 255."""
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
    """Raises DecompressionBombError, with the path, for more pixels than PIL.Image.MAX_IMAGE_PIXELS."""
    error = imported_pillow("load_img").DecompressionBombError
    try:
        _check_pixels(pixels)
    except error as bomb:
        raise error(f"{path}: {bomb}") from None


def _check_pixels(pixels: int) -> None:
    pillow = imported_pillow("load_img")
    if pillow.MAX_IMAGE_PIXELS is not None and pixels > pillow.MAX_IMAGE_PIXELS:
        raise pillow.DecompressionBombError(f"{pixels} pixels, more than the limit of {pillow.MAX_IMAGE_PIXELS}")


def convert(
    pixels: Array, color_mode: ColorMode, target_size: Sequence[int], interpolation: str, keep_aspect_ratio: KeepAspectRatio
) -> Image:
    """Decoded pixels, uint8 [H, W, 1] or [H, W, 3], as load_img would return them."""
    image: Image = imported_pillow("load_img").fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return _fitted(image, "", color_mode, target_size, interpolation, keep_aspect_ratio)


def _fitted(
    image: Image,
    path: PathOrFile,
    color_mode: ColorMode,
    target_size: Sequence[int] | None,
    interpolation: str,
    keep_aspect_ratio: KeepAspectRatio,
) -> Image:
    image = _deep(image, path) if color_mode == "grayscale16" else _converted(image, _MODES[color_mode], path)
    if target_size is not None:
        image = _resized(image, target_size, interpolation, keep_aspect_ratio)
    if color_mode == "grayscale16":  # some interpolations overshoot
        image = imported_pillow("load_img").fromarray(np.clip(np.asarray(image), 0, 65535).astype(np.uint16))
    return image


def check_interpolation(interpolation: str) -> None:
    """Raises ValueError for one that load_img does not have."""
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(
            f"Invalid interpolation method {interpolation} specified. Supported methods are {', '.join(_INTERPOLATIONS)}"
        )


def is_of_the_file(error: Exception) -> bool:
    """Whether load_img, called with arguments that are right, failed for what the file is."""
    return isinstance(error, (OSError, ValueError, imported_pillow("load_img").DecompressionBombError))


def imported_pillow(who: str) -> Any:  # Any: PIL.Image, which the types of this module cannot import
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(f"Could not import PIL.Image. The use of `{who}` requires PIL.") from error
    return Image
