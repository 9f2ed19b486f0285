"""Decoders of JPEG files that are already in memory. They call the decoder of Pillow or simplejpeg directly."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeAlias

from lamella.core.types import Array
from lamella.preprocessing.image.loading import check_pixels, imported_pillow

if TYPE_CHECKING:
    from PIL.Image import Image

_START = b"\xff\xd8"
_MODES = {1: "L", 3: "RGB"}
# Width, height and number of channels: an entry of _kernels.jpeg_frames that is not None.
Frame: TypeAlias = tuple[int, int, int]


class PillowDecoder:
    """Decodes usual JPEG files as load_img does, without the time of PIL.Image.open, which is longer than that of the decoder.

    The images of one size share their memory: each call overwrites the image that the last one returned.
    """

    def __init__(self) -> None:
        self._image: Image | None = None

    def __call__(self, path: str, data: bytes, frame: Frame) -> Image | None:
        """The same image as load_img returns. None if the file cannot be decoded: load_img must decide.

        Raises:
            PIL.Image.DecompressionBombError: As load_img.
        """
        width, height, channels = frame
        check_pixels(path, width * height)
        mode = _MODES[channels]
        image = self._image
        try:
            if image is None or image.size != (width, height) or image.mode != mode:
                self._image = image = None  # two images may need too much memory
                self._image = image = imported_pillow("load_img").new(mode, (width, height))
            # Pillow's JpegImagePlugin uses the same decoder with the same arguments.
            image.frombytes(data, "jpeg", mode, "")
        except (ValueError, OSError):
            return None
        return image


def by_simplejpeg(path: str, data: bytes, frame: Frame | None, least: tuple[int, int] = (0, 0)) -> Array | None:
    """The pixels: uint8 [H, W, C], C = 1 or 3.

    None for files that simplejpeg does not decode as Pillow does: CMYK, and files that are not JPEGs.

    Args:
        frame: The entry of _kernels.jpeg_frames. With None, simplejpeg reads the header.
        least: The smallest (height, width) to which the decoder may scale the image. With (0, 0) it does not scale.

    Raises:
        OSError: The file cannot be decoded. The message names the path.
        PIL.Image.DecompressionBombError: As load_img.
    """
    if not data.startswith(_START):
        return None
    try:
        if frame is not None:
            width, height, channels = frame
        else:
            height, width, color, _ = _simplejpeg().decode_jpeg_header(data)
            channels = {"Gray": 1, "YCbCr": 3, "RGB": 3}.get(color, 0)
        check_pixels(path, width * height)
        if channels == 0:
            return None
        # fastdct and fastupsample are false, for the exact methods, which Pillow uses.
        pixels: Array = _simplejpeg().decode_jpeg(data, "GRAY" if channels == 1 else "RGB", False, False, *least)
    except ValueError as error:
        raise OSError(f"{path}: cannot decode this image: {error}") from error
    return pixels


@functools.cache  # an import statement for each image would take a tenth of the time of decoding
def _simplejpeg() -> Any:  # Any: an optional package
    import simplejpeg

    return simplejpeg
