"""Losses of the kind that users of Keras 2 wrote, with model.total_loss beside formulas in NumPy."""

import itertools

import numpy as np

import lamella as keras
from lamella import backend as K
from lamella.layers import Dense, Input, Lambda, Layer, LeakyReLU, concatenate
from lamella.models import Model, Sequential, load_model

rng = np.random.RandomState(0)


def loss_and_gradients(model, x, y):
    """total_loss and its gradients for the trained weights, checked against those of a training step."""
    inputs, targets, weights = model._standardize_user_data(x, y)
    gradients = model.optimizer.get_gradients(model.total_loss, model._collected_trainable_weights)
    fed = model._feed_inputs + model._feed_targets + model._feed_sample_weights
    loss, *found = K.function(fed, [model.total_loss, *gradients])([*inputs, *targets, *weights])
    for ours, step in zip(found, model.gradients_on_batch(x, y), strict=True):
        np.testing.assert_allclose(ours, step, rtol=1e-4, atol=1e-6)
    return loss, found


def test_a_generator_behind_a_frozen_discriminator():
    generator = Sequential([Dense(8, input_dim=4, activation="relu"), Dense(2)])
    discriminator = Sequential([Dense(8, input_dim=2), LeakyReLU(0.2), Dense(1, activation="sigmoid")])
    discriminator.compile("adam", "binary_crossentropy")
    discriminator.trainable = False
    z = Input((4,))
    both = Model(z, discriminator(generator(z)))
    both.compile("adam", "binary_crossentropy")
    noise, ones = rng.normal(size=(8, 4)), np.ones((8, 1))
    loss, gradients = loss_and_gradients(both, noise, ones)
    assert len(gradients) == 4 and np.abs(gradients[0]).max() > 1e-4
    np.testing.assert_allclose(loss, -np.log(discriminator.predict(generator.predict(noise))).mean(), rtol=1e-5)


def triplet_loss(y_true, y_pred, margin=0.2):
    size = y_pred.shape.as_list()[-1] // 3
    anchor, positive, negative = (y_pred[:, i * size : (i + 1) * size] for i in range(3))
    near, far = K.sum(K.square(anchor - positive), axis=1), K.sum(K.square(anchor - negative), axis=1)
    return K.maximum(near - far + margin, 0.0)


def test_triplets_of_a_shared_network():
    base = Sequential([Dense(4, input_shape=(3,)), Lambda(lambda x: K.l2_normalize(x, axis=1))])
    inputs = [Input((3,)) for _ in range(3)]
    model = Model(inputs, concatenate([base(x) for x in inputs], axis=-1))
    model.compile("adam", triplet_loss)
    data = [rng.normal(size=(6, 3)) for _ in range(3)]
    loss, _ = loss_and_gradients(model, data, np.zeros((6, 12)))
    a, p, n = (x @ base.get_weights()[0] for x in data)
    a, p, n = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a, p, n))
    wanted = np.maximum(((a - p) ** 2).sum(1) - ((a - n) ** 2).sum(1) + 0.2, 0).mean()
    np.testing.assert_allclose(loss, wanted, rtol=1e-4)


def test_a_variational_autoencoder_with_add_loss():
    x = Input((6,))
    hidden = Dense(4, activation="relu")(x)
    mean, spread = Dense(2)(hidden), Dense(2)(hidden)
    epsilon = K.random_normal(shape=(K.shape(mean)[0], 2))
    encoder = Model(x, [mean, spread, Lambda(lambda v: v[0] + K.exp(v[1] / 2) * v[2])([mean, spread, epsilon])])
    code = Input((2,))
    decoder = Model(code, Dense(6, activation="sigmoid")(code))
    out = decoder(encoder(x)[2])
    model = Model(x, out)
    divergence = -0.5 * K.sum(1 + spread - K.square(mean) - K.exp(spread), axis=-1)
    model.add_loss(K.mean(keras.losses.binary_crossentropy(x, out) * 6 + divergence))
    model.compile("adam")
    data = rng.uniform(size=(12, 6))
    assert len(model.fit(data, epochs=2, verbose=0).history["loss"]) == 2
    loss, m, s, y = K.function([x], [model.total_loss, mean, spread, out])([data])
    entropy = -(data * np.log(y) + (1 - data) * np.log(1 - y)).sum(-1)
    np.testing.assert_allclose(loss, (entropy - 0.5 * (1 + s - m**2 - np.exp(s)).sum(-1)).mean(), rtol=1e-4)


