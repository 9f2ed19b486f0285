"""Tags for each word: padding masked, both directions, a weight for each step, probabilities over time."""
import numpy as np
from keras.layers import Dense, Embedding, Input, LSTM, Bidirectional, TimeDistributed, Masking
from keras.models import Model, Sequential
from keras.preprocessing.sequence import pad_sequences
from keras.utils import to_categorical

rng = np.random.RandomState(0)
names, verbs, rest, maxlen = range(1, 9), range(9, 15), range(15, 30), 10
sentences, tags = [], []
for _ in range(160):
    n = rng.randint(3, maxlen + 1)
    words = [rng.choice(rng.choice([names, verbs, rest][k], 1)) for k in rng.randint(0, 3, n)]
    tag = [1 if w in names else 2 if w in verbs else 3 for w in words]
    for i in range(1, n):  # a name after a verb is an object
        if tag[i] == 1 and tag[i - 1] == 2:
            tag[i] = 4
    sentences.append(words)
    tags.append(tag)
X = pad_sequences(sentences, maxlen=maxlen, padding='post')
y = pad_sequences(tags, maxlen=maxlen, padding='post')
Y = np.array([to_categorical(i, num_classes=5) for i in y])
sample_weight = (X > 0).astype('float32') * (1 + (y == 4))

inp = Input(shape=(maxlen,))
m = Embedding(input_dim=30, output_dim=12, input_length=maxlen, mask_zero=True)(inp)
m = Bidirectional(LSTM(units=12, return_sequences=True, recurrent_dropout=0.1))(m)
out = TimeDistributed(Dense(5, activation='softmax'))(m)
model = Model(inp, out)
model.compile(optimizer='adam', loss='categorical_crossentropy', metrics=['acc'], sample_weight_mode='temporal')
model.optimizer.lr = 0.02
history = model.fit(X[:130], Y[:130], sample_weight=sample_weight[:130], batch_size=16, epochs=10, verbose=0)
p = model.predict(X[130:])
kept = X[130:] > 0
accuracy = np.mean(p.argmax(-1)[kept] == y[130:][kept])
print(history.history['loss'], accuracy)
assert accuracy > 0.9 and history.history['loss'][-1] < 0.3 * history.history['loss'][0]
masked = Sequential([Masking(mask_value=-1., input_shape=(None, 2)), LSTM(3)])
a = rng.normal(size=(2, 4, 2))
b = np.concatenate([a, np.full((2, 3, 2), -1.)], axis=1)
np.testing.assert_allclose(masked.predict(a), masked.predict(b), rtol=1e-6)
