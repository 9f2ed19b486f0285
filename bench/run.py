"""One suite in this process: `python -m bench` starts it with the target and the libraries' threads in the environment."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
from pathlib import Path

from bench import record, tables
from bench.harness import Plan, Result, measure
from bench.record import Json

SUITES = {
    "machine": "bench.machine",
    "optimizers": "bench.kernels.optimizers",
    "gemm": "bench.kernels.gemm",
    "conv": "bench.kernels.conv",
    "models": "bench.models",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.run")
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--slice", type=float, required=True)
    parser.add_argument("--case", default="")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--without-torch", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    from lamella import _kernels

    threads = options.threads or _kernels.num_threads()
    _kernels.set_num_threads(threads)
    torch = not options.without_torch and importlib.util.find_spec("torch") is not None
    heading = f"{options.suite}: {threads} thread{'s' * (threads > 1)}, lamella at {_kernels.target()}"
    if torch:
        from bench.peers import torch_peer

        torch_peer.set_threads(threads)
        heading += f", torch {torch_peer.describe()}"
    print(heading)
    if not torch and options.suite != "machine":
        print("torch is not a peer in this run: not installed, or left out. Its columns are missing.")
    plan = Plan(options.rounds, options.slice, options.quick, threads, torch)
    load = record.load_average()
    results = run(options.suite, plan, options.case)
    print(tables.render(results), flush=True)
    if options.json is not None:
        summary: Json = {
            "suite": options.suite,
            "target": _kernels.target(),
            "threads": threads,
            "rounds": plan.rounds,
            "load_average": [load, record.load_average()],
            "results": [record.result_to_json(r) for r in results],
        }
        options.json.write_text(json.dumps(summary))


def run(suite: str, plan: Plan, wanted: str) -> list[Result]:
    results = []
    for case in importlib.import_module(SUITES[suite]).cases(plan):
        if wanted in case.name:
            print(f"  {case.name}", file=sys.stderr, flush=True)
            results.append(measure(case, plan))
    return results


if __name__ == "__main__":
    main()
