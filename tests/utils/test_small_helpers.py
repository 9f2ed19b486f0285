"""Small functions that scripts import from Keras's modules, compared with results of 2.2.5 that are written out."""

import hashlib

import numpy as np
import pytest

from lamella import backend as K
from lamella import initializers
from lamella.layers import Conv2D, Dense, Flatten, Input, MaxPooling2D
from lamella.models import Model, Sequential
from lamella.utils import data_utils, layer_utils
from lamella.utils import generic_utils as g


@pytest.mark.parametrize(
    ("fn", "name", "accept_all", "wanted"),
    [
        (lambda x: x, "x", False, True),
        (lambda x: x, "y", False, False),
        (lambda *x: x, "x", False, False),
        (lambda *, x=1: x, "x", False, True),
        (lambda **x: x, "x", False, False),
        (lambda x, **more: x, "y", False, False),
        (lambda x, **more: x, "y", True, True),
        (lambda x: x, "y", True, False),
        (Dense(3).call, "inputs", False, True),
        (Dense, "units", False, True),
    ],
)
def test_has_arg(fn, name, accept_all, wanted):
    assert g.has_arg(fn, name, accept_all) is wanted


def test_lists():
    held = [1]
    assert g.to_list(held) is held and g.to_list((1, 2)) == [(1, 2)] and g.to_list((1, 2), allow_tuple=True) == [1, 2]
    assert g.to_list(None) == [None] and g.to_list("ab") == ["ab"]
    assert g.unpack_singleton([7]) == 7 and g.unpack_singleton((7, 8)) == (7, 8) and g.unpack_singleton([]) == []
    assert g.is_all_none(None) and g.is_all_none([None, None]) and not g.is_all_none([None, 0]) and not g.is_all_none(0)
    a, b = object(), object()
    assert g.object_list_uid([a, b]) == f"{id(a)}, {id(b)}" and g.object_list_uid(a) == str(id(a))
    assert g.getargspec(lambda a, *b, c=3, **d: 0)[:3] == (["a"], "b", "d")


def test_slice_arrays():
    x = np.arange(10)
    assert g.slice_arrays(None, 1, 2) == [None]
    np.testing.assert_array_equal(g.slice_arrays(x, 2, 5), [2, 3, 4])
    np.testing.assert_array_equal(g.slice_arrays(x, np.array([3, 0])), [3, 0])
    first, none, last = g.slice_arrays([x, None, -x], 7)
    assert none is None
    np.testing.assert_array_equal([first, last], [[7, 8, 9], [-7, -8, -9]])
    np.testing.assert_array_equal(g.slice_arrays([x, -x], [1, 1]), [[1, 1], [-1, -1]])


def test_transpose_shape():
    assert g.transpose_shape((2, 5, 6, 3), "channels_first", (1, 2)) == (2, 3, 5, 6)
    assert g.transpose_shape([5, 3], "channels_first", (0,)) == [3, 5]
    assert g.transpose_shape((2, 5, 3), "channels_last", (1,)) == (2, 5, 3)
    with pytest.raises(ValueError, match="`data_format` argument must be one of .* Received: channels_middle"):
        g.transpose_shape((1, 2), "channels_middle", (0,))


def test_unexpected_keys_are_named():
    g.check_for_unexpected_keys("loss", {"a": 1}, ["a", "b"])
    with pytest.raises(
        ValueError, match=r"Unknown entries in loss dictionary: \['c'\]. Only expected following keys: \['a', 'b'\]"
    ):
        g.check_for_unexpected_keys("loss", {"a": 1, "c": 2}, ["a", "b"])


def test_code_is_never_marshalled():
    with pytest.raises(NotImplementedError, match="func_dump: .*get_custom_objects"):
        g.func_dump(lambda: 0)
    with pytest.raises(NotImplementedError, match="func_load: .*custom_objects"):
        g.func_load(b"")


