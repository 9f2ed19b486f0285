"""Weights of CuDNNLSTM and CuDNNGRU are converted to plain layers and back, in both layouts of Keras's files."""

import gzip
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from lamella.layers import GRU, LSTM, Bidirectional, CuDNNGRU, CuDNNLSTM, Dense, Masking, TimeDistributed
from lamella.models import Sequential, load_model, model_from_json

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")

PLAIN_LSTM = {"recurrent_activation": "sigmoid", "bias_initializer": "random_uniform"}
PLAIN_GRU = PLAIN_LSTM | {"reset_after": True}
PAIRS = {
    "lstm": (lambda: LSTM(3, **PLAIN_LSTM), lambda: CuDNNLSTM(3, bias_initializer="random_uniform")),
    "gru": (lambda: GRU(3, **PLAIN_GRU), lambda: CuDNNGRU(3, bias_initializer="random_uniform")),
}


def wrapped(layer, inside):
    if inside == "bidirectional":
        return Sequential([Bidirectional(layer, input_shape=(5, 4))])
    if inside == "model":
        return Sequential([Sequential([Dense(4, input_shape=(5, 4)), layer, Dense(2)]), Dense(1)])
    if inside == "time":
        return Sequential([TimeDistributed(layer, input_shape=(3, 5, 4))])
    return Sequential([type(layer).from_config({**layer.get_config(), "batch_input_shape": (None, 5, 4)}), Dense(2)])


@pytest.mark.parametrize("inside", ["alone", "bidirectional", "model", "time"])
@pytest.mark.parametrize("target", [0, 1], ids=["plain", "cudnn"])
@pytest.mark.parametrize("pair", PAIRS)
def test_weights_of_the_corresponding_layer_are_converted(pair, target, inside, tmp_path):
    made = PAIRS[pair]
    source, model = wrapped(made[1 - target](), inside), wrapped(made[target](), inside)
    x = X if inside != "time" else np.stack([X, 2 * X, X - 1], 1)
    assert np.abs(source.predict(x) - model.predict(x)).max() > 1e-3
    source.save_weights(tmp_path / "weights.h5")
    model.load_weights(tmp_path / "weights.h5")
    np.testing.assert_allclose(model.predict(x), source.predict(x), rtol=1e-4, atol=1e-6)


def test_a_file_of_keras_does_not_say_the_order_of_the_directions(tmp_path):
    """The layers have other names and the file has no order, so the weights of the forward layer are first."""
    source, model = wrapped(PAIRS["gru"][1](), "bidirectional"), wrapped(PAIRS["gru"][0](), "bidirectional")
    source.save_weights(tmp_path / "weights.h5")
    with h5py.File(tmp_path / "weights.h5", "r+") as file:
        for group in file.values():
            for name in set(group.attrs) - {"weight_names"}:
                del group.attrs[name]
    model.load_weights(tmp_path / "weights.h5")
    np.testing.assert_allclose(model.predict(X), source.predict(X), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (lambda: CuDNNGRU(3), lambda: GRU(3), r"CuDNNGRU is not compatible with GRU\(reset_after=False\)"),
        (lambda: GRU(3), lambda: CuDNNGRU(3), r"GRU\(reset_after=False\) is not compatible with CuDNNGRU"),
        (
            lambda: GRU(3),
            lambda: GRU(3, reset_after=True),
            r"GRU\(reset_after=False\) is not compatible with GRU\(reset_after=True\)",
        ),
        (lambda: GRU(3), lambda: LSTM(3), r"Invalid bias shape: \(9,\)"),
        (
            lambda: CuDNNLSTM(4),
            lambda: LSTM(3),
            r"weight .*kernel:0 has shape \(4, 12\), but the saved weight has shape \(4, 16\)",
        ),
    ],
)
def test_what_does_not_fit_changes_nothing(source, target, message, tmp_path):
    source, model = wrapped(source(), "alone"), wrapped(target(), "alone")
    source.save_weights(tmp_path / "weights.h5")
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.load_weights(tmp_path / "weights.h5")
    assert all((a == b).all() for a, b in zip(before, model.get_weights()))


def test_a_whole_model_keeps_its_class(tmp_path):
    model = wrapped(PAIRS["lstm"][1](), "alone")
    model.compile("sgd", "mse")
    model.save(tmp_path / "model.h5")
    again = load_model(tmp_path / "model.h5")
    assert type(again.layers[0]) is CuDNNLSTM
    assert all((a == b).all() for a, b in zip(model.get_weights(), again.get_weights()))


@pytest.mark.filterwarnings("ignore:load_weights.by_name=True")
def test_skip_mismatch_skips_a_corresponding_layer_that_does_not_fit(tmp_path):
    source, model = wrapped(CuDNNGRU(3, name="net"), "alone"), wrapped(GRU(3, name="net"), "alone")
    source.save_weights(tmp_path / "weights.h5")
    before = model.layers[0].get_weights()
    with pytest.warns(UserWarning, match="Skipping loading of weights for layer net due to mismatch in kinds"):
        model.load_weights(tmp_path / "weights.h5", by_name=True, skip_mismatch=True)
    assert all((a == b).all() for a, b in zip(before, model.layers[0].get_weights()))


def later(config):
    """A description of later releases of Keras, with added keys that change nothing."""
    if isinstance(config, list):
        return [later(v) for v in config]
    if not isinstance(config, dict):
        return config
    found = {name: later(value) for name, value in config.items()}
    if "units" in config and "recurrent_activation" in config:
        found |= {"time_major": False, "zero_output_for_mask": config["return_sequences"], "use_cudnn": "auto", "seed": None}
    if config.get("class_name") == "Bidirectional":
        found["config"]["backward_layer"] = found["config"]["layer"]
    return found


@pytest.mark.parametrize("masked", [False, True])
def test_descriptions_by_later_releases(masked, recwarn):
    first = [Masking(input_shape=(5, 4))] if masked else [Dense(4, input_shape=(5, 4))]
    model = Sequential([*first, Bidirectional(LSTM(3, return_sequences=True)), GRU(2, reset_after=True)])
    description = later(json.loads(model.to_json())) | {"keras_version": "2.15.0"}
    assert "backward_layer" in json.dumps(description)
    again = model_from_json(json.dumps(description))
    assert again.get_config() == model.get_config()
    assert any("zeros at masked steps" in str(w.message) for w in recwarn) == masked


GOLDEN = Path(__file__).parents[1] / "golden" / "recurrent"


def unpacked(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(gzip.decompress((GOLDEN / f"{name}.gz").read_bytes()))
    return path


@pytest.mark.filterwarnings("ignore:No training configuration found")
@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_models_of_real_keras_compute_the_same(name, tmp_path):
    """Stacked cells, Bidirectional, TimeDistributed, initial states, ConvLSTM2D: whole models, and only their weights."""
    arrays = np.load(GOLDEN / f"{name}.npz")
    x = [arrays["x0"], arrays["x1"]]
    model = load_model(unpacked(f"{name}.h5", tmp_path))
    np.testing.assert_allclose(model.predict(x), arrays["predicted"], rtol=1e-5, atol=1e-6)
    twin = model_from_json(model.to_json())
    assert np.abs(twin.predict(x) - arrays["predicted"]).max() > 1e-2
    twin.load_weights(unpacked(f"{name}.weights.h5", tmp_path))
    np.testing.assert_allclose(twin.predict(x), arrays["predicted"], rtol=1e-5, atol=1e-6)
