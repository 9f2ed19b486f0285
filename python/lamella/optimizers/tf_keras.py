"""The optimizers of tf.keras: the same rules with that API's arguments and defaults.

Their configs are those of the classes of Keras 2.2.5 that they derive from, so files with them load without the names of tf.keras.

Source: tf.keras of TensorFlow 2.0 to 2.10 (`tf.keras.optimizers.legacy` later); AdamW and Lion: TensorFlow 2.13.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from lamella.core.configurable import Config, own_arguments, plain
from lamella.optimizers.adadelta import Adadelta as _Adadelta
from lamella.optimizers.adagrad import Adagrad as _Adagrad
from lamella.optimizers.adam import Adam as _Adam
from lamella.optimizers.adam import AdamW as _AdamW
from lamella.optimizers.adamax import Adamax as _Adamax
from lamella.optimizers.base import Optimizer
from lamella.optimizers.ftrl import Ftrl as _Ftrl
from lamella.optimizers.lion import Lion as _Lion
from lamella.optimizers.nadam import Nadam as _Nadam
from lamella.optimizers.rmsprop import RMSprop as _RMSprop
from lamella.optimizers.schedules import LearningRate
from lamella.optimizers.sgd import SGD as _SGD

T = TypeVar("T", bound="_Named")


class _Named(Optimizer):
    """Base of the classes: a name, and the config of the class of Keras 2.2.5.

    Args:
        learning_rate: Learning rate, a number >= 0 or a schedule.
        name: Name of the optimizer.
        **kwargs: decay, clipvalue and gradient_accumulation_steps as in Keras 2.2.5's class; clipnorm bounds the norm of each
            gradient, global_clipnorm that of all together; lr is another name of learning_rate.
    """

    rule: ClassVar[type[Optimizer]]
    # Keywords and their names in the class of Keras 2.2.5. In tf.keras clipnorm bounds the norm of each gradient, and
    # global_clipnorm the norm of all gradients together.
    keywords: ClassVar[Mapping[str, str]] = {
        "lr": "lr",
        "decay": "decay",
        "clipnorm": "clipnorm_per_tensor",
        "global_clipnorm": "clipnorm",
        "clipvalue": "clipvalue",
        "gradient_accumulation_steps": "gradient_accumulation_steps",
    }
    name: str

    @classmethod
    def translated(cls, learning_rate: LearningRate, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The keyword arguments of the class of Keras 2.2.5.

        Args:
            learning_rate: The learning rate.
            kwargs: The other keyword arguments of tf.keras.

        Raises:
            TypeError: A keyword is not in `keywords`.
        """
        for name in kwargs:
            if name not in cls.keywords:
                raise TypeError(f"{cls.__name__}: unexpected keyword argument {name!r}")
        return {"lr": learning_rate} | {cls.keywords[name]: value for name, value in kwargs.items()}

    def get_config(self) -> Config:
        rule: Any = self.rule
        names = dict.fromkeys((*own_arguments(rule, Optimizer), *self.keywords.values()))
        found = {name: getattr(self, name) for name in names}
        config = {name: plain(value) for name, value in found.items() if value is not None}
        return {name: value for name, value in config.items() if value or name not in rule.added}

    @classmethod
    def from_config(cls: type[T], config: Config) -> T:
        """An optimizer from a config of this class, or of the class of Keras 2.2.5."""
        if "learning_rate" in config:
            return cls(**config)
        inverse = {inner: outer for outer, inner in cls.keywords.items()}
        return cls(**{inverse.get(name, name): value for name, value in config.items()})


class SGD(_Named, _SGD):
    """See `lamella.optimizers.SGD`."""

    rule = _SGD

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        name: str = "SGD",
        **kwargs: Any,
    ) -> None:
        super().__init__(momentum=momentum, nesterov=nesterov, **self.translated(learning_rate, kwargs))
        self.name = name


