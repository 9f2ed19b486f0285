"""BatchNormalization and the relu after it, which a graph runs as one op, give the same results as separate layers."""

import numpy as np
import pytest

from lamella import backend as K
from lamella import layers, models, regularizers
from lamella.graph.plan import Plan
from lamella.graph.trace import trace

RELUS = {
    "relu": lambda: layers.Activation("relu"),
    "relu6": lambda: layers.ReLU(0.6),
    "ReLU": lambda: layers.ReLU(),
    "slope": lambda: layers.ReLU(0.6, negative_slope=0.1),
    "threshold": lambda: layers.ReLU(threshold=0.2),
    "tanh": lambda: layers.Activation("tanh"),
}


def calls(plan):
    return len(plan.steps)


def network(relu, axis=-1):
    first = layers.Dense(6, input_shape=(3, 4))
    model = models.Sequential([first, layers.BatchNormalization(axis=axis), relu(), layers.Flatten(), layers.Dense(2)])
    rng = np.random.default_rng(0)
    model.set_weights([np.abs(rng.normal(size=w.shape)) for w in model.get_weights()])
    model.compile("adam", "mse")
    return model


def trained(model):
    x, y = np.random.default_rng(1).normal(size=(2, 12, 12)).astype("float32")
    x = x.reshape(12, 3, 4)
    losses = [model.train_on_batch(x, y[:, :2]) for _ in range(4)]
    return losses, [w.tobytes() for w in model.get_weights()], model.predict(x).tobytes()


@pytest.mark.parametrize("relu", RELUS)
def test_training_and_predictions_have_the_same_bits(monkeypatch, relu):
    for axis in (-1, 1):
        joined = trained(network(RELUS[relu], axis))
        monkeypatch.setattr(Plan, "joins", False)
        apart = trained(network(RELUS[relu], axis))
        monkeypatch.undo()
        assert joined == apart


def test_a_frozen_layer_keeps_its_statistics():
    model = network(RELUS["relu"])
    model.layers[1].trainable = False
    model.compile("adam", "mse")
    before = model.layers[1].get_weights()
    trained(model)
    np.testing.assert_array_equal(before, model.layers[1].get_weights())


def test_changes_after_the_first_batch_have_an_effect():
    model = network(RELUS["relu6"])
    x = np.random.default_rng(1).normal(size=(5, 3, 4)).astype("float32")
    model.train_on_batch(x, np.zeros((5, 2)))
    model.layers[2].negative_slope = 1.0
    model.layers[2].max_value = None
    inner = K.function([model.layers[0].input], [model.layers[1].output])([x])[0]
    np.testing.assert_array_equal(model.predict(x), K.function([model.layers[3].input], [model.output])([inner])[0])


def test_layers_are_joined_only_if_nothing_else_reads_the_output():
    x = layers.Input((4,))
    normed = layers.BatchNormalization()(x)
    active = layers.ReLU()(normed)
    counts = {
        "alone": calls(plan_of(x, [active])),
        "an output": calls(plan_of(x, [active, normed])),
        "read twice": calls(plan_of(x, [layers.add([active, normed])])),
    }
    assert counts == {"alone": 1, "an output": 2, "read twice": 3}


def test_an_overridden_call_or_a_penalty_prevents_joining(monkeypatch):
    class Doubled(layers.ReLU):
        def call(self, inputs):
            return 2 * super().call(inputs)

    x = layers.Input((4,))
    assert calls(plan_of(x, [Doubled()(layers.BatchNormalization()(x))])) == 2
    penalized = layers.ReLU()
    penalized.activity_regularizer = regularizers.l2()
    assert calls(plan_of(x, [penalized(layers.BatchNormalization()(x))])) == 2
    patched = layers.ReLU()
    y = patched(layers.BatchNormalization()(x))
    monkeypatch.setattr(patched, "call", lambda inputs: inputs)
    assert calls(plan_of(x, [y])) == 2


def plan_of(x, outputs):
    return Plan(trace([x], outputs).nodes, [x], outputs)


def pooled(first, pool, shape=(9, 10, 3)):
    """A network with a max pooling behind a relu, or behind something that is not a relu."""
    model = models.Sequential([layers.InputLayer(shape), *first(), pool(), layers.Flatten(), layers.Dense(2)])
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    model.compile("adam", "mse")
    return model


