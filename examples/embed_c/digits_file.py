"""Writes scikit-learn's digits as bytes for digits.c: for each digit 64 pixels from 0 to 16, then its label."""

import sys

import numpy as np
from sklearn.datasets import load_digits

pixels, labels = load_digits(return_X_y=True)
np.column_stack([pixels, labels]).astype(np.uint8).tofile(sys.argv[1])
