"""The engine: what a layer is, the graph of its calls, and how that graph becomes a plan that runs."""

from lamella.graph import connect as _connect  # noqa: F401 - gives symbolic tensors Python's operators
