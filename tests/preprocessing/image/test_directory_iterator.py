"""DirectoryIterator: the files, their order and their y; and unusable files and folders."""

import os
import shutil
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

import lamella
from lamella.preprocessing.image import DirectoryIterator
from tests.preprocessing.image.folder import make, values, write


@pytest.fixture
def root(tmp_path):
    return make(tmp_path / "data", {"cats": 3, "dogs": 4, "birds": 2})


def read(root, **arguments):
    return DirectoryIterator(root, None, **{"target_size": (4, 6), "batch_size": 16, "shuffle": False, **arguments})


# Files and targets --------------------------------------------------------------------------------------------------------


def test_classes_are_the_sorted_folders(root, capsys):
    (root / "notes.txt").write_text("no class")
    (root / "cats" / "notes.txt").write_text("no image")
    iterator = read(str(root))
    assert capsys.readouterr().out == "Found 9 images belonging to 3 classes.\n"
    assert iterator.class_indices == {"birds": 0, "cats": 1, "dogs": 2}
    assert iterator.samples == iterator.n == 9 and iterator.num_classes == 3 and iterator.image_shape == (4, 6, 3)
    np.testing.assert_array_equal(iterator.classes, [0, 0, 1, 1, 1, 2, 2, 2, 2])
    assert iterator.classes.dtype == np.int32 and iterator.labels is iterator.classes
    assert iterator.filenames[:3] == ["birds/00.png", "birds/01.png", "cats/00.png"]
    assert iterator.filepaths == [os.path.join(str(root), name) for name in iterator.filenames]
    x, y = iterator[0]
    assert x.shape == (9, 4, 6, 3) and x.dtype == np.float32 and values(x) == list(range(9))
    np.testing.assert_array_equal(y, np.eye(3)[iterator.classes])


@pytest.mark.parametrize("mode", ["sparse", "binary"])
def test_targets_are_numbers_of_classes(root, mode):
    y = read(root, class_mode=mode, classes=["dogs", "birds"])[0][1]
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, [0, 0, 0, 0, 1, 1])


def test_more_than_two_classes_are_not_binary(root):
    with pytest.warns(UserWarning, match='class_mode="binary" is for two classes, but .* has 3; "sparse" gives the same'):
        y = read(root, class_mode="binary")[0][1]
    np.testing.assert_array_equal(y, read(root, class_mode="sparse")[0][1])


def test_targets_are_images_or_nothing(root):
    x, y = read(root, class_mode="input")[0]
    np.testing.assert_array_equal(x, y)
    assert not np.shares_memory(x, y)
    assert read(root, class_mode=None)[0].shape == (9, 4, 6, 3)


def test_given_classes_have_the_given_numbers(root):
    iterator = read(root, classes=["dogs", "birds"])
    assert iterator.class_indices == {"dogs": 0, "birds": 1} and iterator.samples == 6
    assert values(iterator[0][0]) == [5, 6, 7, 8, 0, 1]
    with pytest.raises(FileNotFoundError, match="fish"):
        read(root, classes=["dogs", "fish"])


def test_classes_of_a_set_are_sorted_and_none_is_given_twice(root):
    assert read(root, classes={"dogs", "cats", "birds"}).class_indices == {"birds": 0, "cats": 1, "dogs": 2}
    with pytest.raises(ValueError, match=r"expected each of the classes once, got \['dogs', 'cats', 'dogs'\]"):
        read(root, classes=["dogs", "cats", "dogs"])


def test_a_folder_without_folders_of_classes_warns(root):
    with pytest.warns(UserWarning, match=r"cats has no folders, but each class needs one; classes=\['\.'\] reads"):
        assert read(root / "cats").samples == 0
    iterator = read(root / "cats", classes=["."])
    assert values(iterator[0][0]) == [2, 3, 4] and iterator.class_indices == {".": 0}


def test_a_script_sets_the_classes(root):
    """In Keras 2.2.5 y is made of this attribute."""
    iterator = read(root)
    iterator.classes = np.array([2, 2, 0, 0, 0, 1, 1, 1, 1])
    np.testing.assert_array_equal(iterator[0][1], np.eye(3)[iterator.classes])
    assert iterator.labels is iterator.classes


def test_a_link_to_itself_is_no_class(root):
    os.symlink("loop", root / "loop")
    os.symlink("nowhere", root / "missing")
    for follow in (False, True):
        assert read(root, follow_links=follow).class_indices == {"birds": 0, "cats": 1, "dogs": 2}


