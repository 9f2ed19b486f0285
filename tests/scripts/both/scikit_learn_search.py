"""A grid search over a network in a pipeline."""
import numpy as np
from keras.layers import Dense
from keras.models import Sequential
from keras.wrappers.scikit_learn import KerasClassifier
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

x, y = load_iris(return_X_y=True)


def create_model(neurons=4, optimizer="rmsprop"):
    model = Sequential()
    model.add(Dense(neurons, input_dim=4, activation="relu", kernel_initializer="he_uniform"))
    model.add(Dense(3, activation="softmax"))
    model.compile(loss="sparse_categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"])
    return model


classifier = KerasClassifier(build_fn=create_model, epochs=60, batch_size=8, verbose=0)
grid = GridSearchCV(estimator=classifier, param_grid=dict(neurons=[2, 12]), cv=2, n_jobs=1)
result = grid.fit(x, y)
assert result.best_params_ == {"neurons": 12} and result.best_score_ > 0.7
pipeline = Pipeline([("scale", StandardScaler()), ("net", KerasClassifier(create_model, neurons=12, epochs=60, batch_size=8, verbose=0))])
assert np.mean(cross_val_score(pipeline, x, y, cv=3)) > 0.85
