"""Files read by one call, and JPEGs decoded from memory: the same pixels and the same errors as load_img."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from lamella import _kernels
from lamella.preprocessing.image import DataFrameIterator, DirectoryIterator, load_img
from lamella.preprocessing.image.jpeg import PillowDecoder

FORMS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "subsampled nowhere": {"subsampling": 0},
    "small": {"subsampling": 2, "quality": 30, "optimize": True},
    "restarts": {"restart_marker_blocks": 3},
    "texts": {"comment": b"abc", "exif": Image.Exif()},
}


def jpeg(mode="RGB", size=(24, 40), **arguments):
    """The bytes of a file, of `size` (height, width)."""
    colors = np.random.default_rng(0).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(colors).resize(size[::-1], Image.Resampling.BICUBIC).convert(mode).save(file, "JPEG", **arguments)
    return file.getvalue()


def frame_of(data):
    (frame,) = _kernels.jpeg_frames([data])
    return frame


def decoded(data, decoder=None):
    """The image, or None, as the decoder of usual files returns it."""
    frame = frame_of(data)
    return None if frame is None else (decoder or PillowDecoder())("x.jpg", data, frame)


def test_reads_only_whole_regular_files(tmp_path):
    contents = {"a": b"1", "b": b"22" * 4000, "é\udcff": b"three"}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "empty").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    os.symlink(tmp_path / "a", tmp_path / "link")
    paths = [str(tmp_path / name) for name in [*contents, "link", "empty", "pipe", "missing", ".", "a\0b"]]
    opened = len(os.listdir("/proc/self/fd"))
    assert _kernels.read_files(paths, 1 << 20) == [*contents.values(), b"1", None, None, None, None, None]
    # A file of more than `most` bytes is left to the caller.
    assert _kernels.read_files(paths[:3], 7999) == [b"1", None, b"three"]
    assert len(os.listdir("/proc/self/fd")) == opened
    with pytest.raises(TypeError):
        _kernels.read_files(paths[0], 10)


def test_reading_stops_where_the_bytes_are_reached(tmp_path):
    paths = []
    for i in range(5):
        paths.append(str(tmp_path / str(i)))
        (tmp_path / str(i)).write_bytes(bytes([i]) * 100)
    for most, count in ((100, 1), (101, 2), (200, 2), (499, 5), (500, 5), (1000, 5)):
        assert _kernels.read_files(paths, most) == [bytes([i]) * 100 for i in range(count)]
    assert _kernels.read_files([], 100) == []


def test_headers_say_size_and_channels():
    for form in FORMS.values():
        assert frame_of(jpeg(**form)) == (40, 24, 3)
        assert frame_of(jpeg("L", **form)) == (40, 24, 1)
        assert frame_of(jpeg("CMYK", **form)) is None
    data = jpeg()
    start = data.index(b"\xff\xc0")
    frame = data[start : start + 2 + int.from_bytes(data[start + 2 : start + 4])]
    for other in (
        b"", b"\xff\xd8", data[1:], data.replace(frame, frame[:4] + b"\x0c" + frame[5:]),  # 12 bits
        data.replace(frame, frame * 2), data.replace(frame, b""), data.replace(frame, b"\0" + frame),
        data.replace(frame, b"\xff\xc9" + frame[2:]),  # arithmetic codes
        data.replace(frame, frame[:5] + b"\0\0" + frame[7:]), data.replace(frame, frame[:7] + b"\0\0" + frame[9:]),  # no pixels
        data.replace(frame, frame[:9] + b"\x02" + frame[10:]),  # two channels
        data.replace(frame, frame[:2] + b"\0\x07" + frame[4:]), data.replace(frame, b"\xff\xfe\0\x01" + frame),  # lengths
    ):  # fmt: skip
        assert frame_of(other) is None
    # Of a file that is cut within its header, no byte after its end is read.
    scan = data.index(b"\xff\xda")
    for end in range(len(data)):
        assert frame_of(data[:end]) == (None if end < scan + 4 else (40, 24, 3))
    assert _kernels.jpeg_frames([None, data, b"", jpeg("L")]) == [None, (40, 24, 3), None, (40, 24, 1)]
    assert _kernels.jpeg_frames([]) == []
    with pytest.raises(TypeError):
        _kernels.jpeg_frames(data)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # which only load_img reads
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_damaged_files_decode_as_load_img_decodes_them(form, mode):
    whole = jpeg(mode, **FORMS[form])
    assert decoded(whole) is not None
    rng = np.random.default_rng(1)
    count, decoder = 0, PillowDecoder()
    for trial in range(150):
        data = bytearray(whole)
        for _ in range(trial % 4):
            data[rng.integers(len(data))] = rng.integers(256)
        if trial % 5 == 0:
            data = data[: rng.integers(len(data))]
        image = decoded(bytes(data), decoder)
        if image is not None:  # so load_img decodes it, too
            np.testing.assert_array_equal(np.asarray(image.convert("RGB")), np.asarray(load_img(io.BytesIO(bytes(data)))))
            count += 1
    assert count > 30


@pytest.mark.parametrize("mode", ["rgb", "rgba", "grayscale", "grayscale16"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_batches_hold_the_pixels_of_load_img(tmp_path, monkeypatch, mode, data_format):
    (tmp_path / "a").mkdir()
    for i, form in enumerate(FORMS.values()):
        (tmp_path / "a" / f"{i}.jpg").write_bytes(jpeg("L" if i == 1 else "RGB", **form))
    for size in ((24, 40), (20, 30)):
        arguments = {"color_mode": mode, "target_size": size, "interpolation": "bilinear"}
        iterator = DirectoryIterator(tmp_path, None, shuffle=False, class_mode=None, data_format=data_format, **arguments)
        wanted = [np.asarray(load_img(path, **arguments)) for path in iterator.filepaths]
        wanted = np.stack([x[..., None] if x.ndim == 2 else x for x in wanted])
        with monkeypatch.context() as m:
            m.setattr("lamella.preprocessing.image.reading.load_img", None)  # it is not needed
            batch = iterator[0]
        np.testing.assert_array_equal(batch.transpose(0, 2, 3, 1) if data_format == "channels_first" else batch, wanted)


def test_many_files_come_in_pieces_and_in_order(tmp_path, monkeypatch):
    pandas = pytest.importorskip("pandas")
    names = []
    for i in range(7):
        names.append(f"{i}.jpg")
        Image.new("L", (4, 4), 30 * i).save(tmp_path / names[-1], quality=95)
    (tmp_path / "5.jpg").write_bytes(b"damaged")
    order = [0, 1, 0, 6, 2, 3, 0, 4, 5, 0, 6, 6, 1]
    table = pandas.DataFrame({"filename": [names[i] for i in order]})
    for files, bytes_, cache in ((64, 1 << 20, 0), (2, 1 << 20, 0), (64, 1, 0), (64, 700, 0), (5, 1500, 0), (64, 1500, 100)):
        monkeypatch.setattr("lamella.preprocessing.image.reading._CHUNK_FILES", files)
        monkeypatch.setattr("lamella.preprocessing.image.reading._CHUNK_BYTES", bytes_)
        iterator = DataFrameIterator(
            table, tmp_path, None, class_mode=None, shuffle=False, target_size=(4, 4), color_mode="grayscale",
            on_error="skip", cache_bytes=cache,
        )  # fmt: skip
        for _ in range(2):
            with pytest.warns(UserWarning, match=r"5\.jpg"):
                assert iterator[0][:, 0, 0, 0].tolist() == [30 * i for i in order if i != 5]
    iterator = DataFrameIterator(table, tmp_path, None, class_mode=None, shuffle=False, target_size=(4, 4))
    with pytest.raises(OSError, match=r"5\.jpg"):
        iterator[0]


def test_one_decoder_decodes_images_of_any_size_and_mode():
    decoder = PillowDecoder()
    files = [jpeg(mode, size) for mode in ("RGB", "L") for size in ((24, 40), (40, 24), (24, 40))]
    for data in [*files, *files[::-1]]:
        assert decoded(data[:-100], decoder) is None
        np.testing.assert_array_equal(np.asarray(decoded(data, decoder)), np.asarray(Image.open(io.BytesIO(data))))
