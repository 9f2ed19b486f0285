"""What `import lamella` brings along. Its time is printed (`pytest -s`), not asserted: it belongs to the machine."""

import json
import subprocess
import sys

import pytest

# Modules that do not come with NumPy. They load with the first call that needs them.
HEAVY = {"PIL", "h5py", "tqdm", "matplotlib", "sklearn", "scipy", "pandas", "torch", "multiprocessing"}

MEASURE = """
import json, resource, sys, time
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
import numpy
modules, memory, started = set(sys.modules), peak(), time.perf_counter()
{statement}
seconds = time.perf_counter() - started
print(json.dumps({{"seconds": seconds, "MiB": peak() - memory, "new": sorted(set(sys.modules) - modules)}}))
"""


def measure(statement):
    """What a statement needs in addition to `import numpy`, in a new process: seconds, MiB, names of the modules that it loads."""
    run = subprocess.run(
        [sys.executable, "-c", MEASURE.format(statement=statement)], capture_output=True, text=True, check=True
    )
    assert run.stderr == ""
    cost = json.loads(run.stdout)
    print(f"\n{statement}: {cost['seconds']:.3f} s, {cost['MiB']:.1f} MiB, {len(cost['new'])} modules over numpy")
    return cost


def test_import_brings_nothing_but_numpy():
    cost = measure("import lamella")
    ours = {name for name in cost["new"] if name.partition(".")[0] == "lamella"}
    assert ours == {"lamella"}
    assert len(cost["new"]) <= 10
    assert cost["MiB"] < 15
    assert not HEAVY & {name.partition(".")[0] for name in cost["new"]}


def test_importtime_report_names_none_of_the_heavy_ones():
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import lamella"], capture_output=True, text=True, check=True
    )
    names = [line.rpartition("|")[2].strip() for line in run.stderr.splitlines() if line.startswith("import time:")]
    assert "lamella" in names
    assert not HEAVY & {name.partition(".")[0] for name in names}
    microseconds = next(line.split("|")[1] for line in run.stderr.splitlines() if line.endswith("| lamella"))
    print(f"\nimport lamella, NumPy included: {int(microseconds) / 1e6:.3f} s")


def test_a_model_needs_none_of_the_heavy_ones():
    cost = measure(
        "from lamella.models import Sequential; from lamella.layers import Dense;"
        "m = Sequential([Dense(2, input_shape=(3,))]); m.compile('adam', 'mse');"
        "m.fit(numpy.zeros((4, 3)), numpy.zeros((4, 2)), verbose=0)"
    )
    assert not HEAVY & {name.partition(".")[0] for name in cost["new"]}
    # Modules of lamella's own are small and grow with what it can do; what comes from elsewhere does not.
    assert len([name for name in cost["new"] if name.partition(".")[0] != "lamella"]) <= 45


@pytest.mark.parametrize("module", ["lamella.preprocessing.image", "lamella.callbacks", "lamella.config"])
def test_rooms_load_their_helpers_late(module):
    cost = measure(f"import {module}")
    assert module in cost["new"]
    assert not HEAVY & {name.partition(".")[0] for name in cost["new"]}


@pytest.mark.parametrize("module", ["lamella.tf_keras", "lamella.tf_keras.layers", "lamella.tf_keras.optimizers.legacy"])
def test_modules_of_tf_keras_may_be_the_first_import(module):
    assert module in measure(f"import {module}")["new"]


def test_rooms_come_with_their_first_use():
    cost = measure("import lamella; lamella.optimizers")
    ours = {name for name in cost["new"] if name.startswith("lamella.")}
    assert "lamella.optimizers" in ours
    # Optimizers embed anywhere: no tensors, layers or models come with them.
    assert {name.split(".")[1] for name in ours} <= {"_kernels", "core", "optimizers"}