def test_folders_below_a_class_are_searched(root):
    write(root / "cats" / "b" / "x.png", 100)
    write(root / "cats" / "a" / "y.PNG", 101)
    write(root / "cats" / "z.JPEG", 102)
    iterator = read(root)
    wanted = ["cats/00.png", "cats/01.png", "cats/02.png", "cats/z.JPEG", "cats/a/y.PNG", "cats/b/x.png"]
    assert [name for name in iterator.filenames if name.startswith("cats")] == wanted


def test_validation_is_the_first_part_of_each_class(root):
    class Generator:
        validation_split = 0.5
        mixes = False

    def subset(name):
        return DirectoryIterator(root, Generator(), subset=name).filenames

    assert subset("validation") == ["birds/00.png", "cats/00.png", "dogs/00.png", "dogs/01.png"]
    assert subset("training") == ["birds/01.png", "cats/01.png", "cats/02.png", "dogs/02.png", "dogs/03.png"]
    with pytest.raises(ValueError, match='Invalid subset name: test; expected "training" or "validation"'):
        subset("test")


def test_sizes_colors_and_dtype(root):
    x = read(root, target_size=(8, 3), color_mode="grayscale", dtype="float64")[0][0]
    assert x.shape == (9, 8, 3, 1) and x.dtype == np.float64
    assert read(root, color_mode="rgba")[0][0].shape == (9, 4, 6, 4)
    first = read(root, data_format="channels_first")[0][0]
    np.testing.assert_array_equal(first, read(root)[0][0].transpose(0, 3, 1, 2))
    deep = read(root, color_mode="grayscale16")[0][0]
    np.testing.assert_array_equal(deep, read(root, color_mode="grayscale")[0][0] * 257)
    keeps = read(root, target_size=(4, 4), keep_aspect_ratio=True)
    assert keeps[0][0].shape == (9, 4, 4, 3)


def test_wrong_arguments(root):
    with pytest.raises(ValueError, match="Invalid class_mode: other; expected one of: .*'binary', 'categorical'"):
        read(root, class_mode="other")
    with pytest.raises(ValueError, match="Invalid color mode: hsv"):
        read(root, color_mode="hsv")
    with pytest.raises(ValueError, match='DirectoryIterator: expected on_error to be "raise", "skip" or "blank", got .x.'):
        read(root, on_error="x")
    for size in ((8,), 8, (8, 0), (8, 4.5), None, (2, 3, 4), "ab"):
        with pytest.raises(
            ValueError, match=r"DirectoryIterator: expected target_size to be \(height, width\), two positive int"
        ):
            read(root, target_size=size)
    with pytest.raises(ValueError, match="Invalid interpolation method cubic specified"):
        read(root, interpolation="cubic", on_error="skip")
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        read(root, colour="red")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read(root / "nowhere")


def test_an_empty_class_warns(root):
    (root / "fish").mkdir()
    with pytest.warns(UserWarning, match="the class 'fish' has no images: .*fish has no file with a suffix of png"):
        iterator = read(root)
    assert iterator.class_indices["fish"] == 3 and iterator[0][1].shape == (9, 4)


@pytest.mark.parametrize("where", ["data/cats", "data", "data/cats/deep/deeper"])
def test_cycles_of_links_are_not_followed(root, where):
    (root / "cats" / "deep" / "deeper").mkdir(parents=True)
    (root.parent / where / "loop").symlink_to(root / "cats", target_is_directory=True)
    (root / "cats" / "itself").symlink_to("itself")
    count = {"data": 12}.get(where, 9)
    assert read(root, follow_links=True, classes=None).samples == count
    assert read(root, classes=["birds", "cats", "dogs"]).samples == 9


def test_links_to_folders_are_followed_if_requested(root, tmp_path):
    write(tmp_path / "elsewhere" / "far.png", 77)
    (root / "cats" / "more").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert "cats/more/far.png" not in read(root).filenames
    assert "cats/more/far.png" in read(root, follow_links=True).filenames


def test_names_that_are_not_utf_8(tmp_path):
    folder = os.fsencode(tmp_path) + b"/data/caf\xe9"
    os.makedirs(folder)
    write(tmp_path / "a.png", 9)
    shutil.copy(tmp_path / "a.png", folder + b"/\xff\xfe.png")
    iterator = read(tmp_path / "data")
    assert values(iterator[0][0]) == [9]
    assert os.fsencode(iterator.filepaths[0]) == folder + b"/\xff\xfe.png"
    with open(folder + b"/\xff\xfe.png", "wb") as file:
        file.write(b"no image")
    with pytest.raises(OSError) as error:
        iterator[0]
    str(error.value).encode("utf-8", "backslashreplace")


