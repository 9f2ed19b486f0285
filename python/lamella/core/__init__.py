"""What every room stands on: configuration, names, shapes, checks, random keys. Imports only NumPy."""
