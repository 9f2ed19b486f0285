"""Model.add_loss of a symbolic tensor: it is part of the total loss in each step, with or without losses of compile."""

import numpy as np
import pytest

import lamella
from lamella import backend as K
from lamella.layers import Dense, Dropout, Input, Layer, Masking
from lamella.models import Model, Sequential, load_model
from lamella.optimizers import SGD

X = np.random.default_rng(0).standard_normal((12, 5)).astype("f4")
Y = np.random.default_rng(1).standard_normal((12, 2)).astype("f4")


def autoencoder(**compiled):
    lamella.utils.set_random_seed(0)
    x = Input((5,))
    code = Dense(3, name="code")(x)
    y = Dense(5, name="y")(code)
    model = Model(x, y)
    model.add_loss(K.mean(K.square(x - y)) + 0.1 * K.mean(K.abs(code)))
    model.compile(SGD(0.1), **compiled)
    return model


def by_hand(w):
    """(loss, gradients) of `autoencoder` in float64."""
    a, b, c, d = (v.astype("f8") for v in w)
    code = X @ a + b
    e = code @ c + d - X
    loss = (e**2).mean() + 0.1 * np.abs(code).mean()
    de = 2 * e / e.size
    dcode = de @ c.T + 0.1 * np.sign(code) / code.size
    return loss, [X.T @ dcode, dcode.sum(0), code.T @ de, de.sum(0)]


def test_it_is_the_only_loss_if_compile_has_none():
    model = autoencoder()
    loss, gradients = by_hand(before := model.get_weights())
    assert model.evaluate(X, None, verbose=0) == pytest.approx(loss, rel=1e-5)
    assert model.train_on_batch(X, None) == pytest.approx(loss, rel=1e-5)
    for w, v, g in zip(before, model.get_weights(), gradients):
        np.testing.assert_allclose(v, w - 0.1 * g, rtol=1e-4, atol=1e-6)
    history = model.fit(X, epochs=40, batch_size=4, verbose=0, validation_data=(X, None), shuffle=False).history
    assert set(history) == {"loss", "val_loss"}
    assert history["val_loss"][-1] < 0.8 * history["val_loss"][0]
    assert history["val_loss"][-1] == pytest.approx(by_hand(model.get_weights())[0], rel=1e-4)
    assert model.predict(X).shape == (12, 5)
    assert [float(v) for v in model.losses] == [pytest.approx(by_hand(model.get_weights())[0], rel=1e-4)]


def test_it_adds_to_losses_and_penalties():
    plain, added = autoencoder(loss="mae", metrics=["mse"]), autoencoder()
    values = plain.evaluate(X, X, verbose=0)
    mae = np.abs(plain.predict(X) - X).mean()
    assert values[0] == pytest.approx(mae + added.evaluate(X, None, verbose=0), rel=1e-5)
    assert values[1] == pytest.approx(((plain.predict(X) - X) ** 2).mean(), rel=1e-5)
    assert plain.metrics_names == ["loss", "mean_squared_error"]


def test_several_of_them_and_a_target_as_an_input():
    x, target = Input((5,)), Input((2,))
    y = Dense(2)(Dropout(0.5)(x))
    model = Model([x, target], y)
    model.add_loss([K.mean(K.square(target - y)), lambda: 0.25])
    model.add_loss(2 * K.sum(y))
    model.compile("sgd")
    wanted = ((model.predict([X, Y]) - Y) ** 2).mean() + 0.25 + 2 * model.predict([X, Y]).sum()
    assert model.evaluate([X, Y], None, verbose=0, batch_size=12) == pytest.approx(wanted, rel=1e-4)
    assert [layer.name for layer in model.layers] == [v.name for v in Model([x, target], y).layers]  # no layer is added


def test_a_compiled_model_keeps_the_one_it_has():
    model = autoencoder()
    loss = model.evaluate(X, None, verbose=0)
    model.add_loss(K.sum(model.outputs[0]) * 0.0 + 3.0)
    assert model.evaluate(X, None, verbose=0) == pytest.approx(loss + 3, rel=1e-5)


