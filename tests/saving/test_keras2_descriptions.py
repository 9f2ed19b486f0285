"""Whole models of Keras 2.0 and 2.1, whose descriptions differ from those of 2.2.5."""

import json

import h5py
import numpy as np
import pytest

from lamella.core import config
from lamella.layers import ELU, Conv2D, ConvLSTM2D, Dense, Flatten, Input, LeakyReLU, SimpleRNN, TimeDistributed
from lamella.models import Model, Sequential, load_model
from lamella.saving.dialects import dialect_of

RNG = np.random.default_rng(0)


def as_written_by(version, model, path, change):
    """Save the model, and change its description to that of another version."""
    model.save(path)
    with h5py.File(path, "r+") as file:
        described = json.loads(file.attrs["model_config"])
        change(described)
        file.attrs["model_config"] = json.dumps(described)
        file.attrs["keras_version"] = file["model_weights"].attrs["keras_version"] = version
    return load_model(path, compile=False)


def listed(described):
    """The layers of a Sequential, which becomes a list."""
    described["config"] = described["config"]["layers"]
    return described["config"]


@pytest.mark.parametrize("version, moved", [("2.0.5", False), ("2.1.6", False), ("2.2.5", True)])
def test_flatten_before_keras_2_2_keeps_the_order_of_the_axes(tmp_path, version, moved):
    config.set_image_data_format("channels_first")
    layers = [
        Conv2D(3, 2, input_shape=(2, 4, 5)),
        Flatten(data_format="channels_first" if moved else "channels_last"),
        Dense(2),
    ]
    model = Sequential(layers)

    def change(described):
        layers = described["config"]["layers"] if moved else listed(described)
        del layers[2]["config"]["data_format"]

    again = as_written_by(version, model, tmp_path / "m.h5", change)
    x = RNG.normal(size=(3, 2, 4, 5)).astype("float32")
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_flatten_inside_a_wrapper(tmp_path):
    config.set_image_data_format("channels_first")
    model = Sequential(
        [TimeDistributed(Flatten(data_format="channels_last"), input_shape=(3, 2, 4, 5)), TimeDistributed(Dense(2))]
    )
    again = as_written_by(
        "2.0.5", model, tmp_path / "m.h5", lambda d: listed(d)[1]["config"]["layer"]["config"].pop("data_format")
    )
    x = RNG.normal(size=(3, 3, 2, 4, 5)).astype("float32")
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_numbers_that_were_arrays(tmp_path):
    model = Sequential([LeakyReLU(0.2, input_shape=(3,)), ELU(0.7)])

    def change(described):
        for layer in listed(described)[1:]:
            layer["config"]["alpha"] = {"type": "ndarray", "value": layer["config"]["alpha"]}

    again = as_written_by("2.0.5", model, tmp_path / "m.h5", change)
    assert [layer.alpha for layer in again.layers] == [0.2, 0.7]


def test_implementation_is_not_an_argument_of_all_recurrent_layers(tmp_path):
    for layer in (ConvLSTM2D(2, 2, input_shape=(3, 4, 4, 1)), SimpleRNN(2, input_shape=(3, 2))):
        model = Sequential([layer])
        again = as_written_by("2.0.5", model, tmp_path / "m.h5", lambda d: listed(d)[1]["config"].update(implementation=0))
        x = RNG.normal(size=(2, *model.input_shape[1:])).astype("float32")
        np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_a_nested_sequential_keeps_its_name(tmp_path):
    x = Input((3,))
    model = Model(x, Sequential([Dense(2, input_dim=3)], name="inner")(x))
    again = as_written_by("2.0.5", model, tmp_path / "m.h5", lambda d: listed(d["config"]["layers"][1]))
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    other = Model(x, Sequential([Dense(2, input_dim=3)], name="inner")(x))
    other.load_weights(tmp_path / "m.h5", by_name=True)
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("2.2.4-tf", (2, 2, 4)), ("3.0.0rc1", (3, 0, 0)), ("2.16.0rc1", (2, 16, 0)), ("2.3.0-dev", (2, 3, 0)), ("3.1", (3, 1, 0)),
     ("2.16.0.dev2024010103", (2, 16, 0)), ("", (0, 0, 0)), ("new", (0, 0, 0))],
)  # fmt: skip
def test_the_dialect_of_versions(version, numbers):
    assert dialect_of(version).release == numbers
