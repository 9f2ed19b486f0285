"""Noise as regularization: what each layer does in training, and that it is away in prediction."""
import numpy as np
from keras import backend as K
from keras.layers import Activation, AlphaDropout, Dense, Dropout, GaussianDropout, GaussianNoise, Input, SpatialDropout1D
from keras.models import Sequential

ones = np.ones((64, 50, 20), dtype='float32')


def in_training(layer, x):
    inp = Input(shape=x.shape[1:])
    f = K.function([inp, K.learning_phase()], [layer(inp)])
    assert np.array_equal(f([x, 0])[0], x)
    return f([x, 1])[0]


noisy = in_training(GaussianNoise(0.5), ones)
print('noise', noisy.mean(), noisy.std())
assert abs(noisy.mean() - 1) < 0.01 and abs(noisy.std() - 0.5) < 0.01

# Multiplied by N(1, rate / (1 - rate)).
noisy = in_training(GaussianDropout(0.2), 3 * ones)
print('gaussian dropout', noisy.mean(), noisy.std())
assert abs(noisy.mean() - 3) < 0.03 and abs(noisy.std() - 3 * 0.5) < 0.03

dropped = in_training(Dropout(0.25), ones)
assert set(np.unique(dropped).round(5)) == {0, np.float32(1 / 0.75).round(5)} and abs((dropped == 0).mean() - 0.25) < 0.01

# Whole maps, not single points.
maps = in_training(SpatialDropout1D(0.5), ones)
assert (maps == maps[:, :1]).all() and abs((maps[:, 0] == 0).mean() - 0.5) < 0.05

# AlphaDropout keeps mean and deviation of standardized inputs.
x = np.random.normal(size=(64, 50, 20)).astype('float32')
alpha = in_training(AlphaDropout(0.1), x)
print('alpha dropout', alpha.mean(), alpha.std())
assert abs(alpha.mean()) < 0.03 and abs(alpha.std() - 1) < 0.03

# A self-normalizing network on few samples, and a plain one without noise, which learns its labels by heart.
rng = np.random.RandomState(3)
features = rng.normal(size=(460, 20)).astype('float32')
labels = (features[:, 0] + features[:, 1] + 0.8 * rng.normal(size=460) > 0).astype('float32')
x_train, y_train, x_test, y_test = features[:60], labels[:60], features[60:], labels[60:]
network = Sequential([
    GaussianNoise(0.4, input_shape=(20,)),
    Dense(64, kernel_initializer='lecun_normal'),
    Activation('selu'),
    AlphaDropout(0.2),
    Dense(64, kernel_initializer='lecun_normal', activation='selu'),
    AlphaDropout(0.2),
    Dense(1, activation='sigmoid'),
])
plain = Sequential([Dense(64, activation='selu', input_shape=(20,)), Dense(64, activation='selu'), Dense(1, activation='sigmoid')])
losses = {}
for name, model in (('noise', network), ('plain', plain)):
    model.compile(loss='binary_crossentropy', optimizer='adam', metrics=['accuracy'])
    model.fit(x_train, y_train, epochs=60, batch_size=20, verbose=0)
    losses[name] = model.evaluate(x_test, y_test, verbose=0)[0]
print(losses)
assert losses['noise'] < 0.8 * losses['plain']
assert np.array_equal(network.predict(x_test), network.predict(x_test))
again = Sequential.from_config(network.get_config())
assert [layer.rate for layer in again.layers if isinstance(layer, AlphaDropout)] == [0.2, 0.2]
assert again.layers[0].stddev == 0.4
