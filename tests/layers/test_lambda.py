"""Lambda: inputs and outputs of the function, shapes, masks, training, and refused results."""

import pickle

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Dense, Input, Lambda, Masking, TimeDistributed
from lamella.models import Model, Sequential, clone_model
from lamella.optimizers import Adam
from lamella.utils import CustomObjectScope

X = np.random.default_rng(0).normal(size=(5, 3, 4)).astype("float32")


def double(x):
    return 2 * x


def scaled(x, by=1.0, shift=0.0):
    return by * x + shift


@pytest.mark.parametrize(
    "layer, formula, shape",
    [
        (Lambda(K.square), np.square, (3, 4)),
        (Lambda(double), lambda x: 2 * x, (3, 4)),
        (Lambda(lambda x: x[:, 1:, 0]), lambda x: x[:, 1:, 0], (2,)),
        (Lambda(lambda x: x.shape[-1] * x), lambda x: 4 * x, (3, 4)),
        (Lambda(lambda x: K.mean(x, axis=1)), lambda x: x.mean(1), (4,)),
        (Lambda(scaled, arguments={"by": 3, "shift": np.arange(4.0)}), lambda x: 3 * x + np.arange(4.0), (3, 4)),
        (Lambda(lambda x: K.sum(x, (1, 2)), output_shape=()), lambda x: x.sum((1, 2)), ()),
        (Lambda(lambda x: K.sum(x, 1), output_shape=[4]), lambda x: x.sum(1), (4,)),
        (Lambda(lambda x: K.sum(x, 1), output_shape=lambda s: (s[0], s[2])), lambda x: x.sum(1), (4,)),
        (Lambda(lambda x: K.sum(x, 1), output_shape=lambda s: [s[0], s[2]]), lambda x: x.sum(1), (4,)),
    ],
)
def test_values_and_shapes(layer, formula, shape):
    t = Input((3, 4))
    y = layer(t)
    assert y.shape == (None, *shape)
    assert layer.compute_output_shape((None, 3, 4)) == (None, *shape)
    found = Model(t, y).predict(X)
    np.testing.assert_allclose(found, formula(X), rtol=1e-5)
    assert found.dtype == np.float32  # also if the function uses a float64 array


