"""get_config, from_config, to_json: everything is restored, and no code is executed."""

import json

import numpy as np
import pytest

from lamella.layers import Add, Conv2D, Dense, Flatten, Input, InputLayer, Layer, concatenate
from lamella.models import Model, Sequential, model_from_config, model_from_json

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 5, 8)).astype("float32")


def rich():
    a, b = Input((8,), name="a"), Input((8,), name="b")
    shared = Dense(4, kernel_regularizer="l2", name="shared")
    inner = Sequential([Dense(3, input_dim=8), Dense(3, activation="tanh")], name="inner")
    deep = Model(c := Input((3,)), Dense(3)(inner_again(c)), name="deep")
    y = inner(concatenate([shared(a), shared(b)]))
    z = Add()([deep(y), inner(b)])
    return Model([a, b], [z, y], name="rich")


def inner_again(x):
    return Sequential([Dense(3, input_dim=3)], name="innermost")(x)


def check_equal(model, again, inputs):
    assert again.to_json() == model.to_json()
    again.set_weights(model.get_weights())
    for x, y in zip(model.run(inputs), again.run(inputs)):
        np.testing.assert_array_equal(x, y)
    assert [w.name for w in again.weights] == [w.name for w in model.weights]


def test_functional_round_trip_with_shared_and_nested_models():
    model = rich()
    check_equal(model, model_from_json(model.to_json()), [A, B])
    check_equal(model, Model.from_config(model.get_config()), [A, B])


def test_the_layout_is_that_of_keras():
    a = Input((2,), name="a")
    d = Dense(1, name="d")
    config = Model(a, d(a), name="m").get_config()
    assert config["input_layers"] == [["a", 0, 0]] and config["output_layers"] == [["d", 0, 0]]
    assert config["layers"][0] == {
        "name": "a",
        "class_name": "InputLayer",
        "config": {"batch_input_shape": (None, 2), "dtype": "float32", "sparse": False, "name": "a"},
        "inbound_nodes": [],
    }
    assert config["layers"][1]["inbound_nodes"] == [[["a", 0, 0, {}]]]
    dense = config["layers"][1]["config"]
    assert dense["kernel_initializer"] == {
        "class_name": "VarianceScaling",
        "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None},
    }
    assert list(dense) == [
        "name", "trainable", "dtype", "units", "activation", "use_bias", "kernel_initializer", "bias_initializer",
        "kernel_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint", "bias_constraint",
    ]  # fmt: skip
    # In Keras a model's own graph is its call 0, so the first call of a nested model is 1.
    inner = Sequential([Dense(2, input_dim=2)], name="inner")
    assert Model(a, inner(a)).get_config()["output_layers"] == [["inner", 1, 0]]


def test_call_arguments_are_kept():
    class Scale(Layer):
        def call(self, inputs, factor=1.0):
            return inputs * np.float32(factor)

    x = Input((8,))
    model = Model(x, Scale()(x, factor=3.0))
    np.testing.assert_array_equal(model.run([A])[0], A * np.float32(3))
    again = model_from_json(model.to_json(), {"Scale": Scale})
    np.testing.assert_array_equal(again.run([A])[0], A * np.float32(3))


def test_the_order_of_entries_does_not_matter():
    model = rich()
    config = json.loads(json.dumps(model.get_config()))
    config["layers"].reverse()
    again = Model.from_config(config)
    assert {w.name for w in again.weights} == {w.name for w in model.weights}


def test_sequential_round_trips():
    chain = [Conv2D(2, 3, input_shape=(5, 5, 1), data_format="channels_last"), Flatten(), Dense(3)]
    model = Sequential(chain, name="s")
    again = model_from_json(model.to_json())
    check_equal(model, again, [RNG.normal(size=(2, 5, 5, 1)).astype("float32")])
    # Keras before 2.2 wrote only the list.
    assert len(Sequential.from_config(model.get_config()["layers"]).layers) == 3
    waiting = Sequential([Dense(3)])
    assert not model_from_json(waiting.to_json()).built
    waiting.build((None, 8))
    check_equal(waiting, model_from_json(waiting.to_json()), [A])
    explicit = Sequential([InputLayer((8,)), Dense(2)])
    check_equal(explicit, model_from_json(explicit.to_json()), [A])
    nested = Sequential([Sequential([Dense(3, input_dim=8)]), Dense(2)])
    check_equal(nested, model_from_json(nested.to_json()), [A])


