"""The effects of loading the kernels on the process."""

import os
import subprocess
import sys

import pytest

# libgomp prints its settings to stderr when it is loaded.
SCRIPT = "import os; before = dict(os.environ); from lamella import _kernels; assert dict(os.environ) == before"


def settings(**chosen: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    environment.update(chosen, OMP_DISPLAY_ENV="VERBOSE", PYTHONPATH=os.pathsep.join(sys.path))
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    return done.stderr


def test_threads_spin_briefly_and_the_environment_does_not_change() -> None:
    if "GOMP_SPINCOUNT" not in (shown := settings()):
        pytest.skip("the OpenMP runtime here is not libgomp")
    assert "GOMP_SPINCOUNT = '10000'" in shown


def test_a_setting_of_the_user_is_not_changed() -> None:
    assert "GOMP_SPINCOUNT = '10000'" not in settings(OMP_WAIT_POLICY="passive")
    if "GOMP_SPINCOUNT" in (shown := settings(GOMP_SPINCOUNT="77")):
        assert "GOMP_SPINCOUNT = '77'" in shown
