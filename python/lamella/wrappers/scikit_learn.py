"""KerasClassifier and KerasRegressor: estimators of scikit-learn that are made from a function that builds a model.

This module does not import scikit-learn. `lamella.sklearn` has estimators that follow all rules of scikit-learn.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from lamella.callbacks import History
from lamella.core.keras_names import complete as _complete
from lamella.core.types import Array
from lamella.models import Model, Sequential
from lamella.utils.generic_utils import has_arg, to_list
from lamella.utils.np_utils import to_categorical

__all__ = ["BaseWrapper", "KerasClassifier", "KerasRegressor", "Sequential"]


class BaseWrapper:
    """Base class of the classifier and the regressor.

    Args:
        build_fn: A function, or an object with `__call__`, that returns a compiled model. None means the subclass's `__call__`.
        sk_params: Arguments of build_fn and of the model's fit, predict and evaluate. A grid search may vary them.

    Attributes:
        model: The model, after fit.

    Raises:
        ValueError: None of these functions has an argument in sk_params.

    Source: Keras 2.2.5. Deviation: get_params returns the arguments themselves, not copies, as scikit-learn's `clone` requires.
    """

    _estimator_type: Literal["classifier", "regressor"]

    def __init__(self, build_fn: Callable[..., Model] | None = None, **sk_params: Any) -> None:
        self.build_fn = build_fn
        self.sk_params = sk_params
        self.check_params(sk_params)

    def check_params(self, params: Mapping[str, Any]) -> None:
        """Raise ValueError if neither build_fn nor a method of the model has one of the arguments `params`."""
        functions = (Sequential.fit, Sequential.predict, Sequential.predict_classes, Sequential.evaluate, self._builder())
        for name in params:
            if name != "nb_epoch" and not any(has_arg(function, name) for function in functions):
                raise ValueError(f"{name} is not a legal parameter")

    def get_params(self, **params: Any) -> dict[str, Any]:
        """build_fn and sk_params. The argument `deep`, which scikit-learn passes, has no effect."""
        return {**self.sk_params, "build_fn": self.build_fn}

    def set_params(self, **params: Any) -> BaseWrapper:
        """Change build_fn and sk_params, and return self.

        Raises:
            ValueError: There is an unknown argument. Nothing is changed then.
        """
        arguments = dict(params)
        build_fn = arguments.pop("build_fn", self.build_fn)
        before, self.build_fn = self.build_fn, build_fn
        try:
            self.check_params(arguments)
        except ValueError:
            self.build_fn = before
            raise
        self.sk_params.update(arguments)
        return self

    def fit(self, x: Any, y: Any, **kwargs: Any) -> History:
        """Build a new model and train it.

        Args:
            x: [n, ...].
            y: [n] or [n, outputs].
            kwargs: Arguments of the model's fit, used instead of those in sk_params.

        Returns:
            The History of the model's fit.
        """
        builder = self._builder()
        self.model = builder(**self.filter_sk_params(builder))
        arguments = copy.deepcopy(self.filter_sk_params(Sequential.fit)) | kwargs
        history: History = self.model.fit(x, self._for_loss(np.asarray(y)), **arguments)
        return history

    def filter_sk_params(self, fn: Callable[..., Any], override: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The arguments in sk_params that the function fn has, and `override`."""
        return {name: value for name, value in self.sk_params.items() if has_arg(fn, name)} | dict(override or {})

    def __sklearn_tags__(self) -> Any:
        """The properties that scikit-learn 1.6 and later reads; older releases read _estimator_type."""
        from sklearn.utils import ClassifierTags, RegressorTags, Tags, TargetTags

        classifies = self._estimator_type == "classifier"
        return Tags(
            estimator_type=self._estimator_type,
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags() if classifies else None,
            regressor_tags=None if classifies else RegressorTags(),
            non_deterministic=True,
        )

    def _builder(self) -> Callable[..., Model]:
        builder: Any = self if self.build_fn is None else self.build_fn
        if not callable(builder):
            raise ValueError(
                f"{type(self).__name__}: expected build_fn, a function that returns a compiled model, or a subclass with such a "
                f"`__call__`, got {self.build_fn!r}"
            )
        function: Callable[..., Model] = builder
        return function

    def _for_loss(self, y: Array) -> Array:
        """Indices of classes as one-hot rows, if the model's loss needs these."""
        loss = self.model.loss
        if getattr(loss, "__name__", loss) != "categorical_crossentropy" or y.ndim == 2:
            return y
        return to_categorical(y, getattr(self, "n_classes_", None))


