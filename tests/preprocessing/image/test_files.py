"""load_img, img_to_array, array_to_img and save_img: results compared with Pillow and NumPy, and all messages."""

import gc
import io
import os
import stat
import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import GifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, UnidentifiedImageError

from lamella.core import config
from lamella.preprocessing.image import array_to_img, img_to_array, load_img, save_img

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 5, 4), dtype=np.uint8)


@pytest.fixture
def png(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(PIXELS[..., :3]).save(path)
    return path


@pytest.fixture
def jpg(tmp_path):
    path = tmp_path / "picture.jpg"
    Image.fromarray(PIXELS[..., :3]).save(path)
    return path


def sources(tmp_path):
    """A file for each mode that Pillow can store."""
    rgba = Image.fromarray(PIXELS)
    for mode, extension in [
        ("1", "png"), ("L", "png"), ("LA", "png"), ("P", "png"), ("P", "gif"), ("RGB", "png"), ("RGB", "bmp"),
        ("RGB", "ppm"), ("RGB", "tif"), ("RGBA", "png"), ("RGBA", "webp"), ("CMYK", "jpg"), ("L", "jpg"), ("RGB", "jpeg"),
    ]:  # fmt: skip
        path = tmp_path / f"{mode}.{extension}"
        rgba.convert("RGB").convert(mode).save(path) if mode in ("P", "CMYK") else rgba.convert(mode).save(path)
        yield path


# load_img --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("color_mode, mode", [("rgb", "RGB"), ("grayscale", "L"), ("rgba", "RGBA")])
def test_every_stored_mode_is_converted(tmp_path, color_mode, mode):
    for path in sources(tmp_path):
        image = load_img(path, color_mode=color_mode)
        with Image.open(path) as opened:
            wanted = opened if opened.mode == mode else opened.convert(mode)
            wanted.load()
        assert image.mode == mode and image.size == (5, 7), path
        np.testing.assert_array_equal(np.asarray(image), np.asarray(wanted), err_msg=str(path))


def test_the_opened_image_is_returned_if_nothing_changes(png, jpg):
    assert type(load_img(jpg)) is JpegImagePlugin.JpegImageFile
    assert type(load_img(str(png), target_size=(7, 5))) is PngImagePlugin.PngImageFile
    assert type(load_img(jpg, color_mode="grayscale")) is Image.Image
    assert type(load_img(jpg, target_size=(5, 7))) is Image.Image
    assert load_img(jpg).filename == str(jpg)


def test_target_size_is_height_and_width(png):
    image = load_img(png, target_size=(3, 11))
    assert image.size == (11, 3)
    assert img_to_array(image).shape == (3, 11, 3)
    assert load_img(png, target_size=[np.int64(2), np.int64(4)]).size == (4, 2)
    for wrong in (3, (3,), (3, 4, 5), "ab", (3.5, 4)):
        with pytest.raises(
            ValueError, match=r"load_img: expected target_size to be \(height, width\), two positive integers, got "
        ):
            load_img(png, target_size=wrong)
    for wrong, keep in (((0, 4), True), ((4, 0), "pad"), ((4, -1), False)):
        with pytest.raises(
            ValueError, match=r"load_img: expected target_size to be \(height, width\), two positive integers, got "
        ):
            load_img(png, target_size=wrong, keep_aspect_ratio=keep)


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"])
def test_interpolations_are_those_of_pillow(png, name):
    wanted = Image.fromarray(PIXELS[..., :3]).resize((9, 4), Image.Resampling[name.upper()])
    np.testing.assert_array_equal(np.asarray(load_img(png, target_size=(4, 9), interpolation=name)), np.asarray(wanted))


def test_nearest_is_the_default(png):
    wanted = Image.fromarray(PIXELS[..., :3]).resize((9, 4), Image.Resampling.NEAREST)
    np.testing.assert_array_equal(np.asarray(load_img(png, target_size=(4, 9))), np.asarray(wanted))


def test_interpolation_is_checked_only_when_used(png):
    load_img(png, interpolation="unknown")
    load_img(png, target_size=(7, 5), interpolation="unknown")
    with pytest.raises(ValueError) as error:
        load_img(png, target_size=(7, 6), interpolation="unknown")
    assert str(error.value) == (
        "Invalid interpolation method unknown specified. Supported methods are "
        "nearest, bilinear, bicubic, hamming, box, lanczos"
    )


def test_color_mode_message(png):
    with pytest.raises(ValueError) as error:
        load_img(png, color_mode="hsv")
    assert str(error.value) == 'color_mode must be "grayscale", "grayscale16", "rgb", or "rgba", got \'hsv\''


def test_grayscale_is_deprecated(png):
    with pytest.warns(UserWarning, match='^grayscale is deprecated. Please use color_mode = "grayscale"$') as record:
        image = load_img(png, True, color_mode="rgba")
    assert image.mode == "L"
    assert record[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_img(png, grayscale=False).mode == "RGB"


def test_a_binary_file_is_read_and_stays_open(png):
    with open(png, "rb") as file:
        np.testing.assert_array_equal(img_to_array(load_img(file)), PIXELS[..., :3])
        assert not file.closed
    np.testing.assert_array_equal(img_to_array(load_img(io.BytesIO(png.read_bytes()))), PIXELS[..., :3])


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files by /proc")
def test_no_file_stays_open(tmp_path):
    paths = list(sources(tmp_path))
    animation = tmp_path / "animation.gif"
    frames = [Image.fromarray(PIXELS[..., i]) for i in range(3)]
    frames[0].save(animation, save_all=True, append_images=frames[1:])
    broken = tmp_path / "broken.jpg"
    broken.write_bytes((tmp_path / "RGB.jpeg").read_bytes()[:-300])
    load_img(paths[0])
    gc.disable()  # a collection would close a file that was left open
    try:
        before = len(os.listdir("/proc/self/fd"))
        kept = [load_img(path) for path in [*paths, animation]]
        with pytest.raises(OSError):
            load_img(broken)
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        gc.enable()
    assert len(kept) == len(paths) + 1


def test_an_animation_gives_its_first_frame(tmp_path):
    path = tmp_path / "animation.gif"
    frames = [Image.fromarray(PIXELS[..., i]) for i in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    image = load_img(path, color_mode="grayscale")
    assert not isinstance(image, GifImagePlugin.GifImageFile) or image.mode == "L"
    np.testing.assert_array_equal(np.asarray(image), PIXELS[..., 0])


DEEP = np.array([[0, 255, 256], [32767, 32768, 65535]], np.uint16)


@pytest.fixture(params=["PNG", "TIFF", "PPM"])
def deep(request, tmp_path):
    path = tmp_path / f"deep.{request.param.lower()}"
    Image.fromarray(DEEP).save(path)
    return path


def test_sixteen_bit_greys_keep_their_higher_byte(deep):
    for mode, channels in (("grayscale", 1), ("rgb", 3), ("rgba", 4)):
        array = img_to_array(load_img(deep, color_mode=mode))
        assert array.shape == (2, 3, channels)
        np.testing.assert_array_equal(array[..., 0], [[0, 0, 1], [127, 128, 255]])
        np.testing.assert_array_equal(array[..., min(channels, 3) - 1], array[..., 0])


def test_sixteen_bit_greys_are_kept_if_requested(deep, tmp_path):
    image = load_img(deep, color_mode="grayscale16")
    assert image.mode == "I;16"
    np.testing.assert_array_equal(img_to_array(image)[..., 0], DEEP)
    image.save(tmp_path / "again.png")
    np.testing.assert_array_equal(np.asarray(load_img(tmp_path / "again.png", color_mode="grayscale16")), DEEP)
    for interpolation in ("nearest", "bilinear", "bicubic", "lanczos"):
        array = np.asarray(load_img(deep, color_mode="grayscale16", target_size=(5, 9), interpolation=interpolation))
        assert array.shape == (5, 9) and array.min() >= 0 and 60000 < array.max() <= 65535


def test_other_images_in_sixteen_bits_have_the_same_range(tmp_path):
    Image.fromarray(np.array([[0, 1, 255]], np.uint8)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(load_img(tmp_path / "a.png", color_mode="grayscale16")), [[0, 257, 65535]])


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_images_of_32_bits_without_a_white_raise(tmp_path, dtype):
    path = tmp_path / "a.tiff"
    Image.fromarray(np.array([[0, 7, 255]], dtype)).save(path)
    for mode in ("grayscale", "rgb"):
        np.testing.assert_array_equal(np.asarray(load_img(path, color_mode=mode)).reshape(3, -1)[:, 0], [0, 7, 255])
    for values in ([[0, 256]], [[-1, 7]]):
        Image.fromarray(np.array(values, dtype)).save(path)
        for mode in ("grayscale", "rgb", "grayscale16"):
            with pytest.raises(ValueError, match=f"a.tiff: pixels of {np.dtype(dtype)} from .*, expected 0 to 255"):
                load_img(path, color_mode=mode)


def test_exif_orientation_is_applied_if_requested(tmp_path):
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    upright = {
        1: pixels, 2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1],
        5: pixels.transpose(1, 0, 2), 6: np.rot90(pixels, -1), 7: np.rot90(pixels, 2).transpose(1, 0, 2), 8: np.rot90(pixels),
    }  # fmt: skip
    for orientation, wanted in upright.items():
        path = tmp_path / f"{orientation}.png"
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(pixels).save(path, exif=exif)
        np.testing.assert_array_equal(np.asarray(load_img(path)), pixels)
        np.testing.assert_array_equal(np.asarray(load_img(path, exif_orientation=True)), wanted)
        small = load_img(path, target_size=(2, 4), exif_orientation=True)
        assert small.size == (4, 2)
    Image.fromarray(DEEP).save(path, exif=exif)
    turned = load_img(path, color_mode="grayscale16", exif_orientation=True)
    np.testing.assert_array_equal(np.asarray(turned), np.rot90(DEEP))


@pytest.mark.parametrize("factor", [1.5, 2.5])
def test_more_pixels_than_the_limit_raise(tmp_path, monkeypatch, factor):
    path = tmp_path / "a.png"
    Image.new("L", (100, 100)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(10000 / factor))
    for action in ("ignore", "error"):
        with warnings.catch_warnings(), pytest.raises(Image.DecompressionBombError, match="a.png: "):
            warnings.simplefilter(action)
            load_img(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10000)
    assert load_img(path).size == (100, 100)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert load_img(path).size == (100, 100)


@pytest.mark.parametrize(
    "value, wanted", [(300.0, 255), (256.0, 255), (-1.0, 0), (-3.0, 0), (np.inf, 255), (-np.inf, 0), (np.nan, 0)]
)
def test_pixels_outside_0_to_255_do_not_wrap(tmp_path, value, wanted):
    x = np.full((2, 2, 1), 7.0)
    x[0, 0] = value
    for make in (lambda: np.asarray(array_to_img(x, scale=False)), lambda: saved(tmp_path / "a.png", x)):
        with pytest.warns(
            UserWarning, match="array_to_img: 1 of 4 values, .* are outside 0 to 255 and become 0 or 255"
        ) as caught:
            np.testing.assert_array_equal(make(), [[wanted, 7], [7, 7]])
        assert [w.filename for w in caught] == [__file__]


def saved(path, x):
    save_img(path, x, scale=False)
    return np.asarray(load_img(path, color_mode="grayscale"))


def test_pixels_from_0_to_255_are_truncated_without_a_warning(recwarn):
    x = np.array([[[-0.5], [0.9], [255.9]]])
    np.testing.assert_array_equal(np.asarray(array_to_img(x, scale=False)), [[0, 0, 255]])
    np.testing.assert_array_equal(np.asarray(array_to_img(np.array([[[255]], [[0]]], np.int64), scale=False)), [[255], [0]])
    assert not recwarn.list


# Damaged and wrong files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", ["jpg", "png", "bmp", "gif", "tif", "webp", "ppm"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.95])
def test_a_truncated_file_raises_at_once_with_its_path(tmp_path, extension, share):
    whole = tmp_path / f"whole.{extension}"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(whole)
    data = whole.read_bytes()
    path = tmp_path / f"cut.{extension}"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(OSError) as error:
        load_img(path)
    assert str(path) in str(error.value)


def test_a_large_file_is_read_piece_by_piece(png, monkeypatch):
    monkeypatch.setattr("lamella.preprocessing.image.loading._READ_WHOLE_BYTES", 10)
    image = load_img(png)
    np.testing.assert_array_equal(np.asarray(image), PIXELS[..., :3])
    assert image.filename == str(png)


def test_the_error_names_the_truncation(tmp_path):
    path = tmp_path / "cut.jpg"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(OSError, match="cut.jpg: image file is truncated"):
        load_img(path)
    with open(path, "rb") as file, pytest.raises(OSError, match="cut.jpg: image file is truncated"):
        load_img(file)


def test_a_file_that_is_not_an_image_raises(tmp_path):
    path = tmp_path / "text.jpg"
    path.write_text("no image")
    with pytest.raises(UnidentifiedImageError, match="cannot identify image file .*text.jpg"):
        load_img(path)


def test_the_content_and_not_the_extension_decides_the_format(tmp_path, png):
    path = tmp_path / "renamed.jpg"
    path.write_bytes(png.read_bytes())
    np.testing.assert_array_equal(img_to_array(load_img(path)), PIXELS[..., :3])


def test_missing_file_and_directory(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.png"):
        load_img(tmp_path / "absent.png")
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        load_img(tmp_path)


def test_rare_formats_are_not_opened(tmp_path):
    path = tmp_path / "drawing.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
    with pytest.raises(UnidentifiedImageError, match="drawing.png"):
        load_img(path)
    pcx = tmp_path / "old.pcx"
    Image.fromarray(PIXELS[..., 0]).save(pcx)
    with pytest.raises(UnidentifiedImageError, match="old.pcx"):
        load_img(pcx)


def test_a_decompression_bomb_is_refused(tmp_path):
    path = tmp_path / "bomb.png"
    Image.new("1", (30000, 30000)).save(path)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(Image.DecompressionBombError, match="bomb.png: Image size .* exceeds limit"):
        load_img(path)


def test_damaged_bytes_give_an_image_or_an_error_with_the_path(tmp_path):
    rng = np.random.default_rng(2)
    for source in sources(tmp_path):
        if source.suffix == ".tif":
            continue  # libtiff itself writes to stderr
        for _ in range(40):
            data = np.frombuffer(source.read_bytes(), np.uint8).copy()
            data[rng.integers(0, min(len(data), 400), 3)] = rng.integers(0, 256, 3)
            path = tmp_path / f"damaged{source.suffix}"
            path.write_bytes(data.tobytes())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    load_img(path)
                except (OSError, Image.DecompressionBombError) as error:
                    assert str(path) in str(error)


# img_to_array --------------------------------------------------------------------------------------------------


def test_arrays_of_color_and_grayscale(png):
    color = img_to_array(load_img(png))
    assert color.dtype == np.float32 and color.flags.writeable
    np.testing.assert_array_equal(color, PIXELS[..., :3])
    np.testing.assert_array_equal(img_to_array(load_img(png), "channels_first"), PIXELS[..., :3].transpose(2, 0, 1))
    gray = load_img(png, color_mode="grayscale")
    np.testing.assert_array_equal(img_to_array(gray)[:, :, 0], np.asarray(gray))
    assert img_to_array(gray).shape == (7, 5, 1)
    assert img_to_array(gray, data_format="channels_first").shape == (1, 7, 5)
    assert img_to_array(gray, dtype="uint8").dtype == np.uint8
    np.testing.assert_array_equal(img_to_array(PIXELS), PIXELS)


def test_defaults_come_from_the_config(png):
    config.set_floatx("float64")
    config.set_image_data_format("channels_first")
    try:
        array = img_to_array(load_img(png))
        assert array.dtype == np.float64 and array.shape == (3, 7, 5)
        np.testing.assert_array_equal(np.asarray(array_to_img(array, scale=False)), PIXELS[..., :3])
    finally:
        config.set_floatx("float32")
        config.set_image_data_format("channels_last")


def test_img_to_array_messages():
    with pytest.raises(ValueError, match=r"^Unsupported image shape: \(2, 2, 2, 2\)$"):
        img_to_array(np.zeros((2, 2, 2, 2)))
    with pytest.raises(ValueError, match=r"^Unsupported image shape: \(3,\)$"):
        img_to_array([1, 2, 3])
    with pytest.raises(ValueError, match="^Unknown data_format: channels_middle$"):
        img_to_array(PIXELS, data_format="channels_middle")
    with pytest.raises(TypeError, match="img_to_array: expected numbers"):
        img_to_array(np.zeros((2, 2), complex))


# array_to_img ------------------------------------------------------------------------------------------------------


def old_scale(x):
    """The rule of keras-preprocessing 1.1.0."""
    x = x + max(-np.min(x), 0)
    if np.max(x) != 0:
        x = x / np.max(x)
    return (x * 255).astype(np.uint8)


@pytest.mark.parametrize(
    "x",
    [
        np.linspace(-3, 5, 60).reshape(4, 5, 3),
        np.linspace(40, 200, 60).reshape(4, 5, 3),  # 1.1.1 would stretch this to 0..255
        np.zeros((4, 5, 3)),
        np.full((4, 5, 3), -2.0),
        np.full((4, 5, 3), 7.0),
    ],
)
def test_scale_shifts_only_negatives_and_stretches_to_255(x):
    x = x.astype(np.float32)
    before = x.copy()
    np.testing.assert_array_equal(np.asarray(array_to_img(x)), old_scale(x))
    np.testing.assert_array_equal(x, before)


def test_positive_minimum_is_kept():
    image = np.asarray(array_to_img(np.array([100.0, 200.0]).reshape(1, 2, 1)))
    np.testing.assert_array_equal(image, [[127, 255]])


def test_without_scale_values_are_truncated():
    image = array_to_img(np.array([0.9, 1.0, 254.99, 255.0]).reshape(2, 2, 1), scale=False)
    np.testing.assert_array_equal(np.asarray(image), [[0, 1], [254, 255]])


def test_modes_by_channels_and_round_trip():
    for channels, mode in [(1, "L"), (3, "RGB"), (4, "RGBA")]:
        x = PIXELS[..., :channels]
        for image in (array_to_img(x, scale=False), array_to_img(x.transpose(2, 0, 1), "channels_first", scale=False)):
            assert image.mode == mode and image.size == (5, 7)
            np.testing.assert_array_equal(img_to_array(image, dtype="uint8"), x)


@pytest.mark.parametrize("dtype", ["uint8", "int64", ">f4", "float64", "float16", "bool"])
def test_scale_in_any_dtype(dtype):
    x = (PIXELS[..., :3] // 2 + 1).astype(dtype)
    np.testing.assert_array_equal(np.asarray(array_to_img(x)), old_scale(x.astype(np.float32)))
    np.testing.assert_array_equal(np.asarray(array_to_img(x[::-1, ::-1])), old_scale(x[::-1, ::-1].astype(np.float32)))
    if dtype in ("uint8", "int64"):  # computed in floats, where 1.1.0 fails
        np.testing.assert_array_equal(np.asarray(array_to_img(x, dtype=dtype)), old_scale(x.astype(np.float32)))


def test_array_to_img_messages():
    with pytest.raises(ValueError) as error:
        array_to_img(np.zeros((2, 2)))
    assert str(error.value) == "Expected image array to have rank 3 (single image). Got array with shape: (2, 2)"
    with pytest.raises(ValueError, match="^Unsupported channel number: 2$"):
        array_to_img(np.zeros((5, 5, 2)))
    with pytest.raises(ValueError, match="^Invalid data_format: channels$"):
        array_to_img(np.zeros((5, 5, 3)), "channels")
    with pytest.raises(ValueError, match=r"at least one pixel, got shape \(0, 5, 3\)"):
        array_to_img(np.zeros((0, 5, 3)))
    with pytest.raises(TypeError, match="array_to_img: expected numbers"):
        array_to_img(np.array([[["a"]]]))


# save_img ----------------------------------------------------------------------------------------------------------


def test_saved_pixels_are_read_back(tmp_path):
    path = tmp_path / "out.png"
    save_img(path, PIXELS, scale=False)
    np.testing.assert_array_equal(img_to_array(load_img(path, color_mode="rgba")), PIXELS)
    save_img(str(path), PIXELS[..., :3].transpose(2, 0, 1), data_format="channels_first", scale=False)
    np.testing.assert_array_equal(img_to_array(load_img(path)), PIXELS[..., :3])
    save_img(path, np.array([[[1.0], [2.0]]]))
    np.testing.assert_array_equal(np.asarray(load_img(path, color_mode="grayscale")), [[127, 255]])
    assert os.listdir(tmp_path) == ["out.png"]


def test_file_format_precedes_the_extension(tmp_path):
    path = tmp_path / "named.png"
    save_img(path, PIXELS[..., :3], file_format="jpeg", scale=False, quality=10)
    rough = path.stat().st_size
    assert type(load_img(path)) is JpegImagePlugin.JpegImageFile
    save_img(path, PIXELS[..., :3], file_format="jpg", scale=False, quality=95)
    assert path.stat().st_size > rough
    buffer = io.BytesIO()
    save_img(buffer, PIXELS, file_format="png", scale=False)
    np.testing.assert_array_equal(img_to_array(load_img(buffer, color_mode="rgba")), PIXELS)


def test_a_format_that_pillow_does_not_write_raises(tmp_path):
    with pytest.raises(ValueError, match="Pillow does not write the format 'xyz'"):
        save_img(tmp_path / "a", PIXELS[..., :3], file_format="xyz")
    assert not (tmp_path / "a").exists()


def test_rgba_becomes_rgb_only_with_a_file_format(tmp_path):
    path = tmp_path / "alpha.jpg"
    with pytest.raises(OSError, match="cannot write mode RGBA as JPEG"):
        save_img(path, PIXELS)
    assert os.listdir(tmp_path) == []
    for name in ("jpg", "jpeg"):
        with pytest.warns(UserWarning, match="^The JPG format does not support RGBA images, converting to RGB.$"):
            save_img(path, PIXELS, file_format=name)
        assert load_img(path).mode == "RGB"


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "kept.png"
    save_img(path, PIXELS, scale=False)
    before = path.read_bytes()

    def write_half(image, file, *_):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(Image.SAVE, "PNG", write_half)
    with pytest.raises(OSError, match="No space left"):
        save_img(path, PIXELS[::-1], scale=False)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["kept.png"]
    with pytest.raises(ValueError, match="unknown file extension: .nonsense"):
        save_img(tmp_path / "a.nonsense", PIXELS)
    with pytest.raises(FileNotFoundError, match="absent"):
        save_img(tmp_path / "absent" / "a.png", PIXELS[..., :3], file_format="bmp")


def test_a_killed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "kept.png"
    save_img(path, PIXELS, scale=False)
    before = path.read_bytes()
    code = (
        "import os, sys, numpy as np; from lamella.preprocessing.image import save_img; "
        "os.replace = lambda *_: os._exit(9); save_img(sys.argv[1], np.zeros((4, 4, 3)))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == 9
    assert path.read_bytes() == before and len(os.listdir(tmp_path)) == 2
    # The next one removes what the killed process left.
    save_img(path, PIXELS[::-1], scale=False)
    assert path.read_bytes() != before and os.listdir(tmp_path) == ["kept.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="links, pipes and permissions of POSIX")
def test_links_permissions_and_devices(tmp_path):
    target, link = tmp_path / "target.png", tmp_path / "link.png"
    target.write_bytes(b"")
    target.chmod(0o604)
    link.symlink_to(target)
    mask = os.umask(0o027)
    try:
        save_img(link, PIXELS, scale=False)
        save_img(tmp_path / "new.png", PIXELS, scale=False)
    finally:
        os.umask(mask)
    # A replaced file keeps its permissions.
    assert link.is_symlink() and stat.S_IMODE(target.stat().st_mode) == 0o604
    assert stat.S_IMODE((tmp_path / "new.png").stat().st_mode) == 0o640
    np.testing.assert_array_equal(img_to_array(load_img(target, color_mode="rgba")), PIXELS)
    save_img(os.devnull, PIXELS, file_format="png")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_the_keras_path_of_the_module():
    import lamella

    assert lamella.preprocessing.image.load_img is load_img
