"""A picture of the model, then its training, as in notebooks of those years. The picture needs pydot and Graphviz."""
import os

import numpy as np
from keras.layers import Concatenate, Dense, Dropout, Input
from keras.models import Model
from keras.utils import plot_model

wide, deep = Input(shape=(3,), name='wide'), Input(shape=(5,), name='deep')
h = Dense(16, activation='relu', name='hidden')(deep)
h = Dropout(0.1)(h)
out = Dense(1, activation='sigmoid', name='out')(Concatenate(name='both')([wide, h]))
model = Model(inputs=[wide, deep], outputs=out)

try:
    plot_model(model, to_file='model.png', show_shapes=True, show_layer_names=True)
    plot_model(model, to_file='model.dot', show_shapes=True, rankdir='LR')
    drawn = True
except (ImportError, OSError) as error:
    print(error)
    assert 'pydot' in str(error) or 'raphviz' in str(error)
    drawn = False
if drawn and os.path.exists('model.png'):
    with open('model.png', 'rb') as picture:
        assert picture.read(8) == b'\x89PNG\r\n\x1a\n'
    with open('model.dot') as text:
        text = text.read()
    assert 'rankdir=LR' in text.replace(' ', '') and '(None, 19)' in text and 'hidden' in text

lines = []
model.summary(print_fn=lines.append)
text = '\n'.join(lines)
assert 'Total params: 116' in text and 'hidden (Dense)' in text and '(None, 19)' in text

rng = np.random.RandomState(0)
a, b = rng.normal(size=(200, 3)), rng.normal(size=(200, 5))
y = (a[:, 0] + b[:, 0] > 0).astype('float32')
model.compile('adam', 'binary_crossentropy', metrics=['accuracy'])
model.optimizer.lr = 0.02
model.fit({'wide': a, 'deep': b}, y, epochs=20, verbose=0)
assert model.evaluate([a, b], y, verbose=0)[1] > 0.9
