"""Layers by family; `lamella.layers` lists them."""
