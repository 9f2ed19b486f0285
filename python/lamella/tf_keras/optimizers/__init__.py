"""The optimizers of tf.keras in TensorFlow 2.0 to 2.10."""

from __future__ import annotations

from lamella.optimizers import schedules as schedules
from lamella.optimizers.tf_keras import SGD as SGD
from lamella.optimizers.tf_keras import Adadelta as Adadelta
from lamella.optimizers.tf_keras import Adagrad as Adagrad
from lamella.optimizers.tf_keras import Adam as Adam
from lamella.optimizers.tf_keras import Adamax as Adamax
from lamella.optimizers.tf_keras import Ftrl as Ftrl
from lamella.optimizers.tf_keras import Nadam as Nadam
from lamella.optimizers.tf_keras import RMSprop as RMSprop
from lamella.tf_keras import rest_of
from lamella.tf_keras.optimizers import legacy as legacy

__getattr__, __dir__ = rest_of("optimizers", globals())
