"""What Python's operators do to symbolic tensors: the nodes of `x * 2` and `x[:, 0]`. None is a name of K."""

from __future__ import annotations

import operator

from lamella import ops
from lamella.layers.connect import in_graphs

__all__: list[str] = []

for _name, _op in {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv, "power": operator.pow,
}.items():  # fmt: skip
    in_graphs(_op, _name)
# NumPy's own product of matrices would be another library's.
in_graphs(ops.matmul, "matmul")
in_graphs(operator.getitem, "getitem")
