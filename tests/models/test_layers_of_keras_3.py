"""Layers in descriptions of Keras 3 are converted to those of Keras 2."""

import json
from pathlib import Path

import numpy as np
import pytest

from lamella.models import model_from_json

LAYERS = json.loads((Path(__file__).parents[1] / "golden" / "keras3_layers.json").read_text())["layers"]
# Arguments whose name or value differs from the file.
OTHER = {"LeakyReLU": {"alpha": 0.2}}


def described(name, layer):
    """The description of a functional model of one layer by Keras 3.15."""
    ends = [f"input_{i}" for i in range(len(layer["inputs"]))]
    entries = [
        {
            "module": "keras.layers", "class_name": "InputLayer", "name": end, "inbound_nodes": [],
            "config": {"batch_shape": [None, *shape], "dtype": "float32", "sparse": False, "name": end},
        }
        for end, shape in zip(ends, layer["inputs"])
    ]  # fmt: skip
    tensors = [{"class_name": "__keras_tensor__", "config": {"keras_history": [end, 0, 0]}} for end in ends]
    call = {"args": [tensors if len(ends) > 1 else tensors[0]], "kwargs": {}}
    own = layer["config"]["name"]
    entries.append(
        {"module": "keras.layers", "class_name": name, "config": layer["config"], "name": own, "inbound_nodes": [call]}
    )
    config = {
        "name": "functional",
        "layers": entries,
        "input_layers": [[e, 0, 0] for e in ends],
        "output_layers": [[own, 0, 0]],
    }
    return json.dumps({"module": "keras.src.models.functional", "class_name": "Functional", "config": config})


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_read(name):
    layer = LAYERS[name]
    model = model_from_json(described(name, layer))
    config = model.layers[-1].get_config()
    for key, value in (OTHER.get(name) or layer["config"]).items():
        if isinstance(value, (bool, int, float, str)) and key not in ("name", "dtype", "trainable"):
            assert config[key] == value, key
    inputs = [np.ones((2, *shape), "float32") for shape in layer["inputs"]]
    assert np.isfinite(model.predict(inputs if len(inputs) > 1 else inputs[0])).all()
