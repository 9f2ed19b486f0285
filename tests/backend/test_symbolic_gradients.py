"""K.gradients of tensors of a graph, against differences of the model's predictions."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import (
    LSTM,
    AlphaDropout,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianDropout,
    Input,
    Masking,
)
from lamella.models import Model, Sequential

RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def float64():
    before = K.floatx()
    K.set_floatx("float64")
    yield
    K.set_floatx(before)


def slope(f, x, direction, step=1e-6):
    return (f(x + step * direction) - f(x - step * direction)) / (2 * step)


def image_model():
    model = Sequential(
        [
            Conv2D(3, 3, activation="tanh", input_shape=(7, 7, 2), name="conv"),
            BatchNormalization(),
            Flatten(),
            Dense(4, activation="softmax"),
        ]
    )
    return model, RNG.normal(size=(2, 7, 7, 2))


def test_gradients_for_the_input_of_the_model():
    model, x = image_model()
    (g,) = K.gradients(K.sum(model.output[:, 1]), model.input)
    assert g.shape == (None, 7, 7, 2)
    (found,) = K.function([model.input], [g])([x])
    direction = RNG.normal(size=x.shape)
    assert (found * direction).sum() == pytest.approx(slope(lambda v: model.predict(v)[:, 1].sum(), x, direction), rel=1e-5)


def test_a_loss_that_is_not_a_scalar_is_summed():
    model, x = image_model()
    a, b = K.gradients(model.output[:, 1], model.input), K.gradients(K.sum(model.output[:, 1]), model.input)
    first, second = K.function([model.input], [a[0], b[0]])([x])
    np.testing.assert_array_equal(first, second)


def test_gradients_for_an_inner_tensor():
    model, x = image_model()
    conv = model.get_layer("conv").output
    weights = K.mean(K.gradients(model.output[:, 1], conv)[0], axis=(1, 2))
    values, found = K.function([model.input], [conv, weights])([x])
    with pytest.warns(UserWarning, match="Model inputs must come from"):
        rest = Model(conv, model.output)
    direction = np.zeros_like(values)
    direction[0, :, :, 2] = 1 / 25
    assert found.shape == (2, 3)
    assert found[0, 2] == pytest.approx(slope(lambda v: rest.predict(v)[:, 1].sum(), values, direction), rel=1e-5)


def test_gradients_for_weights_and_for_several_variables():
    x, y = Input((3,)), Input((3,))
    layer = Dense(2, activation="tanh")
    out = layer(x) * layer(y)
    kernel, bias = layer.weights
    by_y, by_kernel, by_x = K.gradients(out, [y, kernel, x])
    assert by_kernel.shape == (3, 2)
    a, b = RNG.normal(size=(2, 5, 3))
    found = K.function([x, y], [by_y, by_kernel, by_x])([a, b])
    model = Model([x, y], out)

    def by(name):
        def f(value):
            old = kernel.numpy()
            if name == "kernel":
                kernel.assign(value)
            result = model.predict([value if name == "x" else a, value if name == "y" else b]).sum()
            kernel.assign(old)
            return result

        return f

    for name, start, g in (("y", b, found[0]), ("kernel", kernel.numpy(), found[1]), ("x", a, found[2])):
        direction = RNG.normal(size=start.shape)
        assert (g * direction).sum() == pytest.approx(slope(by(name), start, direction), rel=1e-5)


def test_a_variable_on_which_the_loss_does_not_depend_gives_none():
    x, y = Input((3,)), Input((3,))
    other = Dense(1)
    other.build((None, 3))
    loss = K.sum(K.square(x))
    g, none, none_either = K.gradients(loss, [x, y, other.weights[0]])
    assert none is None and none_either is None
    assert K.function([x], [g])([np.full((1, 3), 2.0)])[0].tolist() == [[4, 4, 4]]
    assert K.gradients(loss, y) == [None]


def test_gradients_depend_on_the_learning_phase():
    x = Input((50,))
    y = Dropout(0.5)(x)
    (g,) = K.gradients(y, x)
    run = K.function([x, K.learning_phase()], [g])
    assert run([np.ones((4, 50)), 0])[0].tolist() == np.ones((4, 50)).tolist()
    assert set(np.unique(run([np.ones((4, 50)), 1])[0])) == {0.0, 2.0}


NOISY = {
    "dropout": lambda x: Dropout(0.5)(x),
    "seeded": lambda x: Dropout(0.5, seed=3)(x),
    "gaussian": lambda x: GaussianDropout(0.5)(x),
    "alpha": lambda x: AlphaDropout(0.5)(x),
    "of K": lambda x: K.in_train_phase(K.dropout(x, 0.5), x),
    "normal": lambda x: x * K.random_normal(K.shape(x)),
    "nested": lambda x: Sequential([Dropout(0.5, input_shape=(40,))])(x),
}


@pytest.mark.parametrize("name", NOISY)
def test_noise_is_drawn_once_for_values_and_gradients(name):
    x = Input((40,))
    y = NOISY[name](x)
    loss = K.sum(K.square(y)) / 2
    (slope,) = K.gradients(loss, x)
    (curved,) = K.gradients(K.sum(slope * x), x)
    run = K.function([x, K.learning_phase()], [y, slope, curved])
    value = RNG.uniform(1, 2, size=(3, 40))
    factors = []
    for _ in range(2):
        values, found, second = run([value, 1])
        if name != "alpha":  # which also adds
            factors.append(values / value)
            np.testing.assert_allclose(found, values * factors[-1], rtol=1e-12)
            np.testing.assert_allclose(second, 2 * found, rtol=1e-12)
        else:
            dropped = np.isclose(found, 0)
            factors.append(dropped)
            assert np.ptp(values[dropped]) < 1e-12 < np.ptp(values[~dropped])
    assert (factors[0] != factors[1]).any(), "each call draws anew"


def test_a_model_that_is_called_twice_draws_twice():
    x = Input((40,))
    noisy = Sequential([Dropout(0.5, input_shape=(40,))])
    a, b = noisy(x), noisy(x + 0)  # a call on the same tensor would give the same output
    by_a, by_b = (K.gradients(K.sum(y), x)[0] for y in (a, b))
    first, second, slope_a, slope_b = K.function([x, K.learning_phase()], [a, b, by_a, by_b])([np.ones((3, 40)), 1])
    assert (first != second).any()
    np.testing.assert_array_equal(first, slope_a)
    np.testing.assert_array_equal(second, slope_b)


def test_recurrent_dropout_is_drawn_once():
    x = Input((4, 3))
    y = LSTM(5, dropout=0.4, recurrent_dropout=0.4)(x)
    weights = K.placeholder((None, 5))
    (slope,) = K.gradients(K.sum(y * weights), y)
    run = K.function([x, weights, K.learning_phase()], [y, K.gradients(K.sum(K.square(y)), y)[0], slope])
    values, twice, given = run([RNG.normal(size=(2, 4, 3)), np.ones((2, 5)), 1])
    np.testing.assert_array_equal(twice, 2 * values)


def test_training_uses_the_values_that_dropout_drew():
    """d loss / d w in one step. The loss contains a gradient that uses the same dropout mask as the output."""
    x = Input((30,))
    scale = Dense(30, use_bias=False, kernel_initializer="identity")
    y = Dropout(0.5)(scale(x))
    (slope,) = K.gradients(K.sum(K.square(y)), x)  # 2 d^2 x, where d are the factors of dropout
    model = Model(x, [y, slope])
    out, found = model.run([np.ones((2, 30))], training=True)
    np.testing.assert_allclose(found, 2 * out**2, rtol=1e-12)


def test_masks_reach_the_layers():
    x = Input((4, 2))
    y = Masking()(x)
    (g,) = K.gradients(K.square(y), x)
    values = RNG.normal(size=(1, 4, 2))
    values[0, 1] = 0
    np.testing.assert_allclose(K.function([x], [g])([values])[0], 2 * values)


def test_a_result_of_gradients_cannot_be_saved():
    x = Input((3,))
    (g,) = K.gradients(K.square(Dense(1)(x)), x)
    model = Model(x, g)
    with pytest.raises(NotImplementedError, match="cannot be saved with a graph"):
        model.get_config()


def test_gradients_for_a_tensor_and_for_tensors_before_it():
    x = Input((4,))
    layer = Dense(3)
    h = layer(x)
    h_slope, x_slope, kernel_slope = K.gradients(K.sum(K.square(h)) + K.sum(x), [h, x, layer.kernel])
    values = RNG.normal(size=(5, 4))
    kernel = layer.get_weights()[0]
    by_h, by_x, by_kernel = K.function([x], [h_slope, x_slope, kernel_slope])([values])
    np.testing.assert_allclose(by_h, 2 * values @ kernel, rtol=1e-12)
    np.testing.assert_allclose(by_x, by_h @ kernel.T + 1, rtol=1e-12)
    np.testing.assert_allclose(by_kernel, values.T @ by_h, rtol=1e-12)