def test_an_added_loss_of_a_nested_model():
    x = Input((5,))
    y = Dense(2, name="inner")(x)
    inner = Model(x, y)
    inner.add_loss(K.sum(K.square(y)))
    a = Input((5,))
    outer = Model(a, Dense(1)(inner(inner(a)[:, :1] * K.ones((1, 5)) + a)))
    outer.compile("sgd", "mse")
    w, b = inner.get_weights()
    first = X @ w + b
    second = (first[:, :1] + X) @ w + b
    wanted = ((outer.predict(X) - 1) ** 2).mean() + (first**2).sum() + (second**2).sum()
    for _ in range(2):  # each run computes new values
        assert outer.evaluate(X, np.ones((12, 1)), verbose=0, batch_size=12) == pytest.approx(wanted, rel=1e-4)
    inner.compile("sgd")
    assert inner.evaluate(X, None, verbose=0, batch_size=12) == pytest.approx((first**2).sum(), rel=1e-4)
    with pytest.raises(RuntimeError, match="add_loss of a tensor comes before the model is called as a part"):
        inner.add_loss(K.sum(y))


def test_a_model_with_masks():
    x = Input((3, 2))
    masked = Masking()(x)
    y = Dense(2)(masked)
    model = Model(x, y)
    model.add_loss(K.mean(K.abs(y)))
    model.compile("sgd", "mse")
    data = np.random.default_rng(2).standard_normal((4, 3, 2)).astype("f4")
    data[:, 1] = 0
    alone = Model(x, y)
    alone.compile("sgd", "mse")
    difference = model.evaluate(data, 0 * data, verbose=0) - alone.evaluate(data, 0 * data, verbose=0)
    assert difference == pytest.approx(np.abs(model.predict(data)).mean(), rel=1e-4)


def test_a_sequential_keeps_it_as_it_grows():
    model = Sequential([Dense(3, input_shape=(5,))])
    model.add_loss(K.mean(model.outputs[0]))
    model.add(Dense(2))
    model.compile("sgd", "mse")
    w, b = model.layers[0].get_weights()
    wanted = ((model.predict(X) - Y) ** 2).mean() + (X @ w + b).mean()
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("axes", [1, 2])
def test_losses_of_one_number_may_keep_their_axes(axes):
    """Mask R-CNN's scripts add K.mean(output, keepdims=True), and losses that a Lambda reshaped to [1, 1]."""
    models = []
    for keepdims in (False, True):
        x = Input((5,))
        y = Dense(2, kernel_initializer="ones", name="y")(x)
        model = Model(x, y)
        loss = K.mean(K.square(y), keepdims=keepdims)
        model.add_loss(K.reshape(loss, (1,)) if keepdims and axes == 1 else loss)
        model.compile(SGD(0.1), loss=[None])
        models.append((model, [model.train_on_batch(X, None) for _ in range(3)]))
    (plain, wanted), (kept, found) = models
    assert wanted[0] == pytest.approx((X.sum(1) ** 2).mean(), rel=1e-4)
    assert np.shape(found[0]) == ()
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    np.testing.assert_allclose(kept.get_weights()[0], plain.get_weights()[0], rtol=1e-6)


def test_wrong_losses_raise():
    x = Input((5,))
    y = Dense(2, name="y")(x)
    model = Model(x, y, name="m")
    with pytest.raises(ValueError, match=r"m: add_loss expects a scalar, such as K.mean\(x\) is, got <Symbolic"):
        model.add_loss(K.mean(y, axis=-1))
    with pytest.raises(ValueError, match="has no loss to optimize"):
        model.compile("sgd")  # nothing was added
    model.add_loss(K.mean(Input((5,))))  # may be one of target_tensors
    with pytest.raises(ValueError, match="Graph disconnected"):
        model.compile("sgd")


def test_files_do_not_contain_it(tmp_path):
    model = autoencoder(loss="mse")
    model.fit(X, X, verbose=0)
    model.save(tmp_path / "m.h5")
    loaded = load_model(tmp_path / "m.h5")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.losses == [] and loaded.evaluate(X, X, verbose=0) == pytest.approx(
        ((model.predict(X) - X) ** 2).mean(), rel=1e-5
    )


def test_same_bits_as_a_layer_that_adds_the_loss():
    class Adds(Layer):
        def call(self, inputs):
            self.add_loss(K.mean(K.square(inputs)))
            return inputs

    weights = []
    for symbolic in (True, False):
        lamella.utils.set_random_seed(3)
        x = Input((5,))
        y = Dense(4, name="d")(x)
        model = Model(x, y if symbolic else Adds()(y))
        if symbolic:
            model.add_loss(K.mean(K.square(y)))
        model.compile("adam", "mse")
        lamella.utils.set_random_seed(4)
        model.fit(X, np.ones((12, 4)), epochs=3, batch_size=4, verbose=0)
        weights.append(model.get_weights())
    for a, b in zip(*weights):
        np.testing.assert_array_equal(a, b)


