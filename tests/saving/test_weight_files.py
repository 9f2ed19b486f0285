"""save_weights and load_weights: by place, by name, and errors, with the messages of Keras 2.2.5."""

import h5py
import numpy as np
import pytest

from lamella.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten
from lamella.models import Sequential


def chain(*units, names=None, inputs=4):
    names = names or [f"d{i}" for i in range(len(units))]
    first, *rest = zip(units, names)
    return Sequential([Dense(first[0], input_dim=inputs, name=first[1])] + [Dense(u, name=n) for u, n in rest])


def check_equal(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "w.h5"


def test_by_place_uses_only_layers_with_weights(path):
    model = Sequential([Dense(3, input_dim=4, name="a"), Dropout(0.5), Dense(2, name="b")])
    model.save_weights(path)
    other = Sequential([Dense(3, input_dim=4, name="x"), Dense(2, name="y"), Dropout(0.1)])
    other.load_weights(path)
    check_equal(other.get_weights(), model.get_weights())


def test_the_file_of_a_whole_model_is_read_as_weights(path):
    model = chain(3, 2)
    model.save(path)
    other = chain(3, 2)
    other.load_weights(path)
    check_equal(other.get_weights(), model.get_weights())


def test_by_name(path):
    model = chain(3, 2, names=["a", "b"])
    model.save_weights(path)
    other = chain(2, 3, 5, names=["b", "q", "r"], inputs=3)
    before = other.get_weights()
    with pytest.warns(UserWarning, match=r"the file has nothing for \['q', 'r'\]"):
        other.load_weights(path, by_name=True)
    check_equal(other.get_weights(), model.get_weights()[2:] + before[2:])


def test_skip_mismatch_warns_of_each(path):
    chain(3, 2, 2, names=["a", "b", "c"]).save_weights(path)
    saved = chain(3, 2, 2, names=["a", "b", "c"])
    saved.load_weights(path)
    for by_name in (True, False):
        other = Sequential([Dense(3, input_dim=4, name="a"), Dense(2, name="b", use_bias=False), Dense(5, name="c")])
        before = other.get_weights()
        with pytest.warns(UserWarning) as caught:
            other.load_weights(path, by_name=by_name, skip_mismatch=True)
        assert [str(w.message) for w in caught] == [
            "Skipping loading of weights for layer b due to mismatch in number of weights (1 vs 2).",
            "Skipping loading of weights for layer c due to mismatch in shape ((2, 5) vs (2, 2)).",
            "Skipping loading of weights for layer c due to mismatch in shape ((5,) vs (2,)).",
        ]
        check_equal(other.get_weights(), saved.get_weights()[:2] + before[2:])


@pytest.mark.parametrize(
    "model, by_name, message",
    [
        (
            lambda: chain(3),
            False,
            r"You are trying to load a weight file containing 2 layers into a model with 1 layers."
            "\nIn the file: a (4, 3) (3,), b (3, 2) (2,)\nIn the model: d0 (4, 3) (3,)",
        ),
        (
            lambda: Sequential([Dense(3, input_dim=4, name="x"), Dense(2, use_bias=False, name="y")]),
            False,
            'Layer #1 (named "y" in the current model) was found to correspond to layer b in the save file. However the '
            "new layer y expects 1 weights, but the saved weights have 2 elements."
            "\nIn the file: b (3, 2) (2,)\nIn the model: y (3, 2)",
        ),
        (
            lambda: chain(3, 5),
            False,
            'Layer #1 (named "d1"), weight d1/kernel:0 has shape (3, 5), but the saved weight has shape (3, 2).'
            "\nIn the file: b (3, 2) (2,)\nIn the model: d1 (3, 5) (5,)",
        ),
        (
            lambda: Sequential([Dense(3, input_dim=4, use_bias=False, name="a")]),
            True,
            'Layer #0 (named "a") expects 1 weight(s), but the saved weights have 2 element(s).'
            "\nIn the file: a (4, 3) (3,)\nIn the model: a (4, 3)",
        ),
        (
            lambda: chain(5, names=["a"]),
            True,
            'Layer #0 (named "a"), weight a/kernel:0 has shape (4, 5), but the saved weight has shape (4, 3).'
            "\nIn the file: a (4, 3) (3,)\nIn the model: a (4, 5) (5,)",
        ),
        (
            lambda: Sequential([BatchNormalization(scale=False, input_shape=(4,), name="a")]),
            True,
            'Layer #0 (named "a") expects 3 weight(s), but the saved weights have 2 element(s).'
            "\nIn the file: a (4, 3) (3,)\nIn the model: a (4,) (4,) (4,)",
        ),
    ],
    ids=["layers", "number", "shape", "number by name", "shape by name", "batch norm without gamma"],
)
def test_mismatches_are_listed_and_nothing_is_set(path, model, by_name, message):
    chain(3, 2, names=["a", "b"]).save_weights(path)
    built = model()
    before = built.get_weights()
    with pytest.raises(ValueError) as error:
        built.load_weights(path, by_name=by_name)
    assert str(error.value) == message
    check_equal(built.get_weights(), before)


def test_reshape(path):
    flat = Sequential([Conv2D(2, (1, 9), input_shape=(9, 9, 1)), Flatten()])
    flat.save_weights(path)
    square = Sequential([Conv2D(2, 3, input_shape=(9, 9, 1)), Flatten()])
    square.load_weights(path, reshape=True)
    check_equal(square.get_weights(), [flat.get_weights()[0].reshape(3, 3, 1, 2), flat.get_weights()[1]])
    smaller = Sequential([Conv2D(2, 2, input_shape=(9, 9, 1))])
    with pytest.raises(ValueError, match=r"Weights must be of equal size to apply a reshape operation. Layer conv2d_3's "
                       r"weights have shape \(2, 2, 1, 2\) and size 8. The weights for loading have shape \(1, 9, 1, 2\) and size 18."):  # fmt: skip
        smaller.load_weights(path, reshape=True)


def test_weights_get_the_models_dtype(path, float64):
    wide = chain(3)
    wide.save_weights(path)
    from lamella.core import config

    config.set_floatx("float32")
    narrow = chain(3)
    narrow.load_weights(path)
    assert [w.dtype.name for w in narrow.get_weights()] == ["float32", "float32"]
    check_equal(narrow.get_weights(), [w.astype("float32") for w in wide.get_weights()])


def test_a_model_without_weights_yet(path):
    chain(3).save_weights(path)
    with pytest.raises(ValueError, match="has no weights yet: call build"):
        Sequential([Dense(3)]).load_weights(path)


def test_a_missing_file_raises(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.h5"):
        chain(3).load_weights(tmp_path / "nowhere.h5")


def test_kinds_of_paths_that_are_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for call in (chain(3).save_weights, chain(3).load_weights):
            with pytest.raises(ValueError, match="unexpected type <class 'h5py._hl.dataset.Dataset'> for `filepath`"):
                call(file.require_dataset("x", (1,), "f"))
    for call in (chain(3).save_weights, chain(3).load_weights, chain(3).save):
        with pytest.raises(ValueError, match="unexpected type <class 'int'> for `filepath`"):
            call(3)
