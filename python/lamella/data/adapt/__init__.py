"""Checks and standardizes users' data: arrays, targets (y), weights, and the items of generators."""
