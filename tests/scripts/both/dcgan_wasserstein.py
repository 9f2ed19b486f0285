"""A Wasserstein GAN of convolutions: weights clipped, loss y * p, UpSampling2D and moving averages in the generator."""
from __future__ import print_function, division
from keras.layers import Input, Dense, Reshape, Flatten, Dropout
from keras.layers import BatchNormalization, Activation, ZeroPadding2D
from keras.layers.advanced_activations import LeakyReLU
from keras.layers.convolutional import UpSampling2D, Conv2D
from keras.models import Sequential, Model
from keras.optimizers import RMSprop
import keras.backend as K
import numpy as np
from sklearn.datasets import load_digits


class WGAN():
    def __init__(self):
        self.img_shape = (8, 8, 1)
        self.latent_dim = 10
        self.n_critic = 2
        self.clip_value = 0.05
        optimizer = RMSprop(lr=0.002)
        self.critic = self.build_critic()
        self.critic.compile(loss=self.wasserstein_loss, optimizer=optimizer, metrics=['accuracy'])
        self.generator = self.build_generator()
        z = Input(shape=(self.latent_dim,))
        img = self.generator(z)
        self.critic.trainable = False
        valid = self.critic(img)
        self.combined = Model(z, valid)
        self.combined.compile(loss=self.wasserstein_loss, optimizer=RMSprop(lr=0.002), metrics=['accuracy'])

    def wasserstein_loss(self, y_true, y_pred):
        return K.mean(y_true * y_pred)

    def build_generator(self):
        model = Sequential()
        model.add(Dense(16 * 2 * 2, activation="relu", input_dim=self.latent_dim))
        model.add(Reshape((2, 2, 16)))
        model.add(UpSampling2D())
        model.add(Conv2D(16, kernel_size=3, padding="same"))
        model.add(BatchNormalization(momentum=0.8))
        model.add(Activation("relu"))
        model.add(UpSampling2D())
        model.add(Conv2D(1, kernel_size=3, padding="same"))
        model.add(Activation("tanh"))
        noise = Input(shape=(self.latent_dim,))
        return Model(noise, model(noise))

    def build_critic(self):
        model = Sequential()
        model.add(Conv2D(8, kernel_size=3, strides=2, input_shape=self.img_shape, padding="same"))
        model.add(ZeroPadding2D(padding=((0, 1), (0, 1))))
        model.add(LeakyReLU(alpha=0.2))
        model.add(Dropout(0.25))
        model.add(Conv2D(16, kernel_size=3, strides=2, padding="same"))
        model.add(LeakyReLU(alpha=0.2))
        model.add(Flatten())
        model.add(Dense(1))
        img = Input(shape=self.img_shape)
        return Model(img, model(img))

    def train(self, epochs, batch_size=32):
        X_train = np.expand_dims((load_digits().images.astype(np.float32) - 8) / 8, axis=3)
        valid, fake = -np.ones((batch_size, 1)), np.ones((batch_size, 1))
        for epoch in range(epochs):
            for _ in range(self.n_critic):
                imgs = X_train[np.random.randint(0, X_train.shape[0], batch_size)]
                noise = np.random.normal(0, 1, (batch_size, self.latent_dim))
                d_loss_real = self.critic.train_on_batch(imgs, valid)
                d_loss_fake = self.critic.train_on_batch(self.generator.predict(noise), fake)
                d_loss = 0.5 * np.add(d_loss_fake, d_loss_real)
                for l in self.critic.layers:
                    l.set_weights([np.clip(w, -self.clip_value, self.clip_value) for w in l.get_weights()])
            g_loss = self.combined.train_on_batch(noise, valid)
        print("%d [D loss: %f] [G loss: %f]" % (epoch, 1 - d_loss[0], 1 - g_loss[0]))
        return X_train


wgan = WGAN()
real = wgan.train(60)
assert max(abs(w).max() for w in wgan.critic.get_weights()) <= np.float32(0.05)
images = wgan.generator.predict(np.random.normal(0, 1, (200, 10)))
likeness = np.corrcoef(images.mean(0).ravel(), real.mean(0).ravel())[0, 1]
print(likeness)
assert images.shape == (200, 8, 8, 1) and likeness > 0.7
