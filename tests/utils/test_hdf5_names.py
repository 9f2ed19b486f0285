"""H5Dict, HDF5 in streams, and the functions of keras.engine.saving for groups and pickles."""

import io
import pickle

import numpy as np
import pytest
from lamella.engine import saving

import lamella  # noqa: F401
from lamella.layers import Dense, Dropout
from lamella.models import Sequential
from lamella.utils import io_utils
from lamella.utils.io_utils import (
    HDF5_OBJECT_HEADER_LIMIT,
    H5Dict,
    HDF5Matrix,
    h5dict,
    load_from_binary_h5py,
    save_to_binary_h5py,
)

h5py = pytest.importorskip("h5py")


def fill(d):
    d["array"] = np.arange(6.0, dtype="float32").reshape(2, 3)
    d["scalar"] = np.float64(2.5)
    d["text"] = "hello"
    d["number"] = 3
    d["names"] = ["a", "bc"]
    d["group"]["inner"] = np.array([1, 2])
    d[b"bytes"] = "by name"


def check(d):
    np.testing.assert_array_equal(d["array"], [[0, 1, 2], [3, 4, 5]])
    assert d["array"].dtype == np.float32 and float(d["scalar"]) == 2.5
    assert d["text"] == "hello" and d["number"] == 3 and d["bytes"] == "by name"
    assert [name if isinstance(name, str) else name.decode() for name in d["names"]] == ["a", "bc"]
    assert isinstance(d["group"], H5Dict) and list(d["group"]["inner"]) == [1, 2]
    assert "array" in d and "text" in d and "nothing" not in d
    assert d.get("text") == "hello" and d.get("nothing", 7) == 7 and "nothing" not in d


def test_a_file_a_group_and_a_dict_hold_the_same(tmp_path):
    path = tmp_path / "f.h5"
    with H5Dict(path, "w") as d:
        fill(d)
        check(d)
        assert sorted(d) == sorted(d.iter()) == ["array", "group", "scalar"] and len(d) == 3
    for mode in ("r", "a"):
        with H5Dict(str(path), mode) as d:
            check(d)
    with h5py.File(path, "a") as file:
        fill(H5Dict(file.create_group("g")))
        check(H5Dict(file["g"]))
    held = {}
    fill(H5Dict(held))
    check(H5Dict(held))
    assert held["_is_group"] is True
    assert len(H5Dict(held, "w")) == 1 and held == {"_is_group": True}
    assert h5dict is H5Dict


@pytest.mark.parametrize("value", ["path", {}])
def test_supported_types_of_h5dict(value):
    assert H5Dict.is_supported_type(value)


def test_what_h5dict_refuses(tmp_path):
    assert not H5Dict.is_supported_type(3)
    with pytest.raises(TypeError, match="Required Group, str, Path or dict"):
        H5Dict(3)
    with H5Dict(tmp_path / "f.h5", "w") as d:
        d["array"] = np.zeros(2)
        with pytest.raises(KeyError, match='Group with name "array" exists'):
            d["array"] = 3
        with pytest.raises(NotImplementedError, match="one by one"):
            d.update({"a": 1})
        with pytest.raises(ValueError, match=str(HDF5_OBJECT_HEADER_LIMIT)):
            d["long"] = ["x" * (HDF5_OBJECT_HEADER_LIMIT + 1)]
    with H5Dict(tmp_path / "f.h5", "r") as d:
        with pytest.raises(ValueError, match="Cannot set item in read-only mode"):
            d["a"] = 1
        with pytest.raises(ValueError, match="Cannot create group in read-only mode"):
            d["a"]
    d = H5Dict({}, "r")
    with pytest.raises(ValueError, match="read-only"):
        d["a"]
    d = H5Dict({})
    d.update({"a": 1})
    assert d["a"] == 1


def test_a_long_list_of_names_is_split_and_joined(tmp_path):
    names = [f"{i:0600}" for i in range(300)]
    assert HDF5_OBJECT_HEADER_LIMIT == 64512
    with H5Dict(tmp_path / "f.h5", "w") as d:
        d["names"] = names
        assert "names" not in d.data.attrs and "names1" in d.data.attrs
        assert d["names"] == names
        saving.save_attributes_to_hdf5_group(d.data, "again", [name.encode() for name in names])
        assert saving.load_attributes_from_hdf5_group(d.data, "again") == names
        assert saving.load_attributes_from_hdf5_group(d.data, "nothing") == []
        saving.save_attributes_to_hdf5_group(d.data, "short", ["a", b"b"])
        assert saving.load_attributes_from_hdf5_group(d.data, "short") == ["a", "b"]


def test_hdf5_is_written_to_a_stream_and_read(tmp_path):
    def write(file):
        file["x"] = np.arange(3)
        return "written"

    stream = io.BytesIO()
    assert save_to_binary_h5py(write, stream) == "written"
    (tmp_path / "f.h5").write_bytes(stream.getvalue())
    with h5py.File(tmp_path / "f.h5", "r") as file:
        assert list(file["x"]) == [0, 1, 2]
    stream.seek(0)
    assert load_from_binary_h5py(lambda file: list(file["x"]), stream) == [0, 1, 2]
    with pytest.raises(OSError):
        load_from_binary_h5py(list, io.BytesIO(b"no HDF5"))


def model():
    return Sequential([Dense(4, input_shape=(3,), name="a"), Dropout(0.5, name="b"), Dense(2, name="c")])


def test_weights_of_layers_are_written_to_a_group_and_read(tmp_path):
    first, second, third = model(), model(), model()
    with h5py.File(tmp_path / "w.h5", "w") as file:
        saving.save_weights_to_hdf5_group(file, first.layers)
        assert [name.decode() for name in file.attrs["layer_names"]] == ["a", "b", "c"]
        saving.load_weights_from_hdf5_group(file, second.layers)
        saving.load_weights_from_hdf5_group_by_name(file, third.layers)
        for other in (second, third):
            for ours, theirs in zip(first.get_weights(), other.get_weights()):
                np.testing.assert_array_equal(ours, theirs)
        with pytest.raises(ValueError, match="containing 2 layers into a model with 1 layers"):
            saving.load_weights_from_hdf5_group(file, second.layers[:1])
        wider = Sequential([Dense(5, input_shape=(3,), name="a")])
        before = wider.get_weights()
        with pytest.raises(ValueError, match="shape"):
            saving.load_weights_from_hdf5_group_by_name(file, wider.layers)
        with pytest.warns(UserWarning, match="Skipping loading of weights for layer a"):
            saving.load_weights_from_hdf5_group_by_name(file, wider.layers, skip_mismatch=True)
        np.testing.assert_array_equal(wider.get_weights()[0], before[0])
    second.load_weights(tmp_path / "w.h5")


def test_a_model_is_restored_from_a_pickled_state():
    first = model()
    first.compile("adam", "mse")
    first.fit(np.ones((4, 3)), np.zeros((4, 2)), verbose=0)
    again = saving.unpickle_model(pickle.loads(pickle.dumps(saving.pickle_model(first))))
    np.testing.assert_array_equal(first.predict(np.ones((2, 3))), again.predict(np.ones((2, 3))))
    assert type(again.optimizer).__name__ == "Adam" and int(again.optimizer.iterations) == 1


def test_names_that_engine_saving_shares():
    assert saving.H5Dict is H5Dict and saving.HDF5_OBJECT_HEADER_LIMIT == HDF5_OBJECT_HEADER_LIMIT
    assert isinstance(io_utils.HDF5Matrix.shape, property) and HDF5Matrix is io_utils.HDF5Matrix
