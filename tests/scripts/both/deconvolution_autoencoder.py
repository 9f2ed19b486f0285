"""An autoencoder of strided and transposed convolutions, built by loops, with K.int_shape between its two halves."""
from keras.layers import Dense, Input, Activation
from keras.layers import Conv2D, Flatten
from keras.layers import Reshape, Conv2DTranspose
from keras.models import Model
from keras import backend as K
import numpy as np
from sklearn.datasets import load_digits

images = load_digits().images.astype('float32') / 16
image_size = images.shape[1]
images = np.reshape(images, [-1, image_size, image_size, 1])
input_shape = (image_size, image_size, 1)
kernel_size = 3
latent_dim = 12
layer_filters = [16, 32]

inputs = Input(shape=input_shape, name='encoder_input')
x = inputs
for filters in layer_filters:
    x = Conv2D(filters=filters, kernel_size=kernel_size, strides=2, activation='relu', padding='same')(x)
shape = K.int_shape(x)
x = Flatten()(x)
latent = Dense(latent_dim, name='latent_vector')(x)
encoder = Model(inputs, latent, name='encoder')
encoder.summary()

latent_inputs = Input(shape=(latent_dim,), name='decoder_input')
x = Dense(shape[1] * shape[2] * shape[3])(latent_inputs)
x = Reshape((shape[1], shape[2], shape[3]))(x)
for filters in layer_filters[::-1]:
    x = Conv2DTranspose(filters=filters, kernel_size=kernel_size, strides=2, activation='relu', padding='same')(x)
x = Conv2DTranspose(filters=1, kernel_size=kernel_size, padding='same')(x)
outputs = Activation('sigmoid', name='decoder_output')(x)
decoder = Model(latent_inputs, outputs, name='decoder')
lines = []
decoder.summary(print_fn=lines.append)
assert 'Total params: 15,681' in lines
autoencoder = Model(inputs, decoder(encoder(inputs)), name='autoencoder')
autoencoder.compile(loss='mse', optimizer='adam')
autoencoder.fit(images[:1200], images[:1200], validation_data=(images[1200:1500], images[1200:1500]), epochs=12, batch_size=32, verbose=0)
decoded = autoencoder.predict(images[1500:])
error = np.mean((decoded - images[1500:]) ** 2)
mean_image = np.mean((images[:1200].mean(0) - images[1500:]) ** 2)
print(error, mean_image)
assert decoded.shape == (297, 8, 8, 1) and error < 0.6 * mean_image
np.testing.assert_allclose(decoder.predict(encoder.predict(images[1500:])), decoded, atol=1e-6)
