"""The data sets of keras.datasets. A data set is downloaded when it is first loaded."""

from lamella.core.keras_names import complete as _complete
from lamella.datasets import boston_housing as boston_housing
from lamella.datasets import cifar as cifar
from lamella.datasets import cifar10 as cifar10
from lamella.datasets import cifar100 as cifar100
from lamella.datasets import fashion_mnist as fashion_mnist
from lamella.datasets import imdb as imdb
from lamella.datasets import mnist as mnist
from lamella.datasets import reuters as reuters

_complete(__name__)