class Twice(Dense):
    def __init__(self, units, factor=2, **kwargs):
        super().__init__(units, **kwargs)
        self.factor = factor


class Handmade(Layer):
    """A custom layer as in Keras's guide."""

    def __init__(self, output_dim, **kwargs):
        self.output_dim = output_dim
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[1], self.output_dim), initializer="uniform", trainable=True
        )
        super().build(input_shape)

    def call(self, x):
        return x @ self.kernel

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.output_dim)

    def get_config(self):
        config = {"output_dim": self.output_dim}
        base_config = super().get_config()
        return dict(list(base_config.items()) + list(config.items()))


def test_custom_layers():
    model = Sequential([Twice(4, factor=3, input_dim=8), Handmade(2)])
    np.testing.assert_allclose(model.run([A])[0], A @ model.get_weights()[0] @ model.get_weights()[2], rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="^Unknown layer: Twice"):
        model_from_json(model.to_json())
    again = model_from_json(model.to_json(), custom_objects={"Twice": Twice, "Handmade": Handmade})
    assert again.layers[0].factor == 3
    check_equal(model, again, [A])


@pytest.mark.parametrize(
    "text, error, message",
    [
        ('{"class_name": "Foo", "config": {}}', ValueError, "Unknown layer: Foo"),
        ('{"class_name": "os.system", "config": {"command": "true"}}', ValueError, "Unknown layer: os.system"),
        ('{"config": {}}', ValueError, "Improper config format"),
        ('{"keras_version": "3.0"}', ValueError, "no description of a model .KeyError"),
        ('{"module": "os", "class_name": "system", "config": {"command": "true"}}', ValueError, "Unknown layer: system"),
        ("[]", ValueError, "expected an object, got list"),
        ("[" * 10**5 + "]" * 10**5, ValueError, "nested too deeply"),
        ("{", ValueError, "Expecting"),
    ],
)
def test_bad_descriptions(text, error, message):
    with pytest.raises(error, match=message):
        model_from_json(text)


def test_a_wrong_call_is_named():
    config = rich().get_config()
    config["layers"] = [entry for entry in config["layers"] if entry["name"] != "a"]
    with pytest.raises(ValueError, match="no layer is called 'a'"):
        model_from_config({"class_name": "Model", "config": config})


def test_keras_2_2_file():
    """A description that Keras 2.2.4 wrote, with its order of keys and its additional keys."""
    text = """{"class_name": "Sequential", "config": {"name": "sequential_1", "layers": [{"class_name": "Dense",
    "config": {"name": "dense_1", "trainable": true, "batch_input_shape": [null, 8], "dtype": "float32", "units": 4,
    "activation": "relu", "use_bias": true, "kernel_initializer": {"class_name": "VarianceScaling", "config":
    {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": null}}, "bias_initializer": {"class_name":
    "Zeros", "config": {}}, "kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 0.0, "l2":
    0.009999999776482582}}, "bias_regularizer": null, "activity_regularizer": null, "kernel_constraint": null,
    "bias_constraint": null}}, {"class_name": "Dropout", "config": {"name": "dropout_1", "trainable": true, "rate": 0.5,
    "noise_shape": null, "seed": null}}]}, "keras_version": "2.2.4", "backend": "tensorflow"}"""
    model = model_from_json(text)
    assert [layer.name for layer in model.layers] == ["dense_1", "dropout_1"]
    assert model.layers[0].kernel_regularizer.l2 == pytest.approx(0.01) and model.output_shape == (None, 4)
