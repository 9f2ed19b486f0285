"""lamella and other libraries with threads, imported in every order: right results, the same bits, no additional threads."""

import importlib.util
import json
import os
import subprocess
import sys
from itertools import permutations

import pytest

from lamella import _kernels, config

# What each library computes on threads, and the check of the result.
USES = {
    "sklearn": """
from sklearn.cluster import KMeans
centers = KMeans(2, n_init=1, random_state=0).fit(np.repeat([[0.0], [9.0]], 300, axis=0)).cluster_centers_
assert sorted(centers.ravel().round(6)) == [0, 9]
""",
    "torch": """
import torch
np.testing.assert_allclose((torch.from_numpy(x) @ torch.from_numpy(w)).numpy(), x @ w, rtol=1e-4, atol=1e-3)
""",
    "tensorflow": """
import tensorflow
np.testing.assert_allclose(tensorflow.matmul(x, w).numpy(), x @ w, rtol=1e-4, atol=1e-3)
""",
    "lamella": """
from lamella import _kernels
y = np.empty((512, 256), "f4")
_kernels.dense_forward(x, w, np.zeros(256, "f4"), 0, y)
np.testing.assert_allclose(y, x @ w, rtol=1e-4, atol=1e-3)
""",
}
SCRIPT = """
import json, os, sys, zlib
order, uses = json.loads(sys.argv[1]), json.loads(sys.argv[2])
for name in order:
    __import__(name)
import numpy as np
rng = np.random.default_rng(0)
x, w = rng.normal(size=(512, 256)).astype("f4"), rng.normal(size=(256, 256)).astype("f4")
for name in order + order[::-1]:
    exec(uses.get(name, ""))
names = [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]
print(json.dumps([zlib.crc32(y.tobytes()), names.count("lamella"), _kernels.num_threads()]))
"""
OTHERS = [name for name in ("sklearn", "torch", "tensorflow") if importlib.util.find_spec(name) is not None]
# LAMELLA_ORDERS=1: also all orders of all libraries at once. tensorflow alone takes ten seconds for each.
ORDERS = [
    order
    for others in [*[(name,) for name in ("numpy", *OTHERS)], *([OTHERS] if "LAMELLA_ORDERS" in os.environ else [])]
    for order in permutations(["lamella", *others])
]


def outcome(order, backend):
    environment = {
        **os.environ,
        "LAMELLA_THREADS": backend,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, json.dumps(order), json.dumps(USES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def alone():
    return outcome(["lamella"], "team")[0]


@pytest.mark.parametrize("backend", _kernels.thread_backends())
@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_each_order_computes_the_same(order, backend, alone):
    checksum, own_threads, threads = outcome(order, backend)
    assert checksum == alone
    assert threads == config.num_threads()
    assert own_threads == (threads - 1 if backend == "team" else 0)
