"""Files of Keras 1: whole models, and weights without a version, as the published files of VGG16, VGG19 and ResNet50 are."""

import gzip
import io
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from lamella.applications.vgg16 import VGG16
from lamella.core import config
from lamella.layers import (
    GRU,
    LSTM,
    BatchNormalization,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    ConvLSTM2D,
    Dense,
    Input,
    TimeDistributed,
)  # fmt: skip
from lamella.models import Model, Sequential, load_model, model_from_json

GOLDEN = Path(__file__).parents[1] / "golden" / "h5"
CASES = ["images_tf", "images_th", "recurrent", "graph"]
RNG = np.random.default_rng(0)
# Constructors say how their arguments are called in Keras 2.
pytestmark = pytest.mark.filterwarnings("ignore:Update your")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "w.h5"


def content(case):
    return gzip.decompress((GOLDEN / f"keras_1.2.2_{case}.h5.gz").read_bytes())


def arrays(case, prefix):
    with np.load(GOLDEN / f"keras_1.2.2_{case}.npz") as file:
        return [file[key] for key in sorted(file) if key.rstrip("0123456789") == prefix]


def check_predictions(model, case):
    predicted = model.predict(arrays(case, "x"))
    for ours, theirs in zip(predicted if isinstance(predicted, list) else [predicted], arrays(case, "predicted"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def check_equal(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


def write(path, layers):
    """A file of weights of Keras 1, without a version: {layer: {weight: array}}."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.asarray([name.encode() for name in layers])
        for name, weights in layers.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = np.asarray([weight.encode() for weight in weights]) if weights else []
            for weight, array in weights.items():
                group[weight] = array


def some(*shape):
    return RNG.normal(size=shape).astype("float32")


@pytest.mark.parametrize("case", CASES)
def test_a_whole_model_predicts_as_before(case):
    config.set_image_data_format("channels_first" if case.endswith("th") else "channels_last")
    model = load_model(io.BytesIO(content(case)))
    check_predictions(model, case)
    assert model.metrics_names[0] == "loss" and type(model.optimizer).__name__ == "Adam"


@pytest.mark.parametrize("case", CASES)
def test_weights_of_a_whole_file_and_of_a_file_without_a_version(case, path):
    config.set_image_data_format("channels_first" if case.endswith("th") else "channels_last")
    with h5py.File(io.BytesIO(content(case))) as file, h5py.File(path, "w") as weights:
        description = file.attrs["model_config"]
        for name, value in file["model_weights"].attrs.items():
            weights.attrs[name] = value
        for name in file["model_weights"]:
            file.copy(f"model_weights/{name}", weights)
        assert "keras_version" not in weights.attrs
    text = json.dumps({**json.loads(description), "keras_version": "1.2.2"})  # as to_json of Keras 1 writes it
    for source in (path, io.BytesIO(content(case))):
        for by_name in (False, True):
            model = model_from_json(text)
            model.load_weights(source, by_name=by_name)
            check_predictions(model, case)
            if source is not path:
                source.seek(0)


def test_the_published_layout_of_vgg16(path):
    """TensorFlow adds _1 to the names of the second network in a process, which the published files hold."""
    model = VGG16(weights=None, input_shape=(32, 32, 3), include_top=False)
    names = [layer.name for layer in model.layers]
    values = {layer.name: [some(*w.shape) for w in layer.weights] for layer in model.layers}
    layers = {name: {f"{name}_{w}_1:0": array for w, array in zip("Wb", values[name])} for name in names}
    write(path, layers)
    wanted = [array for name in names for array in values[name]]
    model.load_weights(path)
    check_equal(model.get_weights(), wanted)
    model.set_weights([np.zeros_like(w) for w in wanted])
    model.load_weights(path, by_name=True)
    check_equal(model.get_weights(), wanted)
    # The same file, which has channels_last, in a network with channels_first. Two kernels have 512 channels on both sides.
    config.set_image_data_format("channels_first")
    first = VGG16(weights=str(path), input_shape=(3, 32, 32), include_top=False)
    check_equal(first.get_weights(), wanted)


@pytest.mark.parametrize("kind, gates, order", [(LSTM, "icfo", "ifco"), (GRU, "zrh", "zrh")])
@pytest.mark.parametrize("names", [True, False])
def test_gates_are_joined(path, kind, gates, order, names):
    own = {g: [some(3, 2), some(2, 2), some(2)] for g in gates}
    weights = {
        f"r_{w}_{g}" if names else f"param_{3 * k + i}": own[g][i] for k, g in enumerate(gates) for i, w in enumerate("WUb")
    }
    write(path, {"r": weights})
    for layer in (kind(2, name="r", input_shape=(5, 3)), TimeDistributed(kind(2), name="r", input_shape=(4, 5, 3))):
        model = Sequential([layer])
        model.load_weights(path)
        check_equal(model.get_weights(), [np.concatenate([own[g][i] for g in order], -1) for i in range(3)])


FORMATS = ["channels_last", "channels_first"]


@pytest.mark.parametrize(
    "make, shape, old, moved",
    [
        (lambda **k: Conv2D(4, (2, 3), **k), (5, 6), {"channels_last": (2, 3, 2, 4), "channels_first": (4, 2, 2, 3)}, (2, 3, 1, 0)),
        (lambda **k: Conv3D(4, (1, 2, 3), **k), (5, 6, 4), {"channels_last": (1, 2, 3, 2, 4), "channels_first": (4, 2, 1, 2, 3)}, (2, 3, 4, 1, 0)),
        (lambda **k: Conv2DTranspose(4, (2, 3), **k), (5, 6), {"channels_last": (2, 3, 2, 4), "channels_first": (4, 2, 2, 3)}, (2, 3, 0, 1)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("data_format", FORMATS)
def test_axes_of_kernels(path, make, shape, old, moved, data_format):
    kernel, bias = some(*old[data_format]), some(4)
    write(path, {"c": {"c_W": kernel, "c_b": bias}})
    size = (*shape, 2) if data_format == "channels_last" else (2, *shape)
    layer = make(data_format=data_format, input_shape=size)
    model = Sequential([layer])
    model.load_weights(path)
    last = (0, 1, 3, 2) if isinstance(layer, Conv2DTranspose) else tuple(range(kernel.ndim))
    check_equal(model.get_weights(), [kernel.transpose(last if data_format == "channels_last" else moved), bias])


def test_kernels_of_conv1d_and_convolutional_gates(path):
    kernel = some(3, 1, 2, 4)
    for stored in (kernel, kernel.transpose(3, 2, 0, 1)):  # Keras 1.2 and 1.1
        write(path, {"c": {"c_W": stored, "c_b": some(4)}})
        model = Sequential([Conv1D(4, 3, input_shape=(6, 2))])
        model.load_weights(path)
        np.testing.assert_array_equal(model.get_weights()[0], kernel[:, 0])
    for wrong in (some(3, 2, 2, 4), some(3, 0, 2, 4)):
        write(path, {"c": {"c_W": wrong, "c_b": some(4)}})
        with pytest.raises(ValueError, match="but the saved weight has shape"):
            model.load_weights(path)
    gates = {f"r_{w}_{g}": some(*shape) for g in "icfo" for w, shape in zip("WUb", ((2, 4, 3, 5), (2, 2, 3, 5), (2,)))}
    write(path, {"r": gates})
    model = Sequential([ConvLSTM2D(2, (3, 5), data_format="channels_first", input_shape=(3, 4, 7, 7))])
    model.load_weights(path)
    for array, weight in zip(model.get_weights(), "WUb"):
        wanted = np.concatenate([gates[f"r_{weight}_{g}"] for g in "ifco"])
        np.testing.assert_array_equal(array, wanted if weight == "b" else wanted.transpose(2, 3, 1, 0))


def test_weights_of_nested_models_are_found_by_name(path):
    inner = Sequential([Dense(2, input_dim=2, name="p"), BatchNormalization(name="n"), Dense(2, name="q")], name="inner")
    x = Input((2,))
    model = Model(x, inner(x))
    names = [
        f"{layer}_{weight}"
        for layer, weights in (("n", ("gamma", "beta")), ("q", "Wb"), ("p", "Wb"), ("n", ("running_mean", "running_std")))
        for weight in weights
    ]  # p was frozen
    stored = {name: some(*((2, 2) if name.endswith("W") else (2,))) for name in names}
    write(path, {"input_1": {}, "inner": stored})
    model.load_weights(path)
    order = ["p_W", "p_b", "n_gamma", "n_beta", "n_running_mean", "n_running_std", "q_W", "q_b"]
    check_equal([w.numpy() for layer in inner.layers for w in layer.weights], [stored[name] for name in order])


def test_what_keras_2_cannot_express_is_refused(path):
    def described(name, entry):
        return {
            "class_name": "Sequential",
            "keras_version": "1.2.2",
            "config": [{"class_name": name, "config": {"name": "x", **entry}}],
        }

    shape = {"batch_input_shape": [None, 3]}
    for entry, message in [
        (described("Merge", {"mode": "cos", "layers": []}), "a Sequential that begins with a Merge"),
        (described("BatchNormalization", {"mode": 2, **shape}), "BatchNormalization 'x' with mode=2; Keras 2 has mode 0 only"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            model_from_json(json.dumps(entry))
    layers = [{"class_name": "Merge", "name": "m", "inbound_nodes": [], "config": {"name": "m", "mode": "cos", "dot_axes": 1}}]
    model = {"class_name": "Model", "keras_version": "1.2.2", "config": {"name": "g", "layers": layers, "input_layers": [], "output_layers": []}}  # fmt: skip
    with pytest.raises(ValueError, match="Merge 'm' with mode='cos', which no layer of Keras 2 computes"):
        model_from_json(json.dumps(model))


def test_the_state_of_the_optimizer_is_not_read(path):
    x, y = some(4, 3), some(4, 2)
    model = Sequential([Dense(2, input_dim=3, name="d")])
    model.compile("adam", "mse")
    model.train_on_batch(x, y)
    model.save(path)
    with h5py.File(path, "r+") as file:
        del file["model_weights"].attrs["keras_version"], file.attrs["lamella_state"]
        file.attrs["keras_version"] = "1.2.2"
        described = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps({**described, "config": described["config"]["layers"]})
    with pytest.warns(UserWarning, match="Error in loading the saved optimizer state.*arrays of Keras 1 are for weights with"):
        again = load_model(path)
    check_equal(again.get_weights(), model.get_weights())
    assert int(again.optimizer.iterations) == 0
