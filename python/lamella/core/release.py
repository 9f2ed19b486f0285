"""The release of Keras whose behaviour lamella reproduces."""

from __future__ import annotations

# Scripts compare it with keras.__version__, and programs that read model files use it.
KERAS_VERSION = "2.2.5"
# The backend that model files name. For the backend theano, programs that read them would flip convolution kernels.
BACKEND = "tensorflow"
