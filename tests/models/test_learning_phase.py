"""The learning phase: of the run, of a frozen model, and the one that K.set_learning_phase fixes."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.callbacks import LambdaCallback
from lamella.core import config
from lamella.layers import BatchNormalization, Dense, Dropout, Input, InputLayer, Layer, Masking, TimeDistributed
from lamella.models import Model, Sequential, load_model

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(16, 4)) * 2 + 3).astype("float32")
Y = np.zeros((16, 1), "float32")


@pytest.fixture(autouse=True)
def freed():
    yield
    K.clear_session()


class Phase(Layer):
    """x plus 1 in training; it asks K, not an argument."""

    supports_masking = True

    def call(self, x):
        return x + K.learning_phase() * np.ones(1, "float32")


class Chosen(Layer):
    def call(self, x):
        return K.in_train_phase(lambda: x * 2.0, x)


def normed(**kwargs):
    model = Sequential([Dense(5, input_dim=4), BatchNormalization(**kwargs), Dense(1)])
    model.compile("sgd", "mse")
    return model


def same(a, b):
    return all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))


@pytest.mark.parametrize("nested", [False, True])
def test_a_frozen_outermost_model_updates_nothing(nested):
    x = Input((4,))
    inner = normed()
    model = Model(x, inner(x)) if nested else inner
    model.trainable = False
    model.compile("sgd", "mse")
    before, predicted = model.get_weights(), model.predict(X)
    loss = model.fit(X, Y, epochs=2, verbose=0).history["loss"]
    assert same(before, model.get_weights())
    # Its batches are normalized with the moving statistics.
    np.testing.assert_allclose(loss, np.square(predicted).mean(), rtol=1e-6)


def test_a_model_that_is_trainable_again_updates_its_statistics():
    model = normed()
    norm = model.layers[1]
    model.trainable = False
    model.compile("sgd", "mse")
    model.train_on_batch(X, Y)
    model.trainable = True
    model.compile("sgd", "mse")
    before = norm.moving_mean.numpy()
    model.train_on_batch(X, Y)
    assert not np.array_equal(before, norm.moving_mean.value)


@pytest.mark.parametrize("nested", [False, True])
def test_the_legacy_rule_uses_batch_statistics_and_updates_nothing(nested):
    config.set_legacy_frozen_batch_norm(True)
    inner = Sequential([BatchNormalization(input_shape=(4,))])
    x = Input((4,))
    model = Model(x, inner(x)) if nested else inner
    model.trainable = False
    model.compile("sgd", "mse")
    before = model.get_weights()
    y = model.run([X], training=True)[0]
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-5)
    model.train_on_batch(X, X)
    assert same(before, model.get_weights())


def test_phase_0_is_used_in_fit():
    K.set_learning_phase(0)
    x = Input((4,))
    drop, norm = Dropout(0.5), BatchNormalization()
    model = Model(x, Phase()(Chosen()(norm(drop(x)))))
    model.compile("sgd", "mse")
    stats = [norm.moving_mean.numpy(), norm.moving_variance.numpy()]
    want = np.square(model.predict(X) - X).mean()
    assert model.train_on_batch(X, X) == pytest.approx(want, rel=1e-6)
    assert same(stats, [norm.moving_mean.value, norm.moving_variance.value])
    np.testing.assert_allclose(model.get_weights()[0], norm.gamma.value)
    assert not np.array_equal(norm.gamma.value, np.ones(4))  # it is trained


def test_phase_1_is_used_in_predict_and_evaluate():
    K.set_learning_phase(1)
    assert K.learning_phase() == 1
    x = Input((4,))
    dropped = Model(x, Dropout(0.5)(x))
    draws = np.stack([dropped.predict(X) for _ in range(20)])
    assert draws.std(axis=0).min() > 0
    np.testing.assert_allclose(np.unique(np.round(draws / X, 4)), [0.0, 2.0])
    dropped = Model(x, Dropout(0.25)(x))
    dropped.compile("sgd", "mse")
    assert len({dropped.evaluate(X, X, verbose=0) for _ in range(5)}) == 5
    norm = BatchNormalization()
    normalized = Model(x, norm(x))
    np.testing.assert_allclose(normalized.predict(X).mean(0), 0, atol=1e-5)
    np.testing.assert_array_equal(norm.moving_mean.value, np.zeros(4))
    asked = Model(x, Phase()(Chosen()(x)))
    np.testing.assert_allclose(asked.predict(X), X * 2 + 1)


def test_models_made_before_and_after_have_no_fixed_phase():
    x = Input((4,))
    before = Model(x, Phase()(x))
    K.set_learning_phase(1)
    within = Model(x, Phase()(x))
    K.clear_session()
    x = Input((4,))
    after = Model(x, Phase()(x))
    for model, phase in ((before, 0), (within, 1), (after, 0)):
        np.testing.assert_array_equal(model.predict(X), X + np.float32(phase))
    for model in (before, within, after):
        np.testing.assert_array_equal(model.run([X], training=True)[0], X + np.float32(1))


def test_a_model_called_in_a_fixed_phase_keeps_it_there_only():
    inner = Sequential([Dropout(0.5, input_shape=(4,)), Phase()])
    K.set_learning_phase(1)
    y = Input((4,))
    outer = Model(y, inner(y))
    K.clear_session()
    np.testing.assert_array_equal(inner.predict(X), X)
    assert (outer.predict(X) == 1).any()


def test_masks_do_not_hide_the_fixed_phase():
    steps = X.reshape(4, 4, 4)
    x = Input((4, 4))
    inner = Model(x, Phase()(Dropout(0.5)(x)))
    y = Input((4, 4))
    fixed = Model(y, inner(Masking(mask_value=-1.0)(y), training=True))
    assert (fixed.predict(steps) == 1).any()
    K.set_learning_phase(1)
    z = Input((4, 4))
    kept = Model(z, Dropout(0.5)(Masking(mask_value=-1.0)(z)))
    assert (kept.predict(steps) == 0).any()


def test_an_argument_of_the_call_has_priority():
    K.set_learning_phase(1)
    x = Input((4,))
    model = Model(x, Dropout(0.5)(x, training=False))
    np.testing.assert_array_equal(model.run([X], training=True)[0], X)


def test_functions_of_the_graph_keep_the_phase():
    K.set_learning_phase(1)
    x = Input((4,))
    model = Model(x, K.in_train_phase(x * 2.0, x))
    np.testing.assert_array_equal(model.predict(X), X * 2)


def test_an_unbuilt_sequential_uses_the_phase_when_it_is_built():
    model = Sequential([Dense(3), Dropout(0.5)])
    K.set_learning_phase(1)
    model.build((None, 4))
    assert (model.predict(X) == 0).any()


def test_loading_in_a_fixed_phase_keeps_it(tmp_path):
    model = normed()
    model.train_on_batch(X, Y)
    model.save(tmp_path / "model.h5")
    K.set_learning_phase(0)
    loaded = load_model(tmp_path / "model.h5")
    stats = loaded.layers[1].moving_mean.numpy()
    loaded.train_on_batch(X, Y)
    np.testing.assert_array_equal(loaded.layers[1].moving_mean.value, stats)


def test_four_axes_correct_the_moving_variance_once():
    flat = RNG.normal(size=(24, 3))
    for shape in ((24, 3), (4, 6, 3), (2, 3, 4, 3)):
        norm = BatchNormalization(momentum=0.5)
        norm(flat.reshape(shape), training=True)
        want = 0.5 + 0.5 * flat.var(0) * 24 / (24 - 1.001)
        np.testing.assert_allclose(norm.moving_variance.value, want, rtol=1e-5)


def test_the_phase_is_an_int_only_if_it_was_set():
    model = Sequential([Dropout(0.5, input_shape=(3,))])
    assert not isinstance(K.learning_phase(), int) and K.learning_phase() == 0 and model._uses_dynamic_learning_phase()
    assert (np.ones(2, "float32") * K.learning_phase()).dtype == np.float32
    K.set_learning_phase(1)
    assert isinstance(K.learning_phase(), int) and not model._uses_dynamic_learning_phase()
    K.clear_session()
    assert not isinstance(K.learning_phase(), int)


def twins():
    """Two compiled models of the same weights."""
    one, other = normed(momentum=0.5), normed(momentum=0.5)
    other.set_weights(one.get_weights())
    return one, other


def behind(generator, discriminator):
    model = Sequential([generator, discriminator])
    model.compile("sgd", "mse")
    return model


@pytest.mark.filterwarnings("ignore:Discrepancy")
@pytest.mark.parametrize("of_model", [False, True])
def test_a_discriminator_frozen_after_compile_trains_as_compiled(of_model):
    alone, discriminator = twins()
    for layer in [discriminator] if of_model else discriminator.layers:
        layer.trainable = False
    gan = behind(Dense(4, input_dim=4), discriminator)
    for _ in range(3):
        np.testing.assert_array_equal(alone.train_on_batch(X, Y), discriminator.train_on_batch(X, Y))
        assert same(alone.get_weights(), discriminator.get_weights())
        # With the generator before it, it is frozen: its moving averages normalize, and nothing of it changes.
        wanted = np.square(gan.predict(X) - Y).mean()
        np.testing.assert_allclose(gan.train_on_batch(X, Y), wanted, rtol=1e-5)
        assert same(alone.get_weights(), discriminator.get_weights())
    assert [layer.trainable for layer in discriminator.layers] == [of_model] * 3


@pytest.mark.filterwarnings("ignore:Discrepancy")
def test_what_is_thawed_after_compile_stays_frozen_in_steps():
    model = normed()
    model.layers[1].trainable = False
    model.compile("sgd", "mse")
    model.layers[1].trainable = True
    kept = model.layers[1].get_weights()
    loss = model.train_on_batch(X, Y)
    assert same(kept, model.layers[1].get_weights()) and model.layers[1].trainable
    model.compile("sgd", "mse")
    assert model.train_on_batch(X, Y) != pytest.approx(loss, rel=1e-3)
    assert not any(map(np.array_equal, kept, model.layers[1].get_weights()))


@pytest.mark.filterwarnings("ignore:Discrepancy")
@pytest.mark.parametrize("wrap", [False, True])
def test_a_callback_that_freezes_changes_nothing_until_compile(wrap):
    x, y = (X[:, None].repeat(3, 1), Y[:, None].repeat(3, 1)) if wrap else (X, Y)

    def made():
        norm = BatchNormalization(center=False, scale=False)
        model = Sequential([InputLayer(x.shape[1:]), TimeDistributed(norm) if wrap else norm, Dense(1)])
        model.compile("sgd", "mse")
        return model

    def freeze(epoch, logs):
        frozen.layers[0].trainable = False

    frozen, other = made(), made()
    other.set_weights(frozen.get_weights())
    frozen.fit(x, y, epochs=3, shuffle=False, verbose=0, callbacks=[LambdaCallback(on_epoch_end=freeze)])
    other.fit(x, y, epochs=3, shuffle=False, verbose=0)
    assert not frozen.layers[0].trainable and same(frozen.get_weights(), other.get_weights())
