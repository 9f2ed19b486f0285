"""Reading files in draft mode, with simplejpeg and from the cache."""

import os
import pickle
import shutil

import numpy as np
import pytest
from PIL import Image

from lamella.data.workers.options import WorkerOptions
from lamella.data.workers.pool import Item, WorkerPool
from lamella.preprocessing.image import DirectoryIterator, load_img
from tests.preprocessing.image.folder import make, values


def photograph(path, size=(160, 240), **arguments):
    """Write a JPEG of smooth coloured shapes."""
    rows, columns = np.mgrid[: size[0], : size[1]] / max(size)
    x = np.stack([np.sin(9 * rows), np.cos(7 * columns), rows * columns], -1) * 100 + 128
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(x.clip(0, 255).astype(np.uint8)).save(path, **arguments)
    return path


def read(root, **arguments):
    return DirectoryIterator(root, None, **{"target_size": (20, 30), "shuffle": False, "class_mode": None, **arguments})


def test_draft_mode_is_near_the_mean_of_the_pixels(tmp_path):
    path = photograph(tmp_path / "a" / "x.jpg", quality=95)
    wanted = np.asarray(load_img(path, target_size=(20, 30), interpolation="box"), float)
    near = np.asarray(load_img(path, target_size=(20, 30), draft=True), float)
    assert np.abs(near - wanted).max() < 6
    plain = np.asarray(load_img(path, target_size=(20, 30)), float)
    assert np.abs(near - wanted).mean() < np.abs(plain - wanted).mean() / 2
    np.testing.assert_array_equal(read(tmp_path, draft=True)[0][0], near)
    # Half of the size would be smaller than target_size, so draft has no effect.
    for size in ((100, 200), (160, 240), (400, 400)):
        a, b = (np.asarray(load_img(path, target_size=size, draft=draft)) for draft in (True, False))
        np.testing.assert_array_equal(a, b)
    assert load_img(path, draft=True).size == (240, 160)


def test_draft_mode_keeps_aspect_ratio_and_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = photograph(tmp_path / "a" / "x.jpg", quality=95, exif=exif)
    for size in ((20, 20), (30, 20), (10, 30)):
        arguments = {"target_size": size, "exif_orientation": True, "keep_aspect_ratio": True, "interpolation": "bilinear"}
        a, b = (np.asarray(load_img(path, draft=draft, **arguments), float) for draft in (True, False))
        assert np.abs(a - b).max() < 12 and np.abs(a - b).mean() < 2
    with pytest.raises(ValueError, match="expected target_size to be"):
        load_img(path, target_size=3, draft=True)


@pytest.mark.parametrize(
    "arguments", [{}, {"subsampling": 0}, {"subsampling": 2, "quality": 40}, {"progressive": True}], ids=str
)
@pytest.mark.parametrize("mode", ["rgb", "grayscale", "rgba", "grayscale16"])
def test_simplejpeg_gives_the_pixels_of_pillow(tmp_path, arguments, mode):
    pytest.importorskip("simplejpeg")
    photograph(tmp_path / "a" / "color.jpg", **arguments)
    Image.open(tmp_path / "a" / "color.jpg").convert("L").save(tmp_path / "a" / "grey.JPEG")
    Image.open(tmp_path / "a" / "color.jpg").convert("CMYK").save(tmp_path / "a" / "print.jpg")
    Image.open(tmp_path / "a" / "color.jpg").save(tmp_path / "a" / "renamed.jpg", format="PNG")
    for size in ((160, 240), (20, 30)):
        pillow, other = (
            read(tmp_path, decoder=decoder, color_mode=mode, target_size=size)[0] for decoder in ("pillow", "simplejpeg")
        )
        assert np.abs(pillow - other).max() <= (2 * 257 if mode == "grayscale16" else 2)


def test_simplejpeg_raises_with_the_path(tmp_path, monkeypatch):
    pytest.importorskip("simplejpeg")
    path = photograph(tmp_path / "a" / "cut.jpg")
    whole = path.read_bytes()
    for data in (whole[:-900], whole[:40], b"\xff\xd8", b""):
        path.write_bytes(data)
        with pytest.raises(OSError, match="a/cut.jpg"):
            read(tmp_path, decoder="simplejpeg")[0]
    path.write_bytes(whole)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(Image.DecompressionBombError, match="a/cut.jpg: 38400 pixels"):
        read(tmp_path, decoder="simplejpeg")[0]


def test_a_missing_decoder_raises(tmp_path, monkeypatch):
    make(tmp_path, {"a": 1})
    monkeypatch.setitem(__import__("sys").modules, "simplejpeg", None)
    with pytest.raises(ImportError, match="simplejpeg"):
        read(tmp_path, decoder="simplejpeg")
    with pytest.raises(ValueError, match='expected decoder to be "pillow" or "simplejpeg", got \'turbo\''):
        read(tmp_path, decoder="turbo")


def test_the_cache_holds_as_many_files_as_fit(tmp_path):
    root = make(tmp_path, {"a": 5})
    size = 20 * 30 * 3
    for cached, budget in ((0, 0), (0, size - 1), (2, 2 * size + 5), (5, 100 * size)):
        iterator = read(root, cache_bytes=budget)
        first = iterator[0]
        gone = iterator.filepaths[:cached]
        for path in gone:
            os.rename(path, path + ".away")
        np.testing.assert_array_equal(iterator[0], first)
        assert values(first) == list(range(5))
        # A copy in the same process shares the cache.
        copy = pickle.loads(pickle.dumps(iterator))
        np.testing.assert_array_equal(copy[0], first)
        for path in gone:
            os.rename(path + ".away", path)
        if cached < 5:
            os.rename(iterator.filepaths[cached], iterator.filepaths[cached] + ".away")
            with pytest.raises(FileNotFoundError):
                iterator[0]
            os.rename(iterator.filepaths[cached] + ".away", iterator.filepaths[cached])
    for wrong in (-1, 2.5, True):
        with pytest.raises(ValueError, match="expected cache_bytes to be a number of bytes"):
            read(root, cache_bytes=wrong)


@pytest.mark.parametrize("in_script", [False, True])
def test_the_cache_of_a_worker_process_lasts_longer_than_an_epoch(tmp_path, in_script):
    iterator = read(make(tmp_path, {"a": 5}), cache_bytes=1 << 20)
    if in_script:  # then the process is a fork, which also receives the iterator for each epoch
        iterator.extra = Marked()
    pool = WorkerPool(iterator, WorkerOptions(1, 2, True))
    try:
        [first] = pool.results([Item(0, 0)])
        iterator.on_epoch_end()
        pool.renew()
        shutil.rmtree(tmp_path / "a")
        [second] = pool.results([Item(0, 0)])
        assert values(first) == values(second) == list(range(5))
    finally:
        pool.stop()


class Marked:
    """Its pickle has the text by which a class of the script is recognized."""

    def __reduce__(self):
        return str, ("__main__",)
