"""A GAN with train_on_batch and a frozen discriminator, as of 2017."""
import numpy as np
from keras.layers import BatchNormalization, Dense, Input, LeakyReLU
from keras.models import Model, Sequential
from keras.optimizers import Adam
from sklearn.datasets import load_digits

real = load_digits().data.astype("float32") / 8.0 - 1.0
np.random.seed(0)
optimizer = Adam(0.002, 0.5)
discriminator = Sequential([Dense(32, input_dim=64), LeakyReLU(alpha=0.2), Dense(1, activation="sigmoid")])
discriminator.compile(loss="binary_crossentropy", optimizer=optimizer, metrics=["accuracy"])
generator = Sequential()
generator.add(Dense(32, input_dim=8))
generator.add(LeakyReLU(alpha=0.2))
generator.add(BatchNormalization(momentum=0.8))
generator.add(Dense(64, activation="tanh"))
z = Input(shape=(8,))
discriminator.trainable = False
combined = Model(z, discriminator(generator(z)))
combined.compile(loss="binary_crossentropy", optimizer=Adam(0.002, 0.5))
assert len(combined.trainable_weights) == 6 and len(discriminator.trainable_weights) == 0
before = [w.copy() for w in discriminator.get_weights()]
combined.train_on_batch(np.random.normal(0, 1, (32, 8)), np.ones((32, 1)))
assert all((a == b).all() for a, b in zip(before, discriminator.get_weights()))
for epoch in range(150):
    images = real[np.random.randint(0, len(real), 32)]
    noise = np.random.normal(0, 1, (32, 8))
    d_real = discriminator.train_on_batch(images, np.ones((32, 1)))
    d_fake = discriminator.train_on_batch(generator.predict(noise), np.zeros((32, 1)))
    g_loss = combined.train_on_batch(noise, np.ones((32, 1)))
likeness = np.corrcoef(generator.predict(np.random.normal(0, 1, (500, 8))).mean(0), real.mean(0))[0, 1]
print("D loss: %f, acc.: %.2f%% G loss: %f likeness %.3f" % (d_real[0], 100 * d_real[1], g_loss, likeness))
assert likeness > 0.8  # untrained: some 0.05
assert 0 < g_loss < 6
