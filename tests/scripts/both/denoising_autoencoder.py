"""A convolutional autoencoder that removes noise; the encoder is a separate model."""
from keras.layers import Input, Dense, Conv2D, MaxPooling2D, UpSampling2D
from keras.models import Model
from keras import backend as K
import numpy as np
from sklearn.datasets import load_digits

x = load_digits().images.astype('float32') / 16.
x = np.reshape(x, (len(x), 8, 8, 1))
x_train, x_test = x[:1000], x[1000:1400]
noise_factor = 0.5
x_train_noisy = x_train + noise_factor * np.random.normal(loc=0.0, scale=1.0, size=x_train.shape)
x_test_noisy = x_test + noise_factor * np.random.normal(loc=0.0, scale=1.0, size=x_test.shape)
x_train_noisy = np.clip(x_train_noisy, 0., 1.)
x_test_noisy = np.clip(x_test_noisy, 0., 1.)

input_img = Input(shape=(8, 8, 1))
x = Conv2D(16, (3, 3), activation='relu', padding='same')(input_img)
x = MaxPooling2D((2, 2), padding='same')(x)
x = Conv2D(16, (3, 3), activation='relu', padding='same')(x)
encoded = MaxPooling2D((2, 2), padding='same', name='encoder')(x)
x = Conv2D(16, (3, 3), activation='relu', padding='same')(encoded)
x = UpSampling2D((2, 2))(x)
x = Conv2D(16, (3, 3), activation='relu', padding='same')(x)
x = UpSampling2D((2, 2))(x)
decoded = Conv2D(1, (3, 3), activation='sigmoid', padding='same')(x)
autoencoder = Model(input_img, decoded)
autoencoder.compile(optimizer='adam', loss='binary_crossentropy')
autoencoder.fit(x_train_noisy, x_train, epochs=15, batch_size=32, shuffle=True, validation_data=(x_test_noisy, x_test), verbose=0)
encoder = Model(inputs=autoencoder.input, outputs=autoencoder.get_layer('encoder').output)
codes = encoder.predict(x_test)
assert codes.shape == (400, 2, 2, 16) == (400,) + K.int_shape(encoded)[1:]
before = np.mean((x_test_noisy - x_test) ** 2)
after = np.mean((autoencoder.predict(x_test_noisy) - x_test) ** 2)
print(before, after)
assert after < 0.55 * before
