"""Tensors that the `call` of a layer stores in its attributes are tensors of the graph. Source: Keras 2.2.5, run with both."""

import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lamella import backend as K
from lamella.graph.weights_in_calls import writing_lock
from lamella.layers import LSTM, Dense, Embedding, Input, Layer
from lamella.models import Model, Sequential, load_model
from tests.interrupts import Interrupt

RNG = np.random.default_rng(6)
X = RNG.normal(size=(5, 4, 3)).astype("float32")


class Attention(Layer):
    """A mean of the steps by weights that it keeps for scripts to show."""

    def build(self, input_shape):
        self.kernel = self.add_weight("kernel", (input_shape[-1], 1))
        super().build(input_shape)

    def call(self, inputs):
        scores = K.squeeze(K.dot(inputs, self.kernel), -1)
        self.shares = K.softmax(scores)
        self.first = K.argmax(scores, axis=-1)
        return K.sum(inputs * K.expand_dims(self.shares), axis=1)

    def compute_output_shape(self, input_shape):
        return input_shape[0], input_shape[2]


def shares_of(x, kernel):
    e = np.exp(x @ kernel)[..., 0]
    return e / e.sum(1, keepdims=True)


def attending():
    x = Input((4, 3))
    layer = Attention()
    model = Model(x, Dense(2)(layer(x)))
    model.compile("sgd", "mse")
    return model, layer


def test_k_function_computes_them_before_and_after_training():
    model, layer = attending()
    assert K.int_shape(layer.shares) == (None, 4) and K.int_shape(layer.first) == (None,) and K.dtype(layer.first) == "int64"
    shown = K.function([model.input], [layer.shares, layer.first, model.output])
    for x in (X, X[:2]):
        shares, first, y = shown([x])
        want = shares_of(x, K.get_value(layer.kernel))
        np.testing.assert_allclose(shares, want, rtol=1e-5)
        np.testing.assert_array_equal(first, want.argmax(1))
        np.testing.assert_allclose(model.predict(x), y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.asarray(layer.shares), shares, rtol=1e-6)  # NumPy gets the last run's
    kept = layer.shares
    model.fit(X, np.ones((5, 2)), epochs=3, verbose=0)
    model.evaluate(X, np.ones((5, 2)), verbose=0)
    assert layer.shares is kept and model.updates == []
    np.testing.assert_allclose(shown([X])[0], shares_of(X, K.get_value(layer.kernel)), rtol=1e-5)


def test_their_gradients():
    model, layer = attending()
    slope = K.function([model.input], K.gradients(K.sum(layer.shares[:, 0]), [model.input, layer.kernel]))
    to_input, to_kernel = slope([X])
    step = 1e-2
    kernel = K.get_value(layer.kernel).astype(float)
    for place in ((0, 1, 2), (3, 0, 0)):
        moved = np.array(X, float)
        moved[place] += step
        low = np.array(X, float)
        low[place] -= step
        by_steps = (shares_of(moved, kernel)[:, 0].sum() - shares_of(low, kernel)[:, 0].sum()) / (2 * step)
        assert to_input[place] == pytest.approx(by_steps, rel=1e-2, abs=1e-4)
    by_steps = [shares_of(X, kernel + sign * step * np.eye(3)[:, :1])[:, 0].sum() for sign in (1, -1)]
    assert to_kernel[0, 0] == pytest.approx((by_steps[0] - by_steps[1]) / (2 * step), rel=1e-2, abs=1e-4)


def test_a_loss_reads_them_and_trains_the_layer():
    x = Input((4, 3))
    layer = Attention()
    model = Model(x, layer(x))

    def peaked(y_true, y_pred):
        return K.mean(K.square(layer.shares), axis=-1)

    model.compile("sgd", peaked)
    before = K.get_value(layer.kernel)
    value = model.train_on_batch(X, np.zeros((5, 3)))
    assert value == pytest.approx((shares_of(X, before) ** 2).mean(), rel=1e-5)
    assert not np.allclose(K.get_value(layer.kernel), before, atol=1e-7)


class Later(Layer):
    """A layer that reads what another one keeps."""

    def __init__(self, other, **kwargs):
        super().__init__(**kwargs)
        self.other = other

    def call(self, inputs):
        return inputs * self.other.shares[:, :3]

    def compute_output_shape(self, input_shape):
        return input_shape


def test_another_layer_reads_them():
    x = Input((4, 3))
    layer = Attention()
    y = layer(x)
    model = Model(x, Later(layer)(y))
    model.compile("sgd", "mse")
    kernel = K.get_value(layer.kernel)
    shares = shares_of(X, kernel)
    want = (X * shares[..., None]).sum(1) * shares[:, :3]
    np.testing.assert_allclose(model.predict(X), want, rtol=1e-4, atol=1e-6)
    assert model.train_on_batch(X, np.zeros((5, 3))) == pytest.approx((want**2).mean(), rel=1e-4)
    assert not np.allclose(K.get_value(layer.kernel), kernel, atol=1e-7)


