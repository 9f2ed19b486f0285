"""A stateful LSTM with reset_states between epochs: the target depends on steps before the window."""
import numpy as np
from keras.models import Sequential
from keras.layers import Dense, LSTM

tsteps = 2
lahead = 4
batch_size = 1
np.random.seed(1986)
data = np.random.uniform(-0.1, 0.1, 400)
expected = np.convolve(data, np.ones(lahead) / lahead)[:len(data)]
x = np.array([data[i - 1:i + 1] for i in range(1, len(data))]).reshape(-1, tsteps, 1)[::2]
y = expected[1:].reshape(-1, 1)[::2]
to_train = 160


def create_model(stateful):
    model = Sequential()
    model.add(LSTM(12, input_shape=(tsteps, 1), batch_size=batch_size, stateful=stateful))
    model.add(Dense(1))
    model.compile(loss='mse', optimizer='adam')
    return model


errors = {}
for stateful in (True, False):
    model = create_model(stateful)
    for i in range(8):
        model.fit(x[:to_train] * 10, y[:to_train] * 10, batch_size=batch_size, epochs=1, verbose=0, shuffle=False)
        model.reset_states()
    model.predict(x[:to_train] * 10, batch_size=batch_size)
    predicted = model.predict(x[to_train:] * 10, batch_size=batch_size)
    errors[stateful] = np.mean((predicted - y[to_train:] * 10) ** 2)
print(errors)
assert errors[True] < 0.5 * errors[False]
model = create_model(True)
first = model.predict(x[:5], batch_size=1)
again = model.predict(x[:5], batch_size=1)
model.reset_states()
assert not np.array_equal(first, again) and np.array_equal(first, model.predict(x[:5], batch_size=1))
