"""`tensorflow.keras.optimizers.legacy` of TensorFlow 2.11 and later: the same classes."""

from lamella.optimizers.tf_keras import SGD as SGD
from lamella.optimizers.tf_keras import Adadelta as Adadelta
from lamella.optimizers.tf_keras import Adagrad as Adagrad
from lamella.optimizers.tf_keras import Adam as Adam
from lamella.optimizers.tf_keras import Adamax as Adamax
from lamella.optimizers.tf_keras import Nadam as Nadam
from lamella.optimizers.tf_keras import RMSprop as RMSprop
