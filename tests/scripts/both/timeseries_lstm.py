"""A series that is forecast by an LSTM over windows, with TimeseriesGenerator, callbacks and a checkpoint."""
import numpy as np
from keras.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
from keras.layers import LSTM, Dense
from keras.models import Sequential, load_model
from keras.preprocessing.sequence import TimeseriesGenerator

t = np.arange(400)
series = np.sin(t / 6.0).reshape(-1, 1).astype("float32")
train = TimeseriesGenerator(series[:320], series[:320], length=10, batch_size=16)
valid = TimeseriesGenerator(series[310:], series[310:], length=10, batch_size=16)
model = Sequential()
model.add(LSTM(16, activation="relu", input_shape=(10, 1)))
model.add(Dense(1))
model.compile(optimizer="adam", loss="mse")
callbacks = [
    EarlyStopping(monitor="val_loss", patience=6, restore_best_weights=True),
    ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=3),
    ModelCheckpoint("best.h5", monitor="val_loss", save_best_only=True),
]
history = model.fit_generator(train, epochs=20, validation_data=valid, callbacks=callbacks, verbose=0)
best = load_model("best.h5")
error = best.evaluate_generator(valid)
assert error < 0.02 and abs(error - min(history.history["val_loss"])) < 1e-6, (error, history.history["val_loss"])