class Chain(Layer):
    """The scores of a linear chain of labels; its method `loss` reads a weight, as in the CRF of keras_contrib."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="uniform", name="kernel")
        self.chain = self.add_weight(shape=(self.units, self.units), initializer="uniform", name="chain")
        super().build(input_shape)

    def call(self, inputs):
        return K.dot(inputs, self.kernel)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def loss(self, y_true, y_pred):
        def step(energies, states):
            new = K.logsumexp(K.expand_dims(states[0], 2) + self.chain, axis=1) + energies
            return new, [new]

        moves = K.dot(y_true[:, 1:], K.transpose(self.chain))
        score = K.sum(K.sum(y_true * y_pred, 2), 1) + K.sum(K.sum(y_true[:, :-1] * moves, 2), 1)
        last, _, _ = K.rnn(step, y_pred[:, 1:], [y_pred[:, 0]])
        return K.logsumexp(last, axis=1) - score


def test_the_likelihood_of_a_chain_of_labels():
    model = Sequential([Dense(4, input_shape=(5, 3)), Chain(3)])
    chain = model.layers[-1]
    model.compile("adam", chain.loss)
    x, labels = rng.normal(size=(4, 5, 3)), rng.randint(0, 3, (4, 5))
    loss, _ = loss_and_gradients(model, x, np.eye(3)[labels])
    moves, energies = chain.get_weights()[1], model.predict(x)

    def score(of, path):
        return sum(of[t, label] for t, label in enumerate(path)) + sum(moves[a, b] for a, b in itertools.pairwise(path))

    every = [[score(of, path) for path in itertools.product(range(3), repeat=5)] for of in energies]
    wanted = [np.log(np.exp(scores).sum()) - score(of, path) for scores, of, path in zip(every, energies, labels)]
    np.testing.assert_allclose(loss, np.mean(wanted), rtol=1e-4)


class Orthogonal(keras.regularizers.Regularizer):
    """factor * |w'w - 1|^2."""

    def __init__(self, factor=0.1):
        self.factor = K.cast_to_floatx(factor)

    def __call__(self, x):
        return self.factor * K.sum(K.square(K.dot(K.transpose(x), x) - K.eye(K.int_shape(x)[1])))

    def get_config(self):
        return {"factor": float(self.factor)}


class Uniform(keras.initializers.Initializer):
    """By a random function of K."""

    def __init__(self, limit=0.5):
        self.limit = limit

    def __call__(self, shape, dtype=None):
        return K.random_uniform(shape, -self.limit, self.limit, dtype=dtype)

    def get_config(self):
        return {"limit": self.limit}


def test_a_regularizer_and_an_initializer_of_the_users(tmp_path):
    layer = Dense(3, use_bias=False, input_shape=(4,), kernel_regularizer=Orthogonal(0.2), kernel_initializer=Uniform(0.9))
    model = Sequential([layer])
    model.compile("adam", "mae")
    w = model.get_weights()[0]
    assert 0.3 < np.abs(w).max() < 0.9
    x, y = rng.normal(size=(8, 4)), rng.normal(size=(8, 3))
    rest = w.T @ w - np.eye(3)
    loss, gradients = loss_and_gradients(model, x, y)
    np.testing.assert_allclose(loss, np.abs(x @ w - y).mean() + 0.2 * (rest**2).sum(), rtol=1e-4)
    slope = K.eval(K.gradients(sum(model.losses), layer.kernel)[0])
    np.testing.assert_allclose(slope, 0.8 * w @ rest, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(gradients[0] - slope, x.T @ np.sign(x @ w - y) / 24, rtol=1e-4, atol=1e-5)
    model.save(str(tmp_path / "m.h5"))
    loaded = load_model(str(tmp_path / "m.h5"), custom_objects={"Orthogonal": Orthogonal, "Uniform": Uniform})
    np.testing.assert_allclose(loss_and_gradients(loaded, x, y)[0], loss, rtol=1e-6)
