"""The HDF5 layout of Keras 2, read and written. Each known pitfall has a test here or in test_weight_files."""

import io
import json

import h5py
import numpy as np
import pytest

from lamella.layers import Activation, BatchNormalization, Conv2D, Dense, Dropout, Flatten, Input
from lamella.models import Model, Sequential, load_model
from lamella.optimizers import Adam, Nadam, RMSprop

RNG = np.random.default_rng(0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.h5"


def check_equal(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


def trained(optimizer="adam", **kwargs):
    model = Sequential([Dense(3, input_dim=4, name="a", **kwargs), Dense(2, name="b")], name="m")
    model.compile(optimizer, "mse", metrics=["mae"])
    for _ in range(2):
        model.train_on_batch(RNG.normal(size=(5, 4)), RNG.normal(size=(5, 2)))
    return model


def test_the_whole_file(path):
    model = Sequential([Dense(3, input_dim=4, name="dense_1"), Dropout(0.5, name="dropout_1")], name="m")
    model.compile("sgd", "mse", metrics=["acc"], loss_weights=[2.0])
    model.train_on_batch(np.ones((2, 4)), np.ones((2, 3)))
    model.save(path)
    with h5py.File(path) as file:
        assert set(file.attrs) == {"keras_version", "backend", "model_config", "training_config", "lamella_state"}
        assert file.attrs["keras_version"] == "2.2.5" and file.attrs["backend"] == "tensorflow"
        assert json.loads(file.attrs["model_config"])["class_name"] == "Sequential"
        assert json.loads(file.attrs["training_config"]) == {
            "optimizer_config": {
                "class_name": "SGD",
                "config": {"lr": 0.01, "momentum": 0.0, "decay": 0.0, "nesterov": False},
            },
            "loss": "mse",
            "metrics": ["acc"],
            "weighted_metrics": None,
            "sample_weight_mode": None,
            "loss_weights": [2.0],
        }
        weights = file["model_weights"]
        assert dict(weights.attrs.items()).keys() == {"layer_names", "backend", "keras_version"}
        assert weights.attrs["layer_names"].tolist() == [b"dense_1", b"dropout_1"]
        assert weights["dense_1"].attrs["weight_names"].tolist() == [b"dense_1/kernel:0", b"dense_1/bias:0"]
        assert weights["dropout_1"].attrs["weight_names"].size == 0
        np.testing.assert_array_equal(file["/model_weights/dense_1/dense_1/kernel:0"], model.get_weights()[0])
        names = [name.decode() for name in file["optimizer_weights"].attrs["weight_names"]]
        assert names[0] == "iterations:0" and file["optimizer_weights"][names[0]][()] == 1
        assert len(names) == 3


def test_a_file_of_weights_has_the_same_layout_at_its_root(path):
    model = trained()
    model.save_weights(path)
    with h5py.File(path) as file:
        assert set(file.attrs) == {"layer_names", "backend", "keras_version"} and set(file) == {"a", "b"}
        assert file["a/a/kernel:0"].shape == (4, 3)


def test_long_lists_of_names_are_split_and_both_forms_are_read(path):
    names = [f"{i:03}" + "x" * 120 for i in range(600)]
    model = Sequential([Activation("relu", input_shape=(2,), name=names[0])] + [Activation("relu", name=n) for n in names[1:]])
    model.add(Dense(2, name="last"))
    model.save(path)
    with h5py.File(path, "r+") as file:
        attributes = file["model_weights"].attrs
        assert "layer_names" not in attrs_of(attributes) and "layer_names1" in attributes
        pieces = [attributes["layer_names0"], attributes["layer_names1"]]
        assert "layer_names2" not in attributes and all(p.nbytes <= 64512 for p in pieces)
        assert [n.decode() for piece in pieces for n in piece] == [*names, "last"]
    check_equal(load_model(path, compile=False).get_weights(), model.get_weights())
    assert len(json.dumps(model.get_config())) > 64512  # a description may also be longer than an object's header


def attrs_of(attributes):
    return list(attributes.keys())


def test_a_name_too_long_for_an_attribute_raises(path):
    with pytest.raises(ValueError, match="names of more than 64512 bytes cannot be written to HDF5: yyy"):
        Sequential([Dense(1, input_dim=1, name="y" * 65000)]).save(path)
    assert not path.exists()


@pytest.mark.parametrize("name", ["a//b", "/a", "a/", ".", "a/../b", "nul\0"])
def test_a_name_that_is_not_a_path_of_groups_raises(path, name):
    with pytest.raises(ValueError, match="cannot be written to HDF5: no empty part"):
        Sequential([Dense(1, input_dim=1, name=name)]).save(path)
    assert not path.exists()


def test_names_with_slashes_and_other_letters(path):
    model = Sequential([Dense(1, input_dim=1, name="block/größe"), Dense(1, name="block")])
    model.save(path)
    check_equal(load_model(path, compile=False).get_weights(), model.get_weights())


def test_the_attribute_and_not_the_groups_give_the_order(path):
    model = Sequential([Dense(2, input_dim=2, name="z"), Dense(2, name="y"), Dense(2, name="x")])
    model.save_weights(path)
    with h5py.File(path) as file:
        assert list(file) == ["x", "y", "z"]
    other = Sequential([Dense(2, input_dim=2), Dense(2), Dense(2)])
    other.load_weights(path)
    check_equal(other.get_weights(), model.get_weights())


@pytest.mark.parametrize("kind", ["bytes", "variable bytes", "str"])
def test_names_of_all_h5py_versions_and_without_colons(path, kind):
    model = Sequential([Dense(2, input_dim=3, name="a"), Dense(3, name="b")])
    with h5py.File(path, "w") as file:

        def names(*texts):
            if kind == "bytes":
                return np.asarray([t.encode() for t in texts])
            return list(texts) if kind == "str" else [t.encode() for t in texts]

        file.attrs["keras_version"] = "2.9.0" if kind == "str" else b"2.9.0"
        file.attrs["layer_names"] = names("a", "b")
        for layer in model.layers:
            group = file.create_group(layer.name)
            group.attrs["weight_names"] = names("dense/kernel", "dense/bias")
            for name, array in zip(("dense/kernel", "dense/bias"), layer.get_weights()):
                group[name] = array
    other = Sequential([Dense(2, input_dim=3), Dense(3)])
    other.load_weights(path)
    check_equal(other.get_weights(), model.get_weights())


def test_kernels_from_theano_are_rotated(path):
    inner = Sequential([Conv2D(2, 3, input_shape=(5, 5, 2)), BatchNormalization()])
    model = Sequential([Conv2D(2, (2, 3), input_shape=(6, 7, 1), name="c"), inner, Flatten(), Dense(2)])
    model.save(path)
    with h5py.File(path, "r+") as file:
        file.attrs["backend"] = file["model_weights"].attrs["backend"] = "theano"
    weights = model.get_weights()
    weights[0], weights[2] = weights[0][::-1, ::-1], weights[2][::-1, ::-1]
    check_equal(load_model(path, compile=False).get_weights(), weights)


def test_batch_norm_with_and_without_scale(path):
    for scale, names in [(True, ["gamma", "beta", "moving_mean", "moving_variance"]), (False, ["beta", "moving_mean", "moving_variance"])]:  # fmt: skip
        model = Sequential([BatchNormalization(input_shape=(2,), name="n", scale=scale)])
        model.set_weights([np.full(2, i) for i in range(len(names))])
        model.save(path)
        with h5py.File(path) as file:
            assert [n.decode() for n in file["model_weights/n"].attrs["weight_names"]] == [f"n/{n}:0" for n in names]
            config = json.loads(file.attrs["model_config"])["config"]["layers"][1]["config"]
            assert config["epsilon"] == 1e-3 and config["momentum"] == 0.99
        check_equal(load_model(path, compile=False).get_weights(), model.get_weights())


def input_layer(shape, name, dtype="float32"):
    config = {"batch_input_shape": shape, "dtype": dtype, "sparse": False, "name": name}
    return {"class_name": "InputLayer", "config": config}


def test_a_sequential_starts_with_an_input_layer_in_the_file(path):
    """Keras 3 does not read the batch_input_shape of another first layer. Keras 2 reads both."""
    inner = Sequential([Dense(2, input_shape=(3,), dtype="float64", name="i")], name="inner")
    x = Input((3,), name="x")
    for model, layer in [
        (Sequential([Dense(2, input_shape=(3,), name="a"), Dense(1)]), input_layer([None, 3], "a_input")),
        (Sequential([Dense(2, batch_input_shape=(4, 3), name="a")]), input_layer([4, 3], "a_input")),
        (Sequential([inner, Dense(1)]), input_layer([None, 3], "inner_input", "float64")),
        (Sequential([Model(x, Dense(2)(x), name="graph")]), input_layer([None, 3], "graph_input")),
    ]:
        model.save(path)
        with h5py.File(path) as file:
            layers = json.loads(file.attrs["model_config"])["config"]["layers"]
        assert layers[0] == layer
        assert layers[1:] == json.loads(model.to_json())["config"]["layers"] or layer["config"]["name"] == "inner_input"
        again = load_model(path, compile=False)
        assert again.to_json() == model.to_json()
        assert [x.name for x in again.inputs] == [x.name for x in model.inputs]
        check_equal(again.get_weights(), model.get_weights())
    assert json.loads(inner.to_json())["config"]["layers"][0]["class_name"] == "Dense"


def test_an_input_layer_in_a_graph_and_none_without_a_shape(path):
    x = Input((3,))
    inner = Sequential([Dense(2, input_shape=(3,), name="i")], name="inner")
    Model(x, inner(x)).save(path)
    with h5py.File(path) as file:
        layers = json.loads(file.attrs["model_config"])["config"]["layers"]
    assert [layer["class_name"] for layer in layers] == ["InputLayer", "Sequential"]
    assert layers[1]["config"]["layers"][0] == input_layer([None, 3], "i_input")
    built = Sequential([Dense(2, name="a"), Dense(2, name="b")], name="built")
    built.build((None, 3))
    built.save(path)
    with h5py.File(path) as file:
        config = json.loads(file.attrs["model_config"])["config"]
    assert config == json.loads(built.to_json())["config"] and config["build_input_shape"] == [None, 3]


@pytest.mark.parametrize(
    "frozen, names",
    [
        (None, ["p/kernel", "p/bias", "n/gamma", "n/beta", "q/kernel", "q/bias", "n/moving_mean", "n/moving_variance"]),
        ("p", ["n/gamma", "n/beta", "q/kernel", "q/bias", "p/kernel", "p/bias", "n/moving_mean", "n/moving_variance"]),
        ("inner", ["p/kernel", "p/bias", "n/gamma", "n/beta", "q/kernel", "q/bias", "n/moving_mean", "n/moving_variance"]),
    ],
)
def test_a_nested_model_has_the_trainable_weights_of_all_layers_first(path, frozen, names):
    inner = Sequential([Dense(2, input_dim=2, name="p"), BatchNormalization(name="n"), Dense(2, name="q")], name="inner")
    x = Input((2,))
    model = Model(x, inner(x))
    if frozen:
        (inner if frozen == "inner" else inner.get_layer(frozen)).trainable = False
    model.save(path)
    with h5py.File(path) as file:
        assert [n.decode() for n in file["model_weights/inner"].attrs["weight_names"]] == [f"{n}:0" for n in names]
    again = load_model(path, compile=False)
    check_equal(again.get_weights(), model.get_weights())
    assert [w.name for w in again.weights] == [w.name for w in model.weights]
    # get_weights of a model has the weights of each layer in turn. A nested model is one layer, also if parts are frozen.
    assert [w.name for w in inner.weights] == [f"{n}:0" for n in names]
    for layer in (inner, *inner.layers):
        layer.trainable = True
    check_equal(model.get_weights(), [w.numpy() for w in inner.weights])
    assert [w.shape for w in inner.get_weights()] == [(2, 2), (2,), (2,), (2,), (2,), (2,), (2, 2), (2,)]


def test_kernels_have_the_same_layout_in_both_data_formats(path):
    def build(data_format, shape):
        return Sequential(
            [
                Conv2D(3, (2, 3), data_format=data_format, input_shape=shape, activation="relu"),
                Flatten(data_format=data_format),
                Dense(2),
            ]
        )

    last = build("channels_last", (5, 6, 2))
    last.save_weights(path)
    with h5py.File(path) as file:
        assert file["conv2d_1/conv2d_1/kernel:0"].shape == (2, 3, 2, 3)
    first = build("channels_first", (2, 5, 6))
    first.load_weights(path)
    x = RNG.normal(size=(4, 5, 6, 2)).astype("float32")
    # Dense rows are in the order height, width, channel in both formats.
    np.testing.assert_allclose(first.predict(x.transpose(0, 3, 1, 2)), last.predict(x), rtol=1e-5, atol=1e-6)


def edited(model, path, version, change):
    """The file with another version and other optimizer arrays."""
    model.save(path)
    with h5py.File(path, "r+") as file:
        del file.attrs["lamella_state"]
        file.attrs["keras_version"] = file["model_weights"].attrs["keras_version"] = version
        group = file["optimizer_weights"]
        arrays = change([group[name][()] for name in group.attrs["weight_names"]])
        del file["optimizer_weights"]
        group = file.create_group("optimizer_weights")
        group.attrs["weight_names"] = np.asarray([f"v{i}".encode() for i in range(len(arrays))])
        for i, array in enumerate(arrays):
            group[f"v{i}"] = array
    return load_model(path)


def interleaved(arrays, slots):
    """[it] + slot by slot -> [it] + parameter by parameter."""
    rest = arrays[1:]
    n = len(rest) // slots
    return arrays[:1] + [rest[s * n + i] for i in range(n) for s in range(slots)]


@pytest.mark.parametrize(
    "version, change",
    [
        ("2.2.5", lambda arrays: arrays),
        ("2.3.1", lambda arrays: arrays),
        ("2.0.8", lambda arrays: arrays[:9]),  # before AMSGrad
        ("2.4.0", lambda arrays: arrays[:9]),  # tf.keras, OptimizerV2
        ("2.2.4-tf", lambda arrays: arrays[:9]),
    ],
)
def test_orders_of_adams_arrays(path, version, change):
    model = trained(Adam(0.01))
    again = edited(model, path, version, change)
    check_equal(again.optimizer.get_weights(), model.optimizer.get_weights())
    assert int(again.optimizer.iterations) == 2


def test_iterations_that_keras_2_2_does_not_save(path):
    model = trained(RMSprop(decay=0.1))
    arrays = model.optimizer.get_weights()
    assert len(arrays) == 4
    # Lamella stores iterations separately, Keras 2.3 stores them first, and Keras 2.2 does not store them, so decay restarts.
    model.save(path)
    assert int(load_model(path).optimizer.iterations) == 2
    for version, change, iterations in [("2.3.0", lambda a: [np.int64(2), *a], 2), ("2.2.5", lambda a: a, 0)]:
        again = edited(model, path, version, change)
        check_equal(again.optimizer.get_weights(), arrays)
        assert int(again.optimizer.iterations) == iterations


def test_the_second_array_of_nadam_in_keras_2_3_is_the_momentum_product(path):
    model = trained(Nadam())
    again = edited(model, path, "2.3.1", lambda a: [a[0], np.float32(0.4), *a[1:]])
    check_equal(again.optimizer.get_weights(), model.optimizer.get_weights())


@pytest.mark.parametrize("optimizer", ["Adam", "Nadam"])
@pytest.mark.parametrize("version", ["2.0.5", "2.0.6"])
def test_the_order_by_names_up_to_keras_2_0_5(path, version, optimizer):
    model = Sequential([Dense(3, input_dim=3, name="b"), Dense(3, name="a")])
    model.compile(optimizer, "mse")
    for _ in range(2):
        model.train_on_batch(RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3)))

    def change(arrays):
        by_name = [3, 2, 1, 0] if version == "2.0.5" else [0, 1, 2, 3]  # a/bias, a/kernel, b/bias, b/kernel
        # These releases count in floatx.
        return [np.float32(arrays[0]), *(arrays[1 + 4 * slot + i] for slot in range(2) for i in by_name)]

    again = edited(model, path, version, change)
    check_equal(again.optimizer.get_weights(), model.optimizer.get_weights())
    assert int(again.optimizer.iterations) == 2


