"""Functions of a batch that a script sets in place of Keras's own, as snippets for Keras 2 do. Source: Keras 2.2.5."""

import copy
import pickle

import numpy as np
import pytest

from lamella import backend as K
from lamella.callbacks import Callback
from lamella.layers import BatchNormalization, Dense, Dropout, Embedding, Flatten, Input, Layer
from lamella.models import Model, Sequential, load_model
from lamella.optimizers import SGD

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(8, 3)), RNG.normal(size=(8, 2))
WORDS, LABELS = RNG.integers(0, 6, (8, 4)), RNG.integers(0, 2, (8, 1)).astype("f8")
MANY_LABELS = np.tile(LABELS, (1, 2))


def linear(optimizer=None, **options):
    model = Sequential([Dense(2, use_bias=False, input_shape=(3,))])
    model.compile(optimizer or SGD(lr=0.1), "mse", **options)
    return model


def step(w, x, y, lr=0.1):
    """One step of SGD of a linear model, and its loss before it."""
    residual = x @ w - y
    return w - lr * 2 * x.T @ residual / residual.size, (residual**2).mean()


def feeds(model):
    return model._feed_inputs + model._feed_targets + model._feed_sample_weights


def generated(x, y, size=4):
    while True:
        for i in range(0, len(x), size):
            yield x[i : i + size], y[i : i + size]


class Lookahead:
    """After every k steps the slow weights move by alpha of the way to the fast ones, which then continue from there."""

    def __init__(self, k=2, alpha=0.5):
        self.k, self.alpha, self.count = k, alpha, 0

    def inject(self, model):
        assert hasattr(model, "train_function")
        model._check_trainable_weights_consistency()
        if model.train_function is None:
            inputs = feeds(model)
            if model._uses_dynamic_learning_phase():
                inputs += [K.learning_phase()]
            fast = model._collected_trainable_weights
            of_training = model.optimizer.get_updates(params=fast, loss=model.total_loss)
            function = K.function(
                inputs,
                [model.total_loss, *model.metrics_tensors],
                updates=model.updates + of_training + model.metrics_updates,
                name="fast_train_function",
                **model._function_kwargs,
            )
            slow = [K.variable(p) for p in fast]
            moves = [K.update(q, q + self.alpha * (p - q)) for p, q in zip(fast, slow)]
            copies = [K.update(p, q) for p, q in zip(fast, slow)]

            def both(values):
                self.count += 1
                numbers = function(values)
                if self.count % self.k == 0:
                    K.batch_get_value(moves)
                    K.batch_get_value(copies)
                return numbers

            model.train_function = both


@pytest.mark.parametrize("way", ["fit", "fit_generator", "train_on_batch"])
def test_lookahead_moves_the_weights_as_its_rule_says(way, float64):
    model = linear(metrics=["mae"])
    slow = fast = model.get_weights()[0]
    Lookahead(k=3, alpha=0.4).inject(model)
    wanted = []
    for count in range(1, 9):
        part = slice(0, 4) if count % 2 else slice(4, 8)
        mae = np.abs(X[part] @ fast - Y[part]).mean()
        fast, loss = step(fast, X[part], Y[part])
        wanted.append([loss, mae])
        if count % 3 == 0:
            slow = fast = slow + 0.4 * (fast - slow)
    means = np.reshape(wanted, (4, 2, 2)).mean(1)
    if way == "train_on_batch":
        found = [model.train_on_batch(x, y) for _, (x, y) in zip(range(8), generated(X, Y))]
        np.testing.assert_allclose(found, wanted, rtol=1e-10)
    else:
        if way == "fit":
            history = model.fit(X, Y, batch_size=4, epochs=4, shuffle=False, verbose=0).history
        else:
            history = model.fit_generator(generated(X, Y), steps_per_epoch=2, epochs=4, workers=0, verbose=0).history
        np.testing.assert_allclose(np.transpose([history["loss"], history["mean_absolute_error"]]), means, rtol=1e-10)
    np.testing.assert_allclose(model.get_weights()[0], fast, rtol=1e-10)


