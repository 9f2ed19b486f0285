"""Pickles of models with local classes and functions contain their names, which are looked up when loading."""

import copy
import functools
import pickle
import re
import sys

import numpy as np
import pytest

from lamella import backend as K
from lamella.constraints import Constraint
from lamella.data.workers.child import Pickled
from lamella.initializers import Initializer
from lamella.layers import BatchNormalization, Dense, Layer
from lamella.metrics import Metric
from lamella.models import Sequential
from lamella.optimizers import SGD
from lamella.regularizers import Regularizer
from lamella.utils import CustomObjectScope, get_custom_objects
from tests.fresh_process import trained_in_a_fresh_process

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 3)).astype("float32"), RNG.normal(size=(12, 2)).astype("float32")


def locals_of_a_function():
    """Local classes and functions, which are not attributes of a module."""

    class Halving(SGD):
        """lr halves with each step."""

        def calls(self, params, grads, iterations, bounds):
            self.lr = float(self.lr) / 2
            return super().calls(params, grads, iterations, bounds)

    class Scale(Layer):
        def build(self, input_shape):
            self.factor = self.add_weight("factor", (input_shape[-1],), initializer="ones")
            super().build(input_shape)

        def call(self, inputs):
            return inputs * K.expand_dims(self.factor, 0)

    class Stack(Sequential):
        pass

    class Largest(Metric):
        def __init__(self, name=None):
            super().__init__(name)
            self.largest = 0.0

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.largest = max(self.largest, float(np.max(y_pred)))

        def result(self):
            return self.largest

        def reset_states(self):
            self.largest = 0.0

    class Thirds(Initializer):
        def __call__(self, shape, dtype=None):
            return np.full(shape, 1 / 3, dtype)

    class Tenth(Regularizer):
        def __call__(self, x):
            return 0.1 * K.sum(K.square(x))

    class Short(Constraint):
        def __call__(self, w):
            return np.clip(w, -0.4, 0.4)

    class Duck:
        """A constraint without a base class."""

        bound = 0.3

        def __call__(self, w):
            return np.clip(w, -self.bound, self.bound)

    def loss(y_true, y_pred):
        return K.mean(K.abs(y_pred - y_true), axis=-1)

    def error(y_true, y_pred):
        return np.max(np.abs(y_true - y_pred), axis=-1)

    def bent(x):
        return x * 0.5

    def filled(shape, dtype=None):
        return np.full(shape, 0.2, dtype)

    def penalty(w):
        return 0.01 * K.sum(K.abs(w))

    return dict(locals())


LOCAL = locals_of_a_function()


def compiled(layers=(), optimizer="adam", loss="mse", metrics=(), stack=Sequential):
    model = stack([Dense(4, activation="tanh", input_shape=(3,)), *layers, BatchNormalization(), Dense(2)])
    model.compile(optimizer, loss, metrics=list(metrics))
    return model


def by_joblib(model, path):
    joblib = pytest.importorskip("joblib")
    joblib.dump(model, path / "model.joblib")
    return joblib.load(path / "model.joblib")


def pickled(model, path):
    return pickle.loads(pickle.dumps(model))


def train(model):
    return model.fit(X, Y, batch_size=4, epochs=2, verbose=0).history


def check_trains_alike(model, twin):
    assert twin is not model
    assert train(model) == train(twin)
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for name, array in model.optimizer.get_state().items():
        np.testing.assert_array_equal(array, twin.optimizer.get_state()[name])


MODELS = {
    "a loss and an optimizer": lambda o: compiled(optimizer=o["Halving"](0.1, momentum=0.9), loss=o["loss"]),
    "a list of losses": lambda o: compiled(loss=[o["loss"]]),
    "metrics": lambda o: compiled(metrics=[o["error"], o["Largest"]()]),
    "a layer": lambda o: compiled([o["Scale"]()]),
    "a model": lambda o: compiled(stack=o["Stack"]),
    "an activation": lambda o: compiled([Dense(3, activation=o["bent"])]),
    "an initializer": lambda o: compiled([Dense(3, kernel_initializer=o["Thirds"](), bias_initializer=o["filled"])]),
    "a regularizer": lambda o: compiled([Dense(3, kernel_regularizer=o["Tenth"](), bias_regularizer=o["penalty"])]),
    "a regularizer of outputs": lambda o: compiled([Dense(3, activity_regularizer=o["penalty"])]),
    "a partial": lambda o: compiled(loss=functools.partial(o["loss"])),
    "a constraint": lambda o: compiled([Dense(3, kernel_constraint=o["Short"]())]),
    "a constraint of no base": lambda o: compiled([Dense(3, kernel_constraint=o["Duck"]())]),
}
models = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