@pytest.mark.parametrize(
    "version, change", [("2.2.5", lambda a: a[:-1]), ("2.2.5", lambda a: a[:1] + a[2:]), ("9.9", lambda a: a[:3]), ("2.2.5", lambda a: a[1:])]
)  # fmt: skip
def test_an_unknown_order_gives_a_new_optimizer_state(path, version, change):
    model = trained(Adam(amsgrad=True))
    model.save(path)
    with pytest.warns(UserWarning, match="^Error in loading the saved optimizer state. As a result, your model is starting"):
        again = edited(model, path, "2.2.5", change) if version == "2.2.5" else edited_later(model, path, change)
    assert not any(w.any() for w in again.optimizer.get_weights())


def edited_later(model, path, change):
    model.save(path)
    with h5py.File(path, "r+") as file:
        training = json.loads(file.attrs["training_config"])
        config = training["optimizer_config"]["config"]
        config["learning_rate"] = config.pop("lr")
        file.attrs["training_config"] = json.dumps(training)
    again = io.BytesIO(path.read_bytes())
    with h5py.File(again, "r+") as file:
        file.attrs["keras_version"] = file["model_weights"].attrs["keras_version"] = "9.9"
        names = file["optimizer_weights"].attrs["weight_names"]
        file["optimizer_weights"].attrs["weight_names"] = np.asarray(change(list(names)))
        del file.attrs["lamella_state"]
    again.seek(0)
    return load_model(again)