def test_a_folder_that_cannot_be_read(root, monkeypatch):
    locked = os.path.join(str(root), "dogs")
    scandir = os.scandir

    def refusing(path="."):
        if os.fspath(path) == locked:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(PermissionError, match="dogs"):
        read(root)
    with pytest.warns(UserWarning) as caught:
        iterator = read(root, on_error="skip")
    assert iterator.samples == 5
    assert "skipped a folder that cannot be read: [Errno 13] Permission denied: " in str(caught[0].message)


# Unusable files ------------------------------------------------------------------------------------


def png_of_size(path, width, height):
    """Write a PNG whose header has this size, but which has no pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""))


def noise(path, **arguments):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)).save(path, **arguments)


def truncated(path):
    noise(path)
    path.write_bytes(path.read_bytes()[:-700])


def corrupt(path):
    noise(path.with_suffix(".png"))
    data = bytearray(path.with_suffix(".png").read_bytes())
    data[60:90] = bytes(30)
    path.with_suffix(".png").unlink()
    path.write_bytes(bytes(data))


BROKEN = {
    "truncated.jpg": truncated,
    "corrupt.jpg": corrupt,
    "empty.jpg": lambda path: path.write_bytes(b""),
    "text.png": lambda path: path.write_text("no image"),
    "bomb.png": lambda path: png_of_size(path, 30000, 30000),
    "link.png": lambda path: path.symlink_to("nowhere.png"),
    "floats.tif": lambda path: Image.fromarray(np.full((3, 3), 1e6, np.float32)).save(path),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_read_raises_with_its_path(root, name):
    BROKEN[name](root / "cats" / name)
    iterator = read(root)
    with pytest.raises((OSError, ValueError, Image.DecompressionBombError), match=f"cats/{name}"):
        iterator[0]


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_read_is_skipped_if_requested(root, name):
    BROKEN[name](root / "cats" / name)
    item = read(root, on_error="skip", class_mode="sparse")[0]
    assert isinstance(item, tuple) and values(item[0]) == list(range(9))
    np.testing.assert_array_equal(item[1], [0, 0, 1, 1, 1, 2, 2, 2, 2])
    assert item.samples == 9 and len(item.skipped) == 1 and f"cats/{name}" in item.skipped[0]


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_read_is_blank_if_requested(root, name):
    BROKEN[name](root / "cats" / name)
    place = sorted(os.listdir(root / "cats")).index(name) + 2  # after two birds
    item = read(root, on_error="blank", class_mode="sparse")[0]
    assert item.samples == len(item[0]) == 10 and len(item.skipped) == 1 and f"cats/{name}" in item.skipped[0]
    np.testing.assert_array_equal(item[1], [0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
    np.testing.assert_array_equal(item[0][place], np.zeros((4, 6, 3)))
    np.testing.assert_array_equal(np.delete(item[0], place, 0), read(root, on_error="skip", class_mode="sparse")[0][0])


@pytest.mark.parametrize(("on_error", "rows"), [("skip", 9), ("blank", 10)])
def test_images_alone_warn_of_files_that_cannot_be_read(root, on_error, rows):
    BROKEN["empty.jpg"](root / "cats" / "empty.jpg")
    with pytest.warns(UserWarning, match=f"DirectoryIterator, on_error='{on_error}': .*cats/empty.jpg"):
        x = read(root, on_error=on_error, class_mode=None)[0]
    assert len(x) == rows


def test_blank_images_have_the_mode_of_the_others(root):
    BROKEN["empty.jpg"](root / "cats" / "empty.jpg")
    for options in ({"color_mode": "grayscale16"}, {"color_mode": "rgba", "data_format": "channels_first"}):
        good = read(root, on_error="skip", **options)[0]
        x = read(root, on_error="blank", **options)[0]
        assert x[0].dtype == good[0].dtype and x[0].shape == (10, *good[0].shape[1:])
        assert [image.any() for image in x[0]].count(False) == [image.any() for image in good[0]].count(False) + 1


def odd_files(folder):
    """Write unusual files that can be read. Return, by name, the first pixel of an image of (200, 100, 50)."""
    color = Image.new("RGB", (6, 4), (200, 100, 50))
    color.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    color.quantize(4).save(folder / "palette.png")
    color.save(folder / "renamed.png", format="JPEG", quality=95)
    color.save(folder / "animated.tif", save_all=True, append_images=[Image.new("RGB", (6, 4))])
    exif = Image.Exif()
    exif[0x0112] = 6
    color.save(folder / "rotated.jpg", exif=exif, quality=95)
    Image.fromarray(np.full((4, 6), 51400, np.uint16)).save(folder / "deep.png")
    return {"deep.png": (200, 200, 200)}


def test_unusual_files_are_read(tmp_path):
    folder = tmp_path / "data" / "odd"
    folder.mkdir(parents=True)
    special = odd_files(folder)
    for on_error in ("raise", "skip"):
        iterator = read(tmp_path / "data", on_error=on_error)
        x = iterator[0][0]
        assert len(x) == 6
        for name, pixel in zip(iterator.filenames, x[:, 0, 0]):
            np.testing.assert_allclose(pixel, special.get(os.path.basename(name), (200, 100, 50)), atol=3, err_msg=name)


def test_photographs_are_rotated_upright_if_requested(tmp_path):
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[:, :2] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a").mkdir()
    Image.fromarray(pixels).save(tmp_path / "a" / "x.png", exif=exif)
    x = read(tmp_path, target_size=(4, 2), exif_orientation=True)[0][0]
    np.testing.assert_array_equal(x[0], np.rot90(pixels, -1))


# Training ------------------------------------------------------------------------------------------------------------------


def classifier():
    model = lamella.Sequential([lamella.layers.Flatten(input_shape=(4, 6, 3)), lamella.layers.Dense(3, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy")
    return model


def test_logs_of_the_epoch_count_blank_images(root):
    BROKEN["empty.jpg"](root / "cats" / "empty.jpg")
    sizes = []
    after = lamella.callbacks.LambdaCallback(on_batch_end=lambda batch, logs: sizes.append(logs["size"]))
    with pytest.warns(UserWarning, match="cats/empty.jpg"):
        history = classifier().fit_generator(read(root, on_error="blank", batch_size=5), verbose=0, callbacks=[after])
    assert history.history["skipped"] == [1] and sizes == [5, 5]


@pytest.mark.parametrize("workers", [{"workers": 0}, {"workers": 2}, {"workers": 1, "use_multiprocessing": True}])
def test_logs_of_the_epoch_count_skipped_samples(root, workers):
    for name in ("empty.jpg", "text.png"):
        BROKEN[name](root / "cats" / name)
    with pytest.warns(UserWarning) as caught:
        history = classifier().fit_generator(
            read(root, on_error="skip", batch_size=3, shuffle=True, seed=1), epochs=2, verbose=0, **workers
        )
    assert history.history["skipped"] == [2, 2]
    texts = " ".join(str(w.message) for w in caught)
    assert texts.count("cats/empty.jpg") == texts.count("cats/text.png") == 1 and "skipped 1 of the samples" in texts
    assert np.isfinite(history.history["loss"]).all()


def test_an_empty_batch_is_omitted(root):
    BROKEN["empty.jpg"](root / "birds" / "empty.jpg")
    sizes = []
    after = lamella.callbacks.LambdaCallback(on_batch_end=lambda batch, logs: sizes.append(logs["size"]))
    with pytest.warns(UserWarning, match="birds/empty.jpg"):
        history = classifier().fit_generator(read(root, on_error="skip", batch_size=1), verbose=0, callbacks=[after])
    assert history.history["skipped"] == [1] and sizes == [1] * 9


def test_logs_have_no_skipped_if_errors_are_raised(root):
    assert set(classifier().fit_generator(read(root), verbose=0).history) == {"loss"}


def test_a_broken_file_ends_the_training_with_its_path(root):
    BROKEN["truncated.jpg"](root / "cats" / "truncated.jpg")
    for workers in ({"workers": 0}, {"workers": 2}):
        with pytest.raises(OSError, match="cats/truncated.jpg: image file is truncated"):
            classifier().fit_generator(read(root, batch_size=2), verbose=0, **workers)


def test_memory_of_a_listing_grows_with_the_number_of_names(tmp_path):
    made, sizes = 0, []
    (tmp_path / "a").mkdir()
    for count in (2000, 4000, 8000):
        for i in range(made, count):
            (tmp_path / "a" / f"{i:06}.jpg").touch()
        made = count
        tracemalloc.start()
        iterator = DirectoryIterator(tmp_path, None)
        sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert iterator.samples == count and iterator.filenames[count - 1] == os.path.join("a", f"{count - 1:06}.jpg")
    # Two strings and a number for each name, and a constant part.
    assert (sizes[2] - sizes[1]) / 4000 < 600
    assert 1.8 < (sizes[2] - sizes[1]) / (sizes[1] - sizes[0]) < 2.2
