"""The modules of the package keras_preprocessing. Source: Keras_Preprocessing 1.1.2."""

import importlib

import numpy as np
import pytest

from lamella.preprocessing import image

MODULES = {
    "affine_transformations": (
        "apply_affine_transform apply_brightness_shift apply_channel_shift flip_axis random_brightness random_channel_shift "
        "random_rotation random_shear random_shift random_zoom transform_matrix_offset_center"
    ),
    "dataframe_iterator": "DataFrameIterator",
    "directory_iterator": "DirectoryIterator",
    "image_data_generator": "ImageDataGenerator",
    "iterator": "Iterator",
    "numpy_array_iterator": "NumpyArrayIterator",
    "utils": "array_to_img img_to_array list_pictures load_img save_img validate_filename",
}


@pytest.mark.parametrize("module", MODULES)
def test_names_are_those_of_the_room(module):
    found = importlib.import_module(f"lamella.preprocessing.image.{module}")
    for name in MODULES[module].split():
        assert getattr(found, name) is getattr(image, name)


def test_flip_axis():
    x = np.arange(12).reshape(2, 3, 2)
    for axis in (0, 1, -1):
        np.testing.assert_array_equal(image.flip_axis(x, axis), x.take(range(x.shape[axis])[::-1], axis))


def test_a_transform_about_the_center():
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    moved = image.transform_matrix_offset_center(turn, 4, 6)
    np.testing.assert_allclose(moved @ [2.5, 3.5, 1], [2.5, 3.5, 1])  # the center stays
    np.testing.assert_allclose(moved @ [3.5, 3.5, 1], [2.5, 4.5, 1])
    np.testing.assert_array_equal(image.transform_matrix_offset_center(np.eye(3), 4, 6), np.eye(3))


def test_files_of_pictures(tmp_path):
    (tmp_path / "below").mkdir()
    names = ["a.jpg", "b.PNG", "notes.txt", "below/c.tif"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    found = image.list_pictures(str(tmp_path))
    assert sorted(found) == sorted(str(tmp_path / name) for name in names if name != "notes.txt")
    assert image.list_pictures(str(tmp_path), ext="png") == [str(tmp_path / "b.PNG")]
    assert image.validate_filename(found[0], ("jpg", "png", "tif")) and not image.validate_filename(found[0], ("bmp",))
    assert not image.validate_filename(str(tmp_path / "missing.png"), ("png",))
