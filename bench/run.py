"""Runs one suite in this process. `python -m bench` starts it, with target and threads in the environment."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
import time
from pathlib import Path

from bench import record, tables
from bench.harness import Clock, Plan, Result, WrongResult, measure
from bench.record import Json
from lamella import _kernels

SUITES = {
    "machine": "bench.machine",
    "optimizers": "bench.kernels.optimizers",
    "torch": "bench.torch_steps",
    "narrow": "bench.narrow_steps",
    "gemm": "bench.kernels.gemm",
    "matmul": "bench.kernels.matmul",
    "conv": "bench.kernels.conv",
    "depthwise": "bench.kernels.depthwise",
    "local_conv": "bench.kernels.local_conv",
    "functions": "bench.functions",
    "recurrent": "bench.kernels.recurrent",
    "embedding": "bench.embedding",
    "augmentation": "bench.augmentation",
    "folder": "bench.folder",
    "folder_training": "bench.folder_training",
    "steps": "bench.steps",
    "blocks": "bench.blocks",
    "models": "bench.models",
    "networks": "bench.networks",
    "hog": "bench.hog",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.run")
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--slice", type=float, required=True)
    parser.add_argument("--case", default="")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--images", default="")
    parser.add_argument("--without-torch", action="store_true")
    parser.add_argument("--peer", action="append", default=[])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    threads = options.threads or _kernels.num_threads()
    _kernels.set_num_threads(threads)
    torch = not options.without_torch and importlib.util.find_spec("torch") is not None
    heading = f"{options.suite}: {threads} thread{'s' * (threads > 1)}, lamella at {_kernels.target()}"
    if torch:
        from bench.peers import torch_peer

        torch_peer.set_threads(threads)
        heading += f", torch {torch_peer.describe()}"
    print(heading + (", CPU time" if options.cpu_time else ""))
    if not torch and options.suite != "machine":
        print("torch is not a peer in this run: it is not installed, or was left out. Its columns are missing.")
    plan = Plan(
        options.rounds,
        options.slice,
        options.quick,
        threads,
        torch,
        options.case,
        tuple(options.peer),
        options.images,
    )
    load = record.load_average()
    clock = time.process_time if options.cpu_time else time.perf_counter
    results, wrong = run(options.suite, plan, clock)
    print(tables.render(results))
    for complaint in wrong:
        print(f"not timed: {complaint}")
    if options.json is not None:
        summary: Json = {
            "suite": options.suite,
            "target": _kernels.target(),
            "threads": threads,
            "rounds": plan.rounds,
            "clock": "cpu" if options.cpu_time else "wall",
            "load_average": [load, record.load_average()],
            "wrong": wrong,
            "results": [record.result_to_json(r) for r in results],
        }
        options.json.write_text(json.dumps(summary))
    return int(bool(wrong))


def run(suite: str, plan: Plan, clock: Clock) -> tuple[list[Result], list[str]]:
    """The results, and the errors of the cases without results."""
    results, wrong = [], []
    module = importlib.import_module(SUITES[suite])
    # A suite may split a result that was measured together into rows.
    rows = getattr(module, "split", lambda result: [result])
    for case in module.cases(plan):
        print(f"  {case.name}", file=sys.stderr, flush=True)
        try:
            results += rows(measure(case, plan, clock))
        except WrongResult as error:
            wrong.append(str(error))
    return results, wrong


if __name__ == "__main__":
    sys.exit(main())
