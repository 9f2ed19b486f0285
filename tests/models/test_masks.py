"""Masks: layers make them, the graph passes them on, and losses and metrics use them. Source: Keras 2.2.5."""

import numpy as np
import pytest

from lamella.layers import (
    LSTM,
    Add,
    BatchNormalization,
    Concatenate,
    Conv1D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    Input,
    Lambda,
    Layer,
    Masking,
    Reshape,
    TimeDistributed,
)  # fmt: skip
from lamella.models import Model, Sequential
from lamella.optimizers import SGD

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 5, 3)).astype("f4")
X[1, 3:] = X[2, 1:] = X[3, 0, :] = 0.0
X[0, 0, 1] = 0.0  # one zero among three numbers does not mask the step
MASK = np.ones((4, 5), bool)
MASK[1, 3:] = MASK[2, 1:] = MASK[3, 0] = False
Y = RNG.normal(size=(4, 5, 2)).astype("f4")
WEIGHTS = np.array([1.0, 0.0, 2.0, 0.5])


class Seen(Layer):
    """A layer that records the mask of its call."""

    supports_masking = True
    came = None

    def call(self, inputs, mask=None):
        self.came = mask
        return inputs


def model(*between, lr=0.0, **compiled):
    made = Sequential([Masking(input_shape=(5, 3)), *between, Dense(2)])
    made.compile(SGD(lr=lr), "mse", **compiled)
    return made


def masked_mean(rows, weights=None, mask=MASK):
    """weighted_masked_objective of Keras 2.2.5, step by step in float64."""
    score = rows.astype("f8") * mask
    score /= mask.mean() + 1e-7
    if weights is not None:
        while score.ndim > weights.ndim:
            score = score.mean(axis=-1)
        score = score * weights / (weights != 0).mean()
    return score.mean()


def test_masking_zeroes_whole_steps_and_returns_the_mask():
    layer = Masking()
    np.testing.assert_array_equal(layer(X), np.where(MASK[..., None], X, 0))
    np.testing.assert_array_equal(layer.compute_mask(X), MASK)
    np.testing.assert_array_equal(Masking(2.0).compute_mask(np.array([[[2.0, 2.0], [2.0, 0.0]]])), [[False, True]])
    np.testing.assert_array_equal(Masking(2.0)(np.array([[[2.0, 2.0], [2.0, 1.0]]])), [[[0, 0], [2, 1]]])
    assert Masking(2.0).get_config()["mask_value"] == 2.0
    with pytest.raises(TypeError, match="mask_value: expected a finite number, got 'a'"):
        Masking("a")


def test_the_loss_ignores_masked_steps():
    m = model(metrics=["mae", lambda y, p: np.abs(p - y).max(-1)], weighted_metrics=["mae"])
    p = m.predict(X)
    squared, error = ((p - Y) ** 2).mean(-1), np.abs(p - Y).mean(-1)
    worst = np.abs(p - Y).max(-1)
    wanted = [masked_mean(squared), masked_mean(error), masked_mean(worst), masked_mean(error)]
    for values in (m.evaluate(X, Y, verbose=0), m.train_on_batch(X, Y), m.test_on_batch(X, Y)):
        np.testing.assert_allclose(values, wanted, rtol=1e-5)
    np.testing.assert_allclose(wanted[0], squared[MASK].mean(), rtol=1e-5)
    wanted = [masked_mean(squared, WEIGHTS), masked_mean(error), masked_mean(worst), masked_mean(error, WEIGHTS)]
    np.testing.assert_allclose(m.evaluate(X, Y, sample_weight=WEIGHTS, verbose=0), wanted, rtol=1e-5)


def test_masks_and_temporal_weights():
    m = model(sample_weight_mode="temporal")
    steps = RNG.integers(0, 3, size=(4, 5)).astype(float)
    squared = ((m.predict(X) - Y) ** 2).mean(-1)
    assert m.evaluate(X, Y, sample_weight=steps, verbose=0) == pytest.approx(masked_mean(squared, steps), rel=1e-5)


