"""Subclasses of Model with layers as attributes and their own `call`."""

import copy
import pickle

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import BatchNormalization, Dense, Dropout, Input, Layer, Masking, add
from lamella.models import Model, Sequential, clone_model
from lamella.regularizers import l2

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 4)).astype("float32")
Y = RNG.normal(size=(12, 2)).astype("float32")


class Own(Model):
    def __init__(self, name=None):
        super().__init__(name=name)
        self.hidden = Dense(5, activation="tanh", kernel_regularizer=l2(0.1))
        self.norm = BatchNormalization()
        self.top = Dense(2)

    def call(self, inputs):
        h = self.norm(self.hidden(inputs))
        return self.top(h - K.mean(h, axis=-1, keepdims=True))


class Pair(Model):
    """A model with two inputs, two outputs, layers in a list, and an argument `training`."""

    def __init__(self):
        super().__init__()
        self.towers = [Dense(3, name="left"), Dense(3, name="right")]
        self.drop = Dropout(0.5)

    def call(self, inputs, training=None):
        a, b = (tower(x) for tower, x in zip(self.towers, inputs))
        return [add([a, b]), self.drop(a, training=training)]


def graph_of(own):
    """The same model as a functional model, with the weights of `own`."""
    x = Input((4,))
    h = BatchNormalization()(Dense(5, activation="tanh", kernel_regularizer=l2(0.1))(x))
    model = Model(x, Dense(2)(h - K.mean(h, axis=-1, keepdims=True)))
    model.set_weights(own.get_weights())
    return model


def built(cls=Own, shape=(None, 4)):
    model = cls()
    model.build(shape)
    return model


