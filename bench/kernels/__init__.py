"""One file for each family of kernels: `cases(plan)` yields the cases to time."""