def test_masked_steps_get_no_gradient():
    m = model(lr=1.0)
    w, b = m.get_weights()
    residual = (np.where(MASK[..., None], X, 0) @ w + b - Y) * MASK[..., None]
    m.train_on_batch(X, Y)
    # Two columns are averaged, and MASK.sum() steps are counted.
    step = 2 * residual / 2 / MASK.sum()
    np.testing.assert_allclose(m.get_weights()[0], w - np.einsum("nti,nto->io", X, step), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(m.get_weights()[1], b - step.sum((0, 1)), rtol=1e-4, atol=1e-6)
    again = m.get_weights()
    y = Y.copy()
    y[~MASK] = 1e3
    m.set_weights([w, b])
    m.train_on_batch(X, y)
    assert all(np.array_equal(a, c) for a, c in zip(again, m.get_weights()))


def test_layers_that_support_masks_get_them_and_pass_them_on():
    seen = Seen()
    m = model(Dense(3), Dropout(0.5), BatchNormalization(), seen)
    m.predict(X)
    np.testing.assert_array_equal(seen.came, MASK)
    plain = Sequential([seen, Dense(2)])
    seen.came = "untouched"
    plain.predict(X)
    assert seen.came is None


class Blind(Layer):
    def call(self, inputs):
        return inputs


def test_a_layer_that_does_not_support_masks_raises():
    """When the layer is called on a symbolic tensor, as in Keras; nothing changes."""
    refused = r"Layer {} does not support masking, but was passed an input_mask: <Symbolic"
    masked = Masking(input_shape=(5, 3))
    begun = Sequential([masked])
    with pytest.raises(TypeError, match=refused.format("flatten_1")):
        begun.add(Flatten())
    assert begun.layers == [masked] and begun.output_shape == (None, 5, 3) and begun.predict(X).shape == X.shape
    x = Input((5, 3))
    y = Dropout(0.5)(Dense(2)(Masking()(x)))
    blind = Blind(name="blind")
    for layer, named in ((blind, "blind"), (Conv1D(2, 3, name="conv"), "conv"), (Reshape((10,), name="shaped"), "shaped")):
        with pytest.raises(TypeError, match=refused.format(named)):
            layer(y)
        assert not layer.built and not layer._inbound_nodes and not layer.weights
    inside = Input((5, 2))
    for nested in (Model(inside, Flatten(name="inner")(inside)), Sequential([Flatten(name="inner", input_shape=(5, 2))])):
        with pytest.raises(TypeError, match=refused.format("inner")):
            nested(y)
        assert nested(Dense(2)(x)).shape == (None, 10)  # without a mask it can be called
    parts = TimeDistributed(Dense(2))(Masking()(x))
    with pytest.raises(TypeError, match=refused.format("conv")):
        Conv1D(2, 3, name="conv")(parts)
    with pytest.raises(
        TypeError, match=r"Layer blind does not support masking, but was passed an input_mask: \[None, <Symbolic"
    ):
        blind([x, y])


def test_layers_where_no_mask_arrives_are_called():
    x = Input((5, 3))
    y = Masking()(x)
    flat = Flatten()
    for free in (Lambda(lambda t: t * 2)(y), LSTM(3, return_sequences=True)(x), Embedding(9, 3)(Input((5,))), y * 2):
        assert flat(free).shape == (None, 15)
    assert Dense(2)(LSTM(3)(y)).shape == (None, 2) and GlobalAveragePooling1D()(y).shape == (None, 3)


class NeedsValues(Masking):
    def compute_mask(self, inputs, mask=None):
        return np.ones(np.asarray(inputs).shape[:2], bool)


def test_a_mask_that_needs_values_is_refused_in_the_run():
    model = Sequential([NeedsValues(input_shape=(5, 3)), Flatten(name="flat")])
    with pytest.raises(TypeError, match=r"Layer flat does not support masking, but was passed an input_mask: \[\["):
        model.predict(X)


def test_compute_mask_of_a_layer_without_masks():
    with pytest.raises(TypeError, match=r"does not support masking, but was passed an input_mask: \[None, 1\]"):
        Blind().compute_mask([X, X], [None, 1])
    assert Blind().compute_mask(X) is None and Blind().compute_mask([X, X], [None, None]) is None


class Drops(Layer):
    """A layer that drops the mask, as layers that return one vector for all steps."""

    def call(self, inputs, mask=None):
        kept = mask[..., None].astype(inputs.dtype)
        return (inputs * kept)[:, 0] + 0.0 * inputs[:, 1]

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[2])


