"""Layers of 2018 that scripts define: attention that is shown, wrappers of weights, CRFs, reversed gradients; noise as an input."""

import numpy as np
from parts import attempt, programs, set_random_weights

DECIDED = {}


def trained(model, x, y, random, loss="mse"):
    """Losses of two steps, weights and predictions."""
    set_random_weights(model, random)
    model.compile("sgd", loss)
    losses = [attempt(model.train_on_batch, x, y) for _ in range(2)]
    return {"losses": losses, "weights": model.get_weights(), "predict": attempt(model.predict, x, batch_size=3)}


def attention(random, one_of):
    from keras import backend as K
    from keras import layers, models

    steps, units, masked, context = (
        int(random.randint(2, 6)),
        int(random.randint(1, 4)),
        one_of(True, False),
        one_of(True, False),
    )
    form = one_of("tanh", "sigmoid", "linear")

    class Attention(layers.Layer):
        supports_masking = True

        def build(self, input_shape):
            self.w = self.add_weight(name="w", shape=(input_shape[-1], input_shape[-1]), initializer="uniform")
            if context:
                self.u = self.add_weight(name="u", shape=(input_shape[-1],), initializer="uniform")
            super().build(input_shape)

        def compute_mask(self, inputs, mask=None):
            return None

        def call(self, x, mask=None):
            hidden = K.dot(x, self.w)
            self.hidden = {"tanh": K.tanh, "sigmoid": K.sigmoid, "linear": lambda v: v}[form](hidden)
            scores = K.squeeze(K.dot(self.hidden, K.expand_dims(self.u)), axis=-1) if context else K.sum(self.hidden, axis=-1)
            shares = K.exp(scores)
            if mask is not None:
                shares *= K.cast(mask, K.floatx())
            shares /= K.sum(shares, axis=1, keepdims=True) + K.epsilon()
            self.shares = shares
            return K.sum(x * K.expand_dims(shares), axis=1)

        def compute_output_shape(self, input_shape):
            return input_shape[0], input_shape[-1]

    ids = layers.Input((steps,), dtype="int32")
    h = layers.Embedding(6, 3, mask_zero=masked)(ids)
    h = one_of(layers.LSTM, layers.GRU)(units, return_sequences=True)(h)
    layer = Attention()
    model = models.Model(ids, layers.Dense(2)(layer(h)))
    x, y = random.randint(0, 6, (5, steps)), random.standard_normal((5, 2))
    x[:, 0] = 1
    result = {"size": K.int_shape(layer.shares), "trained": trained(model, x, y, random)}
    shown = K.function([ids], [layer.shares, layer.hidden, model.output])
    result["shown"], result["few"] = shown([x]), shown([x[:2]])
    slopes = K.function([ids], K.gradients(K.sum(K.square(layer.shares)) + K.sum(layer.hidden), [h, layer.w]))
    return result | {"slopes": attempt(slopes, [x])}