@models
@pytest.mark.parametrize("way", [pickled, by_joblib])
def test_a_model_with_local_code_continues_training(make, way, tmp_path):
    model = make(LOCAL)
    train(model)
    with CustomObjectScope(LOCAL):
        twin = way(model, tmp_path)
    check_trains_alike(model, twin)


@models
def test_an_unknown_local_name_is_named(make):
    data = pickle.dumps(make(LOCAL))
    with pytest.raises(ValueError, match=r"^Unknown (class|function): \w+\.") as caught:
        pickle.loads(data)
    name = re.match(r"Unknown \w+: (\w+)", str(caught.value))[1]
    assert name in LOCAL
    assert str(caught.value).endswith(f"load the pickle inside CustomObjectScope({{'{name}': {name}}})")


@models
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_share_local_code(make, copied):
    model = make(LOCAL)
    train(model)
    check_trains_alike(model, copied(model))


@models
def test_cloudpickle_stores_local_code_itself(make, tmp_path):
    cloudpickle = pytest.importorskip("cloudpickle")
    model = make(locals_of_a_function())
    train(model)
    twin = pickle.loads(cloudpickle.dumps(model))
    check_trains_alike(model, twin)


def test_cloudpickle_takes_local_code_to_another_process(tmp_path):
    cloudpickle = pytest.importorskip("cloudpickle")
    own = locals_of_a_function()
    model = compiled(
        [own["Scale"](), Dense(3, activation=lambda x: x * 2)], own["Halving"](0.1), own["loss"], [own["Largest"]()]
    )
    train(model)
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the child cannot import this file
    try:
        pickled = cloudpickle.dumps((model, X, Y))
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    weights = trained_in_a_fresh_process(pickled, tmp_path)
    train(model)
    for array, expected in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    ("make", "who"),
    [
        (lambda: compiled(loss=lambda y, p: K.mean(K.square(y - p))), "Sequential 'sequential_[0-9]+': loss"),
        (lambda: compiled([Dense(3, activation=lambda x: x * 2, name="mine")]), "Dense 'mine': activation"),
    ],
)
def test_the_error_of_a_lambda_names_it(make, who):
    model = make()
    with pytest.raises(pickle.PicklingError, match=f"^{who} is a lambda, .* define it with def, or use cloudpickle"):
        pickle.dumps(model)
    twin = copy.deepcopy(model)
    check_trains_alike(model, twin)


def test_names_are_those_of_custom_objects_only():
    """A local function with the name of one of lamella's functions is another function."""

    def mse(y_true, y_pred):
        return K.mean(K.abs(y_true - y_pred), axis=-1)

    data = pickle.dumps(compiled(loss=mse))
    with pytest.raises(ValueError, match="Unknown function: mse"):
        pickle.loads(data)
    with CustomObjectScope({"mse": SGD}), pytest.raises(ValueError, match="contains the function 'mse', but the custom object"):
        pickle.loads(data)
    get_custom_objects()["mse"] = mse
    try:
        assert pickle.loads(data).loss is mse
    finally:
        del get_custom_objects()["mse"]


def test_attributes_of_modules_need_no_scope():
    model = compiled([ModuleScale()], loss=module_loss)
    twin = pickle.loads(pickle.dumps(model))
    assert twin.loss is module_loss and type(twin.layers[1]) is ModuleScale
    check_trains_alike(model, twin)


class ModuleScale(Layer):
    def call(self, inputs):
        return inputs * 2


def module_loss(y_true, y_pred):
    return K.mean(K.square(y_true - y_pred), axis=-1)


def test_a_shared_object_is_loaded_once():
    duck = LOCAL["Duck"]()
    held = ModuleScale()
    held.ducks = [duck, {"again": duck}, duck]
    held.ring = [1]
    held.ring.append(held.ring)
    held.seen = shared = {"numbers": [1]}
    held.also = [shared]
    with CustomObjectScope(LOCAL):
        twin = pickle.loads(pickle.dumps(held))
    first, again, third = twin.ducks
    assert type(first) is LOCAL["Duck"] and first is again["again"] is third is not duck
    assert twin.seen is twin.also[0]
    assert twin.ring[1] is twin.ring
    near = copy.copy(held)
    assert near.ducks is held.ducks and near.ducks[0] is duck


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_each_protocol(protocol):
    model = compiled([LOCAL["Scale"]()], LOCAL["Halving"](0.1), LOCAL["loss"])
    train(model)
    with CustomObjectScope(LOCAL):
        twin = pickle.loads(pickle.dumps(model, protocol))
    check_trains_alike(model, twin)


def test_work_with_local_code_is_not_pickled_for_a_worker():
    """A new process does not know the names, so such work is forked."""
    with pytest.raises((pickle.PicklingError, AttributeError)):
        Pickled(compiled(loss=LOCAL["loss"]))