def test_it_trains_as_the_same_functional_model():
    own = built()
    graph = graph_of(own)
    for model in (own, graph):
        model.compile("adam", "mse", metrics=["mae"])
    histories = [model.fit(X, Y, batch_size=5, epochs=3, shuffle=False, verbose=0).history for model in (own, graph)]
    assert histories[0]["loss"] == histories[1]["loss"] and len(own.trainable_weights) == 6 and len(own.weights) == 8
    for a, b in zip(own.get_weights(), graph.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert own.evaluate(X, Y, verbose=0) == graph.evaluate(X, Y, verbose=0)
    np.testing.assert_array_equal(own.predict(X), graph.predict(X))


@pytest.mark.parametrize("first", ["fit", "evaluate", "predict", "train_on_batch", "fit_generator", "call"])
def test_the_first_batch_builds_it(first):
    model = Own()
    model.compile("sgd", "mse")
    assert not model.built and [layer.name for layer in model.layers] == [model.hidden.name, model.norm.name, model.top.name]
    batches = iter(lambda: (X, Y), None)
    calls = {
        "fit": lambda: model.fit(X, Y, verbose=0),
        "evaluate": lambda: model.evaluate(X, Y, verbose=0),
        "predict": lambda: model.predict(X),
        "train_on_batch": lambda: model.train_on_batch(X, Y),
        "fit_generator": lambda: model.fit_generator(batches, 1, verbose=0),
        "call": lambda: model(X),
    }
    calls[first]()
    assert model.built and model.input_names == ["input_1"] and model.output_names == ["output_1"]
    np.testing.assert_allclose(model.predict(X), graph_of(model).predict(X), rtol=1e-6)


def test_several_inputs_and_outputs_and_the_phase():
    model = Pair()
    model.compile("sgd", "mse")
    model.fit([X, X], [Y[:, :1].repeat(3, 1)] * 2, verbose=0)
    assert model.input_names == ["input_1", "input_2"] and model.output_names == ["output_1", "output_2"]
    (left, b), (right, c) = (tower.get_weights() for tower in model.towers)
    total, dropped = model.predict([X, 2 * X])
    np.testing.assert_allclose(total, X @ left + b + 2 * X @ right + c, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(dropped, X @ left + b, rtol=1e-4, atol=1e-5)
    draw = K.function([*model.inputs, K.learning_phase()], [model.outputs[1]])
    values = draw([X, X, 1])[0]
    assert ((values == 0) | np.isclose(values, 2 * dropped, rtol=1e-4, atol=1e-5)).all() and (values == 0).any()


def test_weights_are_saved_and_loaded(tmp_path):
    model = built()
    for name in ("w.h5", "w.safetensors"):
        if name.endswith("safetensors"):
            pytest.importorskip("safetensors")
        model.save_weights(tmp_path / name)
        other = Own()
        with pytest.raises(ValueError, match="has no weights yet"):
            other.load_weights(tmp_path / name)
        other.build((None, 4))
        other.load_weights(tmp_path / name)
        np.testing.assert_array_equal(other.predict(X), model.predict(X))


def test_a_subclassed_model_inside_another():
    own = Own(name="own")
    x = Input((4,))
    outer = Model(x, Dense(2)(own(x)))
    assert outer.layers[1] is own and len(outer.trainable_weights) == 8
    outer.compile("sgd", "mse")
    before = own.get_weights()
    outer.train_on_batch(X, Y)
    assert not any(np.array_equal(a, b) for a, b in zip(before, own.get_weights()))
    inner = Model(x, graph_of(own)(x)).predict(X)
    np.testing.assert_allclose(outer.predict(X), inner @ outer.get_weights()[-2] + outer.get_weights()[-1], rtol=1e-4)
    stack = Sequential([Own(), Dense(1)])
    stack.compile("sgd", "mse")
    stack.fit(X, Y[:, :1], verbose=0)
    assert stack.output_shape == (None, 1) and len(stack.trainable_weights) == 8
    with pytest.raises(NotImplementedError, match="Own, a subclass with a call"):
        outer.get_config()
    with pytest.raises(NotImplementedError, match="Own, a subclass with a call"):
        clone_model(outer)


def test_a_frozen_inner_model_keeps_its_averages():
    own = built()
    own.trainable = False
    x = Input((4,))
    outer = Model(x, Dense(2)(own(x)))
    outer.compile("sgd", "mse")
    before = own.get_weights()
    outer.fit(X, Y, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, own.get_weights()))
    assert len(outer.trainable_weights) == 2


class Masked(Model):
    def __init__(self, says):
        super().__init__()
        self.mask, self.dense, self.says = Masking(0.0), Counting(), says

    def call(self, inputs):
        return self.dense(self.mask(inputs))

    def compute_mask(self, inputs, mask=None):
        return K.not_equal(inputs, 0.0)[..., 0] if self.says else None


class Counting(Layer):
    """x plus the number of steps that count."""

    supports_masking = True

    def call(self, inputs, mask=None):
        return inputs + K.expand_dims(K.cast(K.sum(K.cast(mask, "float32"), axis=1, keepdims=True), "float32"), -1)


STEPS = np.array([[[1.0], [0.0], [2.0]], [[0.0], [0.0], [3.0]]], "float32")
COUNTED = np.array([[[3.0], [2.0], [4.0]], [[1.0], [1.0], [4.0]]], "float32")


@pytest.mark.parametrize("says", [False, True])
def test_masks_inside_and_of_the_outputs(says):
    """Layers pass masks on within the model. The losses get the result of its compute_mask, as in Keras 2.2.5."""
    model = Masked(says)
    model.compile("sgd", "mse", sample_weight_mode=None)
    np.testing.assert_array_equal(model.predict(STEPS), COUNTED)
    squares = (COUNTED[..., 0] - 1) ** 2
    kept = STEPS[..., 0] != 0
    # Keras divides by the fraction of unmasked steps.
    want = np.mean(squares * kept / kept.mean()) if says else squares.mean()
    got = model.evaluate(STEPS, np.ones_like(STEPS), verbose=0)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    x = Input((3, 1))
    outer = Model(x, Counting()(model(x))) if says else Model(x, model(x))
    np.testing.assert_array_equal(outer.predict(STEPS), COUNTED + kept.sum(1)[:, None, None] if says else COUNTED)


class Copies(Model):
    def __init__(self):
        super().__init__()
        self.dense = Dense(2)

    def call(self, inputs):
        return self.dense(inputs)


def test_copies_are_independent():
    model = built(Copies)
    model.compile("sgd", "mse")
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(twin.predict(X), model.predict(X))
        kept = model.get_weights()
        twin.fit(X, Y, verbose=0)
        assert all(np.array_equal(a, b) for a, b in zip(kept, model.get_weights()))
        assert not np.array_equal(twin.get_weights()[0], kept[0])


class Metrics(Copies):
    def call(self, inputs, training=None):
        if training:
            raise AssertionError("the graph is made once, with training=None")
        return super().call(inputs)


def test_the_call_does_not_get_the_phase():
    model = Metrics()
    model.compile("sgd", "mse", metrics=["mae"])
    assert [len(model.fit(X, Y, epochs=2, verbose=0).history[k]) for k in ("loss", "mean_absolute_error")] == [2, 2]
    assert model.layers == [model.dense]


def test_unsupported_methods_and_wrong_calls_raise():
    class Forgets(Model):
        def __init__(self):
            self.dense = Dense(2)

    with pytest.raises(RuntimeError, match="forgot to call `super"):
        Forgets()

    class WithoutCall(Model):
        pass

    with pytest.raises(NotImplementedError, match="needs a method `call`"):
        WithoutCall().predict(X)
    with pytest.raises(TypeError, match="expected inputs and outputs"):
        Model()

    class Returns(Model):
        def __init__(self, value):
            super().__init__()
            self.value = value

        def call(self, inputs):
            return self.value

    for value in (None, np.ones((2, 2)), {"a": 1}):
        model = Returns(value)
        with pytest.raises(TypeError, match="expected call\\(\\) to return tensors"):
            model.predict(X)
        assert not model.built
    model = Own()
    with pytest.raises(ValueError, match="never been called"):
        model.summary()
    for wanted in (model.get_config, model.to_json, lambda: model.save("never.h5")):
        with pytest.raises(NotImplementedError, match="is code and cannot be saved; use save_weights"):
            wanted()
    with pytest.raises(ValueError, match="build\\(\\) needs the shape"):
        model.build()
    model.build((None, 4))
    with pytest.raises(ValueError, match="expected"):
        model.predict(np.ones((2, 7)))


def test_a_layer_made_in_call_is_warned_about():
    class Makes(Model):
        def call(self, inputs):
            return Dense(2, name="lost")(inputs)

    with pytest.warns(UserWarning, match=r"the weights of \['lost'\] will be neither trained nor saved"):
        Makes().predict(X)


def test_summary_names_its_layers(capsys):
    built().summary()
    printed = capsys.readouterr().out
    assert "Total params: 57" in printed and "Connected to" not in printed


class Weighs(Model):
    """Multiplies by the mask if there is one."""

    def __init__(self):
        super().__init__()
        self.dense = Dense(1, bias_initializer="ones")

    def call(self, inputs, mask=None, training=None):
        y = self.dense(inputs)
        return y if mask is None else y * K.expand_dims(K.cast(mask, "float32"), -1)


def test_its_call_gets_a_mask_from_outside():
    model = Weighs()
    x = Input((3, 1))
    outer = Model(x, model(Masking(0.0)(x + 0.0)))
    outer.compile("sgd", "mse")
    want = (STEPS * model.get_weights()[0][0, 0] + 1) * (STEPS != 0)
    np.testing.assert_allclose(outer.predict(STEPS), want)
    before = model.get_weights()[0]
    outer.train_on_batch(STEPS, np.ones_like(STEPS))
    assert not np.array_equal(before, model.get_weights()[0])
