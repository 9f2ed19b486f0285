"""Limits of a description without weights: memory, trials and calls. Layers are called in linear time."""

import json

import numpy as np
import pytest

from lamella import backend as K
from lamella import config
from lamella.graph import trial
from lamella.layers import Add, Dense, Input, Layer
from lamella.models import Model, Sequential, model_from_config, model_from_json


def text_of(*layers, name="Sequential"):
    return json.dumps({"class_name": name, "config": {"name": "m", "layers": list(layers)}})


def dense(units, inputs=4, **more):
    return {"class_name": "Dense", "config": {"name": "d", "units": units, "batch_input_shape": [None, inputs], **more}}


@pytest.mark.parametrize(
    "text, message",
    [
        (text_of(dense(10**9)), r"Layer d, weight 'kernel': the description asks for 4000000000 more elements of weights"),
        (text_of(dense(10**5, 10**5)), "Layer d, weight 'kernel'"),
        (
            text_of(dense(20000, 20000, kernel_initializer="orthogonal")),
            "Orthogonal: the description asks for 31250000000 more elements",
        ),
        (
            text_of(
                {
                    "class_name": "Conv2D",
                    "config": {"filters": 10**6, "kernel_size": [10**3, 10**3], "batch_input_shape": [None, 9, 9, 1]},
                }
            ),
            "weight 'kernel'",
        ),
        (text_of({"class_name": "BatchNormalization", "config": {"batch_input_shape": [None, 10**12]}}), "weight 'gamma'"),
    ],
)
def test_weights_beyond_two_gib_are_refused(text, message):
    with pytest.raises(ValueError, match=message) as error:
        model_from_json(text)
    assert "a description alone may, unless config.set_max_file_bytes says otherwise, ask for only" in str(error.value)


def test_states_beyond_two_gib_are_refused():
    def stateful(batch):
        config = {"name": "net", "units": 3, "stateful": True, "batch_input_shape": [batch, None, 2]}
        return {"class_name": "GRU", "config": config}

    with pytest.raises(ValueError, match="Layer net: the description asks for 1200000000 more elements of states"):
        model_from_json(text_of(stateful(4 * 10**8)))
    assert model_from_json(text_of(stateful(5))).stateful


def test_the_users_limit_is_used_only_for_this_model():
    config.set_max_file_bytes(4 * 21)
    try:
        assert model_from_json(text_of(dense(3))).count_params() == 15
        assert model_from_config(json.loads(text_of(dense(4, 4, use_bias=False)))).count_params() == 16
        with pytest.raises(ValueError, match="weight 'kernel': the description asks for 24 more elements .* only 21 more"):
            model_from_json(text_of(dense(6)))
    finally:
        config.set_max_file_bytes(None)
    assert Sequential([Dense(30, input_dim=40)]).count_params() == 1230  # a model that a program makes has no limit


def test_initializers_give_the_same_numbers_as_in_the_program():
    from lamella.utils import set_random_seed

    model = Sequential([Dense(3, input_dim=4, kernel_initializer="orthogonal")], name="m")
    set_random_seed(1)
    expected = model_from_json(model.to_json()).get_weights()
    set_random_seed(1)
    same = Sequential([Dense(3, input_dim=4, kernel_initializer="orthogonal")], name="m").get_weights()
    for a, b in zip(expected, same, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(expected[0].T @ expected[0], np.eye(3), atol=1e-6)


def test_reading_a_description_runs_no_trial(monkeypatch):
    x = Input((4,), name="x")
    described = json.loads(Model(x, K.tile(x, (1, 3)), name="m").to_json())
    monkeypatch.setattr(trial, "specs_of_call", lambda *arguments: pytest.fail("tried"))
    assert model_from_json(json.dumps(described)).output_shape == (None, 12)
    for entry in described["config"]["layers"]:
        if entry["class_name"] == "Function":
            entry["config"].update(arguments=[{"tensor": 0}, {"tuple": [1, 10**12]}], shapes=[])
    with pytest.raises(ValueError, match="Function k_tile_[0-9]+: the description does not say what it returns for"):
        model_from_json(json.dumps(described))


def nested(levels):
    """Nested models, each of which calls the next inner one twice: 2 ** levels calls of the innermost layer."""
    config = dense(1, 1)["config"]
    inner = {
        "class_name": "Sequential",
        "name": "i0",
        "config": {"name": "i0", "layers": [{"class_name": "Dense", "config": config}]},
    }
    for level in range(levels):
        name, at = inner["name"], 1
        layers = [
            {
                "class_name": "InputLayer",
                "name": "x",
                "config": {"batch_input_shape": [None, 1], "name": "x"},
                "inbound_nodes": [],
            },
            {**inner, "inbound_nodes": [[["x", 0, 0, {}]], [[name, at, 0, {}]]]},
        ]
        graph = {"name": f"i{level + 1}", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [[name, at + 1, 0]]}
        inner = {"class_name": "Model", "name": f"i{level + 1}", "config": graph}
    return json.dumps(inner)


def test_the_number_of_calls_of_nested_models_is_bounded():
    assert model_from_json(nested(5)).output_shape == (None, 1)
    with pytest.raises(ValueError, match="the description calls layers inside models more than 131072 times"):
        model_from_json(nested(30))


def chain(length, order):
    layers = [
        {"class_name": "InputLayer", "name": "x", "config": {"batch_input_shape": [None, 1], "name": "x"}, "inbound_nodes": []}
    ]
    before = "x"
    for i in range(length):
        config = {"name": f"a{i}", "activation": "relu"}
        layers.append({"class_name": "Activation", "name": f"a{i}", "config": config, "inbound_nodes": [[[before, 0, 0, {}]]]})
        before = f"a{i}"
    graph = {"name": "m", "layers": layers[::order], "input_layers": [["x", 0, 0]], "output_layers": [[before, 0, 0]]}
    return json.dumps({"class_name": "Model", "config": graph})


def test_layers_listed_in_any_order_are_called_once_each(monkeypatch):
    called = []
    connect = Layer._connect
    monkeypatch.setattr(Layer, "_connect", lambda self, *rest: called.append(self.name) or connect(self, *rest))
    for order in (1, -1):
        called.clear()
        model = model_from_json(chain(300, order))
        assert called == [f"a{i}" for i in range(300)]
        assert [layer.name for layer in model.layers] == ["x", *called]


def test_circular_calls_are_named():
    described = json.loads(chain(3, 1))
    described["config"]["layers"][1]["inbound_nodes"] = [[["a2", 0, 0, {}]]]
    with pytest.raises(ValueError, match=r"Model 'm': the inputs of a0 are never made: \[\['a2', 0, 0, \{\}\]\]"):
        model_from_json(json.dumps(described))


@pytest.mark.parametrize(
    "make",
    [
        lambda name: Dense(3, name=name),
        lambda name: Input((3,), name=name),
        lambda name: Add(name=name),
        lambda name: Sequential(name=name),
    ],
)
@pytest.mark.parametrize("name", [3, 1.5, b"dense", ["a"], True])
def test_names_of_layers_are_strings(make, name):
    with pytest.raises(TypeError, match="expected the name of a layer to be a string, got name="):
        make(name)
    text = text_of({"class_name": "Dense", "config": {"units": 1, "name": name if type(name) is not bytes else 7}})
    with pytest.raises(ValueError, match="expected the name of a layer to be a string"):
        model_from_json(text)
