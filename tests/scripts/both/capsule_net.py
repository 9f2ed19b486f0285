"""Capsules with routing by K.batch_dot, the layer that text competitions of 2018 copied; margin loss on lengths."""
import numpy as np
from keras import backend as K
from keras import activations
from keras.layers import Layer, Input, Dense, Conv2D, Reshape, Lambda
from keras.models import Model, load_model
from sklearn.datasets import load_digits


def squash(x, axis=-1):
    s_squared_norm = K.sum(K.square(x), axis, keepdims=True) + K.epsilon()
    scale = K.sqrt(s_squared_norm) / (0.5 + s_squared_norm)
    return scale * x


def softmax(x, axis=-1):
    ex = K.exp(x - K.max(x, axis=axis, keepdims=True))
    return ex / K.sum(ex, axis=axis, keepdims=True)


def margin_loss(y_true, y_pred):
    lamb, margin = 0.5, 0.1
    return K.sum(y_true * K.square(K.relu(1 - margin - y_pred)) + lamb * (1 - y_true) * K.square(K.relu(y_pred - margin)), axis=-1)


class Capsule(Layer):
    def __init__(self, num_capsule, dim_capsule, routings=3, share_weights=True, activation='squash', **kwargs):
        super(Capsule, self).__init__(**kwargs)
        self.num_capsule = num_capsule
        self.dim_capsule = dim_capsule
        self.routings = routings
        self.share_weights = share_weights
        if activation == 'squash':
            self.activation = squash
        else:
            self.activation = activations.get(activation)

    def build(self, input_shape):
        super(Capsule, self).build(input_shape)
        input_dim_capsule = input_shape[-1]
        self.W = self.add_weight(name='capsule_kernel', shape=(1, input_dim_capsule, self.num_capsule * self.dim_capsule),
                                 initializer='glorot_uniform', trainable=True)

    def call(self, u_vecs):
        u_hat_vecs = K.conv1d(u_vecs, self.W)
        batch_size = K.shape(u_vecs)[0]
        input_num_capsule = K.shape(u_vecs)[1]
        u_hat_vecs = K.reshape(u_hat_vecs, (batch_size, input_num_capsule, self.num_capsule, self.dim_capsule))
        u_hat_vecs = K.permute_dimensions(u_hat_vecs, (0, 2, 1, 3))
        # A sample and a capsule are one entry of the batch: from 2.2.5 on batch_dot has one axis of batches.
        u_hat_vecs = K.reshape(u_hat_vecs, (-1, input_num_capsule, self.dim_capsule))
        b = K.zeros_like(u_hat_vecs[:, :, 0])
        for i in range(self.routings):
            c = softmax(K.reshape(b, (batch_size, self.num_capsule, input_num_capsule)), 1)
            o = self.activation(K.batch_dot(K.reshape(c, (-1, input_num_capsule)), u_hat_vecs, [1, 1]))
            if i < self.routings - 1:
                b += K.batch_dot(o, u_hat_vecs, [1, 2])
        return K.reshape(o, (batch_size, self.num_capsule, self.dim_capsule))

    def compute_output_shape(self, input_shape):
        return (None, self.num_capsule, self.dim_capsule)

    def get_config(self):
        config = super(Capsule, self).get_config()
        config.update(num_capsule=self.num_capsule, dim_capsule=self.dim_capsule, routings=self.routings)
        return config


digits = load_digits(n_class=5)
x, y = digits.images[..., None] / 16., np.eye(5)[digits.target]
input_image = Input(shape=(None, None, 1))
h = Conv2D(16, (3, 3), activation='relu')(input_image)
h = Conv2D(16, (3, 3), activation='relu', strides=2)(h)
h = Reshape((-1, 16))(h)
capsule = Capsule(5, 8, 3, True)(h)
output = Lambda(lambda z: K.sqrt(K.sum(K.square(z), 2)))(capsule)
model = Model(inputs=input_image, outputs=output)
model.compile(loss=margin_loss, optimizer='adam', metrics=['accuracy'])
K.set_value(model.optimizer.lr, 0.003)
history = model.fit(x[:400], y[:400], batch_size=25, epochs=6, validation_data=(x[600:800], y[600:800]), verbose=0)
print(history.history)
assert capsule.shape[1:] == (5, 8) and model.evaluate(x[500:800], y[500:800], verbose=0)[1] > 0.8
features = Model(input_image, capsule)
features.save('capsules.h5')
again = load_model('capsules.h5', custom_objects={'Capsule': Capsule})
assert np.array_equal(again.predict(x[:9]), features.predict(x[:9]))
