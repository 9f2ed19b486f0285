"""Loads the compiled module. Each line of the table (cpp/table) is a function of this package."""

import os

# Between parallel regions the threads of libgomp spin, by default for milliseconds. This keeps a CPU busy that other programs
# may need, and if one of our threads then waits for a CPU, a step takes ten times as long. 10,000 turns (about 30 us) are
# enough for the gaps inside of a training step. libgomp reads the variable once, when it is loaded. Afterwards it is removed,
# so that child processes do not inherit it. A setting of the user is not changed.
_SPIN = "GOMP_SPINCOUNT"
_set_by_user = _SPIN in os.environ or "OMP_WAIT_POLICY" in os.environ
if not _set_by_user:
    os.environ[_SPIN] = "10000"
try:
    from lamella._kernels._compiled import *  # noqa: F403
finally:
    if not _set_by_user:
        del os.environ[_SPIN]
