"""What loading the kernels does to the process."""

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


def test_threads_spin_briefly_and_the_environment_stays_as_it_was() -> None:
    if "GOMP_SPINCOUNT" not in (shown := settings()):
        pytest.skip("the OpenMP runtime here is not libgomp")
    assert "GOMP_SPINCOUNT = '10000'" in shown


def test_the_users_choice_goes_first() -> None:
    assert "GOMP_SPINCOUNT = '10000'" not in settings(OMP_WAIT_POLICY="passive")
    if "GOMP_SPINCOUNT" in (shown := settings(GOMP_SPINCOUNT="77")):
        assert "GOMP_SPINCOUNT = '77'" in shown
