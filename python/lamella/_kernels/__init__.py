"""The compiled module, loaded: each line of the table (cpp/table) is a function here."""

import os

# Between parallel regions libgomp's threads spin, by default for milliseconds. That keeps a core busy that a shared machine
# has other use for, and where a thread of ours then waits for its turn, steps take ten times as long. 10,000 turns
# (some 30 us) bridge the gaps within a training step. libgomp reads this once, when it is loaded; the environment of
# child processes stays as it was, and a choice of the user's goes first.
_SPIN = "GOMP_SPINCOUNT"
_chosen = _SPIN in os.environ or "OMP_WAIT_POLICY" in os.environ
if not _chosen:
    os.environ[_SPIN] = "10000"
try:
    from lamella._kernels._compiled import *  # noqa: F403
finally:
    if not _chosen:
        del os.environ[_SPIN]
