"""Attention by one vector of weights, in the two ways in which published layers write it: w of (n,) and of (n, 1)."""
import numpy as np
from keras import backend as K
from keras import initializers
from keras.engine.topology import Layer
from keras.layers import Dense, Input
from keras.models import Model


class AttLayer(Layer):
    def __init__(self, flat, **kwargs):
        self.init = initializers.get('normal')
        self.flat = flat
        super(AttLayer, self).__init__(**kwargs)

    def build(self, input_shape):
        assert len(input_shape) == 3
        n = input_shape[-1]
        self.W = self.add_weight((n,) if self.flat else (n, 1), initializer=self.init, name='{}_W'.format(self.name))
        super(AttLayer, self).build(input_shape)

    def call(self, x, mask=None):
        eij = K.tanh(K.dot(x, self.W))
        if not self.flat:
            eij = K.squeeze(eij, axis=-1)
        ai = K.exp(eij)
        weights = ai / K.expand_dims(K.sum(ai, axis=1), 1)
        return K.sum(x * K.expand_dims(weights), axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])


# One step of each series is marked in its last feature; the label is the sign of the first feature there.
rng = np.random.RandomState(0)
x = 0.5 * rng.normal(size=(400, 6, 4)).astype('float32')
at = rng.randint(0, 6, 400)
x[:, :, 3] = 0
x[np.arange(400), at, 3] = 3
x[np.arange(400), at, 0] *= 3
y = (x[np.arange(400), at, 0] > 0).astype('float32')

outputs = []
for flat in (True, False):
    inp = Input(shape=(6, 4))
    attended = AttLayer(flat, name='att_%d' % flat)(inp)
    assert K.int_shape(attended) == (None, 4)
    model = Model(inp, Dense(1, activation='sigmoid')(attended))
    start = [np.array([[0.1], [0.1], [0.1], [0.1]]), np.array([[0.5], [0.1], [0.1], [0.1]]), np.zeros(1)]
    model.set_weights([start[0].reshape(model.get_weights()[0].shape)] + start[1:])
    model.compile(loss='binary_crossentropy', optimizer='adam', metrics=['acc'])
    model.optimizer.lr = 0.02
    model.fit(x, y, epochs=30, batch_size=40, shuffle=False, verbose=0)
    loss, accuracy = model.evaluate(x, y, verbose=0)
    print(flat, loss, accuracy, model.get_weights()[0].ravel())
    assert accuracy > 0.88 and model.get_weights()[0].ravel()[3] > 1
    outputs.append(model.predict(x))
np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-3, atol=1e-4)
