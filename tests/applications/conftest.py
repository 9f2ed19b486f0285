import numpy as np
import pytest

from lamella import initializers


@pytest.fixture
def zero_kernels(monkeypatch):
    """Kernels are initialized with zeros, because drawing up to 140 million numbers takes most of the time of building."""
    monkeypatch.setattr(
        initializers.VarianceScaling, "__call__", lambda self, shape, dtype=None: np.zeros(shape, dtype or "f4")
    )
