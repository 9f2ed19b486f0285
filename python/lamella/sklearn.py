"""Estimators of scikit-learn that train networks: NetworkClassifier and NetworkRegressor pass its `check_estimator`.

They need scikit-learn: pip install 'lamella[sklearn]'. `lamella.wrappers.scikit_learn` has Keras's own wrappers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella import optimizers
from lamella.core.types import Array
from lamella.initializers import glorot_uniform
from lamella.layers import Dense, InputLayer
from lamella.models import Model, Sequential

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data
except ImportError as error:
    raise ImportError(f"lamella.sklearn needs scikit-learn 1.6 or later: pip install 'lamella[sklearn]' ({error})") from error

__all__ = ["NetworkClassifier", "NetworkRegressor"]


class _Network(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Base class of both estimators, which builds and trains the network."""

    def __init__(
        self,
        build: Callable[[int, int], Model] | None = None,
        *,
        hidden_units: Sequence[int] = (32,),
        activation: str = "relu",
        optimizer: Any = "adam",
        learning_rate: float | None = 0.01,
        epochs: int = 100,
        batch_size: int = 32,
        validation_split: float = 0.0,
        callbacks: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.build = build
        self.hidden_units = hidden_units
        self.activation = activation
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_split = validation_split
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    def _train(self, X: Array, y: Array, outputs: int, last: str, loss: str) -> None:
        random = check_random_state(self.random_state)
        if self.build is None:
            model: Model = self._dense(X.shape[1], outputs, last, random)
        else:
            model = self.build(X.shape[1], outputs)
        # Training changes an optimizer, so the user's optimizer is copied.
        optimizer = optimizers.get(self.optimizer)
        rate = {} if self.learning_rate is None else {"lr": self.learning_rate}
        model.compile(type(optimizer).from_config(optimizer.get_config() | rate), loss)
        stream = {"seed": int(random.randint(2**31 - 1)), "step": 0, "epoch": 0}
        model.set_training_state(model.get_training_state() | {"random": stream})
        self.history_ = model.fit(
            X,
            y,
            batch_size=self.batch_size,
            epochs=self.epochs,
            validation_split=self.validation_split,
            callbacks=self.callbacks,
            verbose=self.verbose,
        ).history
        self.model_ = model

    def _dense(self, features: int, outputs: int, last: str, random: np.random.RandomState) -> Sequential:
        sizes = [*((units, self.activation) for units in self.hidden_units), (outputs, last)]
        seeds = random.randint(2**31 - 1, size=len(sizes)).tolist()
        layers = [
            Dense(units, activation=activation, kernel_initializer=glorot_uniform(seed=seed))
            for (units, activation), seed in zip(sizes, seeds)
        ]
        return Sequential([InputLayer((features,)), *layers])

    def _outputs(self, X: Any) -> Array:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float32)
        return np.asarray(self.model_.predict(X, batch_size=self.batch_size))


class NetworkClassifier(ClassifierMixin, _Network):  # type: ignore[misc]
    """A classifier: a network that ends with softmax, trained with the cross-entropy.

    Args:
        build: A function (n_features, n_classes) that returns a model whose outputs are the probabilities of the classes. The
            estimator compiles it. None means Dense layers with hidden_units.
        hidden_units: The number of units of each hidden layer.
        activation: The activation of the hidden layers.
        optimizer: A name, or an optimizer, of which a copy is used.
        learning_rate: The learning rate. None means that of the optimizer.
        epochs: Number of passes over the data.
        batch_size: Samples in a batch.
        validation_split: Fraction of the data, the last rows, for val_loss in history_.
        callbacks: See the model's fit.
        random_state: An integer, a RandomState, or None for NumPy's global state. It decides the initial weights of hidden_units,
            the order of samples and the dropout. The initial weights of a model from `build` depend on its own initializers.
        verbose: See the model's fit.

    Attributes:
        model_: The trained model.
        history_: The losses of each epoch.
        classes_: The labels, in the order of the model's outputs.
        n_features_in_: The number of columns of X.

    Example:
        >>> X, y = np.array([[0.0], [0.1], [0.9], [1.0]]), ["low", "low", "high", "high"]
        >>> NetworkClassifier(random_state=0).fit(X, y).predict([[0.05], [0.95]]).tolist()
        ['low', 'high']
    """

    def fit(self, X: Any, y: Any) -> NetworkClassifier:
        """Train a new network, and return self.

        Args:
            X: Numbers [n, features], which are converted to float32.
            y: Labels [n].

        Raises:
            ValueError: scikit-learn refuses the data: another shape, NaN, infinity, or labels that are not classes.
        """
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, indices = np.unique(y, return_inverse=True)
        self._train(X, indices, len(self.classes_), "softmax", "sparse_categorical_crossentropy")
        return self

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, float64 [n, classes]. Raise NotFittedError before fit."""
        # Rows of float32 sum to 1 with an error of 1e-7. Losses of scikit-learn check this more precisely.
        p = self._outputs(X).astype(np.float64)
        return np.asarray(p / p.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> Array:
        """The most probable label of each row, [n]. Raise NotFittedError before fit."""
        indices = self._outputs(X).argmax(axis=1)
        labels: Array = self.classes_[indices]
        return labels


class NetworkRegressor(RegressorMixin, _Network):  # type: ignore[misc]
    """A regressor: a network with one linear output, trained with the mean squared error.

    The arguments that are not listed are those of `NetworkClassifier`.

    Args:
        build: A function (n_features, 1) that returns a model with one output. The estimator compiles it. None means Dense layers
            with hidden_units.

    Attributes:
        model_: The trained model.
        history_: The losses of each epoch.
        n_features_in_: The number of columns of X.

    Example:
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> bool(NetworkRegressor(random_state=0).fit(X, 3 * X[:, 0]).score(X, 3 * X[:, 0]) > 0.99)
        True
    """

    def fit(self, X: Any, y: Any) -> NetworkRegressor:
        """Train a new network, and return self.

        Args:
            X: Numbers [n, features], which are converted to float32.
            y: Numbers [n], which are converted to float32.

        Raises:
            ValueError: scikit-learn refuses the data: another shape, NaN, infinity, or texts.
        """
        X, y = validate_data(self, X, y, dtype=np.float32, y_numeric=True)
        self._train(X, np.asarray(column_or_1d(y, warn=True), np.float32), 1, "linear", "mse")
        return self

    def predict(self, X: Any) -> Array:
        """The predicted values, float32 [n]. Raise NotFittedError before fit."""
        return self._outputs(X)[:, 0]
