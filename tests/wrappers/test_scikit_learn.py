"""Models as estimators of scikit-learn: Keras's wrappers and lamella's estimators."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", "1.6")
import joblib
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from lamella.callbacks import History
from lamella.layers import Dense
from lamella.models import Sequential
from lamella.optimizers import SGD, Adam
from lamella.sklearn import NetworkClassifier, NetworkRegressor
from lamella.wrappers.scikit_learn import KerasClassifier, KerasRegressor

X, Y = load_iris(return_X_y=True)
ORDER = np.random.default_rng(0).permutation(150)
X, Y = StandardScaler().fit_transform(X)[ORDER].astype("float32"), Y[ORDER]


@parametrize_with_checks([NetworkClassifier(), NetworkRegressor()])
@pytest.mark.filterwarnings("ignore")
def test_estimators_follow_the_rules_of_scikit_learn(estimator, check):
    check(estimator)


def build(units=8, loss="sparse_categorical_crossentropy", metrics=("accuracy",)):
    model = Sequential([Dense(units, activation="relu", input_dim=4), Dense(3, activation="softmax")])
    model.compile(Adam(lr=0.01), loss, metrics=list(metrics))
    return model


def build_one():
    model = Sequential([Dense(1, activation="sigmoid", input_dim=4)])
    model.compile("adam", "binary_crossentropy", metrics=["acc"])
    return model


def line(outputs=1):
    model = Sequential([Dense(outputs, input_dim=4)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
@pytest.mark.parametrize("names", [np.array([0, 1, 2]), np.array(["a", "b", "c"])], ids=["numbers", "texts"])
def test_labels_of_any_type(loss, names):
    classifier = KerasClassifier(build, loss=loss, epochs=3, batch_size=30, verbose=0)
    history = classifier.fit(X, names[Y])
    assert isinstance(history, History) and history.params["epochs"] == 3 and history.params["batch_size"] == 30
    assert classifier.classes_.tolist() == names.tolist() and classifier.n_classes_ == 3
    p = classifier.predict_proba(X)
    np.testing.assert_array_equal(p, classifier.model.predict(X))
    np.testing.assert_array_equal(classifier.predict(X), names[p.argmax(axis=1)])
    some = names[Y] != names[2]  # without the last label
    right = np.mean(classifier.predict(X[some]) == names[Y][some])
    assert classifier.score(X[some], names[Y][some]) == pytest.approx(right)


def test_one_hot_rows_as_labels():
    classifier = KerasClassifier(build, loss="categorical_crossentropy", verbose=0)
    rows = np.eye(3)[Y]
    classifier.fit(X, rows)
    assert classifier.classes_.tolist() == [0, 1, 2]
    assert classifier.score(X, rows) == pytest.approx(np.mean(classifier.predict(X) == Y))
    with pytest.raises(ValueError, match=r"Invalid shape for y: \(2, 2, 2\)"):
        classifier.fit(X[:2], np.zeros((2, 2, 2)))


def test_a_model_with_one_output():
    classifier = KerasClassifier(build_one, epochs=2, verbose=0)
    classifier.fit(X, np.where(Y > 0, "yes", "no"))
    p = classifier.model.predict(X)
    np.testing.assert_array_equal(classifier.predict_proba(X), np.hstack([1 - p, p]))
    np.testing.assert_array_equal(classifier.predict(X), np.where(p > 0.5, "yes", "no"))
    assert classifier.predict(X).shape == (150, 1)
    assert classifier.predict(X[:0]).shape == (0, 1) and classifier.predict_proba(X[:0]).shape == (0, 2)


def test_sample_weights_are_used():
    classifier = KerasClassifier(build, epochs=1, batch_size=150, verbose=0)
    assert classifier.fit(X, Y, sample_weight=np.zeros(150)).history["loss"] == [0.0]


def test_score_without_accuracy_raises():
    classifier = KerasClassifier(build, metrics=(), verbose=0)
    classifier.fit(X, Y)
    with pytest.raises(ValueError, match="The model is not configured to compute accuracy."):
        classifier.score(X, Y)


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_regressor(outputs):
    y = X @ np.arange(4.0 * outputs).reshape(4, outputs)
    regressor = KerasRegressor(line, outputs=outputs, epochs=2, verbose=0)
    regressor.fit(X, y)
    for samples in (150, 1, 0):
        assert regressor.predict(X[:samples]).shape == ((samples,) if outputs == 1 else (samples, 2))
    assert regressor.score(X, y) == pytest.approx(-np.mean((regressor.model.predict(X) - y) ** 2), rel=1e-4)


class Builder:
    def __call__(self, units):
        return build(units)


class Own(KerasClassifier):
    def __call__(self, units=5):
        return build(units)


@pytest.mark.parametrize(
    "classifier",
    [
        KerasClassifier(Builder(), units=6, verbose=0),
        KerasClassifier(Builder().__call__, units=6, verbose=0),
        Own(units=6, verbose=0),
    ],
    ids=["object", "method", "subclass"],
)
def test_forms_of_build_fn(classifier):
    classifier.fit(X, Y)
    assert classifier.model.layers[0].units == 6


def test_parameters():
    callbacks = []
    classifier = KerasClassifier(build, units=4, callbacks=callbacks, nb_epoch=3)
    assert classifier.get_params() == {"units": 4, "callbacks": callbacks, "nb_epoch": 3, "build_fn": build}
    assert classifier.get_params(deep=True)["callbacks"] is callbacks
    copied = clone(classifier)
    assert copied is not classifier and copied.get_params() == classifier.get_params()
    assert classifier.set_params(units=5, build_fn=build) is classifier and classifier.sk_params["units"] == 5
    for call in (lambda: KerasClassifier(build, width=3), lambda: classifier.set_params(units=9, width=3)):
        with pytest.raises(ValueError, match="width is not a legal parameter"):
            call()
    with pytest.raises(ValueError, match="width is not a legal parameter"):
        classifier.set_params(build_fn=line, width=3)
    assert classifier.build_fn is build and classifier.sk_params["units"] == 5
    with pytest.raises(ValueError, match="expected build_fn, a function that returns a compiled model"):
        KerasClassifier()
    assert classifier.filter_sk_params(build, {"loss": "mse"}) == {"units": 5, "loss": "mse"}


def test_estimator_types():
    assert is_classifier(KerasClassifier(build)) and not is_regressor(KerasClassifier(build))
    assert is_regressor(KerasRegressor(line)) and not is_classifier(KerasRegressor(line))


def test_grid_search_pipelines_and_cross_validation():
    pipe = make_pipeline(StandardScaler(), KerasClassifier(build, epochs=30, batch_size=10, verbose=0))
    assert cross_val_score(pipe, X, Y, cv=3).mean() > 0.7
    grid = GridSearchCV(KerasClassifier(build, verbose=0), {"epochs": [1, 30], "units": [8]}, cv=3)
    with joblib.parallel_backend("threading", n_jobs=2):
        grid.fit(X, Y)
    assert grid.best_params_ == {"epochs": 30, "units": 8}
    assert grid.best_score_ > 0.7


@pytest.mark.parametrize("name", ["classifier", "network"])
def test_an_estimator_is_stored_with_its_model(name, tmp_path):
    estimator = KerasClassifier(build, verbose=0) if name == "classifier" else NetworkClassifier(epochs=2)
    estimator.fit(X, Y)
    joblib.dump(estimator, tmp_path / "file")
    for again in (joblib.load(tmp_path / "file"), pickle.loads(pickle.dumps(estimator))):
        np.testing.assert_array_equal(again.predict_proba(X), estimator.predict_proba(X))


def dense(features, outputs):
    return Sequential([Dense(outputs, activation="softmax", input_dim=features, kernel_initializer="zeros")])


def test_a_custom_network():
    optimizer = SGD(lr=0.5)
    kwargs = dict(optimizer=optimizer, learning_rate=None, epochs=3, validation_split=0.2, random_state=1)
    first, second = NetworkClassifier(dense, **kwargs).fit(X, Y), NetworkClassifier(dense, **kwargs).fit(X, Y)
    assert sorted(first.history_) == ["loss", "val_loss"] and first.history_ == second.history_
    assert len(first.model_.layers) == 1 and first.model_.optimizer is not optimizer
    assert first.model_.optimizer.get_config()["lr"] == 0.5


def test_random_state_decides_all_and_is_not_changed():
    np.random.seed(3)
    before = np.random.get_state()[1].tolist()
    networks = [NetworkRegressor(epochs=2, random_state=seed).fit(X, Y) for seed in (1, 1, 2)]
    weights = [network.model_.get_weights()[0].tolist() for network in networks]
    assert weights[0] == weights[1] != weights[2]
    assert np.random.get_state()[1].tolist() == before