def test_a_sequential_of_keras_before_2_2_is_only_a_list(path):
    model = trained()
    model.save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"] = config["config"]["layers"]
        file.attrs["model_config"] = json.dumps(config)
        training = json.loads(file.attrs["training_config"])
        del training["weighted_metrics"]
        file.attrs["training_config"] = json.dumps(training)
        file.attrs["keras_version"] = file["model_weights"].attrs["keras_version"] = "2.1.6"
    again = load_model(path)
    check_equal(again.get_weights(), model.get_weights())
    check_equal(again.optimizer.get_weights(), model.optimizer.get_weights())


def test_unsupported_training_of_later_releases_is_not_compiled(path):
    model = trained()
    model.save(path)
    with h5py.File(path, "r+") as file:
        file.attrs["keras_version"] = file["model_weights"].attrs["keras_version"] = "3.0.0"
        training = json.loads(file.attrs["training_config"])
        training["loss"] = {"class_name": "MeanSquaredError", "config": {"name": "mean_squared_error", "reduction": "mean"}}
        file.attrs["training_config"] = json.dumps(training)
    with pytest.warns(UserWarning, match=r"The training configuration of Keras 3.0.0 .* has no counterpart \(Invalid Reduction "
                      r"Key mean\. .*\): the model was \*not\* compiled. Compile it manually."):  # fmt: skip
        again = load_model(path)
    assert again.optimizer is None
    check_equal(again.get_weights(), model.get_weights())
