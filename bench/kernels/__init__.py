"""One file a family of kernels: `cases(plan)` yields what to time."""
