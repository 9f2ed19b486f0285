"""The release of Keras whose behaviour lamella reproduces."""

from __future__ import annotations

# Scripts compare keras.__version__, and readers of files go by it.
KERAS_VERSION = "2.2.5"
# What files say: readers turn convolution kernels around for the backend theano.
BACKEND = "tensorflow"