def test_lookahead_with_moving_averages_dropout_and_two_outputs():
    def build():
        x = Input((3,))
        h = BatchNormalization()(Dense(4, activation="relu", kernel_regularizer="l2")(x))
        model = Model(x, [Dense(2, name="a")(h), Dense(1, name="b")(Dropout(0.5)(h))])
        model.compile("adam", ["mse", "mae"], metrics={"a": "mae", "b": "mse"}, loss_weights=[1.0, 0.5])
        return model

    model, other = build(), build()
    other.set_weights(model.get_weights())
    Lookahead(k=10**9).inject(model)
    y = [Y, Y[:, :1]]
    ours, theirs = model.train_on_batch(X, y), other.train_on_batch(X, y)
    assert len(ours) == len(model.metrics_names) == 5
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-5)  # the output without dropout
    np.testing.assert_allclose(ours[3], theirs[3], rtol=1e-5)
    np.testing.assert_allclose(ours[0], 1 * ours[1] + 0.5 * ours[2] + (theirs[0] - theirs[1] - 0.5 * theirs[2]), rtol=1e-5)
    averages = [m.layers[2].get_weights()[2:] for m in (model, other)]
    np.testing.assert_allclose(averages[0], averages[1], rtol=1e-5)
    assert len({tuple(np.ravel(model.train_function([X, *y, np.ones(8), np.ones(8), 1.0])[2])) for _ in range(3)}) == 3
    with pytest.warns(UserWarning, match="Discrepancy between trainable weights"):
        model.trainable = False
        model._check_trainable_weights_consistency()


def classifier(rate=0.0):
    model = Sequential([Embedding(6, 3, input_length=4), Flatten(), Dropout(rate), Dense(1, activation="sigmoid")])
    model.compile(SGD(lr=0.5), "binary_crossentropy", metrics=["acc"])
    return model


def make_adversarial(model, epsilon=0.3):
    """Fast gradient method: each step is made at the embeddings plus epsilon along their gradient."""
    if model.train_function is None:
        model._make_train_function()
    old = model.train_function
    table = model.layers[0].embeddings
    gradients = K.zeros_like(table) + K.gradients(model.total_loss, [table])[0]
    function = K.function(inputs=feeds(model), outputs=[gradients], name="gradients")

    def train_function(values):
        gradient = function(values)[0]
        delta = epsilon * gradient / (np.sqrt((gradient**2).sum()) + 1e-8)
        K.set_value(table, K.eval(table) + delta)
        numbers = old(values)
        K.set_value(table, K.eval(table) - delta)
        return numbers

    model.train_function = train_function


def adversarial_step(table, kernel, bias, words, y, epsilon=0.3, lr=0.5):
    """The same by hand."""

    def gradients(table):
        h = table[words].reshape(len(words), -1)
        p = 1 / (1 + np.exp(-(h @ kernel + bias)))
        d = (p - y) / len(y)
        of_table = np.zeros_like(table)
        np.add.at(of_table, words, (d @ kernel.T).reshape(*words.shape, -1))
        loss = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
        return of_table, h.T @ d, d.sum(0), loss

    first = gradients(table)[0]
    delta = epsilon * first / (np.sqrt((first**2).sum()) + 1e-8)
    a, b, c, loss = gradients(table + delta)
    return table - lr * a, kernel - lr * b, bias - lr * c, loss


@pytest.mark.parametrize("way", ["fit", "fit_generator", "train_on_batch"])
def test_adversarial_training_is_a_loop_by_hand(way, float64):
    model = classifier()
    weights = model.get_weights()
    make_adversarial(model)
    losses = []
    for count in range(6):
        part = slice(4 * (count % 2), 4 * (count % 2) + 4)
        *weights, loss = adversarial_step(*weights, WORDS[part], LABELS[part])
        losses.append(loss)
    if way == "fit":
        found = model.fit(WORDS, LABELS, batch_size=4, epochs=3, shuffle=False, verbose=0).history["loss"]
        losses = np.reshape(losses, (3, 2)).mean(1)
    elif way == "fit_generator":
        batches = generated(WORDS, LABELS)
        found = model.fit_generator(batches, steps_per_epoch=2, epochs=3, workers=0, verbose=0).history["loss"]
        losses = np.reshape(losses, (3, 2)).mean(1)
    else:
        found = [model.train_on_batch(*batch)[0] for _, batch in zip(range(6), generated(WORDS, LABELS))]
    np.testing.assert_allclose(found, losses, rtol=1e-6)  # Keras's crossentropy clips probabilities
    for ours, theirs in zip(model.get_weights(), weights):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)
    assert model.stop_training is False and model.evaluate(WORDS, LABELS, verbose=0)[0] < losses[0]


def test_adversarial_training_of_a_model_with_dropout():
    model = classifier(0.5)
    make_adversarial(model)
    seen = []
    old = model.train_function

    def watched(values):
        seen.append(values)
        return old(values)

    model.train_function = watched
    model.fit(WORDS, LABELS, batch_size=4, epochs=2, sample_weight=np.arange(8.0), shuffle=False, verbose=0)
    assert [len(values) for values in seen] == [4] * 4  # words, labels, sample weights, learning phase
    np.testing.assert_array_equal(seen[1][2], np.arange(4.0, 8.0))
    assert seen[0][3] == 1.0


