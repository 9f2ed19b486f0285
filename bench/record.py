"""The record of a run as JSON: its timings and a description of the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

from bench.harness import Result, Timing

# A result of json.load: its values have any type.
Json: TypeAlias = dict[str, Any]

SCHEMA = 1


def describe_machine() -> Json:
    """CPU, caches and versions. Never a host name, because results are published."""
    return {
        "cpu": _cpu_model(),
        "architecture": platform.machine(),
        "logical_cpus": os.cpu_count(),
        "usable_cpus": len(os.sched_getaffinity(0)),
        "caches": _caches(),
        "system": f"{platform.system()} {platform.release()}",
        "versions": {"python": platform.python_version(), **_versions("lamella", "numpy", "torch")},
    }


def load_average() -> float:
    """The load average of the last minute. On a quiet machine it is well under 1 before a run."""
    return round(os.getloadavg()[0], 2)


def result_to_json(result: Result) -> Json:
    return {
        "case": result.case,
        "unit": result.unit,
        "contenders": {
            name: {"role": t.role, "amount": t.amount, "error": t.error, "seconds": t.seconds}
            for name, t in result.timings.items()
        },
    }


def result_from_json(record: Mapping[str, Any]) -> Result:
    timings = {name: Timing(c["role"], c["amount"], list(c["seconds"]), c["error"]) for name, c in record["contenders"].items()}
    return Result(record["case"], record["unit"], timings)


def document(runs: Sequence[Json]) -> Json:
    return {"schema": SCHEMA, "machine": describe_machine(), "runs": list(runs)}


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    pairs = (line.partition(":") for line in lines)
    named = {key.strip(): value.strip() for key, _, value in pairs}
    # Virtual machines often hide the model's name; family and model still identify the core.
    return "{} (family {}, model {})".format(*(named.get(k, "?") for k in ("model name", "cpu family", "model")))


def _caches() -> dict[str, str]:
    caches = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        caches[f"L{level} {kind.lower()}"] = size
    return caches


def _versions(*packages: str) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
