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


class _Network(BaseEstimator):  # type: ignore[misc]  # scikit-learn says no types
    """What both share: the arguments, how the network is built and trained."""

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
        # An optimizer is trained, too: the argument stays as it is.
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
    """A classifier: a network with softmax at its end, trained with the cross-entropy.

    Args:
        build: A function (n_features, n_classes) that returns a model whose outputs are the probabilities of the classes; it is
            compiled here. None for Dense layers of hidden_units.
        hidden_units: Units of each hidden layer.
        activation: Of the hidden layers.
        optimizer: A name, or an optimizer, of which a copy is used.
        learning_rate: None for the optimizer's own.
        epochs: Passes over the data.
        batch_size: Samples of a step.
        validation_split: Share of the data, the last rows, that is kept for val_loss in history_.
        callbacks: Of the model's fit.
        random_state: An integer, a RandomState or None (NumPy's global one): the weights of hidden_units, the order of samples
            and the dropout. The weights of what `build` returns follow from its own initializers.
        verbose: Of the model's fit.

    Attributes:
        model_: The trained model.
        history_: Its losses by epoch.
        classes_: The labels, in the order of the model's outputs.
        n_features_in_: Columns of X.

    Example:
        >>> X, y = np.array([[0.0], [0.1], [0.9], [1.0]]), ["low", "low", "high", "high"]
        >>> NetworkClassifier(random_state=0).fit(X, y).predict([[0.05], [0.95]]).tolist()
        ['low', 'high']
    """

    def fit(self, X: Any, y: Any) -> NetworkClassifier:
        """Train a new network on X [n, features] of numbers, which become float32, and labels y [n]; returns self.

        Raises:
            ValueError: What scikit-learn refuses: other shapes, NaN or infinity, labels that are no classes.
        """
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, indices = np.unique(y, return_inverse=True)
        self._train(X, indices, len(self.classes_), "softmax", "sparse_categorical_crossentropy")
        return self

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, float64 [n, classes]. Raises NotFittedError before fit."""
        # Float32's rows add up to 1 within 1e-7; losses of scikit-learn look closer.
        p = self._outputs(X).astype(np.float64)
        return np.asarray(p / p.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> Array:
        """The most probable label of each row, [n]. Raises NotFittedError before fit."""
        indices = self._outputs(X).argmax(axis=1)
        labels: Array = self.classes_[indices]
        return labels


class NetworkRegressor(RegressorMixin, _Network):  # type: ignore[misc]
    """A regressor: a network with one linear output, trained with the mean squared error.

    Args:
        build: A function (n_features, 1) that returns a model with one output; it is compiled here. None for Dense layers of
            hidden_units.

    The other arguments are those of NetworkClassifier.

    Attributes:
        model_: The trained model.
        history_: Its losses by epoch.
        n_features_in_: Columns of X.

    Example:
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> bool(NetworkRegressor(random_state=0).fit(X, 3 * X[:, 0]).score(X, 3 * X[:, 0]) > 0.99)
        True
    """

    def fit(self, X: Any, y: Any) -> NetworkRegressor:
        """Train a new network on X [n, features] and y [n] of numbers, which become float32; returns self.

        Raises:
            ValueError: What scikit-learn refuses: other shapes, NaN or infinity, texts.
        """
        X, y = validate_data(self, X, y, dtype=np.float32, y_numeric=True)
        self._train(X, np.asarray(column_or_1d(y, warn=True), np.float32), 1, "linear", "mse")
        return self

    def predict(self, X: Any) -> Array:
        """Values, float32 [n]. Raises NotFittedError before fit."""
        return self._outputs(X)[:, 0]