def loss_of_attributes(random, one_of):
    from keras import backend as K
    from keras import layers, models

    width, factor, after = int(random.randint(2, 5)), float(random.uniform(0.1, 1)), one_of(True, False)

    class Coded(layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight(name="w", shape=(input_shape[-1], width), initializer="uniform")
            super().build(input_shape)

        def call(self, x):
            self.code = K.relu(K.dot(x, self.w))
            return K.dot(self.code, K.transpose(self.w))

    x = layers.Input((3,))
    layer = Coded()
    y = layer(x)
    model = models.Model(x, layers.Dense(3)(y) if after else y)

    def sparse(y_true, y_pred):
        return K.mean(K.square(y_true - y_pred), axis=-1) + factor * K.mean(K.abs(layer.code), axis=-1)

    data = random.standard_normal((6, 3))
    result = trained(model, data, data, random, sparse)
    return result | {"codes": K.function([x], [layer.code])([data])}


def wrapped_weights(random, one_of):
    from keras import backend as K
    from keras import layers, models
    from keras.layers.wrappers import Wrapper

    kind, spectral = one_of("Dense", "Conv1D", "Conv2D"), one_of(True, False)

    class Normalized(Wrapper):
        def build(self, input_shape=None):
            self.layer.build(input_shape)
            self.layer.built = True
            kernel = self.layer.kernel
            size = K.int_shape(kernel)[-1]
            if spectral:
                u = self.layer.add_weight(name="u", shape=(1, size), initializer="ones", trainable=False)
                matrix = K.reshape(kernel, (-1, size))
                v = K.l2_normalize(K.dot(u, K.transpose(matrix)))
                new = K.l2_normalize(K.dot(v, matrix))
                self.layer.add_update([K.update(u, new)])
                self.layer.kernel = kernel / K.sum(K.dot(K.dot(v, matrix), K.transpose(new)))
            else:
                g = self.layer.add_weight(name="g", shape=(size,), initializer="ones")
                self.layer.kernel = K.l2_normalize(kernel, axis=list(range(K.ndim(kernel) - 1))) * g
            super().build()

        def call(self, x):
            return self.layer.call(x)

        def compute_output_shape(self, input_shape):
            return self.layer.compute_output_shape(input_shape)

    shape = {"Dense": (4,), "Conv1D": (5, 2), "Conv2D": (4, 4, 2)}[kind]
    inner = layers.Dense(3) if kind == "Dense" else getattr(layers, kind)(3, 2, padding=one_of("same", "valid"))
    flat = [] if kind == "Dense" else [layers.Flatten()]
    model = models.Sequential([Normalized(inner, input_shape=shape), layers.Activation("tanh"), *flat, layers.Dense(2)])
    x, y = random.standard_normal((5, *shape)), random.standard_normal((5, 2))
    result = trained(model, x, y, random)
    return result | {"updates": len(model.updates), "names": sorted(w.name for w in model.weights)}


def fields(random, one_of):
    from keras import backend as K
    from keras import layers, models

    labels, steps = int(random.randint(2, 5)), int(random.randint(2, 6))

    class Field(layers.Layer):
        def build(self, input_shape):
            self.transitions = self.add_weight(name="t", shape=(labels, labels), initializer="uniform")
            super().build(input_shape)

        def call(self, inputs):
            return inputs

        def loss(self, y_true, y_pred):
            def step(x, states):
                log = K.logsumexp(K.expand_dims(states[0], 2) + K.expand_dims(self.transitions, 0), 1) + x
                return log, [log]

            last, _, _ = K.rnn(step, y_pred[:, 1:], [y_pred[:, 0]])
            pairs = K.expand_dims(y_true[:, :-1], 3) * K.expand_dims(y_true[:, 1:], 2)
            path = K.sum(y_pred * y_true, [1, 2]) + K.sum(pairs * self.transitions, [1, 2, 3])
            return K.logsumexp(last, 1) - path

    x = layers.Input((steps, 3))
    field = Field()
    model = models.Model(x, field(layers.Dense(labels)(layers.SimpleRNN(3, return_sequences=True)(x))))
    data, y = random.standard_normal((4, steps, 3)), np.eye(labels)[random.randint(0, labels, (4, steps))]
    return trained(model, data, y, random, field.loss)


def reversed_gradients(random, one_of):
    from keras import backend as K
    from keras import layers, models

    factor, frozen = K.variable(0.5), one_of(True, False)
    flip = layers.Lambda(lambda v: K.stop_gradient((1 + factor) * v) - factor * v)
    x = layers.Input((4,))
    shared = layers.Dense(3, activation="tanh", trainable=not frozen)(x)
    model = models.Model(x, [layers.Dense(2, name="label")(shared), layers.Dense(1, name="domain")(flip(shared))])
    data, y = random.standard_normal((6, 4)), [random.standard_normal((6, 2)), random.standard_normal((6, 1))]
    result = trained(model, data, y, random)
    K.set_value(factor, 2.0)
    return result | {"steeper": model.train_on_batch(data, y), "after": model.get_weights()}


def noise_as_input(random, one_of):
    from keras import backend as K
    from keras import layers, models

    size, scaled, position = int(random.randint(1, 4)), one_of(True, False), one_of(0, 1)
    x = layers.Input((3,), name="x")
    mean, log = layers.Dense(size, name="mean")(x), layers.Dense(size, name="log")(x)
    sizes = (K.shape(x)[0], size)
    noise = K.random_normal(sizes, stddev=0.0) + (K.cast(K.shape(x)[0], "float32") if scaled else 1.0)
    eps = layers.Input(tensor=noise, name="eps")
    spread = layers.Multiply()([layers.Lambda(lambda v: K.exp(0.5 * v))(log), eps])
    model = models.Model([eps, x] if position else [x, eps], layers.Dense(3)(layers.Add()([mean, spread])))
    data = random.standard_normal((7, 3))
    result = trained(model, data, data, random)
    history = model.fit(data, data, batch_size=3, verbose=0, shuffle=False, validation_data=(data[:2], data[:2])).history
    return result | {"history": history, "fed": model._feed_input_names, "wrong": attempt(model.predict, [data, data])}


KINDS = [attention, loss_of_attributes, wrapped_weights, fields, reversed_gradients, noise_as_input]


def cases(random, count):
    yield from programs(KINDS, random, count)
