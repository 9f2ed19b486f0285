"""The contract of all layers, tested on every row of the roster. The layers are found in the registry."""

import copy
import inspect
import json

import numpy as np
import pytest

from lamella import constraints, initializers, layers, regularizers
from lamella.core import registry
from lamella.core.random import Stream
from lamella.layers import Input
from lamella.models import Model, load_model
from lamella.ops import sum_squares
from lamella.ops.tape import Tape, value_of
from tests.layers.layer_roster import HOLDERS, IDS, NOT_HERE, ONLY_IF_SET, ROSTER, Whole

pytestmark = pytest.mark.filterwarnings("ignore:The `.*` layer is deprecated")
rows = pytest.mark.parametrize("name, arguments, shape", ROSTER, ids=IDS)


def make(name, arguments):
    return registry.get("layers", name)(**copy.deepcopy(arguments))  # a cell in the arguments can belong to only one layer


def several(shape):
    return isinstance(shape, list)


def data(shape, batch=3, dtype="float32"):
    rng = np.random.default_rng(0)
    if isinstance(shape, Whole):
        return [rng.integers(0, 5, (batch, *shape)).astype(dtype)]
    return [rng.normal(size=(batch, *s)).astype(dtype) for s in (shape if several(shape) else [shape])]


def model_of(layer, shape):
    inputs = [Input(s) for s in (shape if several(shape) else [shape])]
    return Model(inputs, layer(inputs if several(shape) else inputs[0]))


def first_step():
    stream = Stream()
    stream.set_state({"seed": 1, "step": 0, "epoch": 0})
    return stream


def test_every_registered_layer_is_in_the_roster():
    registered = {cls.__name__ for cls in (registry.get("layers", n) for n in registry.names("layers"))}
    assert registered - NOT_HERE == {name for name, _, _ in ROSTER}


@pytest.mark.parametrize("name", registry.names("layers"))
def test_every_registered_name_is_public(name):
    from lamella import models

    assert registry.get("layers", name) is getattr(layers, name, None) or hasattr(models, name)


@rows
def test_self_contained_is_not_inherited(name, arguments, shape):
    kind = registry.get("layers", name)
    assert kind.self_contained == (name not in HOLDERS)
    assert not type("Custom", (kind,), {}).self_contained


def test_losses_and_inner_layers_of_a_subclass_are_used():
    class Custom(layers.Dense):
        def __init__(self, units, **named):
            super().__init__(units, **named)
            self.before = layers.Dense(3, kernel_initializer="ones", name="before")

        def call(self, inputs):
            self.add_loss(sum_squares(inputs))
            return super().call(self.before(inputs))

    x = Input((3,))
    model = Model(x, Custom(1, kernel_initializer="ones", name="custom")(x))
    model.compile("sgd", "mse")
    assert [w.name for w in model.weights] == [
        f"custom/{name}:0" for name in ("kernel", "bias", "before/kernel", "before/bias")
    ]
    ones = np.ones((2, 3), "float32")
    # The output is the sum of three columns of three ones, 9, which equals y. So the loss is the sum of squares of the inputs.
    assert model.train_on_batch(ones, np.full((2, 1), 9.0)) == 6.0


@rows
def test_config_round_trips_through_json(name, arguments, shape):
    layer = make(name, arguments)
    config = layers.serialize(layer)
    again = layers.deserialize(json.loads(json.dumps(config)))
    assert type(again) is type(layer)
    assert layers.serialize(again) == config
    wanted = (
        set(inspect.signature(type(layer)).parameters) - {"kwargs", "weights"} if "__init__" in vars(type(layer)) else set()
    )
    assert wanted - ONLY_IF_SET <= set(config["config"])


@rows
def test_the_output_has_the_computed_shape(name, arguments, shape):
    layer = make(name, arguments)
    inputs = data(shape)
    batch_shapes = [x.shape for x in inputs]
    y = layer(inputs if several(shape) else inputs[0])
    assert y.shape == layer.compute_output_shape(batch_shapes if several(shape) else batch_shapes[0])
    assert y.dtype == np.float32