def test_several_inputs_and_outputs():
    a, b = Input((4,)), Input((4,))
    layer = Lambda(lambda pair: [pair[0] - pair[1], K.sum(pair[0], axis=1, keepdims=True)])
    first, second = layer([a, b])
    assert first.shape == (None, 4) and second.shape == (None, 1)
    u, v = X[:, 0], X[:, 1]
    for found, wanted in zip(Model([a, b], [first, second]).predict([u, v]), (u - v, u.sum(1, keepdims=True)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
    named = Lambda(lambda pair: pair, output_shape=lambda shapes: [(s[0], s[1]) for s in shapes])
    assert named.compute_output_shape([(None, 4), (2, 3)]) == [(None, 4), (2, 3)]
    single = Lambda(lambda x: (x,))(a)
    assert single.shape == (None, 4)


def test_a_first_layer_and_free_sizes():
    model = Sequential([Lambda(lambda x: x / 255, input_shape=(8,)), Dense(1)])
    assert model.output_shape == (None, 1)
    free = Lambda(lambda x: K.concatenate([x, x[:, :1]], axis=1))(Input((None, 2)))
    assert free.shape == (None, None, 2)


def test_dtypes_of_results():
    t = Input((3, 4))
    assert Lambda(lambda x: K.argmax(x, axis=-1))(t).dtype == "int64"
    assert Lambda(lambda x: K.greater(x, 0))(t).dtype == "bool"
    whole = Input((3,), dtype="int32")
    rows = Lambda(lambda i: K.gather(K.constant(np.eye(5)), i))(whole)
    assert rows.shape == (None, 3, 5) and rows.dtype == "float32"
    np.testing.assert_array_equal(Lambda(double)(X.astype("float64")), 2 * X)


def test_it_trains_through_the_function():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(64, 6)), rng.normal(size=(64, 6))
    left, right = Input((6,)), Input((6,))
    base = Dense(3, activation="tanh")
    distance = Lambda(lambda pair: K.sqrt(K.sum(K.square(pair[0] - pair[1]), axis=1, keepdims=True) + 0.1))
    model = Model([left, right], distance([base(left), base(right)]))
    model.compile(Adam(lr=0.02), "mse")
    before = model.evaluate([a, b], np.ones(64), verbose=0)
    model.fit([a, b], np.ones(64), epochs=30, verbose=0)
    assert model.evaluate([a, b], np.ones(64), verbose=0) < 0.5 * before
    assert len(model.trainable_weights) == 2


def test_the_learning_phase_and_noise_of_a_function():
    t = Input((4,))
    layer = Lambda(lambda x: K.in_train_phase(lambda: x + K.random_normal(K.shape(x)), x))
    model = Model(t, layer(t))
    x = X[:, 0]
    np.testing.assert_array_equal(model.predict(x), x)
    np.testing.assert_array_equal(model.run([x])[0], x)
    first, second = model.run([x], training=True)[0], model.run([x], training=True)[0]
    assert not np.array_equal(first, x) and not np.array_equal(first, second)


def test_a_variable_of_the_function_is_read_and_not_trained():
    factor = K.variable(2.0)
    t = Input((4,))
    model = Model(t, Dense(1)(Lambda(lambda x: factor * x)(t)))
    assert [w.name for w in model.weights] == ["dense_1/kernel:0", "dense_1/bias:0"]
    model.compile("sgd", "mse")
    model.fit(X[:, 0], np.ones(5), verbose=0)
    assert K.get_value(factor) == 2.0
    before = model.predict(X[:, 0])
    K.set_value(factor, 3.0)
    assert not np.allclose(model.predict(X[:, 0]), before)
    t = Lambda(lambda x: K.variable(np.ones((2, 3))))(X)
    assert isinstance(t, np.ndarray) and t.shape == (2, 3)


def test_a_lambda_drops_the_mask_unless_it_computes_one():
    x = np.array([[[1, 2], [0, 0], [3, 4]]], "float32")

    def mask_of(layer):
        return Sequential([Masking(input_shape=(3, 2)), layer]).compute_mask(x)

    assert mask_of(Lambda(double)) is None
    assert Lambda(double).compute_mask(x, np.array([[True, False, True]])) is None
    kept = Lambda(double, mask=lambda inputs, mask: mask)
    assert kept.supports_masking and not Lambda(double).supports_masking
    np.testing.assert_array_equal(mask_of(kept), [[True, False, True]])
    fixed = np.array([[True, True, False]])
    np.testing.assert_array_equal(mask_of(Lambda(double, mask=fixed)), fixed)


def test_a_function_with_a_mask_argument_gets_it():
    def mean_of_steps(x, mask=None):
        if mask is None:
            return K.mean(x, axis=1)
        kept = K.expand_dims(K.cast(mask, "float32"))
        return K.sum(x * kept, axis=1) / K.sum(kept, axis=1)

    x = np.array([[[1, 2], [0, 0], [3, 4]]], "float32")
    model = Sequential([Masking(input_shape=(3, 2)), Lambda(mean_of_steps)])
    np.testing.assert_allclose(model.predict(x), [[2, 3]])
    plain = Sequential([Lambda(mean_of_steps, input_shape=(3, 2))])
    np.testing.assert_allclose(plain.predict(x), [[4 / 3, 2]], rtol=1e-6)


def test_inside_a_wrapper():
    model = Sequential([TimeDistributed(Lambda(lambda x: x[:, :2]), input_shape=(3, 4))])
    np.testing.assert_array_equal(model.predict(X), X[:, :, :2])


@pytest.mark.parametrize("value, what", [(None, "NoneType"), (3.5, "float"), ("a", "str"), ([], "list"), ({}, "dict")])
def test_results_that_are_not_tensors_raise(value, what):
    layer = Lambda(lambda x: value, name="mine")
    message = f"Layer mine: expected its function to return a tensor or a list of tensors, got {what}"
    with pytest.raises(TypeError, match=message):
        layer(X)
    with pytest.raises(TypeError, match=message):
        layer(Input((3, 4)))
    with pytest.raises(TypeError, match="got an array of object"):
        Lambda(lambda x: np.array([None]), name="mine")(X)


def test_a_tensor_of_an_input_that_the_model_does_not_have_raises():
    a, b = Input((4,)), Input((4,), name="other")
    model = Model(a, Lambda(lambda x: x + b, name="mine")(a))
    with pytest.raises(ValueError, match="Graph disconnected: cannot obtain value for tensor .*other"):
        model.predict(np.ones((2, 4)))


def test_a_function_that_fails_on_the_shape():
    with pytest.raises(ValueError, match=r"Layer mine: cannot be applied to tensors of shape \(None, 3, 4\)"):
        Lambda(lambda x: K.dot(x, K.ones((5, 2))), name="mine")(Input((3, 4)))


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (dict(function="square"), TypeError, "Layer mine: expected a function, got 'square'"),
        (dict(function=double, output_shape=3), TypeError, "`output_shape` must be a list, a tuple, or a function. Got 3"),
        (dict(function=double, output_shape="a"), TypeError, "`output_shape` must be a list, a tuple, or a function. Got 'a'"),
        (dict(function=double, output_shape=(2.5,)), ValueError, "Layer mine: output_shape: expected a shape"),
        (dict(function=double, arguments=[1]), TypeError, r"Layer mine: expected arguments to be a dict, got \[1\]"),
    ],
)
def test_arguments_that_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Lambda(**arguments, name="mine")


def test_an_output_shape_function_returns_a_shape():
    with pytest.raises(ValueError, match="Layer mine: `output_shape` function must return a tuple or a list of tuples. Got 3"):
        Lambda(double, output_shape=lambda s: 3, name="mine")(Input((4,)))


def test_copies_in_the_process_have_the_same_function():
    secret = np.ones(3)
    t = Input((4,))
    layer = Lambda(lambda x, held, pair: x * held.sum() + pair[1], arguments={"held": secret, "pair": (1, 2)})
    model = Model(t, layer(t))
    x = X[:, 0]
    for copy in (Model.from_config(model.get_config()), clone_model(model)):
        again = copy.layers[-1]
        assert again is not layer and again.function is layer.function
        np.testing.assert_allclose(copy.predict(x), 3 * x + 2, rtol=1e-5)


def test_pickles_contain_names_of_functions():
    model = Sequential([Lambda(double, input_shape=(4,))])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X[:, 0]), 2 * X[:, 0])

    def local(x):
        return 3 * x

    data = pickle.dumps(Sequential([Lambda(local, input_shape=(4,))]))
    with CustomObjectScope({"local": local}):
        np.testing.assert_allclose(pickle.loads(data).predict(X[:, 0]), 3 * X[:, 0])
    with pytest.raises(pickle.PicklingError, match="Lambda 'lambda_"):
        pickle.dumps(Sequential([Lambda(lambda x: x, input_shape=(4,))]))


def test_the_config_has_the_keys_of_keras():
    config = Lambda(K.square, name="mine", arguments={}).get_config()
    assert config == {
        "name": "mine", "trainable": True, "dtype": "float32", "function": "square", "function_type": "function", "output_shape": None,
        "output_shape_type": "raw", "arguments": {}, "mask": None,
    }  # fmt: skip
