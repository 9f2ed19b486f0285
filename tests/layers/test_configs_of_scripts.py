"""`super().get_config()` in a script's own get_config: as in Keras, what lamella's base class takes, and nothing of the script's."""

import json

import numpy as np
import pytest

from lamella import backend as K
from lamella import constraints, initializers, regularizers
from lamella.core.registry import custom_object_scope
from lamella.layers import LSTM, Dense, Input, Layer
from lamella.models import Model, Sequential, model_from_json
from lamella.optimizers import Adam, Optimizer

BASE = {"name", "trainable", "dtype", "batch_input_shape"}


class Vocabulary:
    """An object without a config."""

    size = 7


class Scaled(Layer):
    def __init__(self, factor=1.0, vocabulary=None, function=None, **kwargs):
        super().__init__(**kwargs)
        self.factor, self.vocabulary, self.function = factor, vocabulary, function

    def call(self, inputs):
        return inputs * self.factor

    def get_config(self):
        self.seen = super().get_config()
        return dict(factor=self.factor, **self.seen)


def test_objects_that_a_layer_leaves_out_of_its_config():
    layer = Scaled(3.0, Vocabulary(), lambda x: x, input_shape=(2,))
    model = Sequential([layer])
    described = json.loads(model.to_json())["config"]["layers"][0]["config"]
    assert set(layer.seen) == BASE and set(described) == BASE | {"factor"}
    with custom_object_scope({"Scaled": Scaled}):
        again = model_from_json(model.to_json())
    np.testing.assert_array_equal(again.predict(np.ones((1, 2))), [[3, 3]])
    assert again.layers[0].vocabulary is None and again.layers[0].function is None


class Tied(Dense):
    def __init__(self, tied_to=None, **kwargs):
        super().__init__(3, activation="relu", **kwargs)
        self.tied_to = tied_to

    def get_config(self):
        return super().get_config()


def test_a_subclass_of_a_layer_has_the_arguments_of_that_layer():
    config = Tied(Dense(2), name="tied").get_config()
    assert "tied_to" not in config and config["units"] == 3 and config["activation"] == "relu" and config["use_bias"] is True

    class Own(LSTM):
        def __init__(self, units, rule=None, **kwargs):
            super().__init__(units, **kwargs)
            self.rule = rule

        def get_config(self):
            return dict(super().get_config(), half=self.units / 2)

    config = Own(4, Vocabulary()).get_config()
    assert config["half"] == 2 and config["units"] == 4 and "rule" not in config and config["return_sequences"] is False


class Derived(Scaled):
    """Its get_config is that of a script's class."""

    def __init__(self, power=2, **kwargs):
        super().__init__(**kwargs)
        self.power = power


def test_a_config_is_still_derived_where_a_script_defines_none():
    class Plain(Layer):
        def __init__(self, power=2, **kwargs):
            super().__init__(**kwargs)
            self.power = power

    assert Plain(5).get_config()["power"] == 5
    assert set(Derived(5, name="d").get_config()) == {"name", "trainable", "dtype", "factor"}


class Signs(Optimizer):
    def __init__(self, lr=0.1, **kwargs):
        super().__init__(**kwargs)
        self.iterations, self.lr = K.variable(0, dtype="int64"), K.variable(lr)

    def get_updates(self, loss, params):
        gradients = self.get_gradients(loss, params)
        self.weights = [self.iterations]
        self.updates = [K.update_add(self.iterations, 1)]
        self.updates += [K.update(p, p - self.lr * K.sign(g)) for p, g in zip(params, gradients)]
        return self.updates

    def get_config(self):
        return dict(lr=float(K.get_value(self.lr)), **super().get_config())


def test_optimizers_of_scripts():
    assert Signs(0.5, clipnorm=2.0).get_config() == {"lr": 0.5, "clipnorm": 2.0}
    x = Input((2,))
    model = Model(x, Dense(1, kernel_initializer="ones", use_bias=False)(x))
    model.compile(Signs(0.25), "mse")
    model.train_on_batch(np.ones((1, 2)), np.zeros((1, 1)))
    np.testing.assert_array_equal(model.get_weights()[0], [[0.75], [0.75]])

    class Warm(Adam):
        def __init__(self, steps=3, schedule=None, **kwargs):
            super().__init__(**kwargs)
            self.steps, self.schedule = steps, schedule

        def get_config(self):
            return dict(steps=self.steps, **super().get_config())

    config = Warm(4, schedule=Vocabulary(), lr=0.5).get_config()
    assert config["steps"] == 4 and config["lr"] == 0.5 and "schedule" not in config


@pytest.mark.parametrize(
    "base", [regularizers.Regularizer, constraints.Constraint, initializers.Initializer], ids=lambda base: base.__name__
)
def test_functions_of_weights(base):
    class Own(base):
        def __init__(self, strength=0.5, vocabulary=None):
            self.strength, self.vocabulary = strength, vocabulary

        def get_config(self):
            return dict(strength=self.strength, **super().get_config())

    assert Own(0.25, Vocabulary()).get_config() == {"strength": 0.25}
