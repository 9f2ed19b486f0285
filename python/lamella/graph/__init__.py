"""The engine: what a layer is, the graph of its calls, and how that graph becomes a plan that runs."""
