"""A text classifier with the attention layer of hundreds of notebooks of 2018."""
import numpy as np
from keras import backend as K
from keras import constraints, initializers, regularizers
from keras.engine.topology import Layer
from keras.layers import Bidirectional, Dense, Dropout, Embedding, Input, LSTM
from keras.models import Model
from keras.optimizers import Adam
from keras.preprocessing.sequence import pad_sequences
from keras.preprocessing.text import Tokenizer

MAXLEN = 12


class Attention(Layer):
    def __init__(self, step_dim, W_regularizer=None, b_regularizer=None, W_constraint=None, b_constraint=None, bias=True, **kwargs):
        self.supports_masking = True
        self.init = initializers.get("glorot_uniform")
        self.W_regularizer = regularizers.get(W_regularizer)
        self.b_regularizer = regularizers.get(b_regularizer)
        self.W_constraint = constraints.get(W_constraint)
        self.b_constraint = constraints.get(b_constraint)
        self.bias = bias
        self.step_dim = step_dim
        self.features_dim = 0
        super(Attention, self).__init__(**kwargs)

    def build(self, input_shape):
        assert len(input_shape) == 3
        self.W = self.add_weight((input_shape[-1],), initializer=self.init, name="{}_W".format(self.name),
                                 regularizer=self.W_regularizer, constraint=self.W_constraint)
        self.features_dim = input_shape[-1]
        self.b = self.add_weight((input_shape[1],), initializer="zero", name="{}_b".format(self.name)) if self.bias else None
        self.built = True

    def compute_mask(self, input, input_mask=None):
        return None

    def call(self, x, mask=None):
        eij = K.reshape(K.dot(K.reshape(x, (-1, self.features_dim)), K.reshape(self.W, (self.features_dim, 1))), (-1, self.step_dim))
        if self.bias:
            eij += self.b
        a = K.exp(K.tanh(eij))
        if mask is not None:
            a *= K.cast(mask, K.floatx())
        a /= K.cast(K.sum(a, axis=1, keepdims=True) + K.epsilon(), K.floatx())
        return K.sum(x * K.expand_dims(a), axis=1)

    def compute_output_shape(self, input_shape):
        return input_shape[0], self.features_dim


rng = np.random.RandomState(1)
good, bad, rest = ["fine", "great", "lovely"], ["awful", "poor", "dull"], ["a", "the", "film", "was", "it", "and"]
texts, labels = [], []
for i in range(160):
    words = list(rng.choice(rest, rng.randint(3, 9)))
    words.insert(rng.randint(len(words)), rng.choice(good if i % 2 else bad))
    texts.append(" ".join(words))
    labels.append(i % 2)
tokenizer = Tokenizer(num_words=50)
tokenizer.fit_on_texts(texts)
x = pad_sequences(tokenizer.texts_to_sequences(texts), maxlen=MAXLEN)
y = np.array(labels)

inp = Input(shape=(MAXLEN,))
h = Embedding(50, 16)(inp)
h = Bidirectional(LSTM(8, return_sequences=True))(h)
h = Attention(MAXLEN)(h)
h = Dropout(0.1)(h)
out = Dense(1, activation="sigmoid")(h)
model = Model(inputs=inp, outputs=out)
model.compile(loss="binary_crossentropy", optimizer=Adam(lr=0.01), metrics=["accuracy"])
model.fit(x[:120], y[:120], batch_size=16, epochs=10, validation_data=(x[120:], y[120:]), verbose=0)
assert model.evaluate(x[120:], y[120:], verbose=0)[1] > 0.9
