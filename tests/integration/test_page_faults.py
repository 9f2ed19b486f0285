"""In the steady state a step makes no page faults, and the pool for this needs no more memory than malloc."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import json, resource, sys
import numpy as np
from lamella import config
from lamella.callbacks import Callback
from lamella.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D, add, Input
from lamella.models import Model, Sequential

name, pooled = sys.argv[1], sys.argv[2] == "pooled"
config.set_pool_limit(None if pooled else 0)
rng = np.random.default_rng(0)
batch, epochs = 128, 3
if name == "mlp":
    count = batch * 6
    model = Sequential([Dense(512, activation="relu", input_shape=(784,)), Dropout(0.2), Dense(512, activation="relu"),
                        Dropout(0.2), Dense(10, activation="softmax")])
elif name == "cnn":
    count = batch * 4
    model = Sequential([Conv2D(32, 3, activation="relu", input_shape=(28, 28, 1)), Conv2D(64, 3, activation="relu"),
                        MaxPooling2D(), Dropout(0.25), Flatten(), Dense(128, activation="relu"), Dropout(0.5),
                        Dense(10, activation="softmax")])
else:  # accumulated gradients, sums of NumPy
    count = batch * 6
    x = Input((784,))
    first = Dense(512, activation="relu")(x)
    second = Dense(512, activation="relu")(first)
    model = Model(x, Dense(10, activation="softmax")(add([first, second])))
model.compile("adam", "categorical_crossentropy")
x = rng.standard_normal((count, *model.input_shape[1:]), "f4")
y = np.eye(10, dtype="f4")[rng.integers(0, 10, count)]

class Watch(Callback):
    seen = []
    def on_batch_end(self, batch, logs=None):
        self.seen.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)

model.fit(x, y, batch_size=batch, epochs=epochs, verbose=0, callbacks=[Watch()])
steps = np.diff(Watch.seen).tolist()
again = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
model.fit(x, y, batch_size=batch, epochs=1, verbose=0)
again = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - again
with open("/proc/self/status") as status:  # ru_maxrss begins with the parent's
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
print(json.dumps([steps, count // batch, again, peak]))
"""


# malloc's rules at the start: it maps each array of 128 KiB or more for each use. Freed large blocks would change these rules.
STRICT = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}


def measured(name, pooled, environment=()):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name, "pooled" if pooled else "plain"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **dict(environment)}, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["mlp", "cnn", "added"])
def test_steps_make_no_page_faults(name):
    faults, steps, of_next_fit, _ = measured(name, True, STRICT)
    steady = faults[steps:]  # the first epoch fills the pool and the workspaces of the threads
    print(faults, of_next_fit)
    assert sum(steady) <= 16  # the interpreter itself makes a few
    assert sorted(steady)[len(steady) // 2] == 0
    # Arrays of fit itself, such as the order of the samples, are allocated by malloc.
    assert of_next_fit <= 64


def test_without_the_pool_these_steps_make_faults():
    """So the test above would fail without the pool."""
    faults, steps, of_next_fit, _ = measured("mlp", False, STRICT)
    assert min(faults[steps:]) > 500
    assert of_next_fit > 500 * steps


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_the_peak_is_that_of_malloc(name):
    *_, pooled = measured(name, True)
    *_, plain = measured(name, False)
    print(f"{name}: {pooled} KiB pooled, {plain} KiB plain")
    assert pooled <= 1.1 * plain
