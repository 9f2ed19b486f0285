"""Dilated causal convolutions over a series, gates by Multiply, skips by Add; a forecast step by step."""
import numpy as np
import pandas as pd
from keras.layers import Input, Conv1D, Activation, Multiply, Add, Dropout, Lambda
from keras.models import Model
from keras.optimizers import Adam

series = pd.Series(np.sin(np.arange(600) / 4.0) * np.cos(np.arange(600) / 15.0)).values
windows = np.array([series[i:i + 48] for i in range(0, 540, 3)])[:, :, None]
x, y = windows[:, :40], windows[:, 40 - 8:40 + 1][:, 1:]

history_seq = Input(shape=(None, 1))
h = history_seq
skips = []
for dilation_rate in [2 ** i for i in range(4)]:
    h = Conv1D(8, 1, padding='same', activation='relu')(h)
    h_f = Conv1D(8, 2, padding='causal', dilation_rate=dilation_rate)(h)
    h_g = Conv1D(8, 2, padding='causal', dilation_rate=dilation_rate)(h)
    z = Multiply()([Activation('tanh')(h_f), Activation('sigmoid')(h_g)])
    z = Conv1D(8, 1, padding='same', activation='relu')(z)
    h = Add()([h, z])
    skips.append(z)
out = Activation('relu')(Add()(skips))
out = Conv1D(32, 1, padding='same')(out)
out = Activation('relu')(out)
out = Conv1D(1, 1, padding='same')(out)


def slice(x, seq_length):
    return x[:, -seq_length:, :]


pred_seq_train = Lambda(slice, arguments={'seq_length': 8})(out)
model = Model(history_seq, pred_seq_train)
model.compile(Adam(0.005), loss='mean_absolute_error')
model.fit(x[:150], y[:150], batch_size=25, epochs=30, verbose=0)
error = model.evaluate(x[150:], y[150:], verbose=0)
naive = np.abs(np.diff(windows[150:, 32:41], axis=1)).mean()
print(error, naive)
assert error < 0.5 * naive
changed = x[150:].copy()
changed[:, -1] += 5  # causal: only the last step may see it
difference = np.abs(model.predict(changed) - model.predict(x[150:])).max(axis=(0, 2))
assert (difference[:-1] == 0).all() and difference[-1] > 0
sequence = x[150:151].copy()
for i in range(8):
    sequence = np.concatenate([sequence, model.predict(sequence)[:, -1:]], axis=1)
assert sequence.shape == (1, 48, 1) and np.abs(sequence[0, 40:, 0] - windows[150, 40:, 0]).mean() < 0.35
