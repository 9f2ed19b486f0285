"""lamella.config: the choice of target and threads, and what processes do to it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lamella import _kernels, config

TARGETS = Path(__file__).parents[1] / "cpp" / "targets.def"

# Large enough to go parallel; prints the sum as exact bits.
WORK = """
import numpy as np
from lamella import _kernels
x = np.random.default_rng(0).random(1 << 20)
def total():
    y = np.empty(1)
    _kernels.sum_all(x, y)
    return y[0].hex()
"""


def python(script: str, *, cpus: set[int] | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if k not in ("LAMELLA_TARGET", "LAMELLA_THREADS", "OMP_NUM_THREADS")}
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**inherited, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_targets_are_listed_best_first_and_one_is_in_use():
    assert config.target() in config.targets()
    order = re.findall(r"^TARGET\((\w+),", TARGETS.read_text(), re.M)
    assert len(order) >= 4 and config.targets() == [name for name in order if name in config.targets()]
    assert config.targets()


@pytest.mark.parametrize("target", _kernels.targets())
def test_the_environment_chooses_the_target(target):
    done = python("from lamella import config; print(config.target())", LAMELLA_TARGET=target)
    assert done.stdout == target + "\n"


def test_an_unknown_target_is_an_import_error_that_lists_those_there_are():
    done = python("import lamella.config", LAMELLA_TARGET="avx9000")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: lamella: LAMELLA_TARGET=avx9000 is not a target that this machine can run")
    assert last.endswith(" ".join(config.targets()))


def test_threads_heed_openmp_and_affinity():
    script = "from lamella import config; print(config.num_threads())"
    assert python(script, OMP_NUM_THREADS="1").stdout == "1\n"
    assert python(script, cpus={min(os.sched_getaffinity(0))}).stdout == "1\n"
    assert int(python(script, OMP_NUM_THREADS="64").stdout) <= len(os.sched_getaffinity(0))


# The file system of control groups and the process's place in it, mounted over the real ones in a separate namespace.
QUOTA = """
mount --bind {root} /sys/fs/cgroup && mount --bind {root}/self /proc/$$/cgroup &&
exec {python} -c 'from lamella import config; print(config.num_threads())'
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs to see one taken away")
@pytest.mark.parametrize(
    ("line", "files", "threads"),
    [
        ("0::/", {"cpu.max": "100000 100000"}, 1),
        ("0::/", {"cpu.max": "100001 100000"}, 2),
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("0::/pod/me", {"pod/cpu.max": "50000 100000", "pod/me/cpu.max": "max 100000"}, 1),
        ("0::/not/seen/here", {"cpu.max": "90000 100000"}, 1),
        ("3:cpu,cpuacct:/me", {"cpu/me/cpu.cfs_quota_us": "20000", "cpu/me/cpu.cfs_period_us": "50000"}, 1),
        ("3:cpuacct,cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("2:cpuset:/", {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("garbage", {"cpu.max": "100000 100000"}, None),
    ],
)
def test_threads_heed_the_control_groups_quota(tmp_path, line, files, threads):
    mounts = ["unshare", "-rm", "mount", "--bind", tmp_path, "/sys/fs/cgroup"]
    if shutil.which("unshare") is None or subprocess.run(mounts, capture_output=True).returncode:
        pytest.skip("no namespaces for mounts here")
    (tmp_path / "self").write_text(line + "\n")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", QUOTA.format(root=tmp_path, python=sys.executable)],
        env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == f"{threads or len(os.sched_getaffinity(0))}\n", done.stderr


def test_the_number_of_threads_is_checked():
    for wrong, error in ((0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError), ("2", TypeError)):
        with pytest.raises(error, match="set_num_threads: expected"):
            config.set_num_threads(wrong)
    before = config.num_threads()
    try:
        config.set_num_threads(10**6)
        assert config.num_threads() == 4 * os.cpu_count()
    finally:
        config.set_num_threads(before)


@pytest.mark.skipif("openmp" not in _kernels.thread_backends(), reason="compiled without OpenMP")
def test_threadpoolctl_limits_the_kernels():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    before = config.num_threads()
    try:
        config.set_num_threads(2)
        with threadpoolctl.threadpool_limits(1):
            assert config.num_threads() == 1
    finally:
        config.set_num_threads(before)


backends = pytest.mark.parametrize("backend", _kernels.thread_backends())


def test_the_environment_chooses_where_threads_come_from():
    script = "from lamella import _kernels; print(_kernels.thread_backend())"
    for name in _kernels.thread_backends():
        assert python(script, LAMELLA_THREADS=name).stdout == name + "\n"
    assert python(script, LAMELLA_THREADS="").stdout == _kernels.thread_backends()[0] + "\n"
    done = python(script, LAMELLA_THREADS="gang")
    assert done.returncode == 1
    names = " ".join(_kernels.thread_backends())
    assert done.stderr.splitlines()[-1] == f"ImportError: lamella: LAMELLA_THREADS=gang: expected one of: {names}"


@backends
@pytest.mark.parametrize("used_before", [True, False])
def test_a_forked_child_computes_the_same_and_does_not_hang(backend, used_before):
    script = f"""{WORK}
import os
_kernels.set_num_threads(2)
before = total() if {used_before} else None
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, (total() + " " + str(_kernels.num_threads())).encode())
    os._exit(0)
os.wait()
bits, threads = os.read(read, 100).decode().split()
assert bits == total() and before in (None, bits)
print(threads, _kernels.num_threads())
"""
    done = python(script, LAMELLA_THREADS=backend)
    assert done.returncode == 0, done.stderr
    # Nothing shows whether another library started threads before the fork, so every child uses one thread.
    assert done.stdout == "1 2\n"


@backends
def test_a_child_forked_within_a_region_continues(backend):
    script = f"""{WORK}
import os, threading
_kernels.set_num_threads(3)
wanted, stop = total(), False
def work():
    while not stop:
        total()
thread = threading.Thread(target=work)
thread.start()
for _ in range(20):
    if (child := os.fork()) == 0:
        os._exit(0 if total() == wanted else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
stop = True
thread.join()
print("done")
"""
    done = python(script, LAMELLA_THREADS=backend)
    assert done.stdout == "done\n", done.stderr


# Another user of OpenMP in the process, as torch is one; its threads do not survive the fork either.
OTHER = """
#include <omp.h>
int other(void) {
    int n = 0;
#pragma omp parallel num_threads(2) reduction(+ : n)
    n += 1;
    return n;
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to make the other user with")
@backends
def test_a_child_forked_after_another_user_of_openmp_does_not_hang(tmp_path, backend):
    (tmp_path / "other.c").write_text(OTHER)
    command = ["cc", "-shared", "-fPIC", "-fopenmp", "-o", tmp_path / "other.so", tmp_path / "other.c"]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("the C compiler has no OpenMP")
    script = f"""{WORK}
import ctypes, os
_kernels.set_num_threads(2)
assert ctypes.CDLL("{tmp_path}/other.so").other() == 2
if (child := os.fork()) == 0:
    total()
    os._exit(17)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert python(script, LAMELLA_THREADS=backend).stdout == "17\n"


# No room for another thread's stack; no right to another process, which root always has.
NO_ROOM = {
    "address space": """
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
before = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (now + (1 << 20), before[1]))
def free():
    resource.setrlimit(resource.RLIMIT_AS, before)
""",
    "processes": """
before = resource.getrlimit(resource.RLIMIT_NPROC)
resource.setrlimit(resource.RLIMIT_NPROC, (0, before[1]))
if os.getuid() == 0:
    os.setuid(65534)
def free():
    resource.setrlimit(resource.RLIMIT_NPROC, before)
""",
}


@backends
@pytest.mark.parametrize("limit", NO_ROOM)
def test_kernels_run_serially_where_the_system_gives_no_threads(backend, limit):
    script = f"""{WORK}
import os, resource
_kernels.set_num_threads(1)
wanted = total()
_kernels.set_num_threads(4)
{NO_ROOM[limit]}
assert _kernels.num_threads() == 4
assert total() == wanted
print(_kernels.num_threads())
free()
assert total() == wanted and _kernels.num_threads() == 1  # asked once
_kernels.set_num_threads(4)
assert total() == wanted
print(_kernels.num_threads())
"""
    done = python(script, LAMELLA_THREADS=backend)
    assert done.stdout == "1\n4\n", done.stderr


def test_threads_of_ours_leave_signals_to_the_program():
    script = f"""{WORK}
import glob, time
_kernels.set_num_threads(3)
total()
def blocked():
    for path in glob.glob("/proc/self/task/*/status"):
        lines = dict(line.split(":\\t", 1) for line in open(path))
        if lines["Name"].strip() == "lamella":
            yield int(lines["SigBlk"], 16) >> 1 & 1, int(lines["SigBlk"], 16) >> 10 & 1
# Until its first turn the system blocks everything in a thread; kernels do not wait for that.
end = time.monotonic() + 30
while (found := list(blocked())) != [(1, 0), (1, 0)] and time.monotonic() < end:
    time.sleep(0.01)
print(found)
"""
    # Besides the caller there are two threads. SIGINT is blocked in them; SIGSEGV, which an error of theirs would cause, is not.
    assert python(script, LAMELLA_THREADS="team").stdout == "[(1, 0), (1, 0)]\n"


@backends
def test_threads_of_the_callers_own_compute_the_same(backend):
    script = f"""{WORK}
if __name__ == "__main__":
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(4) as pool:
        print(len(set(pool.map(lambda _: total(), range(32)))))
"""
    assert python(script, LAMELLA_THREADS=backend).stdout == "1\n"


def test_the_dialect_is_one_of_two():
    assert config.dialect() == "keras2"
    with pytest.raises(ValueError, match="set_dialect: expected 'keras2' or 'tf', got 'torch'"):
        config.set_dialect("torch")
    assert config.dialect() == "keras2"
