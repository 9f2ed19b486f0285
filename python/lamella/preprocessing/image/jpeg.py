"""Decoders of JPEG files that are already in memory. They call the decoder of Pillow or simplejpeg directly."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from lamella.core.types import Array
from lamella.preprocessing.image.loading import check_pixels, imported_pillow

if TYPE_CHECKING:
    from PIL.Image import Image

_START = b"\xff\xd8\xff"
# The frames that Pillow can decode: baseline, extended and progressive, with Huffman codes.
_FRAMES = (0xC0, 0xC1, 0xC2)
_TABLES_AND_TEXTS = {0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)}
_SCAN = 0xDA
_BITS = 8
_MODES = {1: "L", 3: "RGB"}


class Frame(NamedTuple):
    """Size and number of channels, from the header of a JPEG file.

    Attributes:
        channels: 1 or 3.
    """

    width: int
    height: int
    channels: int


def frame_of(data: bytes) -> Frame | None:
    """The header of a usual JPEG file: 8 bits, 1 or 3 channels, one frame, no bytes between the segments.

    None for all other files. Pillow's own code must read their headers.

    Source: ITU-T T.81, annex B.
    """
    if not data.startswith(_START):
        return None
    frame = None
    place = 2
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            return None
        marker = data[place + 1]
        if marker == _SCAN:
            return frame
        (length,) = struct.unpack_from(">H", data, place + 2)
        if marker in _FRAMES:
            if frame is not None or length < 8 or place + 10 > len(data):
                return None
            bits, height, width, channels = struct.unpack_from(">BHHB", data, place + 4)
            if bits != _BITS or not height or not width or channels not in _MODES:
                return None
            frame = Frame(width, height, channels)
        elif marker not in _TABLES_AND_TEXTS:
            return None
        place += 2 + length
    return None


def by_pillow(path: str, data: bytes) -> Image | None:
    """The same image as load_img returns, without the time of PIL.Image.open, which is as long as the decoding of a small image.

    None if load_img must decide: the file is not a usual JPEG file, or it cannot be decoded.

    Raises:
        PIL.Image.DecompressionBombError: As load_img.
    """
    frame = frame_of(data)
    if frame is None:
        return None
    check_pixels(path, frame.width * frame.height)
    mode = _MODES[frame.channels]
    try:
        # Pillow's JpegImagePlugin uses the same decoder with the same arguments.
        image: Image = imported_pillow("load_img").frombytes(mode, (frame.width, frame.height), data, "jpeg", mode, "")
    except (ValueError, OSError):
        return None
    return image


def by_simplejpeg(path: str, data: bytes, least: tuple[int, int] = (0, 0)) -> Array | None:
    """The pixels: uint8 [H, W, C], C = 1 or 3.

    None for files that simplejpeg does not decode as Pillow does: CMYK, and files that are not JPEGs.

    Args:
        least: The smallest (height, width) to which the decoder may scale the image. With (0, 0) it does not scale.

    Raises:
        OSError: The file cannot be decoded. The message names the path.
        PIL.Image.DecompressionBombError: As load_img.
    """
    import simplejpeg

    if not data.startswith(_START[:2]):
        return None
    try:
        height, width, color, _ = simplejpeg.decode_jpeg_header(data)
        check_pixels(path, width * height)
        if color not in ("YCbCr", "Gray", "RGB"):
            return None
        pixels: Array = simplejpeg.decode_jpeg(
            data,
            "GRAY" if color == "Gray" else "RGB",
            min_height=least[0],
            min_width=least[1],
            # The exact methods, which Pillow uses.
            fastdct=False,
            fastupsample=False,
        )
    except ValueError as error:
        raise OSError(f"{path}: cannot decode this image: {error}") from error
    return pixels
