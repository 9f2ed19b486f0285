"""The next frame by ConvLSTM2D and Conv3D: a square moves over a small board."""
from keras.models import Sequential
from keras.layers.convolutional import Conv3D
from keras.layers.convolutional_recurrent import ConvLSTM2D
from keras.layers.normalization import BatchNormalization
import numpy as np


def generate_movies(n_samples=60, n_frames=6, size=10):
    noisy_movies = np.zeros((n_samples, n_frames, size, size, 1), dtype=np.float32)
    shifted_movies = np.zeros((n_samples, n_frames, size, size, 1), dtype=np.float32)
    for i in range(n_samples):
        x, y = np.random.randint(2, size - 4, 2)
        direction = np.random.choice([-1, 1])
        for t in range(n_frames + 1):
            r = (x + direction * t) % (size - 2)
            if t < n_frames:
                noisy_movies[i, t, r:r + 3, y:y + 3, 0] += 1
                noisy_movies[i, t] += np.random.uniform(0, 0.1, (size, size, 1))
            if t:
                shifted_movies[i, t - 1, r:r + 3, y:y + 3, 0] += 1
    return noisy_movies, shifted_movies


np.random.seed(1)
seq = Sequential()
seq.add(ConvLSTM2D(filters=6, kernel_size=(3, 3), input_shape=(None, 10, 10, 1), padding='same', return_sequences=True))
seq.add(BatchNormalization())
seq.add(ConvLSTM2D(filters=6, kernel_size=(3, 3), padding='same', return_sequences=True))
seq.add(BatchNormalization())
seq.add(Conv3D(filters=1, kernel_size=(3, 3, 3), activation='sigmoid', padding='same', data_format='channels_last'))
seq.compile(loss='binary_crossentropy', optimizer='rmsprop')
seq.optimizer.lr = 0.01
noisy_movies, shifted_movies = generate_movies()
history = seq.fit(noisy_movies[:48], shifted_movies[:48], batch_size=8, epochs=10, verbose=0)
predicted = seq.predict(noisy_movies[48:])
brier = np.mean((predicted - shifted_movies[48:]) ** 2)
print(history.history['loss'], brier)
assert predicted.shape == (12, 6, 10, 10, 1) and history.history['loss'][-1] < 0.4 * history.history['loss'][0]
track = noisy_movies[48][:4]
for j in range(3):
    new_pos = seq.predict(track[np.newaxis, ::, ::, ::, ::])
    track = np.concatenate((track, new_pos[::, -1, ::, ::, ::]), axis=0)
assert track.shape == (7, 10, 10, 1)
