"""Documents as sentences of words: TimeDistributed over a model, GRUs both ways, the attention layer with W, b, u."""
import numpy as np
from keras import backend as K
from keras import initializers
from keras.engine.topology import Layer
from keras.layers import Input, Embedding, GRU, Bidirectional, TimeDistributed, Dense
from keras.models import Model


def dot_product(x, kernel):
    if K.backend() == 'tensorflow':
        return K.squeeze(K.dot(x, K.expand_dims(kernel)), axis=-1)
    else:
        return K.dot(x, kernel)


class AttentionWithContext(Layer):
    def __init__(self, bias=True, **kwargs):
        self.supports_masking = True
        self.init = initializers.get('glorot_uniform')
        self.bias = bias
        super(AttentionWithContext, self).__init__(**kwargs)

    def build(self, input_shape):
        assert len(input_shape) == 3
        self.W = self.add_weight((input_shape[-1], input_shape[-1],), initializer=self.init, name='{}_W'.format(self.name))
        if self.bias:
            self.b = self.add_weight((input_shape[-1],), initializer='zero', name='{}_b'.format(self.name))
        self.u = self.add_weight((input_shape[-1],), initializer=self.init, name='{}_u'.format(self.name))
        super(AttentionWithContext, self).build(input_shape)

    def compute_mask(self, input, input_mask=None):
        return None

    def call(self, x, mask=None):
        uit = dot_product(x, self.W) if False else K.dot(x, self.W)
        if self.bias:
            uit += self.b
        uit = K.tanh(uit)
        ait = dot_product(uit, self.u)
        a = K.exp(ait)
        if mask is not None:
            a *= K.cast(mask, K.floatx())
        a /= K.cast(K.sum(a, axis=1, keepdims=True) + K.epsilon(), K.floatx())
        a = K.expand_dims(a)
        return K.sum(x * a, axis=1)

    def compute_output_shape(self, input_shape):
        return input_shape[0], input_shape[-1]


MAX_SENTS, MAX_SENT_LENGTH, WORDS = 4, 6, 30
rng = np.random.RandomState(1)
data = np.zeros((240, MAX_SENTS, MAX_SENT_LENGTH), dtype='int32')
labels = np.arange(240) % 2
for i in range(240):
    for j in range(rng.randint(1, MAX_SENTS + 1)):
        n = rng.randint(2, MAX_SENT_LENGTH + 1)
        data[i, j, -n:] = rng.randint(6, WORDS, n)
    data[i, 0, -1] = rng.randint(1, 4) if labels[i] else rng.randint(4, 6)

sentence_input = Input(shape=(MAX_SENT_LENGTH,), dtype='int32')
embedded_sequences = Embedding(WORDS, 8, input_length=MAX_SENT_LENGTH, mask_zero=True)(sentence_input)
l_lstm = Bidirectional(GRU(6, return_sequences=True))(embedded_sequences)
l_att = AttentionWithContext()(l_lstm)
sentEncoder = Model(sentence_input, l_att)
review_input = Input(shape=(MAX_SENTS, MAX_SENT_LENGTH), dtype='int32')
review_encoder = TimeDistributed(sentEncoder)(review_input)
l_lstm_sent = Bidirectional(GRU(6, return_sequences=True))(review_encoder)
l_att_sent = AttentionWithContext()(l_lstm_sent)
preds = Dense(1, activation='sigmoid')(l_att_sent)
model = Model(review_input, preds)
model.compile(loss='binary_crossentropy', optimizer='rmsprop', metrics=['acc'])
model.optimizer.lr = 0.02
history = model.fit(data[:180], labels[:180], validation_data=(data[180:], labels[180:]), epochs=10, batch_size=20, verbose=0)
print(history.history['val_acc'])
assert max(history.history['val_acc']) > 0.9
# A word that is padding changes nothing: its step is masked in the attention.
short = data[:3, 0].copy()
short[:, :4] = 0
attended = sentEncoder.predict(short)
np.testing.assert_allclose(attended, Model(sentence_input, l_att).predict(short), rtol=1e-6)
assert not np.array_equal(attended, sentEncoder.predict(data[:3, 0]))