@pytest.mark.parametrize("algorithm", ["sha256", "md5", "auto"])
def test_hash_of_a_file(tmp_path, algorithm):
    path = tmp_path / "data"
    path.write_bytes(b"lamella" * 50_000)
    wanted = hashlib.new("sha256" if algorithm == "auto" else algorithm, path.read_bytes()).hexdigest()
    assert data_utils._hash_file(str(path), algorithm) == wanted == data_utils._hash_file(str(path), algorithm, 10)
    assert data_utils.validate_file(str(path), wanted)
    with pytest.raises(ValueError, match="_hash_file: expected algorithm .* got 'crc'"):
        data_utils._hash_file(str(path), "crc")


def test_fans_of_theano_kernels():
    assert initializers._compute_fans((3, 5, 7, 11)) == (105, 165)
    assert initializers._compute_fans((11, 7, 3, 5), "channels_first") == (105, 165)
    assert initializers._compute_fans((4, 9), "channels_first") == (4, 9)
    with pytest.raises(ValueError, match="Invalid data_format: tf"):
        initializers._compute_fans((1, 2), "tf")


def test_kernels_are_rotated_in_place():
    model = Sequential([Conv2D(2, (2, 3), input_shape=(5, 5, 1)), Flatten(), Dense(2)])
    before = model.get_weights()
    layer_utils.convert_all_kernels_in_model(model)
    after = model.get_weights()
    np.testing.assert_array_equal(after[0], before[0][::-1, ::-1])
    for old, new in zip(before[1:], after[1:]):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("target", ["channels_first", "channels_last"])
def test_a_dense_layer_after_maps_of_another_format(target):
    """The same images in both formats give the same outputs, once the rows are reordered."""
    other = "channels_last" if target == "channels_first" else "channels_first"

    def network(data_format):
        x = Input((4, 6, 3) if data_format == "channels_last" else (3, 4, 6))
        return Model(x, Dense(5)(Flatten()(MaxPooling2D(2, data_format=data_format)(x))))

    old, new = network(other), network(target)
    new.set_weights(old.get_weights())
    layer_utils.convert_dense_weights_data_format(new.layers[-1], new.layers[1].output_shape[1:], target)
    images = np.random.default_rng(0).normal(size=(2, 4, 6, 3)).astype("f4")
    given = {"channels_last": images, "channels_first": images.transpose(0, 3, 1, 2)}
    np.testing.assert_allclose(new.predict(given[target]), old.predict(given[other]), rtol=1e-5)
    with pytest.raises(ValueError, match="expected three sizes whose product is 18"):
        layer_utils.convert_dense_weights_data_format(new.layers[-1], (2, 3, 4), target)
    with pytest.raises(ValueError, match='expected target_data_format "channels_first" or "channels_last"'):
        layer_utils.convert_dense_weights_data_format(new.layers[-1], (2, 3, 3), "tf")


def test_sessions_raise_and_scopes_do_nothing():
    for call in (K.get_session, lambda: K.set_session(None)):
        with pytest.raises(RuntimeError, match="lamella has no session"):
            call()
    with K.name_scope("block") as scope:
        assert scope == "block/" and Dense(1, name="d").name == "d"
    x = Input((2,))
    assert K.is_placeholder(x) and not K.is_placeholder(K.square(x)) and not K.is_placeholder(np.zeros(1))
    assert not K.is_sparse(np.zeros(1)) and not K.is_sparse(K.variable(1.0))
    assert (
        K.normalize_data_format(None) == K.image_data_format() and K.normalize_data_format("Channels_First") == "channels_first"
    )
    with pytest.raises(ValueError, match='K.normalize_data_format: .*"channels_first", "channels_last". Received: tf'):
        K.normalize_data_format("tf")
    assert K.get_variable_shape(K.zeros((2, 3))) == (2, 3)
    assert [v.tolist() for v in K.batch_get_value(ops=[K.ones((2,)), np.zeros(1)])] == [[1, 1], [0]]
