"""Long trainings and many trainings need no more memory, threads and files than the first steps.

LAMELLA_STEPS sets the number of steps: by default 400 steps and 20 fits, in the longer checks 10,000 and 200.
"""

import json
import os
import subprocess
import sys

import pytest

STEPS = int(os.environ.get("LAMELLA_STEPS", "400"))
FITS = max(20, STEPS // 50)

PREAMBLE = """
import json, os, sys, threading
import numpy as np
from lamella.callbacks import Callback
from lamella.layers import Dense
from lamella.models import Sequential
from lamella.utils import Sequence

def now():
    with open("/proc/self/status") as status:
        rss = next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
    return {"KiB": rss, "threads": threading.active_count(), "files": len(os.listdir("/proc/self/fd"))}

class Batches(Sequence):  # of 1 MB each
    def __init__(self, count):
        self.count = count
    def __len__(self):
        return self.count
    def __getitem__(self, i):
        return np.full((64, 4096), i % 7, np.float32), np.full((64, 1), i % 3, np.float32)

def endless():
    i = 0
    while True:
        yield Batches(1)[i]
        i += 1

class Watch(Callback):
    seen = []
    def on_batch_end(self, batch, logs=None):
        if batch in (99, self.params["steps"] - 1):
            self.seen.append(now())

model = Sequential([Dense(1, input_shape=(4096,))])
model.compile("sgd", "mse")
workers = int(sys.argv[1])
count = int(sys.argv[2])
"""

LONG = (
    PREAMBLE
    + """
# A queue of two, because the batches in the queue are part of the memory.
model.fit_generator(
    endless(), steps_per_epoch=count, epochs=1, verbose=0, workers=workers, max_queue_size=2, callbacks=[Watch()]
)
print(json.dumps(Watch.seen))
"""
)

MANY = (
    PREAMBLE
    + """
seen = []
for i in range(count):
    model.fit_generator(Batches(20), epochs=1, verbose=0, workers=workers, max_queue_size=2)
    seen.append(now())
# The memory that the allocator keeps for threads varies by some MB, so the median fit of each half is compared.
middle = lambda half: sorted(half, key=lambda state: state["KiB"])[len(half) // 2]
print(json.dumps([middle(seen[5 : count // 2]), middle(seen[count // 2 :])]))
"""
)


def measured(script, workers, count):
    done = subprocess.run(
        [sys.executable, "-c", script, str(workers), str(count)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    early, late = json.loads(done.stdout)
    print(f"{count} with {workers} workers: {early} -> {late}")
    return early, late


@pytest.mark.parametrize("workers", [0, 1])
def test_a_long_training(workers):
    early, late = measured(LONG, workers, STEPS)
    assert late["KiB"] - early["KiB"] < 5 * 1024
    assert (late["threads"], late["files"]) == (early["threads"], early["files"])


@pytest.mark.parametrize("workers", [0, 2])
def test_many_trainings(workers):
    early, late = measured(MANY, workers, FITS)
    assert late["KiB"] - early["KiB"] < 5 * 1024
    assert (late["threads"], late["files"]) == (early["threads"], early["files"])
