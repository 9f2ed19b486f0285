"""tf.keras: the course on series: windows, a sweep of the learning rate by a scheduler, Huber loss, then Conv1D and LSTM."""
import numpy as np
import tensorflow as tf
from tensorflow import keras

time = np.arange(300, dtype="float32")
series = 10 + 0.05 * time + 8 * np.cos(2 * np.pi * time / 30) + np.random.RandomState(42).normal(0, 0.5, 300)
split_time, window_size = 240, 16
scale = series[:split_time].mean(), series[:split_time].std()
series = (series - scale[0]) / scale[1]
windows = np.array([series[i:i + window_size] for i in range(300 - window_size)])
targets = series[window_size:]
x_train, y_train = windows[:split_time - window_size], targets[:split_time - window_size]
x_valid, y_valid = windows[split_time - window_size:], targets[split_time - window_size:]

model = keras.models.Sequential([keras.layers.Dense(10, input_shape=[window_size], activation="relu"), keras.layers.Dense(1)])
lr_schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-5 * 10 ** (epoch / 5))
optimizer = keras.optimizers.SGD(learning_rate=1e-5, momentum=0.9)
model.compile(loss=keras.losses.Huber(), optimizer=optimizer)
history = model.fit(x_train, y_train, epochs=16, callbacks=[lr_schedule], verbose=0)
np.testing.assert_allclose(history.history["lr"], 1e-5 * 10 ** (np.arange(16) / 5), rtol=1e-5)
assert np.argmin(history.history["loss"]) > 8

keras.backend.clear_session()
model = keras.models.Sequential([
    keras.layers.Lambda(lambda x: keras.backend.expand_dims(x, axis=-1), input_shape=[window_size]),
    keras.layers.Conv1D(filters=8, kernel_size=3, strides=1, padding="causal", activation="relu"),
    keras.layers.Bidirectional(keras.layers.LSTM(8, return_sequences=True)),
    keras.layers.Bidirectional(keras.layers.LSTM(8)),
    keras.layers.Dense(1),
    keras.layers.Lambda(lambda x: x * 2.0),
])
model.compile(loss=tf.keras.losses.Huber(), optimizer=keras.optimizers.Adam(learning_rate=0.01), metrics=["mae"])
stop = keras.callbacks.EarlyStopping(monitor="val_mae", patience=10, restore_best_weights=True)
history = model.fit(x_train, y_train, epochs=20, batch_size=32, validation_data=(x_valid, y_valid), callbacks=[stop], verbose=0)
forecast = model.predict(x_valid)[:, 0]
mae, naive = np.abs(forecast - y_valid).mean(), np.abs(np.diff(series[split_time - 1:])).mean()
print(mae, naive)
assert mae < 1.1 * naive and model.layers[0].name == "lambda"