def test_averages_of_weights_by_metrics_updates(float64):
    model = linear()
    averages = [K.zeros(K.shape(w)) for w in model.weights]
    K.batch_set_value(zip(averages, K.batch_get_value(model.weights)))
    for average, w in zip(averages, model.weights):
        model.metrics_updates.append(K.moving_average_update(average, w, 0.9))
    fast = mean = model.get_weights()[0]
    model.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    for count in range(4):
        part = slice(4 * (count % 2), 4 * (count % 2) + 4)
        mean = 0.9 * mean + 0.1 * fast  # of the weights before the step
        fast, _ = step(fast, X[part], Y[part])
    np.testing.assert_allclose(model.get_weights()[0], fast, rtol=1e-10)
    np.testing.assert_allclose(K.get_value(averages[0]), mean, rtol=1e-10)
    count = K.variable(0.0)
    model.compile("sgd", "mse")
    model.metrics_updates.append(K.update_add(count, K.sum(model.targets[0])))
    model.train_on_batch(X, Y)
    model.test_on_batch(X, Y)
    assert K.get_value(count) == pytest.approx(2 * Y.sum(), rel=1e-10)
    with pytest.raises(TypeError, match="metrics_updates: expected results of K.update and related functions, got 3"):
        model.compile("sgd", "mse")
        model.metrics_updates.append(3)
        model.fit(X, Y, verbose=0)


def test_accumulated_gradients(float64):
    model = linear()
    w = model.trainable_weights[0]
    total = K.zeros(K.int_shape(w))
    gradient = K.gradients(model.total_loss, [w])[0]
    add = K.function(feeds(model), [model.total_loss], updates=[K.update_add(total, gradient)])
    apply = K.function([], [], updates=[K.update_sub(w, 0.1 * total / 2.0)])
    batches = []

    def train_function(values):
        loss = add(values)[0]
        batches.append(loss)
        if len(batches) % 2 == 0:
            apply([])
            K.set_value(total, np.zeros((3, 2)))
        return loss  # a number instead of a list

    before = model.get_weights()[0]
    model.train_function = train_function
    history = model.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0).history
    first = before - 0.1 * 2 * X.T @ (X @ before - Y) / Y.size
    second, loss = step(first, X, Y)
    np.testing.assert_allclose(model.get_weights()[0], second, rtol=1e-10)
    np.testing.assert_allclose(history["loss"][1], loss, rtol=1e-10)
    assert len(batches) == 4


class CountsPositives(Layer):
    """A metric with a state, as for Keras 2.2."""

    def __init__(self):
        super().__init__(name="positives")
        self.stateful = True
        self.count = K.variable(0.0)

    def reset_states(self):
        K.set_value(self.count, 0.0)

    def __call__(self, y_true, y_pred):
        found = K.sum(K.cast(K.greater(y_true, 0.0), K.floatx()))
        before = self.count * 1
        self.add_update(K.update_add(self.count, found), inputs=[y_true, y_pred])
        return before + found


def test_metrics_with_a_state_in_a_replaced_function():
    model = linear(metrics=["mae", CountsPositives()])
    assert len(model.metrics_tensors) == 2 and len(model.metrics_updates) == 1
    Lookahead(k=10**9).inject(model)
    model._make_test_function()
    old = model.test_function
    model.test_function = lambda values: old(values)
    history = model.fit(X, Y, batch_size=2, epochs=2, validation_data=(X, Y), verbose=0).history
    assert history["positives"] == [np.sum(Y > 0)] * 2 == history["val_positives"]
    assert model.evaluate(X, Y, batch_size=2, verbose=0)[2] == np.sum(Y > 0)


def test_replaced_functions_of_evaluation_and_prediction(float64):
    model = linear(metrics=["mae"])
    seen = []
    w = model.get_weights()[0]
    model.test_function = lambda values: seen.append(len(values)) or [len(values[0]), 7.0]
    model.predict_function = lambda values: [values[0] @ w + 1]
    assert model.evaluate(X, Y, batch_size=6, verbose=0) == [5.0, 7.0]  # (6 * 6 + 2 * 2) / 8
    assert model.test_on_batch(X, Y) == [8.0, 7.0] and seen == [3, 3, 3]
    assert model.evaluate_generator(generated(X, Y), steps=2, workers=0) == [4.0, 7.0]
    for found in (
        model.predict(X, batch_size=3),
        model.predict_on_batch(X),
        model.predict_generator(iter([X[:5], X[5:]]), steps=2, workers=0),
    ):
        np.testing.assert_allclose(found, X @ w + 1, rtol=1e-12)
    history = model.fit(X, Y, validation_data=(X, Y), verbose=0).history
    assert history["val_mean_absolute_error"] == [7.0]
    model.test_function = model.predict_function = None
    w = model.get_weights()[0]
    np.testing.assert_allclose(model.predict(X), X @ w, rtol=1e-12)
    assert model.evaluate(X, Y, verbose=0)[0] == pytest.approx(((X @ w - Y) ** 2).mean(), rel=1e-10)
    assert model.test_function is not None and model.predict_function is not None


