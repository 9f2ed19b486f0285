"""Contact sheets: preview() of an iterator and `python -m lamella preview`."""

import contextlib
import re

import numpy as np
import pytest
from PIL import Image

import lamella
from lamella import __main__ as program
from lamella.preprocessing.image import ImageDataGenerator
from tests.preprocessing.image.folder import make


def sheet(path):
    return np.asarray(Image.open(path))


def cells(pixels, rows, columns, height, width):
    """The images of a sheet, [rows, columns, height, width, C], without the white lines between them."""
    found = np.full((rows, columns, height, width, pixels.shape[-1]), -1)
    rest = np.ones(pixels.shape[:2], bool)
    for i in range(rows):
        for j in range(columns):
            place = np.s_[i * (height + 2) : i * (height + 2) + height, j * (width + 2) : j * (width + 2) + width]
            found[i, j], rest[place] = pixels[place], False
    assert (pixels[rest] == 255).all()
    return found


def test_a_sheet_shows_the_images_of_the_iterator(tmp_path):
    root = make(tmp_path / "data", {"all": 7})
    iterator = ImageDataGenerator(horizontal_flip=True).flow_from_directory(root, target_size=(4, 6), shuffle=False, seed=1)
    iterator.preview(tmp_path / "sheet.png", count=5)
    shown = cells(sheet(tmp_path / "sheet.png"), 2, 3, 4, 6)
    np.testing.assert_array_equal(shown.reshape(6, 4, 6, 3)[:5], iterator[0][0][:5])
    assert (shown[1, 2] == 255).all()
    iterator.preview(tmp_path / "all.png")
    assert sheet(tmp_path / "all.png").shape == (3 * 6 - 2, 3 * 8 - 2, 3)
    assert iterator.epoch == iterator.batch_index == 0


@pytest.mark.parametrize("scaled, wanted", [(lambda x: x / 255, lambda x: x), (lambda x: x - 100, lambda x: x)])
def test_values_of_other_scales_are_shown(tmp_path, scaled, wanted):
    x = np.arange(256.0).reshape(1, 16, 16, 1)
    ImageDataGenerator().flow(scaled(x), shuffle=False).preview(str(tmp_path / "a"))
    np.testing.assert_allclose(sheet(tmp_path / "a"), wanted(x)[0, ..., 0], atol=1)


def test_channels_first_and_many_channels(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (4, 3, 5, 6)).astype("float32")
    ImageDataGenerator(data_format="channels_first").flow(x, shuffle=False).preview(tmp_path / "a.png")
    np.testing.assert_array_equal(cells(sheet(tmp_path / "a.png"), 2, 2, 5, 6)[0, 1], x[1].transpose(1, 2, 0))
    with pytest.warns(UserWarning, match="7 channels"):
        iterator = ImageDataGenerator().flow((np.zeros((2, 3, 3, 7)), np.arange(2)), np.arange(2))
    iterator.preview(tmp_path / "b.png")
    assert not cells(sheet(tmp_path / "b.png")[..., None], 1, 2, 3, 3).any()


def test_an_iterator_without_images_raises(tmp_path):
    iterator = ImageDataGenerator().flow(np.zeros((0, 3, 3, 1)))
    with pytest.raises(ValueError, match="NumpyArrayIterator.preview: there is no image"):
        iterator.preview(tmp_path / "a.png")
    for wrong in (0, 1.5):
        with pytest.raises((ValueError, TypeError), match="count"):
            iterator.preview(tmp_path / "a.png", count=wrong)


@pytest.mark.parametrize("inside", ["data", "data/a"])
def test_the_command_writes_a_sheet_of_a_folder(tmp_path, capsys, inside):
    make(tmp_path / "data", {"a": 3, "b": 2})
    out = tmp_path / "out.png"
    program.main(["preview", str(tmp_path / inside), "--out", str(out), "--size", "8", "--count", "4", "--rotation", "10"])
    assert capsys.readouterr().out.endswith(f"wrote {out}\n")
    assert sheet(out).shape == (18, 18, 3)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["paint"], "invalid choice: 'paint'"),
        (["preview", "nowhere"], "error: expected DIR to be a folder, got 'nowhere'"),
        (["preview", "empty"], "error: DirectoryIterator.preview: there is no image"),
        (["preview", "data", "--size", "0"], "error: .* two positive integers, got .0, 0."),
        (["preview", "data", "--count", "0"], "error: expected count to be at least 1, got 0"),
        (["preview", "data", "--out", "no/x.png"], "error: .*No such file or directory.*no/x.png"),
        (["preview", "bad"], "error: cannot identify image file .*bad/x.png"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path, capsys, monkeypatch, arguments, words):
    make(tmp_path / "data", {"a": 3})
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.png").write_text("no image")
    monkeypatch.chdir(tmp_path)
    with pytest.warns(UserWarning) if "empty" in arguments else contextlib.nullcontext(), pytest.raises(SystemExit) as end:
        program.main(arguments)
    assert end.value.code == 2
    assert re.search(words, capsys.readouterr().err)


def test_the_command_lists_its_options(capsys):
    with pytest.raises(SystemExit):
        program.main(["--help"])
    text = capsys.readouterr().out
    assert all(name in text for name in (*program.FACTS, "preview"))
    program.main(["--version"])
    assert capsys.readouterr().out == f"{lamella.__version__}\n"
