"""The harness's arithmetic on a clock of our own, the record, the comparison, and that a quick run comes through."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench import compare, nets, record, tables
from bench.harness import (
    Case,
    Contender,
    Plan,
    Result,
    Timing,
    Turn,
    WrongResult,
    best_peer,
    beyond,
    binding_limit,
    measure,
    plan_turn,
    ratio,
    spread_of,
    turns,
)
from bench.kernels import conv, depthwise, gemm, local_conv, matmul, optimizers
from bench.remote import Remote
from bench.run import SUITES

ROOT = Path(__file__).parents[2]


class Clock:
    """Stands still but for the work done."""

    def __init__(self):
        self.now = 0.0
        self.order = []

    def __call__(self):
        return self.now

    def work(self, name, costs):
        """A contender whose n-th call takes costs[n], the last one from then on."""
        calls = iter(costs)
        last = [costs[-1]]

        def run():
            self.now += next(calls, last[0])
            self.order.append(name)

        return run


def timing(seconds, role="ours", amount=1.0):
    return Timing(role, amount, list(seconds))


def test_spread_is_the_quartiles_distance_over_the_median():
    got = spread_of([1.0, 2.0, 3.0, 4.0, 5.0])
    assert got.median == 3.0 and got.spread == pytest.approx((4.0 - 2.0) / 3.0)
    assert spread_of([7.0]) == spread_of([7.0, 7.0, 7.0])
    with pytest.raises(ValueError, match="at least one"):
        spread_of([])


def test_the_limit_is_the_lower_one():
    timings = {"fma": timing([1.0, 1.0], "limit", 9.0), "stream": timing([1.0, 2.0], "limit", 6.0), "ours": timing([1.0, 1.0])}
    assert binding_limit(Result("a", "GB/s", timings)) is timings["stream"]
    assert binding_limit(Result("a", "GB/s", {"ours": timings["ours"]})) is None


@pytest.mark.parametrize("layer", [depthwise.Layer(5, 8, images=2), depthwise.Layer(6, 3, stride=2, images=1)])
def test_depthwise_meets_its_reference(layer):
    for direction in depthwise.PASSES:
        ours = depthwise.case(layer, direction, Plan(threads=1)).contenders[0]
        assert ours.error() < 1e-5
        assert ours.amount == 4 * layer.images * layer.channels * (layer.size**2 + layer.out**2)


@pytest.mark.parametrize("layer", [local_conv.Layer((5, 6), 3, 4, images=2), local_conv.Layer((9,), 4, 5, images=3)])
def test_local_convolution_meets_its_reference(layer):
    for direction in local_conv.PASSES:
        ours = local_conv.case(layer, direction, Plan(threads=1)).contenders[0]
        assert ours.error() < 1e-5
        assert ours.amount == 2 * layer.images * layer.places * layer.terms * layer.filters


@pytest.mark.parametrize("order", matmul.ORDERS)
def test_products_of_batches_meet_their_reference(order):
    for shape in ((3, 4, 5, 6), (7, 1, 20, 1)):
        ours, numpy = matmul.case(shape, order, Plan(threads=1)).contenders[:2]
        assert ours.error() < 1e-5 and numpy.error() < 1e-5
        assert ours.amount == numpy.amount == 2 * np.prod(shape)


def test_ratio_divides_round_by_round_not_median_by_median():
    # The machine slows down threefold in the middle: each round's ratio is 2 all the same.
    ours, other = timing([1.0, 3.0, 1.0]), timing([2.0, 6.0, 2.0], "peer")
    assert ratio(ours, other).median == 2.0 and ratio(ours, other).spread == 0.0
    # Other work in one call: rates are compared, not times.
    assert ratio(ours, timing([2.0, 6.0, 2.0], "peer", amount=4.0)).median == 0.5
    with pytest.raises(ValueError):
        ratio(ours, timing([1.0], "peer"))


def test_best_peer_is_the_fastest_by_median_rate():
    timings = {"us": timing([1.0]), "a": timing([3.0, 3.0, 9.0], "peer"), "b": timing([4.0, 4.0, 1.0], "peer")}
    assert best_peer(Result("c", "us", timings)) == "a"
    assert best_peer(Result("c", "us", {"us": timing([1.0])})) is None


def test_a_turn_fills_its_slice_in_parts():
    clock = Clock()
    assert plan_turn(clock.work("a", [0.001]), 0.1, clock) == Turn(parts=5, calls=20)
    assert plan_turn(clock.work("b", [0.05]), 0.1, clock) == Turn(parts=2, calls=1)
    assert plan_turn(clock.work("c", [0.5]), 0.1, clock) == Turn(parts=1, calls=1)


def test_the_fastest_part_of_a_turn_counts():
    clock = Clock()
    # One call to plan, one untimed, then five parts of 2 calls, of which the third meets no other program.
    costs = [1.0] + [99.0] + [3.0] * 4 + [1.0, 2.0] + [3.0] * 4
    case = Case("c", "us", [Contender("a", "ours", clock.work("a", costs), 1.0)])
    result = measure(case, Plan(rounds=1, slice=10.0), clock)
    assert result.timings["a"].seconds == [1.5]


def test_every_round_runs_every_contender_once_and_starts_one_later():
    assert list(turns(3, 3)) == [0, 1, 2, 1, 2, 0, 2, 0, 1]


def test_measure_times_each_contender_without_its_first_call():
    clock = Clock()
    # Calls: one to find the count (0.5 s: a count of 1), then in each round one untimed and one timed.
    ours = Contender("ours", "ours", clock.work("ours", [0.5, 9.0, 0.5, 9.0, 0.25]), 10.0)
    peer = Contender("peer", "peer", clock.work("peer", [0.5, 9.0, 1.0, 9.0, 1.0]), 10.0)
    result = measure(Case("c", "us", [ours, peer]), Plan(rounds=2, slice=0.5), clock)
    assert result.timings["ours"].seconds == [0.5, 0.25]
    assert result.timings["peer"].seconds == [1.0, 1.0]
    assert ratio(result.timings["ours"], result.timings["peer"]).median == 3.0
    assert clock.order == ["ours", "peer", *["ours"] * 2, *["peer"] * 2, *["peer"] * 2, *["ours"] * 2]


@pytest.mark.parametrize("error", [1e-2, math.nan])
def test_a_wrong_contender_is_not_timed(error):
    case = Case("c", "us", [Contender("a", "ours", lambda: None, 1.0, lambda: error)])
    with pytest.raises(WrongResult, match="c: a is off by"):
        measure(case, Plan(), Clock())


def test_table_shows_share_of_the_limit_and_ratio_to_the_best_peer():
    timings = {
        "ours": timing([2e-6] * 3, amount=20.0),
        "peer": timing([3e-6] * 3, "peer", amount=20.0),
        "limit": timing([4e-6] * 3, "limit", amount=80.0),
    }
    head, line = tables.render([Result("c", "us", timings)]).splitlines()
    assert [w for w in head.split("  ") if w.strip()][-1].strip() == "ours / best peer"
    # The limit does 80 in 4 us, so 20 in 1 us: half of it is reached.
    assert line.split() == "c ours us 2.00 ±0 % 3.00 ±0 % 1.00 ±0 % 50 % 1.50 ±0 %".split()


def document(seconds, limit=1.0):
    result = Result("c", "us", {"ours": timing(seconds), "limit": timing([limit] * len(seconds), "limit")})
    run = {"suite": "gemm", "target": "t", "threads": 1, "results": [record.result_to_json(result)]}
    return record.document([run])


def test_record_survives_json_and_names_the_machine_but_no_host():
    got = json.loads(json.dumps(document([1.0, 2.0])))
    assert got["schema"] == record.SCHEMA
    assert set(got["machine"]) == {
        "cpu", "architecture", "logical_cpus", "usable_cpus", "caches", "system", "versions"
    }  # fmt: skip
    assert {"python", "numpy"} <= set(got["machine"]["versions"])
    assert os.uname().nodename not in json.dumps(got)
    result = record.result_from_json(got["runs"][0]["results"][0])
    assert result.timings["ours"] == timing([1.0, 2.0])


def test_compare_gives_the_speedup_and_the_one_without_the_machines_drift():
    # Twice as fast, on a machine that is twice as fast itself.
    line = compare.compare(document([1.0] * 3), document([0.5] * 3, limit=0.5)).splitlines()[1]
    assert line.split("]")[1].split() == "ours 1,000,000 us 500,000 us 2.00 ±0 % * 1.00 ±0 %".split()


def test_compare_reads_files(tmp_path, capsys):
    for name, seconds in (("before", [1.0] * 3), ("after", [1.0, 1.1, 1.2])):
        (tmp_path / name).write_text(json.dumps(document(seconds)))
    assert compare.main([str(tmp_path / "before"), str(tmp_path / "after")]) == 0
    assert "gemm c [t, 1]" in capsys.readouterr().out
    (tmp_path / "after").write_text(json.dumps({"schema": 0}))
    with pytest.raises(SystemExit):
        compare.main([str(tmp_path / "before"), str(tmp_path / "after")])


def test_the_161_arrays_are_a_resnet50():
    sizes = [int(np.prod(shape)) for shape in optimizers.resnet50(64)]
    assert len(sizes) == 161 and sum(sizes) == 25_557_032  # the count that torchvision gives
    total = sum(int(np.prod(shape)) for shape in optimizers.SIZES["161 arrays"])
    assert total == pytest.approx(8.2e6, rel=0.01)


def test_our_kernels_meet_the_references_on_every_pass():
    plan = Plan()
    small = [conv.Layer("a", 2, 9, 3, 5, padding=1), conv.Layer("b", 2, 9, 3, 5, window=3, stride=2, dilation=2)]
    small += [conv.Layer("c", 2, 9, 3, 5, padding=1, axes=1), conv.Layer("d", 2, 5, 3, 5, stride=2, padding=1, axes=3)]
    cases = [conv.case(layer, way, plan) for layer in small for way in conv.PASSES]
    cases += [gemm.case((7, 5, 11), way, plan) for way in gemm.PASSES]
    cases += [optimizers.case(rule, "1e3", plan) for rule in optimizers.RULES]
    for case in cases:
        for contender in case.contenders:
            if contender.error is not None:
                assert contender.error() < 1e-4, (case.name, contender.name)


@pytest.mark.parametrize("net", [*nets.NETS, *nets.BLOCKS], ids=lambda net: net.name)
def test_weights_fit_the_layers_of_each_net(net):
    shapes = [w.shape for w in nets.initial_weights(net)]
    dense = [layer for layer, _ in nets.walk(net) if isinstance(layer, nets.Dense)]
    assert shapes[-1] == (net.classes,) and dense[-1].units == net.classes
    x, labels = nets.data(net)
    assert len(x) == len(labels) == net.samples and x.shape[1:] == net.input


class Far:
    def __init__(self, number):
        self.number = number

    def times(self, factor):
        return self.number * factor

    def process(self):
        return os.getpid()


def test_what_is_beyond_the_limit():
    ours, limit = timing([3.0, 5.0, 4.0], amount=2.0), timing([1.0, 1.0, 2.0], "limit", amount=4.0)
    assert beyond(ours, limit).median == pytest.approx(1.5)  # of 1.25, 2.25, 1.5 seconds for each piece of work
    text = tables.render([Result("net", "us/step", {"fit": ours, "calls": limit})])
    assert "beyond it" in text and f"{1.5e6:,.0f}" in text


def test_remote_lives_in_another_process_and_passes_failures_on():
    with Remote(Far, 6) as far:
        assert far.call("times", 7) == 42 and far.call("process") != os.getpid()
        with pytest.raises(RuntimeError, match="AttributeError"):
            far.call("missing")


def bench(*arguments):
    return subprocess.run([sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=240)


@pytest.mark.parametrize(
    "suite", ["machine", "gemm", "functions", "recurrent", "embedding", "augmentation", "folder", "folder_training", "steps"]
)
def test_quick_run_without_torch_gives_finite_numbers(suite, tmp_path):
    path = tmp_path / "out.json"
    done = bench(suite, "--quick", "--rounds", "2", "--without-torch", "--json", str(path))
    assert done.returncode == 0, done.stderr
    got = json.loads(path.read_text())
    (run,) = got["runs"]
    assert run["suite"] == suite and len(run["load_average"]) == 2 and run["results"]
    for result in run["results"]:
        assert not [name for name in result["contenders"] if "torch" in name]
        for contender in result["contenders"].values():
            assert len(contender["seconds"]) == 2
            assert all(math.isfinite(s) and s > 0 for s in contender["seconds"])
            assert contender["error"] is None or contender["error"] < 1e-4
    if suite == "steps":
        assert "its 11 kernel calls" in done.stdout and "beyond it" in done.stdout
    if suite == "gemm":
        assert "torch is not a peer in this run" in done.stdout
        assert all({"lamella", "numpy", "FMA peak"} <= set(r["contenders"]) for r in run["results"])


def test_the_suite_of_torch_times_steps_that_are_right(tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "out.json"
    done = bench("torch", "--quick", "--rounds", "2", "--json", str(path))
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(path.read_text())["runs"]
    for result in run["results"]:
        assert {"lamella.torch", "torch fused", "torch foreach"} == set(result["contenders"])
        assert all(contender["error"] < 1e-4 for contender in result["contenders"].values())


def test_the_suite_of_narrow_slots_times_every_storage(tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "out.json"
    done = bench("narrow", "--quick", "--rounds", "2", "--json", str(path))
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(path.read_text())["runs"]
    steps, mixed = (result["contenders"] for result in run["results"])
    assert {"lamella float32", "lamella bfloat16", "lamella bfloat16, nearest", "lamella 8bit", "torch fused"} <= set(steps)
    assert all(steps[name]["error"] < 1e-4 for name in ("lamella float32", "torch fused"))
    assert {"lamella float32", "lamella bfloat16", "lamella 8bit", "torch, separate calls"} == set(mixed)


@pytest.mark.parametrize("suite", ["torch", "narrow"])
def test_the_suites_of_torch_are_empty_without_it(suite):
    done = bench(suite, "--quick", "--rounds", "2", "--without-torch")
    assert done.returncode == 0, done.stderr
    assert "torch is not a peer in this run" in done.stdout


def test_command_line_refuses_what_it_does_not_know():
    assert bench("--help").returncode == 0
    wrong = ["everything", "gemm --rounds 0", "gemm --targets z80", "models --cpu-time", "recurrent --cpu-time --threads 2"]
    for arguments in wrong:
        assert bench(*arguments.split()).returncode == 2


def test_the_table_of_suites_has_a_row_for_each():
    lines = (ROOT / "bench" / "README.md").read_text().splitlines()
    rows = [line.split("`")[1] for line in lines if line.startswith("| `")]
    assert rows == list(SUITES)
