"""An imbalanced table: class_weight and sample_weight, folds with clear_session, F1 by K as a metric, focal loss by closure."""
import numpy as np
from keras import backend as K
from keras.callbacks import Callback
from keras.layers import Dense, Dropout
from keras.models import Sequential
from sklearn.datasets import make_classification
from sklearn.metrics import recall_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import class_weight

X, Y = make_classification(800, 12, n_informative=6, weights=[0.9], class_sep=0.8, random_state=1)


def f1(y_true, y_pred):
    def recall(y_true, y_pred):
        true_positives = K.sum(K.round(K.clip(y_true * y_pred, 0, 1)))
        possible_positives = K.sum(K.round(K.clip(y_true, 0, 1)))
        return true_positives / (possible_positives + K.epsilon())

    def precision(y_true, y_pred):
        true_positives = K.sum(K.round(K.clip(y_true * y_pred, 0, 1)))
        predicted_positives = K.sum(K.round(K.clip(y_pred, 0, 1)))
        return true_positives / (predicted_positives + K.epsilon())
    precision = precision(y_true, y_pred)
    recall = recall(y_true, y_pred)
    return 2 * ((precision * recall) / (precision + recall + K.epsilon()))


def focal_loss(gamma=2., alpha=.5):
    def focal_loss_fixed(y_true, y_pred):
        y_pred = K.clip(y_pred, K.epsilon(), 1. - K.epsilon())
        pt_1 = K.switch(K.equal(y_true, 1), y_pred, K.ones_like(y_pred))
        pt_0 = K.switch(K.equal(y_true, 0), y_pred, K.zeros_like(y_pred))
        return -K.mean(alpha * K.pow(1. - pt_1, gamma) * K.log(pt_1)) - K.mean((1 - alpha) * K.pow(pt_0, gamma) * K.log(1. - pt_0))
    return focal_loss_fixed


class RocAucEvaluation(Callback):
    def __init__(self, validation_data=(), interval=1):
        super(Callback, self).__init__()
        self.interval = interval
        self.X_val, self.y_val = validation_data
        self.scores = []

    def on_epoch_end(self, epoch, logs={}):
        if epoch % self.interval == 0:
            self.scores.append(roc_auc_score(self.y_val, self.model.predict(self.X_val, verbose=0)))


def build(loss):
    model = Sequential([Dense(24, activation='relu', input_shape=(12,)), Dropout(0.1), Dense(1, activation='sigmoid')])
    model.compile(loss=loss, optimizer='adam', metrics=['accuracy', f1])
    model.optimizer.lr = 0.01
    return model


weights = class_weight.compute_class_weight(class_weight='balanced', classes=np.unique(Y), y=Y)
recalls = {'plain': [], 'class': [], 'sample': []}
for train, test in StratifiedKFold(n_splits=2, shuffle=True, random_state=7).split(X, Y):
    for kind in recalls:
        K.clear_session()
        model = build('binary_crossentropy')
        assert model.layers[0].name.startswith('dense') and model.layers[0].name in ('dense', 'dense_1')
        chosen = {'plain': {}, 'class': {'class_weight': dict(enumerate(weights))}, 'sample': {'sample_weight': weights[Y[train]]}}[kind]
        ra_val = RocAucEvaluation((X[test], Y[test]), interval=5)
        hist = model.fit(X[train], Y[train], epochs=15, batch_size=32, validation_data=(X[test], Y[test]), callbacks=[ra_val], verbose=0, **chosen)
        recalls[kind].append(recall_score(Y[test], model.predict(X[test]).ravel() > 0.5))
        assert len(ra_val.scores) == 3 and ra_val.scores[-1] > 0.75 and 'val_f1' in hist.history
print(recalls)
assert min(np.mean(recalls['class']), np.mean(recalls['sample'])) > np.mean(recalls['plain']) + 0.1
model = build(focal_loss(gamma=1.))
model.fit(X, Y, epochs=8, verbose=0)
assert roc_auc_score(Y, model.predict(X)) > 0.85
