"""Sums of numbers as text: an encoder, RepeatVector, a decoder, TimeDistributed."""
import numpy as np
from keras.models import Sequential
from keras import layers

DIGITS = 2
MAXLEN = DIGITS + 1 + DIGITS
chars = '0123456789+ '


class CharacterTable(object):
    def __init__(self, chars):
        self.chars = sorted(set(chars))
        self.char_indices = dict((c, i) for i, c in enumerate(self.chars))
        self.indices_char = dict((i, c) for i, c in enumerate(self.chars))

    def encode(self, C, num_rows):
        x = np.zeros((num_rows, len(self.chars)))
        for i, c in enumerate(C):
            x[i, self.char_indices[c]] = 1
        return x

    def decode(self, x, calc_argmax=True):
        if calc_argmax:
            x = x.argmax(axis=-1)
        return ''.join(self.indices_char[i] for i in x)


ctable = CharacterTable(chars)
questions, expected = [], []
for a in range(40):
    for b in range(a, 40):
        q = '{}+{}'.format(a, b)
        questions.append((q + ' ' * (MAXLEN - len(q)))[::-1])
        expected.append(str(a + b) + ' ' * (DIGITS + 1 - len(str(a + b))))
x = np.array([ctable.encode(q, MAXLEN) for q in questions])
y = np.array([ctable.encode(e, DIGITS + 1) for e in expected])
indices = np.arange(len(y))
np.random.shuffle(indices)
x, y = x[indices], y[indices]
split_at = len(x) - len(x) // 10
(x_train, x_val), (y_train, y_val) = (x[:split_at], x[split_at:]), (y[:split_at], y[split_at:])

RNN = layers.GRU
model = Sequential()
model.add(RNN(48, input_shape=(MAXLEN, len(chars))))
model.add(layers.RepeatVector(DIGITS + 1))
for _ in range(1):
    model.add(RNN(48, return_sequences=True))
model.add(layers.TimeDistributed(layers.Dense(len(chars), activation='softmax')))
model.compile(loss='categorical_crossentropy', optimizer='adam', metrics=['acc'])
model.optimizer.lr = 0.01
for iteration in range(1, 31):
    history = model.fit(x_train, y_train, batch_size=32, epochs=1, validation_data=(x_val, y_val), verbose=0)
rowx, rowy = x_val[np.array([0])], y_val[np.array([0])]
preds = model.predict(rowx, verbose=0)
print('Q', ctable.decode(rowx[0])[::-1], 'T', ctable.decode(rowy[0]), 'P', ctable.decode(preds[0]))
print(history.history)
assert history.history['val_acc'][0] > 0.6