class Once(Layer):
    """It computes its attribute only where it is None."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.middle, self.calls = None, 0

    def call(self, inputs):
        self.calls += 1
        if self.middle is None:
            self.middle = K.mean(inputs, axis=0, keepdims=True)
        return inputs - self.middle


def test_each_run_begins_with_the_attributes_from_before_the_call():
    layer = Once()
    model = Sequential([layer])
    model.build((None, 3))
    x = X[:, 0]
    for some in (x, x[:2], x + 1):
        np.testing.assert_allclose(model.predict(some), some - some.mean(0), rtol=1e-4, atol=1e-5)
    assert isinstance(layer.calls, int) and layer.calls > 1
    np.testing.assert_allclose(
        K.function([model.input], [layer.middle])([x])[0], x.mean(0, keepdims=True), rtol=1e-4, atol=1e-6
    )


class Masker(Layer):
    """Its mask is what its call has found."""

    supports_masking = True

    def call(self, inputs):
        self.found = K.any(K.not_equal(inputs, 0), axis=-1)
        return inputs * 1

    def compute_mask(self, inputs, mask=None):
        return self.found


def test_a_mask_that_call_has_found():
    x = X.copy()
    x[1, 2:] = 0
    recurrent = LSTM(2)
    model = Sequential([Masker(input_shape=(4, 3)), recurrent])
    short = Sequential([LSTM(2, input_shape=(None, 3))])
    short.set_weights(recurrent.get_weights())
    np.testing.assert_allclose(model.predict(x)[1:2], short.predict(x[1:2, :2]), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.predict(x)[2:3], short.predict(x[2:3]), rtol=1e-4, atol=1e-6)


def test_calls_on_two_inputs_copies_and_files(tmp_path):
    layer = Attention()
    a, b = Input((4, 3)), Input((4, 3))
    one = layer(a)
    of_a = layer.shares
    two = layer(b)
    model = Model([a, b], [one, two])
    model.compile("sgd", "mse")
    found = K.function([a, b], [of_a, layer.shares])([X, X + X**2])
    kernel = K.get_value(layer.kernel)
    np.testing.assert_allclose(found[0], shares_of(X, kernel), rtol=1e-5)
    np.testing.assert_allclose(found[1], shares_of(X + X**2, kernel), rtol=1e-4)
    copy = pickle.loads(pickle.dumps(model))
    shown = K.function(copy.inputs, [copy.layers[2].shares])([X, X])[0]
    np.testing.assert_allclose(shown, shares_of(X, kernel), rtol=1e-5)
    model.save(tmp_path / "m.h5")
    loaded = load_model(tmp_path / "m.h5", custom_objects={"Attention": Attention})
    np.testing.assert_allclose(K.function(loaded.inputs, [loaded.layers[2].shares])([X, X])[0], shown, rtol=1e-6)


def test_behind_a_mask_and_inside_another_model():
    inner_layer = Attention(name="attention")
    inner_layer.supports_masking = True
    inner_layer.compute_mask = lambda inputs, mask=None: None
    ids = Input((4,))
    model = Model(ids, inner_layer(Embedding(7, 3, mask_zero=True)(ids)))
    numbers = RNG.integers(0, 7, (3, 4))
    rows = model.get_weights()[0][numbers]
    shown = K.function([ids], [inner_layer.shares])([numbers])[0]
    np.testing.assert_allclose(shown, shares_of(rows, K.get_value(inner_layer.kernel)), rtol=1e-5)
    outer_input = Input((4,))
    outer = Model(outer_input, Dense(1)(model(outer_input)))
    assert outer.predict(numbers).shape == (3, 1)
    np.testing.assert_allclose(K.function([ids], [inner_layer.shares])([numbers])[0], shown, rtol=1e-6)


class Previous(Layer):
    """Adds ten times the input of the call before it."""

    previous = None

    def call(self, inputs):
        y = inputs if self.previous is None else inputs + self.previous
        self.previous = inputs * 10
        return y

    def compute_output_shape(self, input_shape):
        return input_shape


class Total(Layer):
    """Adds the sum of all inputs of its calls."""

    def build(self, input_shape):
        self.total = K.constant(0.0)
        super().build(input_shape)

    def call(self, inputs):
        self.total = self.total + K.sum(inputs)
        return inputs + self.total

    def compute_output_shape(self, input_shape):
        return input_shape


def test_a_call_reads_what_the_call_before_it_has_set_in_this_run():
    a, b, layer = Input((1,)), Input((1,)), Previous()
    model = Model([a, b], [layer(a), layer(b)])
    for _ in range(2):
        assert [y.tolist() for y in model.predict([np.float32([[1]]), np.float32([[2]])])] == [[[1]], [[12]]]
    layer = Total()
    model = Model(a, layer(layer(a)))
    for _ in range(2):
        assert model.predict(np.float32([[1]])).tolist() == [[5]]
        assert K.function([a], [layer.total])([np.float32([[1]])])[0] == 3


def test_runs_in_threads_have_their_own_values():
    layer, entry = Attention(), Input((4, 3))
    model = Model(entry, [layer(entry), layer.shares])
    tensor, kernel = layer.shares, K.get_value(layer.kernel)
    old = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            for n, outputs in zip(
                range(1, 5), pool.map(lambda n: [model.predict_on_batch(X[:n] + n) for _ in range(50)], range(1, 5))
            ):
                for _, shares in outputs:
                    np.testing.assert_allclose(shares, shares_of(X[:n] + n, kernel), rtol=1e-4)
    finally:
        sys.setswitchinterval(old)
    assert layer.shares is tensor


def test_the_tensor_is_back_after_the_run_that_follows_an_interrupted_one():
    layer, entry = Attention(), Input((4, 3))
    model = Model(entry, layer(entry))
    tensor, came = layer.shares, 0
    for n in range(1, 3000, 17):
        with Interrupt(n) as interrupt:
            model.predict_on_batch(X)
        came += interrupt.came
        # Some of these bytecodes are between a `with` and its block, where no signal comes: the lock stays with this thread.
        writing_lock.current = threading.RLock()
        model.predict_on_batch(X)
        assert layer.shares is tensor
    assert came > 30