class RMSprop(_Named, _RMSprop):
    """See `lamella.optimizers.RMSprop`."""

    rule = _RMSprop

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float | None = 1e-7,
        centered: bool = False,
        name: str = "RMSprop",
        **kwargs: Any,
    ) -> None:
        arguments = self.translated(learning_rate, kwargs)
        super().__init__(rho=rho, epsilon=epsilon, momentum=momentum, centered=centered, **arguments)
        self.name = name


class Adagrad(_Named, _Adagrad):
    """See `lamella.optimizers.Adagrad`. Here lr is 0.001, and the initial accumulators are 0.1."""

    rule = _Adagrad

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float | None = 1e-7,
        name: str = "Adagrad",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            epsilon=epsilon,
            initial_accumulator_value=initial_accumulator_value,
            **self.translated(learning_rate, kwargs),
        )
        self.name = name


class Adadelta(_Named, _Adadelta):
    """See `lamella.optimizers.Adadelta`. Here lr is 0.001."""

    rule = _Adadelta

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.95,
        epsilon: float | None = 1e-7,
        name: str = "Adadelta",
        **kwargs: Any,
    ) -> None:
        super().__init__(rho=rho, epsilon=epsilon, **self.translated(learning_rate, kwargs))
        self.name = name


class Adam(_Named, _Adam):
    """See `lamella.optimizers.Adam`."""

    rule = _Adam

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        amsgrad: bool = False,
        name: str = "Adam",
        **kwargs: Any,
    ) -> None:
        arguments = self.translated(learning_rate, kwargs)
        super().__init__(beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, amsgrad=amsgrad, **arguments)
        self.name = name


class AdamW(_Named, _AdamW):
    """See `lamella.optimizers.AdamW`. Here weight_decay is 0.004."""

    rule = _AdamW

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        amsgrad: bool = False,
        name: str = "AdamW",
        **kwargs: Any,
    ) -> None:
        arguments = self.translated(learning_rate, kwargs)
        super().__init__(beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, amsgrad=amsgrad, weight_decay=weight_decay, **arguments)
        self.name = name


class Lion(_Named, _Lion):
    """See `lamella.optimizers.Lion`. Here lr is 0.001, and None means no weight decay."""

    rule = _Lion

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        weight_decay: float | None = None,
        name: str = "Lion",
        **kwargs: Any,
    ) -> None:
        arguments = self.translated(learning_rate, kwargs)
        super().__init__(beta_1=beta_1, beta_2=beta_2, weight_decay=weight_decay or 0.0, **arguments)
        self.name = name


class Adamax(_Named, _Adamax):
    """See `lamella.optimizers.Adamax`. Here lr is 0.001."""

    rule = _Adamax

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        name: str = "Adamax",
        **kwargs: Any,
    ) -> None:
        super().__init__(beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, **self.translated(learning_rate, kwargs))
        self.name = name


class Ftrl(_Named, _Ftrl):
    """See `lamella.optimizers.Ftrl`."""

    rule = _Ftrl

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        name: str = "Ftrl",
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate_power=learning_rate_power,
            initial_accumulator_value=initial_accumulator_value,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
            l2_shrinkage_regularization_strength=l2_shrinkage_regularization_strength,
            beta=beta,
            **self.translated(learning_rate, kwargs),
        )
        self.name = name


class Nadam(_Named, _Nadam):
    """See `lamella.optimizers.Nadam`. Here lr is 0.001."""

    rule = _Nadam
    keywords: ClassVar[Mapping[str, str]] = {**_Named.keywords, "decay": "schedule_decay"}

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        name: str = "Nadam",
        **kwargs: Any,
    ) -> None:
        super().__init__(beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, **self.translated(learning_rate, kwargs))
        self.name = name


# The classes by name in lower case, for compile("adagrad").
BY_NAME: dict[str, type[Optimizer]] = {
    kind.__name__.lower(): kind for kind in (SGD, RMSprop, Adagrad, Adadelta, Adam, AdamW, Adamax, Ftrl, Lion, Nadam)
}
