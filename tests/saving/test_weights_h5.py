""".weights.h5 of Keras 3: files of real Keras, and matches and mismatches by names and by places."""

import gzip
import io
import runpy
from pathlib import Path

import h5py
import numpy as np
import pytest

from lamella import config, layers
from lamella.core.names import snake_case
from lamella.layers import Add, BatchNormalization, Concatenate, Dense, Dropout, Input, Layer
from lamella.models import Model, Sequential, load_model
from lamella.saving import ModelFileError

GOLDEN = Path(__file__).parents[1] / "golden" / "h5"
places = runpy.run_path(str(GOLDEN / "make_weights.py"))["places"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.weights.h5"


@pytest.fixture(params=["keras", "tf_keras"])
def golden(request, path):
    path.write_bytes(gzip.decompress((GOLDEN / f"{request.param}_places.weights.h5.gz").read_bytes()))
    return np.load(GOLDEN / f"{request.param}_places.weights.npz")


def dense(name, inputs, outputs, bias=True):
    """(name, arrays) as a file has them, all numbers different."""
    rng = np.random.default_rng(len(name) + 10 * outputs)
    return name, [rng.normal(size=shape).astype("f4") for shape in [(inputs, outputs), (outputs,)][: 1 + bias]]


def write(path, parts):
    with h5py.File(path, "w") as file:
        for place, (name, arrays) in {"": ("m", []), **parts}.items():
            owned = file.create_group(f"{place}/vars")
            if name:
                owned.attrs["name"] = name
            for i, array in enumerate(arrays):
                owned[str(i)] = array


def check_equal(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


def arrays_of(*parts):
    return [array for _, arrays in parts for array in arrays]


@pytest.mark.parametrize("timeout", [None, 60])
def test_files_of_real_keras_predict_the_same(golden, path, timeout):
    model = places(layers, Sequential, Model)
    model.load_weights(path, timeout=timeout)
    for i, ours in enumerate(model.predict([golden["x0"], golden["x1"]])):
        np.testing.assert_allclose(ours, golden[f"predicted{i}"], rtol=1e-5, atol=1e-6)


def test_a_frozen_layer_has_no_effect(golden, path):
    model = places(layers, Sequential, Model)
    for layer in model.layers:
        layer.trainable = False
    model.load_weights(path)
    np.testing.assert_allclose(model.predict([golden["x0"], golden["x1"]])[0], golden["predicted0"], rtol=1e-5, atol=1e-6)


def test_an_open_file_is_read(golden, path):
    one, other = (places(layers, Sequential, Model) for _ in range(2))
    one.load_weights(path)
    with h5py.File(path) as file:
        other.load_weights(file)
    check_equal(other.get_weights(), one.get_weights())


def test_classes_have_the_names_of_keras_3():
    names = {
        "Conv2D": "conv2d", "MaxPooling2D": "max_pooling2d", "GlobalAveragePooling1D": "global_average_pooling1d", "ReLU": "re_lu",
        "BatchNormalization": "batch_normalization", "LSTM": "lstm", "GRUCell": "gru_cell", "Conv2DTranspose": "conv2d_transpose",
        "SeparableConv2D": "separable_conv2d", "PReLU": "p_re_lu", "UpSampling2D": "up_sampling2d", "Dense": "dense",
        "TimeDistributed": "time_distributed", "ThresholdedReLU": "thresholded_re_lu", "LeakyReLU": "leaky_re_lu",
    }  # fmt: skip
    assert {name: snake_case(name) for name in names} == names


def test_places_are_used_if_names_differ(path):
    first, second = dense("dense", 3, 3), dense("dense_1", 3, 3)
    write(path, {"layers/dense": first, "layers/dropout": ("dropout", []), "layers/dense_1": second})
    # The default name dense_1 is in the file and in the model, at different places.
    model = Sequential([Dense(3, input_dim=3, name="dense_1"), Dense(3, name="dense_2"), Dropout(0.5)])
    model.load_weights(path)
    check_equal(model.get_weights(), arrays_of(first, second))


def test_names_are_used_if_places_differ(path):
    class Own(Dense):
        pass

    first, second = dense("a", 3, 3), dense("b", 3, 3)
    write(path, {"layers/dense": first, "layers/dense_1": second})
    model = Sequential([Own(3, input_dim=3, name="b"), Dense(3, name="a")])
    model.load_weights(path)
    check_equal(model.get_weights(), arrays_of(second, first))


@pytest.mark.parametrize("names", [("b", "a"), ("dense_2", "dense_1"), ("b", "c")])
def test_names_that_contradict_the_places_are_refused(path, names):
    saved = ("a", "b") if names[1] in "ac" else ("dense_1", "dense_2")
    first, second = dense(saved[0], 3, 3), dense(saved[1], 3, 3)
    write(path, {"layers/dense": first, "layers/dense_1": second})
    model = Sequential([Dense(3, input_dim=3, name=names[0]), Dense(3, name=names[1])])
    before = model.get_weights()
    with pytest.raises(ValueError) as error:
        model.load_weights(path)
    moved = [name for name in names if name in saved]
    assert f"the names say that {moved} have other places; by_name=True uses the names." in str(error.value)
    assert f"\nIn the file: layers/dense ({saved[0]}) (3, 3) (3,), layers/dense_1 ({saved[1]}) (3, 3) (3,)" in str(error.value)
    assert f"\nIn the model: layers/dense ({names[0]}) (3, 3) (3,), layers/dense_1 ({names[1]})" in str(error.value)
    check_equal(model.get_weights(), before)
    if "c" not in names:
        model.load_weights(path, by_name=True)
        check_equal(model.get_weights(), arrays_of(second, first))


@pytest.mark.parametrize(
    "model, message",
    [
        (lambda: [Dense(3, input_dim=4, name="x")], "The file contains 2 layers with weights, the model 1.\nIn the file: layers/dense (a) (4, 3) (3,), layers/dense_1 (b) (3, 2) (2,)\nIn the model: layers/dense (x) (4, 3) (3,)"),
        (lambda: [Dense(3, input_dim=4, name="x"), BatchNormalization(name="y")], "Neither the names nor the places of the layers are the same.\nIn the file: layers/dense (a) (4, 3) (3,), layers/dense_1 (b) (3, 2) (2,)\nIn the model: layers/dense (x) (4, 3) (3,), layers/batch_normalization (y) (3,) (3,) (3,) (3,)"),
        (lambda: [Dense(3, input_dim=4, name="x"), Dense(2, use_bias=False, name="y")], 'Layer #1 (named "y"): expects 1 weights, but the file has 2.\nIn the file: layers/dense_1 (b) (3, 2) (2,)\nIn the model: layers/dense_1 (y) (3, 2)'),
        (lambda: [Dense(3, input_dim=4, name="x"), Dense(5, name="y")], 'Layer #1 (named "y"), weight y/kernel:0 has shape (3, 5), but the saved weight has shape (3, 2).\nIn the file: b (3, 2) (2,)\nIn the model: y (3, 5) (5,)'),
    ],
)  # fmt: skip
def test_mismatches_are_listed_and_nothing_is_set(path, model, message):
    write(path, {"layers/dense": dense("a", 4, 3), "layers/dense_1": dense("b", 3, 2)})
    built = Sequential(model())
    before = built.get_weights()
    with pytest.raises(ValueError) as error:
        built.load_weights(path)
    assert str(error.value).endswith(message)
    check_equal(built.get_weights(), before)


def test_skip_mismatch_warns_of_each(path):
    parts = [dense("a", 4, 3), dense("b", 3, 2), dense("c", 2, 2)]
    write(path, dict(zip(["layers/dense", "layers/dense_1", "layers/dense_2"], parts)))
    for by_name in (False, True):
        model = Sequential([Dense(3, input_dim=4, name="a"), Dense(2, name="b", use_bias=False), Dense(5, name="c")])
        before = model.get_weights()
        with pytest.warns(UserWarning) as caught:
            model.load_weights(path, by_name=by_name, skip_mismatch=True)
        assert [str(w.message) for w in caught] == [
            "Skipping loading of weights for layer b due to mismatch in number of weights (1 vs 2).",
            "Skipping loading of weights for layer c due to mismatch in shape ((2, 5) vs (2, 2)).",
            "Skipping loading of weights for layer c due to mismatch in shape ((5,) vs (2,)).",
        ]
        assert {w.filename for w in caught} == {__file__}
        check_equal(model.get_weights(), parts[0][1] + before[2:])


def test_by_name_loads_equal_names_and_warns_of_the_rest(path):
    first, second = dense("a", 4, 3), dense("b", 3, 2)
    write(path, {"layers/dense": first, "layers/dense_1": second})
    model = Sequential([Dense(3, input_dim=3, name="q"), Dense(2, name="b")])
    before = model.get_weights()
    with pytest.warns(UserWarning, match=r"the file has nothing for \['q'\].*not in the model: \['a'\]") as caught:
        model.load_weights(path, by_name=True)
    assert caught[0].filename == __file__
    check_equal(model.get_weights(), before[:2] + second[1])


def test_by_name_needs_names(path):
    write(path, {"layers/dense": ("", dense("", 3, 3)[1])})
    model = Sequential([Dense(3, input_dim=3)])
    model.load_weights(path)
    with pytest.raises(ValueError, match="by_name=True: the file has only the places of layers"):
        model.load_weights(path, by_name=True)


def test_reshape(path):
    write(path, {"layers/dense": ("a", [np.arange(6, dtype="f4").reshape(3, 2)])})
    model = Sequential([Dense(3, input_dim=2, use_bias=False)])
    model.load_weights(path, reshape=True)
    check_equal(model.get_weights(), [np.arange(6, dtype="f4").reshape(2, 3)])


def nested(names, trainable=True):
    inner = Sequential(
        [Dense(3, input_dim=3, name=names[0]), BatchNormalization(name=names[1]), Dense(3, name=names[2])], name="in"
    )
    inner.layers[0].trainable = trainable
    return Sequential([Dense(3, input_dim=3, name="first"), inner], name="out")


def layer_by_layer(model):
    kinds = [layer.weights_by_kind() for layer in [model.layers[0], *model.layers[1].layers]]
    return [w.numpy() for trained, others in kinds for w in trained + others]


INNER = "layers/sequential/layers"


def nested_file(path, names, swapped=False):
    norm = names[1], [np.full(3, i, "f4") for i in range(4)]
    parts = dense("first", 3, 3), dense(names[0], 3, 3), norm, dense(names[2], 3, 3, bias=True)
    ends = ["dense_1", "dense"] if swapped else ["dense", "dense_1"]
    at = ["layers/dense", f"{INNER}/{ends[0]}", f"{INNER}/batch_normalization", f"{INNER}/{ends[1]}"]
    write(path, {**dict(zip(at, parts)), "layers/sequential": ("in", [])})
    return arrays_of(*parts)


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("names", [("x", "y", "zz"), ("dense_7", "norm", "dense_17")])
def test_inside_a_nested_model_too(path, names, trainable):
    expected = nested_file(path, ("x", "y", "zz"))
    for by_name in (False, True):
        model = nested(names, trainable)
        model.load_weights(path, by_name=by_name)
        check_equal(layer_by_layer(model), expected)


def test_contradiction_inside_a_nested_model(path):
    names = ("x", "y", "zz")
    expected = nested_file(path, names, swapped=True)
    model = nested(names)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r'Layer #1 \(named "in"\): the names say that \[\'x\', \'zz\'\] have other places'):
        model.load_weights(path)
    check_equal(model.get_weights(), before)
    with pytest.warns(UserWarning, match="for layer in due to mismatch in names of the layers inside"):
        model.load_weights(path, skip_mismatch=True)
    check_equal(model.get_weights(), expected[:2] + before[2:])
    model.load_weights(path, by_name=True)
    check_equal(layer_by_layer(model), expected)


def test_a_layer_in_two_models_is_stored_in_the_first(path):
    def models():
        shared = Dense(3, name="shared")
        left = Sequential([Dense(3, input_dim=3, name="l"), shared], name="left")
        right = Sequential([Dense(3, input_dim=3, name="r"), shared], name="right")
        x = Input((3,))
        return Model(x, Concatenate()([Add()([left(x), right(x)]), shared(x)]))

    at = "layers/sequential/layers/dense", "layers/sequential/layers/dense_1", "layers/sequential_1/layers/dense"
    parts = dense("l", 3, 3), dense("shared", 3, 3), dense("r ", 3, 3)
    write(path, {**dict(zip(at, parts)), "layers/sequential": ("left", []), "layers/sequential_1": ("right", [])})
    model = models()
    model.load_weights(path)
    left, right = model.get_layer("left"), model.get_layer("right")
    check_equal(left.get_weights(), arrays_of(*parts[:2]))
    check_equal(right.get_weights(), arrays_of(parts[2], parts[1]))

    del parts[0][1][1]
    write(path, {**dict(zip(at, parts)), "layers/sequential": ("left", []), "layers/sequential_1": ("right", [])})
    model = models()
    before = model.get_weights()
    with pytest.raises(ValueError, match="expects 2 weights, but the file has 1"):
        model.load_weights(path)
    with pytest.warns(UserWarning) as caught:
        model.load_weights(path, skip_mismatch=True)
    assert [str(w.message).partition("for layer ")[2] for w in caught] == [
        "left due to mismatch in number of weights (2 vs 1).",
        "right due to mismatch in a layer inside.",
        "shared due to mismatch in a layer inside.",
    ]
    check_equal(model.get_weights(), before)


class Block(Layer):
    """Keras 3 visits the attributes by name, the private ones last, and also lists, tuples and dicts."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.second, self.first, self._hidden = (Dense(3) for _ in range(3))
        self.many = [Dense(3), [Dense(3)], {"a": Dense(3)}]

    def build(self, input_shape):
        self.own = self.add_weight("own", (3,), initializer="zeros")
        super().build(input_shape)

    def call(self, x):
        x = self._hidden(self.first(self.second(x)))
        return self.many[2]["a"](self.many[1][0](self.many[0](x))) + self.own


def test_inner_layers_of_a_custom_layer(path):
    at = ["first", "many/dense", "many/container/dense", "many/container_1/dense", "second", "_hidden"]
    parts = {f"layers/block/{place}": dense("d" * (i + 1), 3, 3) for i, place in enumerate(at)}
    write(path, {"layers/block": ("b", [np.arange(3, dtype="f4")]), **parts})
    model = Sequential([Block(input_shape=(3,))])
    model.load_weights(path)
    block = model.layers[0]
    found = [block.first, *block.many[:1], *block.many[1], block.many[2]["a"], block.second, block._hidden]
    for layer, (_, arrays) in zip(found, parts.values(), strict=True):
        check_equal(layer.get_weights(), arrays)
    np.testing.assert_array_equal(block.own.numpy(), [0, 1, 2])


def test_state_of_training_and_random_streams_is_ignored(path):
    first = dense("a", 3, 3)
    state = {"optimizer": ("adam", [np.ones(2)]), "metrics/mean": ("", [np.ones(())]), "_loss_tracker": ("", [np.ones(())])}
    write(path, {"layers/dense": first, "layers/dropout/seed_generator": ("", [np.ones(2, "u4")]), **state})
    model = Sequential([Dense(3, input_dim=3), Dropout(0.5)])
    model.load_weights(path)
    check_equal(model.get_weights(), first[1])


def test_names_of_layers_in_keras_2_13(path):
    first = dense("a", 3, 3)
    write(path, {"_layer_checkpoint_dependencies/dense": first})
    model = Sequential([Dense(3, input_dim=3)])
    model.load_weights(path)
    check_equal(model.get_weights(), first[1])


def test_weights_of_the_model_itself_are_refused(path):
    write(path, {"layers/dense": dense("a", 3, 3), "": ("m", [np.ones(3, "f4")])})
    with pytest.raises(ValueError, match=r"The file has weights of the model itself, outside of its layers: \[\(3,\)\]"):
        Sequential([Dense(3, input_dim=3)]).load_weights(path)


def test_a_file_of_weights_is_not_a_model(golden, path):
    with pytest.raises(ValueError, match="m.weights.h5 holds weights only; use load_weights on a model"):
        load_model(path)


def linked(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = h5py.SoftLink("/layers/dense/vars/1")


def cycle(file):
    file["layers/dense/again"] = file["layers"]


def deep(file):
    file.create_group("layers/" + "a/" * 600 + "vars")


def bfloat16(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = np.zeros((3, 3), "V2")


def other_numbers(file):
    file.move("layers/dense/vars/1", "layers/dense/vars/2")


def bomb(file):
    del file["layers/dense/vars/0"]
    file.create_dataset("layers/dense/vars/0", (2**20, 2**20), "f4", chunks=(2**10, 2**10))


@pytest.mark.parametrize(
    "change, message",
    [
        (linked, "'/layers/dense/vars/0' is a link to another place"),
        (cycle, "'/layers/dense/again' is a second name of something that was already read"),
        (deep, r"is a place of more than 1024 characters"),
        (bfloat16, "expected numbers, got dtype"),
        (other_numbers, "'/layers/dense/vars': expected arrays 0, 1 ..., found '2'"),
        (bomb, "declares 4398046511104 bytes, more than the file can hold or may"),
        (lambda file: file.__setitem__("layers/x", np.ones(3)), "'/layers/x' is not a group"),
        (lambda file: file["layers/dense/vars"].attrs.__setitem__("name", 3), "the attribute name holds int64, expected text"),
        (lambda file: file["layers/dense"].create_group("x/vars/0"), "is no array"),
    ],
)
def test_wrong_layouts_raise(path, change, message):
    write(path, {"layers/dense": dense("a", 3, 3)})
    with h5py.File(path, "r+") as file:
        change(file)
    model = Sequential([Dense(3, input_dim=3)])
    before = model.get_weights()
    with pytest.raises(ModelFileError) as error:
        model.load_weights(path)
    assert message in str(error.value)
    check_equal(model.get_weights(), before)


def test_the_users_limit_is_used(path):
    write(path, {"layers/dense": dense("a", 100, 100)})
    config.set_max_file_bytes(40_000)
    try:
        with pytest.raises(ModelFileError, match="more than the file can hold or may"):
            Sequential([Dense(100, input_dim=100)]).load_weights(path)
    finally:
        config.set_max_file_bytes(None)


def test_a_copy_in_memory_is_read(golden, path):
    model = places(layers, Sequential, Model)
    model.load_weights(io.BytesIO(path.read_bytes()))
    np.testing.assert_allclose(model.predict([golden["x0"], golden["x1"]])[1], golden["predicted1"], rtol=1e-5, atol=1e-6)
