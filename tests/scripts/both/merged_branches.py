"""Two towers joined in every way that Keras merges: layers and functions, numbers by hand, and a model that learns by each."""
import keras
import numpy as np
from keras import layers
from keras.layers import Dense, Input
from keras.models import Model, model_from_json

a = np.random.normal(size=(6, 4)).astype('float32')
b = np.random.normal(size=(6, 4)).astype('float32')
left, right = Input(shape=(4,)), Input(shape=(4,))
wanted = {
    'add': a + b,
    'subtract': a - b,
    'multiply': a * b,
    'average': (a + b) / 2,
    'maximum': np.maximum(a, b),
    'minimum': np.minimum(a, b),
    'concatenate': np.concatenate([a, b], -1),
}
for name, numbers in wanted.items():
    kind = getattr(layers, name.capitalize())
    for merged in (getattr(layers, name)([left, right]), kind()([left, right])):
        model = Model([left, right], merged)
        np.testing.assert_allclose(model.predict([a, b]), numbers, rtol=1e-6, atol=1e-6)
assert not hasattr(layers, 'Merge')  # Keras 1's is gone from Keras 2.2.5, too

np.testing.assert_allclose(Model([left, right], layers.dot([left, right], axes=1)).predict([a, b])[:, 0], (a * b).sum(1), rtol=1e-5, atol=1e-6)
cosine = (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))
near = layers.Dot(axes=-1, normalize=True)([left, right])
np.testing.assert_allclose(Model([left, right], near).predict([a, b])[:, 0], cosine, rtol=1e-5, atol=1e-6)

# Batches of matrices, and a broadcast from the right.
x, y = np.random.normal(size=(3, 5, 4)).astype('float32'), np.random.normal(size=(3, 2, 4)).astype('float32')
m, n = Input(shape=(5, 4)), Input(shape=(2, 4))
np.testing.assert_allclose(Model([m, n], layers.dot([m, n], axes=(2, 2))).predict([x, y]), np.einsum('nij,nkj->nik', x, y), rtol=1e-5, atol=1e-5)
np.testing.assert_allclose(Model([m, left], layers.multiply([m, left])).predict([x, a[:3]]), x * a[:3, None], rtol=1e-6)

try:
    layers.add([left, m, Input(shape=(3,))])
except ValueError as error:
    assert '3' in str(error) and '4' in str(error), error
else:
    raise AssertionError('shapes that do not fit were added')

# Learn |a - b|^2 by each way of merging two shared towers; the file keeps the graph.
rng = np.random.RandomState(0)
u, v = rng.normal(size=(400, 4)).astype('float32'), rng.normal(size=(400, 4)).astype('float32')
distance = ((u - v) ** 2).sum(1, keepdims=True)
losses = {}
for name in ('subtract', 'concatenate', 'maximum', 'multiply'):
    tower = Dense(24, activation='relu')
    hidden = Dense(32, activation='relu')(getattr(layers, name)([tower(left), tower(right)]))
    model = Model(inputs=[left, right], outputs=Dense(1)(hidden))
    model.compile(keras.optimizers.Adam(0.01), 'mse')
    history = model.fit([u, v], distance, epochs=25, batch_size=40, verbose=0).history['loss']
    losses[name] = history[-1] / history[0]
    again = model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    assert np.array_equal(again.predict([u, v]), model.predict([u, v]))
print(losses)
assert losses['subtract'] < 0.1 and losses['concatenate'] < 0.2 and max(losses.values()) < 0.8