def trained_on_images(model):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, *model.input_shape[1:])).astype("float32"), rng.normal(size=(6, 2)).astype("float32")
    losses = [model.train_on_batch(x, y) for _ in range(4)]
    return losses, [w.tobytes() for w in model.get_weights()], model.predict(x).tobytes()


# Name: (layers, the pooling behind them, calls of the whole network).
BEFORE_POOLING = {
    "conv": (lambda: [layers.Conv2D(5, 3, activation="relu")], lambda: layers.MaxPooling2D(), 3),
    "channels first": (
        lambda: [layers.Permute((3, 1, 2)), layers.Conv2D(5, 3, activation="relu", data_format="channels_first")],
        lambda: layers.MaxPooling2D(data_format="channels_first"),
        4,
    ),
    "two formats": (
        lambda: [layers.Conv2D(9, 3, activation="relu")],
        lambda: layers.MaxPooling2D(data_format="channels_first"),
        3,
    ),
    "windows overlap": (lambda: [layers.Conv2D(5, 3, activation="relu")], lambda: layers.MaxPooling2D(3, 2, "same"), 3),
    "linear": (lambda: [layers.Conv2D(5, 3)], lambda: layers.MaxPooling2D(), 3),
    "tanh": (lambda: [layers.Conv2D(5, 3, activation="tanh")], lambda: layers.MaxPooling2D(), 3),
    "Activation": (lambda: [layers.Conv2D(5, 3), layers.Activation("relu")], lambda: layers.MaxPooling2D(), 4),
    "elu": (lambda: [layers.Activation("elu")], lambda: layers.MaxPooling2D(), 3),
    "ReLU": (lambda: [layers.ReLU()], lambda: layers.MaxPooling2D(data_format="channels_first"), 3),
    "relu6": (lambda: [layers.ReLU(0.6)], lambda: layers.MaxPooling2D(), 3),
    "normalized": (lambda: [layers.BatchNormalization(), layers.ReLU()], lambda: layers.MaxPooling2D(), 4),
    "average": (lambda: [layers.Conv2D(5, 3, activation="relu")], lambda: layers.AveragePooling2D(), 4),
    "large windows": (lambda: [layers.ReLU()], lambda: layers.MaxPooling2D((16, 16), (1, 1)), 4),
}


@pytest.mark.parametrize("case", BEFORE_POOLING)
def test_max_pooling_of_a_relu_has_the_same_bits_as_both_layers(monkeypatch, case):
    first, pool, count = BEFORE_POOLING[case]
    shape = (16, 17, 2) if case == "large windows" else (9, 10, 3)
    model = pooled(first, pool, shape)
    assert calls(plan_of(model.inputs[0], model.outputs)) == count
    joined = trained_on_images(model)
    monkeypatch.setattr(Plan, "joins", False)
    assert trained_on_images(pooled(first, pool, shape)) == joined


@pytest.mark.parametrize("name", ["Conv1D", "Conv3D"])
def test_convolutions_and_pooling_on_other_numbers_of_axes_are_joined(monkeypatch, name):
    axes = int(name[4])

    def first():
        return [getattr(layers, name)(5, 2, activation="relu")]

    def pool():
        return getattr(layers, f"MaxPooling{axes}D")()

    shape = (5,) * axes + (3,)
    joined = trained_on_images(pooled(first, pool, shape))
    monkeypatch.setattr(Plan, "joins", False)
    assert trained_on_images(pooled(first, pool, shape)) == joined


def test_a_custom_pooling_or_convolution_is_called_itself():
    class HalfPool(layers.MaxPooling2D):
        def pool(self, x):
            return 0.5 * super().pool(x)

    class Half(layers.Conv2D):
        def call(self, inputs):
            return 0.5 * super().call(inputs)

    x = layers.Input((6, 6, 2))
    assert calls(plan_of(x, [HalfPool()(layers.Conv2D(3, 3, activation="relu")(x))])) == 2
    assert calls(plan_of(x, [layers.MaxPooling2D()(Half(3, 3, activation="relu")(x))])) == 2
