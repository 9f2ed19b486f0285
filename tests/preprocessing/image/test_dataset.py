"""image_dataset_from_directory: labels, splits and sizes as in Keras 3."""

import numpy as np
import pytest
from PIL import Image

import lamella
from lamella.preprocessing import image_dataset_from_directory
from tests.preprocessing.image.folder import make, values, write


@pytest.fixture
def root(tmp_path):
    return make(tmp_path / "data", {"cats": 3, "dogs": 4, "birds": 2})


def read(root, **arguments):
    return image_dataset_from_directory(root, **{"image_size": (4, 6), "shuffle": False, **arguments})


def test_labels_are_numbers_of_folders(root, capsys):
    dataset = read(root)
    assert capsys.readouterr().out == "Found 9 files belonging to 3 classes.\n"
    x, y = dataset[0]
    assert x.dtype == np.float32 and y.dtype == np.int32 and values(x) == list(range(9))
    np.testing.assert_array_equal(y, [0, 0, 1, 1, 1, 2, 2, 2, 2])
    assert dataset.class_names == ["birds", "cats", "dogs"]
    assert dataset.file_paths[0] == str(root / "birds" / "00.png") and len(dataset) == 1
    read(root, verbose=False)
    assert capsys.readouterr().out == ""


def test_label_modes(root):
    y = read(root, label_mode="categorical")[0][1]
    np.testing.assert_array_equal(y, np.eye(3)[[0, 0, 1, 1, 1, 2, 2, 2, 2]])
    assert read(root, label_mode=None)[0].shape == (9, 4, 6, 3)
    assert read(root, labels=None)[0].shape == (9, 4, 6, 3)
    for other in (root / "cats").iterdir():
        other.unlink()
    (root / "cats").rmdir()
    y = read(root, label_mode="binary")[0][1]
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, [[0], [0], [1], [1], [1], [1]])


def test_given_labels_follow_the_paths(root):
    dataset = read(root, labels=[5, 1, 1, 5, 0, 0, 0, 0, 2])
    np.testing.assert_array_equal(dataset[0][1], [5, 1, 1, 5, 0, 0, 0, 0, 2])
    assert dataset.class_names == ["0", "1", "2", "5"]
    with pytest.raises(ValueError, match="expected labels from 0 to 3, as there are 4 different ones, got 5"):
        read(root, labels=[5, 1, 1, 5, 0, 0, 0, 0, 2], label_mode="categorical")


def test_an_iteration_is_one_pass(root):
    dataset = read(root, batch_size=4, shuffle=True, seed=3)
    passes = [[values(x) for x, y in dataset] for _ in range(2)]
    assert [list(map(len, batches)) for batches in passes] == [[4, 4, 1]] * 2
    for batches in passes:
        assert sorted(value for batch in batches for value in batch) == list(range(9))
    assert passes[0] != passes[1]
    other = read(root, batch_size=4, shuffle=True, seed=3)
    assert [values(other.next()[0]) for _ in range(6)] == passes[0] + passes[1]


def test_given_class_names_have_the_given_numbers(root):
    dataset = read(root, class_names=["dogs", "cats", "birds"])
    np.testing.assert_array_equal(dataset[0][1], [0, 0, 0, 0, 1, 1, 1, 2, 2])


@pytest.mark.parametrize("shuffle", [False, True])
def test_each_sample_is_in_one_part_of_a_split(root, shuffle, capsys):
    arguments = {"validation_split": 0.25, "shuffle": shuffle, "seed": 3}
    training, validation = read(root, subset="both", **arguments)
    assert capsys.readouterr().out.splitlines()[1:] == ["Using 7 files for training.", "Using 2 files for validation."]
    assert training.file_paths == read(root, subset="training", **arguments).file_paths
    assert validation.file_paths == read(root, subset="validation", **arguments).file_paths
    assert sorted(training.file_paths + validation.file_paths) == read(root).file_paths
    assert (validation.file_paths == read(root).file_paths[-2:]) is not shuffle
    x, y = validation[0]
    wanted = dict(enumerate([0, 0, 1, 1, 1, 2, 2, 2, 2]))
    assert [wanted[value] for value in values(x)] == y.tolist()


def test_aspect_ratios_are_kept_if_requested(tmp_path):
    write(tmp_path / "a" / "x.png", 200, size=(4, 8))
    Image.fromarray(np.tile(np.arange(8, dtype=np.uint8)[None, :, None], (4, 1, 3))).save(tmp_path / "a" / "y.png")
    x = read(tmp_path, image_size=(4, 4), crop_to_aspect_ratio=True)[0][0]
    np.testing.assert_array_equal(x[1, 0, :, 0], [2, 3, 4, 5])
    x = read(tmp_path, image_size=(8, 8), pad_to_aspect_ratio=True)[0][0]
    np.testing.assert_array_equal(x[1, :, 3, 0], [0, 0, 3, 3, 3, 3, 0, 0])
    assert x[0, 2:6].min() == 7 and x[0, :2].max() == 0
    with pytest.raises(ValueError, match="Only one of `pad_to_aspect_ratio`, `crop_to_aspect_ratio`"):
        read(tmp_path, pad_to_aspect_ratio=True, crop_to_aspect_ratio=True)


@pytest.mark.parametrize("name", ["bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5"])
def test_interpolations_by_the_names_of_tensorflow(root, name):
    assert read(root, image_size=(9, 9), interpolation=name)[0][0].shape == (9, 9, 9, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": "guess"}, "`labels` argument should be a list/tuple of integer labels"),
        ({"labels": [1, 2]}, "len.labels. is 2 while we found 9 files"),
        ({"label_mode": "raw"}, '`label_mode` argument must be one of "int"'),
        ({"label_mode": "binary"}, "there must be exactly 2 class_names"),
        ({"class_names": ["cats"]}, "did not match the names of the subdirectories"),
        ({"class_names": ["cats"], "labels": None}, "You can only pass `class_names`"),
        ({"subset": "training"}, "`validation_split` must be set"),
        ({"validation_split": 0.5}, '`subset` must be either "training", "validation" or "both", received: None'),
        ({"validation_split": 2, "subset": "both"}, "must be between 0 and 1, received: 2"),
        ({"validation_split": 0.5, "subset": "both", "shuffle": True}, "you must provide a `seed` argument"),
        ({"validation_split": 0.01, "subset": "both"}, "No images found for the subset 'validation'"),
        ({"interpolation": "gaussian"}, "expected interpolation to be one of bilinear"),
    ],
)
def test_wrong_arguments(root, arguments, message):
    with pytest.raises(ValueError, match=message):
        read(root, **arguments)


def test_import_paths_of_keras_3():
    assert lamella.utils.image_dataset_from_directory is image_dataset_from_directory


def test_a_folder_without_images(tmp_path):
    with pytest.raises(ValueError, match="No images found in directory"):
        read(tmp_path)


def test_training_with_skipped_files(root):
    (root / "cats" / "broken.jpg").write_bytes(b"x")
    model = lamella.Sequential([lamella.layers.Flatten(input_shape=(4, 6, 3)), lamella.layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.warns(UserWarning, match=r"cats/broken.jpg"):
        history = model.fit(read(root, shuffle=True, batch_size=None, on_error="skip"), epochs=2, verbose=0)
    assert history.history["skipped"] == [1, 1]
