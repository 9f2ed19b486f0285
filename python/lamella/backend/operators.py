"""Further functions for graphs: operators such as `x * 2` and `x[:, 0]`, losses and accuracies. They are not names of K."""

from __future__ import annotations

import operator

# Losses and accuracies register themselves when they are loaded.
from lamella import losses as _losses  # noqa: F401
from lamella import ops
from lamella.graph.connect import in_graphs

__all__: list[str] = []

for _name, _op in {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv, "power": operator.pow,
    "floor_divide": operator.floordiv, "logical_and": operator.and_, "logical_or": operator.or_, "logical_xor": operator.xor,
}.items():  # fmt: skip
    in_graphs(_op, _name, broadcasts=True)
# The op instead of operator.matmul, so that arrays are also multiplied by our kernels.
in_graphs(ops.matmul, "matmul")
in_graphs(ops.mod, "mod", broadcasts=True)
in_graphs(operator.invert, "logical_not")
in_graphs(operator.getitem, "getitem")
