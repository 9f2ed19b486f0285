"""The engine: the base class of layers, the graph of their calls, and the plan that runs a graph."""

from lamella.graph import connect as _connect  # noqa: F401 - gives symbolic tensors Python's operators
from lamella.graph import present_value as _present_value  # noqa: F401 - gives them their present values