# Losses of weights -----------------------------------------------------------------------------------------------------------


class Penalized(Layer):
    """Adds a loss of its weight in build(), as layers of Keras 2 do."""

    def __init__(self, loss, **kwargs):
        self.loss = loss
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.w = self.add_weight(name="w", shape=(3,), initializer="ones")
        self.add_loss(self.loss(self.w))
        super().build(input_shape)

    def call(self, inputs):
        return inputs * self.w


def test_a_function_of_weights_is_a_loss_in_build_and_of_a_model():
    def squares(w):
        return lambda: K.sum(K.square(w))

    inside = Sequential([Penalized(squares, input_shape=(3,))])
    outside = Sequential([Penalized(lambda w: [], input_shape=(3,))])
    outside.add_loss(squares(outside.layers[0].w))
    for model in (inside, outside):
        model.compile(lamella.optimizers.SGD(0.1), "mse")
        model.fit(np.zeros((4, 3)), np.zeros((4, 3)), verbose=0)
        np.testing.assert_allclose(model.get_weights()[0], 0.8, rtol=1e-6)  # 1 - 0.1 * 2


def test_tensors_of_weights_are_losses_in_build_and_of_a_model():
    inside = Sequential([Penalized(lambda w: K.sum(K.square(w)), input_shape=(3,))])
    outside = Sequential([Penalized(lambda w: [], input_shape=(3,))])
    outside.add_loss(K.sum(K.square(outside.layers[0].w)))
    both = Sequential([Penalized(lambda w: 0.5 * K.sum(K.square(w)), input_shape=(3,))])
    both.add_loss(0.5 * K.sum(K.square(both.layers[0].w)))
    for model in (inside, outside, both):
        model.compile(lamella.optimizers.SGD(0.1), "mse")
        x = np.zeros((4, 3))
        assert model.evaluate(x, x, verbose=0) == pytest.approx(3.0)
        for step in (1, 2):  # each step multiplies the weights of one by 1 - 0.1 * 2
            model.fit(x, x, verbose=0)
            np.testing.assert_allclose(model.get_weights()[0], 0.8**step, rtol=1e-6)
        assert model.evaluate(x, x, verbose=0) == pytest.approx(3 * 0.8**4)


def test_a_value_outside_of_a_call_raises():
    wanted = "add_loss outside of call.. expects a tensor of the graph, a function, a Variable or a number, got the value 3.0"
    with pytest.raises(TypeError, match="Layer p: " + wanted):  # else it would be 3 forever, without a gradient
        Sequential([Penalized(lambda w: K.eval(K.sum(K.square(w))), input_shape=(3,), name="p")])
    model = Sequential([Penalized(lambda w: [], input_shape=(3,))])
    with pytest.raises(TypeError, match=wanted):
        model.add_loss(K.eval(K.sum(model.layers[0].w)))
    assert sum(model.losses) == 0


def test_variables_and_numbers_are_losses_outside_of_a_call():
    scale = K.variable(2.0)
    model = Sequential([Penalized(lambda w: [scale, 0.25], input_shape=(3,))])
    model.compile("sgd", "mse")
    x = np.zeros((4, 3))
    assert model.evaluate(x, x, verbose=0) == pytest.approx(2.25)
    K.set_value(scale, 5.0)
    assert model.evaluate(x, x, verbose=0) == pytest.approx(5.25)
    model.add_loss(1)
    model.compile("sgd", "mse")
    assert model.evaluate(x, x, verbose=0) == pytest.approx(6.25)


@pytest.mark.parametrize("place", ["build", "function", "call"])
def test_a_trained_variable_as_a_loss_has_a_gradient(place):
    class Lowers(Layer):
        def build(self, input_shape):
            self.w = self.add_weight(name="w", shape=(), initializer="ones")
            if place != "call":
                self.add_loss(self.w if place == "build" else lambda: self.w)
            super().build(input_shape)

        def call(self, inputs):
            if place == "call":
                self.add_loss(self.w)
            return inputs

    model = Sequential([Lowers(input_shape=(3,))])
    model.compile(SGD(0.25), "mse")
    model.fit(np.zeros((4, 3)), np.zeros((4, 3)), epochs=2, verbose=0)
    assert K.get_value(model.layers[0].w) == pytest.approx(0.5)
