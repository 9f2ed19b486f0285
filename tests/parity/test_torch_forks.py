"""Children forked after torch and lamella have both used threads, in either order: a hundred each, and none hangs."""

import os
import subprocess
import sys

import pytest

from lamella import _kernels

pytest.importorskip("torch")

FORKS = 100
SCRIPT = """
import os
import numpy as np

def ours():
    from lamella import config
    from lamella.layers import Dense
    from lamella.models import Sequential
    from lamella.utils import set_random_seed
    config.set_num_threads(2)
    set_random_seed(1)
    model = Sequential([Dense(128, activation="relu", input_shape=(64,)), Dense(1)])
    model.compile("adam", "mse")
    x = np.random.default_rng(0).normal(size=(2048, 64)).astype("f4")
    model.fit(x, x[:, :1], batch_size=512, verbose=0)
    return b"".join(w.tobytes() for w in model.get_weights())

def theirs():
    import torch
    torch.set_num_threads(2)
    a = torch.ones(512, 512)
    for _ in range(3):
        a = (a @ a).softmax(1)

{first}()
{second}()
wanted = ours()
for _ in range({forks}):
    if (child := os.fork()) == 0:
        os._exit(17 if ours() == wanted else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 17
print("done")
"""


@pytest.mark.parametrize("backend", _kernels.thread_backends())
@pytest.mark.parametrize("first, second", [("ours", "theirs"), ("theirs", "ours")])
def test_no_child_hangs_and_each_trains_to_the_same_bits(backend, first, second):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT.format(first=first, second=second, forks=FORKS)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LAMELLA_THREADS": backend},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.stdout == "done\n", done.stderr
