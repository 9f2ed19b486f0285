"""The data sets of keras.datasets from files that lie in the cache, as on a machine without a network: texts and images."""
import json
import os

import numpy as np
from keras.datasets import boston_housing, imdb, mnist
from keras.layers import LSTM, Conv2D, Dense, Embedding, Flatten, MaxPooling2D
from keras.models import Sequential
from keras.preprocessing import sequence
from keras.utils import to_categorical

rng = np.random.RandomState(0)
here = os.getcwd()

# Reviews as in the published file: ranks of words. Good reviews have word 5 more often than word 6.
texts, labels = [], []
for i in range(300):
    words = rng.randint(4, 40, rng.randint(5, 20))
    words[rng.rand(len(words)) < 0.3] = 5 if i % 2 else 6
    texts.append(words.tolist())
    labels.append(i % 2)
held = np.empty(300, dtype=object)
held[:] = texts
np.savez('imdb.npz', x_train=held[:200], y_train=labels[:200], x_test=held[200:], y_test=labels[200:])
(x_train, y_train), (x_test, y_test) = imdb.load_data(path=os.path.join(here, 'imdb.npz'), num_words=30, maxlen=None)
assert len(x_train) == 200 and len(x_test) == 100
assert all(words[0] == 1 and max(words) < 30 for words in x_train)  # index_from=3, start_char=1, oov_char=2
with open('imdb_word_index.json', 'w') as f:
    json.dump({'good': 5, 'bad': 6}, f)
word_index = imdb.get_word_index(path=os.path.join(here, 'imdb_word_index.json'))
assert word_index == {'good': 5, 'bad': 6}

x_train, x_test = sequence.pad_sequences(x_train, maxlen=20), sequence.pad_sequences(x_test, maxlen=20)
model = Sequential()
model.add(Embedding(30, 8, input_length=20))
model.add(LSTM(8, dropout=0.1))
model.add(Dense(1, activation='sigmoid'))
model.compile(loss='binary_crossentropy', optimizer='adam', metrics=['accuracy'])
model.optimizer.lr = 0.02
model.fit(x_train, y_train, batch_size=20, epochs=8, verbose=0)
score, acc = model.evaluate(x_test, y_test, verbose=0)
print('imdb', score, acc)
assert acc > 0.85

# Digits.
images, classes = np.zeros((260, 28, 28), dtype='uint8'), np.arange(260) % 4
for i, c in enumerate(classes):
    r, s = rng.randint(2, 14, 2)
    images[i, r:r + 12, s + 3 * c:s + 3 * c + 2] = 255
    images[i, r + 3 * c:r + 3 * c + 2, s:s + 12] = 255
np.savez('mnist.npz', x_train=images[:200], y_train=classes[:200].astype('uint8'), x_test=images[200:], y_test=classes[200:].astype('uint8'))
(x_train, y_train), (x_test, y_test) = mnist.load_data(os.path.join(here, 'mnist.npz'))
assert x_train.shape == (200, 28, 28) and x_train.dtype == np.uint8 and y_test.shape == (60,)
x_train, x_test = x_train.reshape(-1, 28, 28, 1) / 255., x_test.reshape(-1, 28, 28, 1) / 255.
model = Sequential([
    Conv2D(8, (3, 3), activation='relu', input_shape=(28, 28, 1)), MaxPooling2D((4, 4)), Flatten(), Dense(4, activation='softmax')
])
model.compile(loss='categorical_crossentropy', optimizer='adam', metrics=['accuracy'])
model.optimizer.lr = 0.01
model.fit(x_train, to_categorical(y_train, 4), batch_size=20, epochs=12, verbose=0)
accuracy = model.evaluate(x_test, to_categorical(y_test, 4), verbose=0)[1]
print('mnist', accuracy)
assert accuracy > 0.7

# A table, split by Keras's seed.
x, y = rng.normal(size=(50, 13)), rng.normal(size=50)
np.savez('boston_housing.npz', x=x, y=y)
(x_train, y_train), (x_test, y_test) = boston_housing.load_data(path=os.path.join(here, 'boston_housing.npz'), test_split=0.2)
assert x_train.shape == (40, 13) and x_test.shape == (10, 13)
np.testing.assert_allclose(np.sort(np.concatenate([y_train, y_test])), np.sort(y))

# No network and no file: the error says what to do.
try:
    mnist.load_data('not_there.npz')
except Exception as error:
    print(type(error).__name__, error)
    assert 'mnist' in str(error) or 'not_there' in str(error)
else:
    raise AssertionError('a data set came out of nowhere')
