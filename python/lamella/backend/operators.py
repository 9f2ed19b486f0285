"""What Python's operators do to symbolic tensors: the nodes of `x * 2` and `x[:, 0]`. None is a name of K."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from lamella import ops
from lamella.core.config import floatx
from lamella.layers.connect import in_graphs

__all__: list[str] = []

Value = Any  # array, Variable or a tape's tensor


def _arithmetic(op: Callable[[Value, Value], Value]) -> Callable[[Value, Value], Value]:
    def function(a: Value, b: Value) -> Value:
        y = op(a, b)
        if not isinstance(y, (np.ndarray, np.generic)) or y.dtype.kind != "f":
            return y
        # Integers beside a tensor of floats take its dtype, and fractions of integers floatx: NumPy's float64 would meet
        # layers of float32.
        floats = {np.dtype(x.dtype) for x in (a, b) if hasattr(x, "dtype") and np.dtype(x.dtype).kind == "f"}
        return np.asarray(y, min(floats, default=floatx()) if len(floats) < 2 else y.dtype)

    return function


for _name, _op in {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv, "power": operator.pow,
}.items():  # fmt: skip
    in_graphs(_arithmetic(_op), _name)
# NumPy's own product of matrices would be another library's.
in_graphs(ops.matmul, "matmul")
in_graphs(operator.getitem, "getitem")
