"""python -m bench SUITE: runs each suite and target in a new process; prints tables, and writes JSON to a file."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import record
from bench.record import Json
from bench.run import SUITES
from lamella import _kernels

# These are compared with the peak of one core, or have too little work for two.
ONE_THREAD = ("gemm", "matmul", "conv", "depthwise", "local_conv", "steps")
# These can be measured in CPU time, on one thread.
CPU_TIMED = (*ONE_THREAD, "functions", "torch", "narrow", "recurrent", "embedding", "augmentation", "folder", "blocks")
# For all contenders of `recurrent`: malloc keeps freed memory, as lamella's pool does, so that the next call has no page faults.
KEEP_FREED = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 30)}
ROUNDS, SLICE = 9, 0.1
QUICK_ROUNDS, QUICK_SLICE = 3, 0.01


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    suites = list(SUITES) if options.suite == "all" else [options.suite]
    targets = options.targets or [_kernels.target()]
    machine = record.describe_machine()
    caches = ", ".join(f"{name} {size}" for name, size in machine["caches"].items())
    print(f"{machine['cpu']}, {machine['usable_cpus']} CPUs, {caches}; load average {record.load_average()}")
    runs: list[Json] = []
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for suite in suites:
            # The suite `machine` measures all targets itself.
            for target in targets[:1] if suite == "machine" else targets:
                print(flush=True)
                path = Path(folder) / f"{suite}.{target}.json"
                failed |= start(suite, target, options, path) != 0
                if path.exists():
                    runs.append(json.loads(path.read_text()))
    if options.json is not None:
        options.json.write_text(json.dumps(record.document(runs), indent=1) + "\n")
    return int(failed)


def start(suite: str, target: str, options: argparse.Namespace, path: Path) -> int:
    threads = options.threads or (1 if suite in ONE_THREAD or options.cpu_time else None)
    environment = {**(KEEP_FREED if suite == "recurrent" else {}), **os.environ, "LAMELLA_TARGET": target}
    if threads is not None:
        # NumPy's BLAS reads these once, when it is loaded.
        environment |= {"OPENBLAS_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    command = [sys.executable, "-m", "bench.run", suite, "--json", str(path), "--rounds", str(rounds)]
    command += ["--slice", str(QUICK_SLICE if options.quick else SLICE), "--case", options.case, "--images", options.images]
    command += ["--threads", str(threads)] if threads is not None else []
    command += ["--quick"] * options.quick + ["--without-torch"] * options.without_torch
    command += ["--cpu-time"] * options.cpu_time
    command += [f"--peer={python}" for python in options.peer]
    return subprocess.run(command, env=environment).returncode


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Compares lamella with the machine's limits and, if it is installed, with torch. Each row "
        "gives the median over the rounds and the spread (the distance between the quartiles divided by the median). Ratios "
        "are computed within a round; above 1 lamella is faster. python -m bench.compare compares two files.",
    )
    parser.add_argument("suite", choices=[*SUITES, "all"])
    parser.add_argument("--quick", action="store_true", help="a few small cases and rounds: a check that everything runs")
    parser.add_argument("--rounds", type=positive, help=f"default {ROUNDS}; use at least 5 for figures to quote")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all timings and a description of the machine")
    parser.add_argument(
        "--threads",
        type=positive,
        help="for every contender; default: all CPUs, but 1 for gemm, matmul, conv, depthwise, local_conv and steps",
    )
    parser.add_argument(
        "--targets",
        type=target_list,
        metavar="LIST",
        help=f"'all', or some of {','.join(_kernels.targets())}; default: the one that lamella selects",
    )
    parser.add_argument("--case", default="", metavar="TEXT", help="only cases whose name contains TEXT")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help=f"{', '.join(CPU_TIMED)} on one thread: measure CPU time, which other programs disturb less than wall time",
    )
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="PYTHON",
        help="recurrent, models: a Python interpreter with JAX or TensorFlow, and Keras 3 (models: or 2.2.5); may be repeated",
    )
    parser.add_argument(
        "--images",
        default="",
        metavar="DIR",
        help="folder, folder_training: a folder with a folder of images for each class, read at 32x32 pixels",
    )
    parser.add_argument("--without-torch", action="store_true", help="leave torch out even if it is installed")
    options = parser.parse_args(arguments)
    if options.cpu_time and (options.suite not in CPU_TIMED or options.threads not in (None, 1)):
        parser.error(f"--cpu-time is for {', '.join(CPU_TIMED)} on one thread")
    return options


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {text}")
    return value


def target_list(text: str) -> list[str]:
    known = list(_kernels.targets())
    if text == "all":
        return known
    wanted = text.split(",")
    for name in wanted:
        if name not in known:
            raise argparse.ArgumentTypeError(f"no target '{name}' on this machine; it can run {', '.join(known)}")
    return wanted


if __name__ == "__main__":
    sys.exit(main())
