"""Callbacks that a script defines, and those of Keras that write files: they receive the numbers of the history."""
import pickle
import numpy as np
import pandas as pd
from keras import backend as K
from keras.callbacks import *
from keras.layers import Dense
from keras.models import Sequential, model_from_json
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

x, y = load_breast_cancer(return_X_y=True)
x = StandardScaler().fit_transform(x)


class CyclicLR(Callback):
    def __init__(self, base_lr=0.001, max_lr=0.006, step_size=2000.):
        super(CyclicLR, self).__init__()
        self.base_lr, self.max_lr, self.step_size = base_lr, max_lr, step_size
        self.trn_iterations = 0.
        self.history = {}

    def clr(self):
        cycle = np.floor(1 + self.trn_iterations / (2 * self.step_size))
        x = np.abs(self.trn_iterations / self.step_size - 2 * cycle + 1)
        return self.base_lr + (self.max_lr - self.base_lr) * np.maximum(0, (1 - x))

    def on_train_begin(self, logs={}):
        K.set_value(self.model.optimizer.lr, self.base_lr)

    def on_batch_end(self, epoch, logs=None):
        logs = logs or {}
        self.trn_iterations += 1
        self.history.setdefault('lr', []).append(K.get_value(self.model.optimizer.lr))
        for k, v in logs.items():
            self.history.setdefault(k, []).append(v)
        K.set_value(self.model.optimizer.lr, self.clr())


class StopAt(Callback):
    def __init__(self, monitor='val_loss', value=0.09):
        super(Callback, self).__init__()
        self.monitor, self.value = monitor, value

    def on_epoch_end(self, epoch, logs={}):
        if logs.get(self.monitor) < self.value:
            self.stopped = epoch
            self.model.stop_training = True


model = Sequential()
model.add(Dense(16, activation='relu', input_dim=30))
model.add(Dense(1, activation='sigmoid'))
model.compile(loss='binary_crossentropy', optimizer='adam', metrics=['acc'])
clr, stop = CyclicLR(base_lr=0.001, max_lr=0.01, step_size=20.), StopAt()
events = []
cbks = [clr, stop, CSVLogger('training.csv'), ModelCheckpoint('best.hdf5', save_best_only=True, save_weights_only=True),
        LambdaCallback(on_epoch_begin=lambda epoch, logs: events.append(epoch)), TerminateOnNaN()]
try:
    import tensorboardX
    cbks.append(TensorBoard(log_dir='./logs'))
except ImportError:
    pass
hist = model.fit(x[:400], y[:400], batch_size=20, epochs=25, validation_data=(x[400:], y[400:]), callbacks=cbks, verbose=0)
epochs = len(hist.history['loss'])
assert hist.history['val_loss'][-1] < 0.09 and epochs == stop.stopped + 1 < 25 and events == list(range(epochs))
np.testing.assert_allclose(clr.history['lr'][:41:20], [0.001, 0.01, 0.001], rtol=1e-5)
assert len(clr.history['loss']) == 20 * epochs
frame = pd.read_csv('training.csv')
assert list(frame.columns) == ['epoch'] + sorted(hist.history) and np.allclose(frame['val_acc'], hist.history['val_acc'])
with open('history.pkl', 'wb') as f:
    pickle.dump(hist.history, f)
assert pickle.load(open('history.pkl', 'rb')) == hist.history
again = model_from_json(model.to_json())
again.load_weights('best.hdf5', by_name=True)
again.compile(loss='binary_crossentropy', optimizer='sgd')
assert abs(again.evaluate(x[400:], y[400:], verbose=0) - min(hist.history['val_loss'])) < 1e-6
