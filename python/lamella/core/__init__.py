"""The modules that all rooms use: configuration, names, shapes, checks, random keys. They import only NumPy and `_kernels`."""
