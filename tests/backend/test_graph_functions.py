"""K.placeholder, K.function with updates, K.shape of symbolic tensors, functions as branches, inputs with a value."""

import json
import pickle

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import BatchNormalization, Dense, Dropout, Input, InputLayer, Lambda, Reshape
from lamella.models import Model, Sequential, clone_model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 3)).astype("float32")


def test_a_placeholder_is_not_a_tensor_of_keras():
    p = K.placeholder((None, 3), name="p")
    assert p.shape == (None, 3) and p.dtype == "float32" and p.name == "p"
    assert K.placeholder(ndim=2).shape == (None, None) and K.placeholder((), dtype="int32").dtype == "int32"
    v = K.variable(np.ones(3))
    assert K.is_placeholder(p) and not K.is_placeholder(p * v)
    assert [K.is_keras_tensor(t) for t in (p, p * v, K.sum(p * p), v)] == [False] * 4
    x = Input((3,))
    assert K.is_keras_tensor(x) and K.is_keras_tensor(x * p) and K.is_keras_tensor(Dense(2)(p))
    with pytest.raises(ValueError, match="Input tensors to a Model must come from `keras.layers.Input`"):
        Model(p, Dense(2)(p))
    with pytest.raises(ValueError, match="K.placeholder: expected a shape, or the number of axes"):
        K.placeholder()
    with pytest.raises(ValueError, match="expected sparse=False"):
        K.placeholder((2,), sparse=True)


def test_functions_of_placeholders_and_variables():
    p, q = K.placeholder((None, 3)), K.placeholder(())
    v = K.variable([1.0, 2.0, 3.0])
    loss = K.variable(0.0)
    loss = loss + q * K.sum(K.square(p - v))
    by_p, by_v, none = K.gradients(loss, [p, v, K.variable(1.0)])
    assert none is None
    run = K.function([p, q], [loss, by_p, by_v, v])
    total, dp, dv, now = run([X, 2.0])
    assert isinstance(total, np.floating) and total == pytest.approx(2 * ((X - [1, 2, 3]) ** 2).sum(), rel=1e-5)
    np.testing.assert_allclose(dp, 4 * (X - [1, 2, 3]), rtol=1e-5)
    np.testing.assert_allclose(dv, -4 * (X - [1, 2, 3]).sum(0), rtol=1e-5)
    np.testing.assert_array_equal(now, [1, 2, 3])
    K.set_value(v, [0.0, 0.0, 0.0])
    assert run([X, 1.0])[0] == pytest.approx((X**2).sum(), rel=1e-5)


def test_updates_are_made_after_the_outputs():
    p = K.placeholder((None, 3))
    count, mean, last = K.variable(0.0), K.variable(np.zeros(3)), K.variable(np.zeros(3))
    updates = [
        K.update_add(count, K.sum(K.ones_like(p[:, 0]))),
        K.moving_average_update(mean, K.mean(p, axis=0), 0.9),
        (last, mean),
        K.update(K.variable(1.0), 2.0),  # made at once, so nothing remains to do
    ]
    run = K.function([p], [count + 0 * K.sum(p), K.sum(p)], updates=updates, name="train")
    assert run.name == "train" and run([X])[0] == 0.0 and float(count) == 6.0
    np.testing.assert_allclose(mean.value, 0.1 * X.mean(0), rtol=1e-5)
    assert run([X])[0] == 6.0 and float(count) == 12.0
    down = K.function([p], [], updates=[K.update_sub(count, K.sum(p[:, 0] * 0 + 1)), (count, 5)])
    assert down([X]) == [] and float(count) == 5.0


def test_an_input_of_a_variable_reads_it_in_each_call():
    v = K.variable([1.0, 2.0])
    x = Input(tensor=v)
    each = K.function([], [K.sum(x)], updates=[(v, x * 2)])
    slope = K.function([], K.gradients(K.sum(K.square(x)), [v]))
    assert [each([])[0] for _ in range(3)] == [3.0, 6.0, 12.0]
    np.testing.assert_array_equal(slope([])[0], [16.0, 32.0])