def test_a_layer_may_use_a_mask_and_drop_it():
    m = model(Drops())
    w, b = m.get_weights()
    y = RNG.normal(size=(4, 2))
    first = np.where(MASK[:, :1], X[:, 0], 0)
    np.testing.assert_allclose(m.predict(X), first @ w + b, rtol=1e-5, atol=1e-6)
    assert m.evaluate(X, y, verbose=0) == pytest.approx(((first @ w + b - y) ** 2).mean(), rel=1e-5)


def test_merges_combine_masks():
    other = X[::-1].copy()
    a, b = Input((5, 3)), Input((5, 3))
    seen = [Seen(), Seen(), Seen(), Seen()]
    sums = seen[0](Add()([Masking()(a), Masking()(b)]))
    half = seen[1](Add()([Masking()(a), b]))
    joined = seen[2](Concatenate()([Masking()(a), b]))
    longer = seen[3](Concatenate(axis=1)([Masking()(a), b]))
    Model([a, b], [sums, half, joined, longer]).predict([X, other])
    np.testing.assert_array_equal(seen[0].came, MASK & MASK[::-1])
    np.testing.assert_array_equal(seen[1].came, MASK)
    np.testing.assert_array_equal(seen[2].came, MASK)
    np.testing.assert_array_equal(seen[3].came, np.concatenate([MASK, np.ones((4, 5), bool)], axis=1))


def test_nested_models_get_masks_and_return_them():
    within = Seen()
    inner_in = Input((5, 3))
    passes = Model(inner_in, within(Dense(3)(inner_in)))  # does not compute a mask
    makes = Sequential([Masking(input_shape=(5, 3))])
    outside = Seen()
    m = Sequential([makes, passes, outside, Dense(2)])
    m.compile(SGD(lr=0.0), "mse")
    squared = ((m.predict(X) - Y) ** 2).mean(-1)
    np.testing.assert_array_equal(within.came, MASK)
    np.testing.assert_array_equal(outside.came, MASK)
    assert m.evaluate(X, Y, verbose=0) == pytest.approx(masked_mean(squared), rel=1e-5)
    assert passes.predict(X).shape == (4, 5, 3) and within.came is None


def test_outputs_with_and_without_a_mask():
    a = Input((5, 3))
    m = Model(a, [Dense(2, name="masked")(Masking()(a)), Dense(2, name="plain")(a)])
    m.compile(SGD(lr=0.0), "mse", metrics=["mae"])
    p, q = m.predict(X)
    first, second = ((p - Y) ** 2).mean(-1), ((q - Y) ** 2).mean()
    values = m.evaluate(X, [Y, Y], verbose=0)
    wanted = [
        masked_mean(first) + second,
        masked_mean(first),
        second,
        masked_mean(np.abs(p - Y).mean(-1)),
        np.abs(q - Y).mean(),
    ]
    np.testing.assert_allclose(values, wanted, rtol=1e-5)


def test_a_mask_that_does_not_fit_the_losses():
    m = Sequential([Masking(input_shape=(5, 3)), Dense(2)])
    m.compile("sgd", lambda y, p: ((p - y) ** 2).mean(axis=(1, 2)) if isinstance(p, np.ndarray) else p[:, 0, 0])
    with pytest.raises(ValueError, match=r"expected a mask of the losses' shape \(4,\), got \(4, 5\)"):
        m.test_on_batch(X, Y)


def test_all_masked():
    m = model()
    assert m.evaluate(np.zeros_like(X), Y, verbose=0) == 0.0
    m.compile(SGD(lr=0.1), "mse")
    before = m.get_weights()
    m.train_on_batch(np.zeros_like(X), Y)
    assert all(np.array_equal(a, b) for a, b in zip(before, m.get_weights()))
