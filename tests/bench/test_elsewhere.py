"""Peers in processes of other interpreters."""

import importlib.metadata
import importlib.util
import subprocess
import sys
import time

import pytest

from bench.elsewhere import ModelElsewhere, RecurrentElsewhere, cpu_seconds, frameworks, keras_over
from bench.harness import Case, Contender, Plan, measure
from bench.kernels.recurrent import PASSES, Sequences, case
from bench.models import loss_error
from bench.nets import Conv, Dense, Drop, Embed, Flatten, GlobalPool, Lstm, Net, Pool
from bench.remote import Remote
from bench.trainer import LamellaTrainer


def test_the_cpu_time_of_a_contender_is_that_of_its_process():
    """An own clock counts only where CPU time is counted."""
    spent = [0.0]

    def run():
        spent[0] += 2.0

    for clock, seconds in ((time.process_time, 2.0), (time.perf_counter, 0.0)):
        made = Case("case", "GFLOP/s", [Contender("far", "peer", run, 1.0, cpu_clock=lambda: spent[0])])
        (taken,) = measure(made, Plan(rounds=1, slice=0.001), clock).timings["far"].seconds
        assert taken == pytest.approx(seconds, abs=0.1)


def test_the_clock_of_another_process_counts_its_work():
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        before = cpu_seconds(busy.pid)
        time.sleep(0.2)
        assert cpu_seconds(busy.pid) > before
    finally:
        busy.kill()
        busy.wait()


def test_frameworks_are_those_that_are_installed():
    assert frameworks(sys.executable) == [name for name in ("jax", "tensorflow") if importlib.util.find_spec(name)]


@pytest.mark.parametrize("framework", ["jax", "tensorflow"])
def test_other_frameworks_meet_the_reference(framework):
    pytest.importorskip(framework)
    if framework == "tensorflow":
        pytest.importorskip("keras")
    with RecurrentElsewhere(sys.executable, framework, 1) as side:
        for kind in ("LSTM", "GRU"):
            for direction in PASSES:
                made = case(Sequences(kind, 3, 4, 5, 6), direction, Plan(threads=1), [side])
                assert {c.name: c.error() < 1e-4 for c in made.contenders if c.error} == {"lamella": True, side.name: True}


# Every layer that a net of the suite has.
TINY = [
    Net("images", (8, 8, 3), 4, 6, 3, (Conv(4, "same", norm=True), Conv(5), Pool(), Drop(0.5), Flatten(), Dense(7))),
    Net("means", (6, 6, 3), 4, 6, 3, (Conv(4), GlobalPool())),
    Net("words", (5,), 3, 6, 3, (Embed(11, 4), Lstm(6))),
]


@pytest.mark.parametrize("framework", ["jax", "tensorflow", "keras2"])
def test_models_of_keras_over_other_frameworks_have_our_losses(framework):
    version = next((d.version for d in importlib.metadata.distributions(name="keras")), "")
    if version != "2.2.5" if framework == "keras2" else version < "3":
        pytest.skip("another Keras, or none, is installed")
    pytest.importorskip("tensorflow" if framework == "keras2" else framework)
    assert (sys.executable, framework) in keras_over([sys.executable])
    for net in TINY:
        with Remote(LamellaTrainer, net, 1, "float32") as ours, ModelElsewhere(sys.executable, framework, 1, net) as theirs:
            wanted = ours.call("losses", 3)
            assert len(set(wanted)) == 3
            assert loss_error(theirs.call("losses", 3), wanted) < 1e-4
            assert theirs.call("epoch") is None
