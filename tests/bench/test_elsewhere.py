"""Peers in processes of other interpreters."""

import importlib.util
import subprocess
import sys
import time

import pytest

from bench.elsewhere import Elsewhere, cpu_seconds, frameworks
from bench.harness import Case, Contender, Plan, measure
from bench.kernels.recurrent import PASSES, Sequences, case


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
    side = Elsewhere(sys.executable, framework, 1)
    try:
        for kind in ("LSTM", "GRU"):
            for direction in PASSES:
                made = case(Sequences(kind, 3, 4, 5, 6), direction, Plan(threads=1), [side])
                assert {c.name: c.error() < 1e-4 for c in made.contenders if c.error} == {"lamella": True, side.name: True}
    finally:
        side.end()
