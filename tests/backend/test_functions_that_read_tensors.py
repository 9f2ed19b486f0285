"""Functions given to K.map_fn, K.foldl, K.foldr and K.rnn that read symbolic tensors from outside."""

import numpy as np
import pytest

import lamella
from lamella import backend as K
from lamella.layers import Dense, Input, Lambda
from lamella.models import Model, clone_model

RNG = np.random.RandomState(0)
X, S = RNG.randn(4, 3), RNG.randn(4, 5, 3)
pytestmark = pytest.mark.usefixtures("float64")


class Parts:
    """Two inputs, what a Dense layer makes of the first, and a function of K of that."""

    def __init__(self):
        self.x, self.s = Input((3,)), Input((5, 3))
        self.layer = Dense(3, use_bias=False)
        self.side = self.layer(self.x)
        self.total = K.sum(self.side, axis=0)
        self.w = self.layer.get_weights()[0]

    def run(self, y, wanted):
        return K.function([self.x, self.s], [y, *K.gradients(y, wanted)])([X, S])


def step_of(p):
    def step(x, states):
        y = x * p.side + states[0]
        return y, [y]

    return step


# (what K makes, the same in NumPy from S, side, total)
CASES = {
    "map_fn": (lambda p: K.map_fn(lambda row: row * p.total, p.s), lambda s, side, total: s * total),
    "map_fn, nested": (
        lambda p: K.map_fn(lambda row: K.map_fn(lambda t: t * p.total, row), p.s),
        lambda s, side, total: s * total,
    ),
    "map_fn, several": (
        lambda p: K.map_fn(lambda rows: rows[0] * p.total + K.sum(p.side) * rows[1], [p.s, p.s]),
        lambda s, side, total: s * total + side.sum() * s,
    ),
    "map_fn, nothing else": (lambda p: K.map_fn(lambda row: p.total, p.s), lambda s, side, total: np.stack([total] * 4)),
    "map_fn, made in it": (
        lambda p: K.map_fn(lambda row: K.sum(p.side) + K.sum(p.total), p.s),
        lambda s, side, total: np.full(4, 2 * side.sum()),
    ),
    "foldl": (
        lambda p: K.foldl(lambda value, row: value * 0.5 + row * p.total, p.s),
        lambda s, side, total: s[0] / 8 + (s[1] / 4 + s[2] / 2 + s[3]) * total,
    ),
    "foldr": (
        lambda p: K.foldr(lambda value, row: value * 0.5 + row * p.total, p.s, initializer=K.zeros((5, 3))),
        lambda s, side, total: (s[3] / 8 + s[2] / 4 + s[1] / 2 + s[0]) * total,
    ),
    "rnn": (lambda p: K.rnn(step_of(p), p.s, [K.zeros_like(p.side)])[0], lambda s, side, total: s.sum(1) * side),
    "rnn, all steps": (
        lambda p: K.rnn(step_of(p), p.s, [K.zeros_like(p.side)], unroll=True)[1],
        lambda s, side, total: s.cumsum(1) * side[:, None],
    ),
    "rnn, nothing else": (
        lambda p: K.rnn(lambda x, states: (p.side, []), p.s, [])[1],
        lambda s, side, total: np.repeat(side[:, None], 5, 1),
    ),
}


