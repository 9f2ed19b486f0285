"""The regularizers of tf.keras: l1(l1=...) and l2(l2=...), also with the names L1 and L2."""

from __future__ import annotations

from lamella.regularizers import L1L2 as L1L2
from lamella.tf_keras import rest_of

__getattr__, __dir__ = rest_of("regularizers", globals())


def l1(l1: float = 0.01, *, l: float | None = None) -> L1L2:  # noqa: E741 - the name of Keras 2.2.5
    """l1 * sum|x|.

    Args:
        l1: The factor.
        l: The name of Keras 2.2.5 for it.
    """
    return L1L2(l1=l1 if l is None else l)


def l2(l2: float = 0.01, *, l: float | None = None) -> L1L2:  # noqa: E741
    """l2 * sum x^2.

    Args:
        l2: The factor.
        l: The name of Keras 2.2.5 for it.
    """
    return L1L2(l2=l2 if l is None else l)


L1, L2 = l1, l2
