'''Text, character by character, by an LSTM; samples at several temperatures after an epoch.'''
from __future__ import print_function
import random
import sys
from keras.callbacks import LambdaCallback
from keras.models import Sequential
from keras.layers import Dense, LSTM
from keras.optimizers import RMSprop
import numpy as np

text = ('the quick brown fox jumps over the lazy dog. ' * 12).lower()
chars = sorted(list(set(text)))
char_indices = dict((c, i) for i, c in enumerate(chars))
indices_char = dict((i, c) for i, c in enumerate(chars))
maxlen = 8
step = 1
sentences = []
next_chars = []
for i in range(0, len(text) - maxlen, step):
    sentences.append(text[i: i + maxlen])
    next_chars.append(text[i + maxlen])
print('Vectorization...')
x = np.zeros((len(sentences), maxlen, len(chars)), dtype=bool)
y = np.zeros((len(sentences), len(chars)), dtype=bool)
for i, sentence in enumerate(sentences):
    for t, char in enumerate(sentence):
        x[i, t, char_indices[char]] = 1
    y[i, char_indices[next_chars[i]]] = 1

model = Sequential()
model.add(LSTM(32, input_shape=(maxlen, len(chars))))
model.add(Dense(len(chars), activation='softmax'))
model.compile(loss='categorical_crossentropy', optimizer=RMSprop(lr=0.01))


def sample(preds, temperature=1.0):
    preds = np.asarray(preds).astype('float64')
    preds = np.log(preds) / temperature
    exp_preds = np.exp(preds)
    preds = exp_preds / np.sum(exp_preds)
    probas = np.random.multinomial(1, preds, 1)
    return np.argmax(probas)


generated = {}


def on_epoch_end(epoch, _):
    if epoch % 7:
        return
    start_index = random.randint(0, len(text) - maxlen - 1)
    for diversity in [0.2, 1.0]:
        sentence = text[start_index: start_index + maxlen]
        generated[epoch, diversity] = sentence
        for i in range(20):
            x_pred = np.zeros((1, maxlen, len(chars)))
            for t, char in enumerate(sentence):
                x_pred[0, t, char_indices[char]] = 1.
            preds = model.predict(x_pred, verbose=0)[0]
            next_char = indices_char[sample(preds, diversity)]
            sentence = sentence[1:] + next_char
            generated[epoch, diversity] += next_char
        sys.stdout.write(generated[epoch, diversity] + '\n')


history = model.fit(x, y, batch_size=32, epochs=8, callbacks=[LambdaCallback(on_epoch_end=on_epoch_end)])
# A text at a low temperature is mostly one of the sentence, but not always.
assert len(generated[7, 0.2]) == maxlen + 20 and set(generated[7, 0.2]) <= set(chars)
assert history.history['loss'][-1] < 0.4 < history.history['loss'][0], history.history
