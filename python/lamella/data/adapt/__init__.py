"""What users pass as data, checked and standardized: arrays, targets, weights, and the items of generators."""