def test_a_models_own_updates():
    x = Input((3,))
    model = Model(x, BatchNormalization(momentum=0.5)(x))
    other = K.placeholder((None, 3))
    assert len(model.updates) == 2
    run = K.function([x, other, K.learning_phase()], [K.sum(other)], updates=model.updates)
    run([X, X, 1])
    np.testing.assert_allclose(model.get_weights()[2], 0.5 * X.mean(0), rtol=1e-4, atol=1e-6)
    kept = model.get_weights()
    loss = K.sum(K.square(model.output))
    K.function([x, K.learning_phase()], [loss, *K.gradients(loss, x)])([X, 1])
    assert all(np.array_equal(a, b) for a, b in zip(kept, model.get_weights()))
    # Gradients compute the layers again, but the averages are updated once.
    K.function([x, K.learning_phase()], K.gradients(loss, x), updates=model.updates)([X, 1])
    np.testing.assert_allclose(model.get_weights()[2], 0.75 * X.mean(0), rtol=1e-4, atol=1e-6)


def test_inputs_of_any_kind_and_outputs_of_several_models():
    first = Sequential([Dense(4, input_shape=(3,), name="same"), Dense(2, name="top")])
    second = Sequential([Dense(4, input_shape=(3,), name="same")])
    inner = first.layers[1].input
    unused = Input((7,))
    run = K.function((inner, second.input, unused), (first.output, second.output))
    h = RNG.normal(size=(6, 4)).astype("float32")
    a, b = run([h, X, np.zeros((1, 7))])
    np.testing.assert_allclose(a, h @ first.get_weights()[2] + first.get_weights()[3], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(b, second.predict(X), rtol=1e-6)


def test_each_call_reads_feed_dict_anew():
    p, q = K.placeholder(shape=()), K.placeholder(shape=())
    values = {q: 3.0}
    f = K.function([p], [p * q], feed_dict=values)
    assert f([2.0]) == [6.0]
    values[q] = 4.0
    assert f([2.0]) == [8.0]


def test_fetches_make_updates_after_the_outputs():
    x, y, z = K.variable(1.0), K.variable(2.0), K.variable(0.0)
    p, q = K.placeholder(shape=()), K.placeholder(shape=())
    fetches = [K.update(y, 10 * q + x), K.update_add(z, p), p * q]
    f = K.function([p], [p + y], updates=[(x, p)], feed_dict={q: 3.0}, fetches=fetches)
    assert f([5.0]) == [7.0] and [float(K.get_value(v)) for v in (x, y, z)] == [5.0, 31.0, 5.0]
    assert f([6.0]) == [37.0] and [float(K.get_value(v)) for v in (x, y, z)] == [6.0, 35.0, 11.0]
    with pytest.raises(ValueError, match="expected tensors as outputs, got 'y'"):
        K.function([p], [p], fetches=["y"])


def test_feed_dict_gives_values_for_all_calls():
    p, q = K.placeholder((None, 3)), K.placeholder(())
    for more in ({"feed_dict": {q: 3.0}}, {"givens": [(q, 3.0)]}):
        np.testing.assert_allclose(K.function([p], [p * q], **more)([X])[0], 3 * X, rtol=1e-6)


def test_wrong_arguments_of_function_are_refused():
    x = Input((3,))
    total = K.sum(x)
    for arguments in ((x, [total]), ([x], total), ([x], [total], {1: 2})):
        with pytest.raises(TypeError, match="should be a list or tuple"):
            K.function(*arguments)
    for arguments, message in (
        ((["x"], [total]), "expected symbolic tensors as inputs"),
        (([x], ["total"]), "expected tensors as outputs, got 'total'"),
        (([x], [total], [1]), "expected updates as pairs"),
    ):
        with pytest.raises(ValueError, match=message):
            K.function(*arguments)
    with pytest.raises(ValueError, match='Invalid argument "speed" passed to K.function'):
        K.function([x], [total], speed=1)
    run = K.function([x], [total])
    with pytest.raises(TypeError, match="`inputs` should be a list or tuple"):
        run(X)
    with pytest.raises(ValueError, match="expected 1 values, got 2"):
        run([X, X])
    with pytest.raises(ValueError, match=r"cannot feed a value of shape \(6, 2\) for <Symbolic 'input_"):
        run([X[:, :2]])
    variable = K.variable([1.0, 2.0])
    with pytest.raises(ValueError, match="expected shape"):
        K.function([x], [total], [(variable, total)])([X])
    assert variable.value.tolist() == [1, 2]


def test_an_output_that_needs_another_input_fails_in_the_call():
    x, y = K.placeholder((2,)), K.placeholder((2,))
    both = K.function([x, y], [x + y])
    alone = K.function([x], [x + y])
    np.testing.assert_array_equal(both([np.ones(2), np.ones(2)])[0], [2, 2])
    for _ in range(2):
        with pytest.raises(ValueError, match="Graph disconnected: cannot obtain value for tensor"):
            alone([np.ones(2)])


def test_an_input_made_of_another_tensor():
    base = K.variable(X[:2])
    p = K.placeholder((None, 3))
    x = Input(tensor=K.concatenate([base, p], axis=0))
    model = Model(x, Dense(2)(x))
    assert isinstance(model.layers[0], InputLayer) and len(model.layers) == 2 and not model.layers[0].is_placeholder
    y, slope = K.function([p], [model.output, K.gradients(model.output, p)[0]])([X])
    np.testing.assert_allclose(y, model.predict(np.concatenate([X[:2], X])), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(slope, np.tile(model.get_weights()[0].sum(1), (6, 1)), rtol=1e-5)
    again = Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert [layer.name for layer in clone_model(model).layers] == [layer.name for layer in model.layers]


def test_an_input_made_of_a_variable_or_an_array():
    image = K.variable(X)
    x = Input(tensor=image)
    model = Model(x, Dense(2)(x))
    want = X @ model.get_weights()[0]
    np.testing.assert_allclose(K.eval(model.output), want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(K.get_value(model.output), want, rtol=1e-5, atol=1e-6)
    (slope,) = K.gradients(K.sum(K.square(model.output)), image)
    np.testing.assert_allclose(K.eval(slope), 2 * want @ model.get_weights()[0].T, rtol=1e-4, atol=1e-6)
    step = K.function([], [K.sum(K.square(model.output))], updates=[(image, image - 0.01 * slope)])
    assert step([])[0] > step([])[0]
    np.testing.assert_array_equal(K.function([x], [x])([X + 1])[0], X + 1)
    assert Input(tensor=np.ones((2, 3), "int32")).dtype == "int32"
    with pytest.raises(TypeError, match="expected input_tensor to be a tensor, got str"):
        Input(tensor="x")


def test_a_tensor_that_needs_values_has_none():
    with pytest.raises(TypeError, match="is symbolic: it has no value"):
        K.eval(K.placeholder((2,)) * 2)


def test_shape_gives_the_sizes_of_each_run():
    x = Input((None, 3))
    sizes = K.shape(x)
    assert sizes.shape == (3,) and sizes.dtype == "int32"
    swapped = K.reshape(x, (K.shape(x)[0], 3, K.shape(x)[1]))
    tiled = K.tile(x, [1, K.shape(x)[1], 1])
    share = K.sum(x) / K.cast(K.prod(sizes), "float32")
    assert swapped.shape == (None, 3, None) and tiled.shape == (None, None, 3) and share.shape == ()
    values = RNG.normal(size=(2, 5, 3)).astype("float32")
    got = K.function([x], [sizes, swapped, tiled, share])([values])
    np.testing.assert_array_equal(got[0], [2, 5, 3])
    np.testing.assert_array_equal(got[1], values.reshape(2, 3, 5))
    np.testing.assert_array_equal(got[2], np.tile(values, (1, 5, 1)))
    assert got[3] == pytest.approx(values.mean(), rel=1e-5)
    outer = Input((None, 3))
    nested = Model(outer, Model(x, swapped)(outer))
    np.testing.assert_array_equal(nested.predict(values), got[1])


def test_shapes_have_the_methods_of_tensorflow():
    x = Input((None, 3))
    shape = x.get_shape()
    assert shape.as_list() == [None, None, 3] and shape.ndims == 3 and shape[2] == 3 and not shape.is_fully_defined()
    y = x * 2
    y.set_shape((None, 5, None))
    assert y.shape == (None, 5, 3) and y.op.type == "Function" and y.op.inputs == (x,) and y.op.name.startswith("k_multiply_")
    for shape in ((None, 4, 3), (None, 5)):
        with pytest.raises(ValueError, match="set_shape: .* contradicts the shape"):
            y.set_shape(shape)
    assert y.shape == (None, 5, 3)


def test_sizes_have_the_attribute_of_tensorflow_1():
    x = Input((4, 3))
    for shape in (x.shape, x.get_shape()):
        assert shape[2].value == 3 and type(shape[2].value) is int and int(shape[-1]) == 3 and shape[1].value * 2 == 8
        assert shape[0] is None and shape[1:].as_list() == [4, 3] and shape[1:] == (4, 3) and repr(shape) == "(None, 4, 3)"
    # Iteration, and functions of Keras, give plain ints.
    assert [type(size) for size in x.shape[1:]] == [int, int] and json.dumps([x.shape, x.shape[1]]) == "[[null, 4, 3], 4]"
    for shape in (K.int_shape(x), x._keras_shape):
        assert shape == (None, 4, 3) and type(shape) is tuple and type(shape[1]) is int
    assert pickle.loads(pickle.dumps(x.shape)) == x.shape
    y = Dense(x.shape[-1].value)(Reshape((x.shape[1] * x.shape[2],))(x))
    again = Model.from_config(json.loads(json.dumps(Model(x, y).get_config())))
    assert again.output_shape == (None, 3) and again.layers[1].target_shape == (12,)


def test_random_numbers_for_a_batch_of_any_size():
    mean = Input((2,))

    def sample(mean):
        return mean + 0.1 * K.random_normal((K.shape(mean)[0], 2), mean=1.0)

    for model in (Model(mean, Lambda(sample)(mean)), Model(mean, sample(mean))):
        drawn = model.predict(np.zeros((300, 2)), batch_size=100)
        assert drawn.shape == (300, 2) and len(np.unique(drawn)) > 590
        assert abs(drawn.mean() - 0.1) < 0.02 and abs(drawn.std() - 0.1) < 0.02


def test_branches_that_are_functions():
    x = Input((3,))
    y = K.in_train_phase(lambda: x * 2, lambda: x * 3)
    z = K.in_test_phase(lambda: x * 2, x)
    run = K.function([x, K.learning_phase()], [y, z])
    for phase, of_y, of_z in ((1, 2, 1), (0, 3, 2)):
        got = run([X, phase])
        np.testing.assert_allclose(got[0], of_y * X, rtol=1e-6)
        np.testing.assert_allclose(got[1], of_z * X, rtol=1e-6)
    assert K.in_train_phase(lambda: 1, lambda: 1 / 0, training=True) == 1  # the other is not called
    fixed = K.in_train_phase(lambda: x * 2, lambda: x * 3, training=1)
    np.testing.assert_allclose(K.function([x], [fixed])([X])[0], 2 * X, rtol=1e-6)
    chosen = K.switch(K.sum(x) > 0, lambda: x, lambda: -x)
    np.testing.assert_allclose(K.function([x], [chosen])([-np.abs(X)])[0], np.abs(X))


def test_the_steps_of_deep_dream():
    """Gradient ascent of a layer's activity by normalized gradients for the input, computed by hand."""
    model = Sequential([Dense(8, activation="tanh", input_shape=(3,)), Dropout(0.5), Dense(2)])
    activity = model.layers[0].output
    loss = K.variable(0.0)
    scaling = K.prod(K.cast(K.shape(activity), "float32"))
    loss = loss + 1.5 * K.sum(K.square(activity)) / scaling
    grads = K.gradients(loss, model.input)[0]
    grads /= K.maximum(K.mean(K.abs(grads)), K.epsilon())
    fetch = K.function([model.input], [loss, grads])
    x, losses = X.copy(), []
    for _ in range(5):
        value, slope = fetch([x])
        x += 0.1 * slope
        losses.append(value)
    assert np.all(np.diff(losses) > 0)
    w, b = model.layers[0].get_weights()
    assert losses[0] == pytest.approx(1.5 * (np.tanh(X @ w + b) ** 2).mean(), rel=1e-5)