def test_a_function_lives_until_compile_or_none(float64):
    model = linear()
    assert model.train_function is model.test_function is model.predict_function is None
    model.train_on_batch(X, Y)
    assert model.train_function is not None and model.test_function is None
    model.train_function = lambda values: [5.0]
    assert model.train_on_batch(X, Y) == 5.0
    model.train_function = None
    assert model.train_on_batch(X, Y) != 5.0
    model.train_function = lambda values: [5.0]
    model.compile("sgd", "mse")
    assert model.train_function is None and model.train_on_batch(X, Y) != 5.0


def test_a_subclass_makes_its_own_train_function():
    class Counting(Model):
        made = calls = 0

        def _make_train_function(self):
            self.made += 1
            if self.train_function is None:
                super()._make_train_function()
                old = self.train_function

                def train_function(values):
                    self.calls += 1
                    return old(values)

                self.train_function = train_function

    x = Input((3,))
    model, other = Counting(x, Dense(2)(x)), Sequential([Dense(2, input_shape=(3,))])
    other.set_weights(model.get_weights())
    for each in (model, other):
        each.compile("adam", "mse")
        each.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
        each.train_on_batch(X, Y)
    assert (model.made, model.calls) == (2, 5)
    for ours, theirs in zip(model.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(ours, theirs)


def test_virtual_adversarial_loss_of_a_subclass(float64):
    class Smooth(Model):
        added = None

        @property
        def losses(self):
            return [*super().losses, *([] if self.added is None else [self.added])]

        def add_virtual(self, step=0.5):
            x = self.inputs[0]
            plain = K.stop_gradient(self.outputs[0])
            d = K.ones_like(x) * 1e-3
            d = K.stop_gradient(K.gradients(K.sum(K.square(plain - self.call(x + d))), [d])[0])
            d = d / K.sqrt(K.sum(K.square(d), axis=1, keepdims=True))
            self.added = K.mean(K.square(plain - self.call(x + step * d)))

    x = Input((3,))
    model = Smooth(x, Dense(2, use_bias=False)(x))
    model.add_virtual()
    model.compile(SGD(lr=0.1), "mse")
    w = model.get_weights()[0]
    loss = model.train_on_batch(X, Y)
    d = np.ones(3) @ w @ w.T
    d /= np.sqrt((d**2).sum())
    assert loss == pytest.approx(((X @ w - Y) ** 2).mean() + ((0.5 * d @ w) ** 2).mean(), rel=1e-8)
    moved = (X + 0.5 * d).T @ np.tile(0.5 * d @ w, (8, 1))  # the plain outputs are constants
    wanted = step(w, X, Y)[0] - 0.1 * 2 * moved / Y.size
    np.testing.assert_allclose(model.get_weights()[0], wanted, rtol=1e-8)


def test_copies_and_files_have_no_functions_of_scripts(tmp_path, float64):
    model = linear("adam")
    Lookahead(k=2).inject(model)
    model.fit(X, Y, epochs=3, verbose=0)
    model.save(str(tmp_path / "model.h5"))
    loaded = load_model(str(tmp_path / "model.h5"))
    assert len(model.optimizer.get_weights()) == len(loaded.optimizer.get_weights()) == 4
    for other in (loaded, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
        assert other.train_on_batch(X, Y) == pytest.approx(((X @ model.get_weights()[0] - Y) ** 2).mean())


def test_a_callback_may_replace_the_function_of_fit_generator():
    class Doubles(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.model.train_function = lambda values: [2.0]

    history = linear().fit_generator(generated(X, Y), 2, epochs=2, callbacks=[Doubles()], workers=0, verbose=0).history
    assert history["loss"][0] != 2.0 and history["loss"][1] == 2.0


def test_updates_of_variables_wait_for_a_run():
    a, b = K.variable([1.0, 2.0]), K.variable([3.0, 5.0])
    swap = [K.update(a, b), K.update(b, a)]
    np.testing.assert_array_equal(K.get_value(a), [1, 2])
    np.testing.assert_array_equal(K.batch_get_value(swap), [[3, 5], [1, 2]])
    np.testing.assert_array_equal(K.get_value(K.update_add(a, b)), [4, 7])
    np.testing.assert_array_equal(K.eval(K.moving_average_update(a, b, 0.5)), [2.5, 4.5])
    function = K.function([], [a], updates=[K.update_sub(a, b)])
    np.testing.assert_array_equal(np.concatenate([function([])[0], function([])[0]]), [2.5, 4.5, 1.5, 2.5])