@rows
def test_a_copy_with_the_same_weights_computes_the_same(name, arguments, shape):
    first = model_of(make(name, arguments), shape)
    second = Model.from_config(first.get_config())
    second.set_weights(first.get_weights())
    np.testing.assert_array_equal(first.run(data(shape))[0], second.run(data(shape))[0])


@rows
def test_a_layer_is_saved_and_loaded(name, arguments, shape, tmp_path):
    model = model_of(make(name, arguments), shape)
    model.save(tmp_path / "model.h5")
    again = load_model(tmp_path / "model.h5", compile=False)
    assert again.get_config() == model.get_config()
    np.testing.assert_array_equal(again.run(data(shape))[0], model.run(data(shape))[0])


@rows
def test_inference_repeats(name, arguments, shape):
    model = model_of(make(name, arguments), shape)
    np.testing.assert_array_equal(model.run(data(shape))[0], model.run(data(shape))[0])


@rows
def test_inputs_are_not_written_to(name, arguments, shape):
    model = model_of(make(name, arguments), shape)
    inputs = data(shape)
    kept = [x.copy() for x in inputs]
    model.run(inputs, training=True)
    for x, before in zip(inputs, kept):
        np.testing.assert_array_equal(x, before)


@rows
def test_gradient(name, arguments, shape, float64):
    """Compare the tape with the central difference along a random direction in the space of weights and inputs."""
    model = model_of(make(name, arguments), shape)
    rng = np.random.default_rng(1)
    weights = [w.value + 0.1 * rng.normal(size=w.shape) for w in model.weights]
    moved = [i for i, w in enumerate(model.weights) if w.trainable]
    inputs = data(shape, batch=4, dtype="float64")
    start = [weights[i] for i in moved] + inputs
    directions = [rng.normal(size=v.shape) for v in start]
    if isinstance(shape, Whole):
        directions[-1] *= 0
    target = rng.normal(size=model.run(inputs, training=True)[0].shape)

    def objective(point, take_gradients):
        copy = Model.from_config(model.get_config())
        copy.set_weights(weights)
        for variable, value in zip(copy.trainable_weights, point):
            variable.assign(value)

        def step():
            with Tape(copy.trainable_weights) as tape:
                y = copy.run([tape.watch(x) for x in point[len(moved) :]], training=True)[0]
                loss = sum_squares(y - target) + sum(p() for p in copy.penalties)
                return tape.gradients(loss) if take_gradients else float(value_of(loss))

        # The same step each time, because dropout's mask differs between steps.
        return first_step().run(step)

    gradients = objective(start, True)
    expected = sum((g * d).sum() for g, d in zip(gradients, directions, strict=True) if d.any())
    step = 1e-6
    ends = [objective([v + sign * step * d for v, d in zip(start, directions)], False) for sign in (1, -1)]
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(expected, rel=1e-5)


OBJECTS = {
    "initializer": initializers.Constant(0.25),
    "regularizer": regularizers.l2(0.125),
    "constraint": constraints.MaxNorm(7),
}


@rows
def test_every_initializer_regularizer_and_constraint_is_used(name, arguments, shape):
    parameters = inspect.signature(registry.get("layers", name)).parameters
    for argument in parameters:
        kind = argument.rpartition("_")[2]
        if kind not in OBJECTS or argument == "activity_regularizer":
            continue
        without = {"bias": "use_bias", "b": "bias", "beta": "center", "gamma": "scale"}.get(argument.partition("_")[0])
        if without is not None and not arguments.get(without, True):
            continue
        layer = make(name, arguments | {argument: OBJECTS[kind]})
        model_of(layer, shape)
        assert any(is_reached(w, kind) for w in layer.weights), argument


def is_reached(weight, kind):
    if kind == "initializer":
        return (weight.value == 0.25).mean() >= 0.5  # unit_forget_bias sets a quarter of a bias to one
    found = getattr(weight, kind)
    return type(found) is type(OBJECTS[kind]) and found.get_config() == OBJECTS[kind].get_config()
