"""tf.keras: batches from a Sequence with workers, its on_epoch_end, fit without fit_generator, predictions in order."""
import math
import numpy as np
from sklearn.datasets import load_digits
from tensorflow import keras
from tensorflow.keras.layers import Conv2D, Dense, Flatten, MaxPool2D
from tensorflow.keras.utils import Sequence, to_categorical

digits = load_digits()


class DataGenerator(Sequence):
    def __init__(self, list_IDs, batch_size=32, shuffle=True):
        self.list_IDs, self.batch_size, self.shuffle = list_IDs, batch_size, shuffle
        self.epochs = 0
        self.on_epoch_end()

    def __len__(self):
        return int(math.ceil(len(self.list_IDs) / self.batch_size))

    def __getitem__(self, index):
        ids = self.indexes[index * self.batch_size:(index + 1) * self.batch_size]
        return digits.images[ids][..., np.newaxis] / 16.0, to_categorical(digits.target[ids], num_classes=10)

    def on_epoch_end(self):
        self.epochs += 1
        self.indexes = np.array(self.list_IDs)
        if self.shuffle:
            np.random.shuffle(self.indexes)


train, valid = DataGenerator(range(0, 1000)), DataGenerator(range(1000, 1400), shuffle=False)
model = keras.Sequential([Conv2D(16, 3, activation="relu", input_shape=(8, 8, 1)), MaxPool2D(), Flatten(), Dense(10, "softmax")])
model.compile("adam", "categorical_crossentropy", metrics=[keras.metrics.CategoricalAccuracy(name="acc"), keras.metrics.TopKCategoricalAccuracy(k=3, name="top3")])
rates = []
schedule = keras.callbacks.LearningRateScheduler(lambda epoch, lr: rates.append(lr) or 0.01 * 0.8 ** epoch)
history = model.fit(train, validation_data=valid, epochs=6, workers=2, verbose=0, callbacks=[schedule])
np.testing.assert_allclose(history.history["lr"], 0.01 * 0.8 ** np.arange(6), rtol=1e-6)
np.testing.assert_allclose(rates[1:], history.history["lr"][:-1], rtol=1e-6)
assert train.epochs == 7, train.epochs
loss, acc, top3 = model.evaluate(valid, verbose=0)
print(acc, top3)
assert acc > 0.9 and top3 >= acc and np.isclose(acc, history.history["val_acc"][-1])
assert np.mean(model.predict(valid).argmax(axis=-1) == digits.target[1000:1400]) == acc
