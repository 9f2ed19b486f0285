"""python -m lamella."""

import os
import platform
import subprocess
import sys

import numpy as np
import pytest

import lamella
from lamella import __main__ as report
from lamella import _kernels


def lines(**environment: str) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("LAMELLA_", "OMP_"))}
    done = subprocess.run(
        [sys.executable, "-m", "lamella"],
        env={**inherited, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return dict(line.split(": ", 1) for line in done.stdout.splitlines())


@pytest.mark.skipif("openmp" not in _kernels.thread_backends(), reason="compiled without OpenMP")
def test_the_report_says_what_runs_on_what():
    said = lines(LAMELLA_TARGET=_kernels.targets()[-1], LAMELLA_THREADS="openmp", OMP_NUM_THREADS="1")
    assert list(said) == [
        "lamella", "Python", "NumPy", "system", "CPU", "targets", "target in use", "threads", "thread backend",
        "CPUs to use", "control group's quota", "OpenMP runtimes loaded", "libraries that use OpenMP",
    ]  # fmt: skip
    assert said["lamella"] == lamella.__version__
    assert said["Python"].startswith(platform.python_version())
    assert said["NumPy"] == np.__version__
    assert said["CPU"].endswith(f"({platform.machine()})")
    assert said["targets"].split() == _kernels.targets()
    assert said["target in use"] == _kernels.targets()[-1]
    assert said["threads"] == "1"
    assert said["thread backend"] == "openmp (of team, openmp)"
    assert said["CPUs to use"] == str(_kernels.cpu_limit())
    quota = _kernels.read_cpu_quota()
    assert said["control group's quota"] == (f"{quota} CPUs" if quota else "none")
    assert "omp" in said["OpenMP runtimes loaded"]
    assert "liblamella" in said["libraries that use OpenMP"]


def test_the_default_backend_is_the_first_of_those_listed():
    assert lines()["thread backend"].startswith(_kernels.thread_backends()[0])


@pytest.mark.parametrize("name", ["libgomp.so.1", "libgomp-24e2ab19.so.1.0.0", "libiomp5.so", "libomp.so.5"])
def test_each_runtime_of_openmp_is_known(tmp_path, name):
    runtime, user, other = tmp_path / name, tmp_path / "user.so", tmp_path / "other.so"
    runtime.write_bytes(b"\x7fELF")
    user.write_bytes(b"\x7fELF\0" + name.encode() + b"\0")
    other.write_bytes(b"\x7fELF\0libgomposites.so\0libm.so.6\0")
    assert report.openmp([runtime, user, other]) == ([str(runtime)], ["user.so"])


def test_the_report_needs_no_linux(monkeypatch, tmp_path):
    """macOS has no /proc."""
    monkeypatch.setattr(report, "PROC", tmp_path)
    said = dict(report.report())
    assert said["CPU"] == f"unknown ({platform.machine()})"
    assert said["OpenMP runtimes loaded"] == said["libraries that use OpenMP"] == "unknown"