class KerasClassifier(BaseWrapper):
    """A classifier of scikit-learn, made from a function that builds a model.

    Attributes:
        classes_: The labels, in the order of the model's outputs.
        n_classes_: The number of labels.

    Example:
        >>> def build(units=4):
        ...     model = Sequential([Dense(units, activation="relu", input_dim=2), Dense(1, activation="sigmoid")])
        ...     model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
        ...     return model
        >>> classifier = KerasClassifier(build, units=8, epochs=2, verbose=0)
        >>> history = classifier.fit(np.zeros((4, 2)), ["yes", "no", "no", "yes"])
        >>> classifier.classes_.tolist(), classifier.predict_proba(np.zeros((1, 2))).shape
        (['no', 'yes'], (1, 2))

    Source: Keras 2.2.5. Deviation: one-hot rows for categorical_crossentropy have a column for each class in `fit`, also if the
        labels for `score` do not have all classes. `predict` works with all models, not only Sequential.
    """

    _estimator_type = "classifier"

    def fit(self, x: Any, y: Any, sample_weight: Any = None, **kwargs: Any) -> History:
        """Build a new model and train it.

        Args:
            x: [n, ...].
            y: Labels of any type, [n] or [n, 1]; or one-hot rows [n, classes].
            sample_weight: [n].
            kwargs: Arguments of the model's fit, used instead of those in sk_params.

        Returns:
            The History of the model's fit.

        Raises:
            ValueError: y has another shape.
        """
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] > 1:
            self.classes_ = np.arange(y.shape[1])
        elif y.ndim in (1, 2):
            self.classes_ = np.unique(y)
            y = np.searchsorted(self.classes_, y)
        else:
            raise ValueError(f"Invalid shape for y: {y.shape}")
        self.n_classes_ = len(self.classes_)
        if sample_weight is not None:
            kwargs["sample_weight"] = sample_weight
        return super().fit(x, y, **kwargs)

    def predict(self, x: Any, **kwargs: Any) -> Array:
        """The predicted labels for x [n, ...]: [n]; for a model with a single output [n, 1], as in Keras."""
        scores = self._scores(Sequential.predict_classes, x, kwargs)
        indices = scores.argmax(axis=-1) if scores.shape[-1] > 1 else (scores > 0.5).astype(int)
        labels: Array = self.classes_[indices]
        return labels

    def predict_proba(self, x: Any, **kwargs: Any) -> Array:
        """The model's outputs for x [n, ...]: [n, classes]. A single output p becomes the columns 1 - p and p."""
        scores = self._scores(Sequential.predict, x, kwargs)
        return np.hstack([1 - scores, scores]) if scores.shape[-1] == 1 else scores

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """The accuracy for x [n, ...] and the labels y. Raise ValueError if the model does not compute it."""
        indices = np.searchsorted(self.classes_, np.asarray(y))
        arguments = self.filter_sk_params(Sequential.evaluate, kwargs)
        values = to_list(self.model.evaluate(x, self._for_loss(indices), **arguments))
        for name, value in zip(self.model.metrics_names, values):
            if name in ("acc", "accuracy"):
                return float(value)
        raise ValueError(
            'The model is not configured to compute accuracy. You should pass `metrics=["accuracy"]` to the '
            "`model.compile()` method."
        )

    def _scores(self, method: Callable[..., Any], x: Any, kwargs: Mapping[str, Any]) -> Array:
        return np.asarray(self.model.predict(x, **self.filter_sk_params(method, kwargs)))


class KerasRegressor(BaseWrapper):
    """A regressor of scikit-learn, made from a function that builds a model. Source: Keras 2.2.5."""

    _estimator_type = "regressor"

    def predict(self, x: Any, **kwargs: Any) -> Array:
        """The predicted values for x [n, ...]: [n] for one output, [n, outputs] for several."""
        y = np.asarray(self.model.predict(x, **self.filter_sk_params(Sequential.predict, kwargs)))
        return y.squeeze(axis=-1) if y.shape[-1] == 1 else y

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """The model's loss for x and y with a minus sign, so that a higher score is better."""
        loss = self.model.evaluate(x, y, **self.filter_sk_params(Sequential.evaluate, kwargs))
        return -float(to_list(loss)[0])


_complete(__name__)