def slope(function, at):
    """d sum(function(at)) / d at by central differences; the functions are at most of degree 2."""
    found = np.zeros_like(at)
    for i in np.ndindex(*at.shape):
        moved = np.zeros_like(at)
        moved[i] = 0.5
        found[i] = function(at + moved).sum() - function(at - moved).sum()
    return found


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_of_what_they_read(name):
    make, oracle = CASES[name]
    p = Parts()

    def of(x, w):
        side = x @ w
        return oracle(S, side, side.sum(0))

    y, by_x, by_w = p.run(make(p), [p.x, p.layer.kernel])
    np.testing.assert_allclose(y, of(X, p.w), rtol=1e-10)
    np.testing.assert_allclose(by_x, slope(lambda x: of(x, p.w), X), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(by_w, slope(lambda w: of(X, w), p.w), rtol=1e-9, atol=1e-12)


def test_gradients_of_a_tensor_that_a_function_of_k_made():
    p = Parts()
    _, by_total, by_s = p.run(K.map_fn(lambda row: row * p.total, p.s), [p.total, p.s])
    np.testing.assert_allclose(by_total, S.sum((0, 1)), rtol=1e-10)
    np.testing.assert_allclose(by_s, np.broadcast_to((X @ p.w).sum(0), S.shape), rtol=1e-10)


def test_the_rows_of_a_variable_or_array_beside_tensors_from_outside():
    p = Parts()
    for rows in (K.variable(S[0]), K.constant(S[0]), S[0]):
        y = K.map_fn(lambda row: row * p.total, rows)
        np.testing.assert_allclose(K.function([p.x], [y])([X])[0], S[0] * (X @ p.w).sum(0), rtol=1e-10)


def test_a_function_calls_a_layer_on_what_it_reads():
    p = Parts()
    second = Dense(3, use_bias=False)
    second.build((None, 3))

    def step(x, states):
        return x * second(p.side), []

    (v,) = second.get_weights()
    outputs = K.rnn(step, p.s, [])[1]
    y, by_w, by_v = p.run(outputs, [p.layer.kernel, second.kernel])
    sums = S.sum(1)
    np.testing.assert_allclose(y, S * (X @ p.w @ v)[:, None], rtol=1e-10)
    np.testing.assert_allclose(by_w, X.T @ (sums @ v.T), rtol=1e-9)
    np.testing.assert_allclose(by_v, (X @ p.w).T @ sums, rtol=1e-9)
    scaled = Lambda(lambda s: s[:, 0] * second(p.side))(p.s)
    count = len(second._inbound_nodes)
    for _ in range(2):
        np.testing.assert_allclose(Model([p.x, p.s], scaled).predict([X, S]), S[:, 0] * (X @ p.w @ v), rtol=1e-10)
    assert len(second._inbound_nodes) == count  # no run adds nodes


def test_a_model_trains_the_layers_before_what_they_read():
    p = Parts()
    model = Model([p.x, p.s], K.rnn(step_of(p), p.s, [K.zeros_like(p.side)])[0])
    sums = S.sum(1)
    np.testing.assert_allclose(model.predict([X, S]), sums * (X @ p.w), rtol=1e-10)
    model.compile(lamella.optimizers.SGD(0.1), "mse")
    y = sums * (X @ p.w)
    assert model.train_on_batch([X, S], np.zeros((4, 3))) == pytest.approx(np.mean(y**2), rel=1e-10)
    np.testing.assert_allclose(p.layer.get_weights()[0], p.w - 0.1 * X.T @ (sums * 2 * y / y.size), rtol=1e-9)


def test_an_added_loss_and_a_loss_function_that_map_rows():
    for added in (True, False):
        p = Parts()
        model = Model(p.x, p.side)
        if added:
            model.add_loss(K.mean(K.map_fn(lambda row: row * K.sum(p.side), p.side)))
            model.compile(lamella.optimizers.SGD(0.1))
        else:
            model.compile(
                lamella.optimizers.SGD(0.1), lambda y, out: K.mean(K.map_fn(lambda row: row * K.sum(p.side), out), -1)
            )
        y = X @ p.w
        assert model.train_on_batch(X, None if added else np.zeros((4, 3))) == pytest.approx(y.sum() ** 2 / 12, rel=1e-10)
        np.testing.assert_allclose(p.layer.get_weights()[0], p.w - 0.1 * X.T @ np.full((4, 3), y.sum() / 6), rtol=1e-9)


def test_copies_read_their_own_tensors_and_files_are_refused(tmp_path):
    p = Parts()
    model = Model([p.x, p.s], K.map_fn(lambda row: row * p.total, p.s))
    clone = clone_model(model)
    (layer,) = [each for each in clone.layers if each.weights]
    layer.set_weights([2 * p.w])
    np.testing.assert_allclose(model.predict([X, S]), S * (X @ p.w).sum(0), rtol=1e-10)
    np.testing.assert_allclose(clone.predict([X, S]), 2 * S * (X @ p.w).sum(0), rtol=1e-10)
    with pytest.raises(NotImplementedError, match="among the arguments of map_fn cannot be saved"):
        model.save(str(tmp_path / "model.h5"))
    model.save_weights(str(tmp_path / "weights.h5"))
    clone.load_weights(str(tmp_path / "weights.h5"))
    np.testing.assert_allclose(clone.predict([X, S]), S * (X @ p.w).sum(0), rtol=1e-10)


def test_a_tensor_of_an_input_that_is_not_given_raises():
    p = Parts()
    other = Input((3,), name="other")
    y = K.map_fn(lambda row: row * K.sum(other), p.s)
    with pytest.raises(ValueError, match="other"):
        K.function([p.x, p.s], [y])([X, S])


@pytest.mark.parametrize("mapped", [False, True])
def test_a_loss_trains_the_layers_of_an_output_without_a_loss_that_it_reads(mapped):
    p, last = Parts(), Dense(2, use_bias=False)

    def loss(y_true, y_pred):
        scale = K.mean(p.side)
        return K.mean(K.map_fn(lambda row: row * scale, y_pred) if mapped else y_pred * scale, -1)

    model = Model(p.x, [last(p.x), p.side])
    v = last.get_weights()[0]
    model.compile(lamella.optimizers.SGD(0.1), [loss, None])
    y, side = X @ v, X @ p.w
    assert model.train_on_batch(X, np.zeros((4, 2)))[0] == pytest.approx(y.mean() * side.mean(), rel=1e-10)
    np.testing.assert_allclose(last.get_weights()[0], v - 0.1 * side.mean() * X.T @ np.full((4, 2), 1 / 8), rtol=1e-9)
    np.testing.assert_allclose(p.layer.get_weights()[0], p.w - 0.1 * y.mean() * X.T @ np.full((4, 3), 1 / 12), rtol=1e-9)
