"""Fixtures of the kernel tests: each test runs on every target of this machine."""

import os
from collections.abc import Iterator

import pytest

from lamella import _kernels
from tests.kernels.calls_file import Recording

# The path of the file of calls. It does not depend on the target, so only the best target runs then.
CALLS = os.environ.get("LAMELLA_CALLS")


@pytest.fixture(scope="session", autouse=True)
def recorded_calls() -> Iterator[None]:
    """With LAMELLA_CALLS=FILE: writes the file of calls. The run fails if a kernel of the table is missing in it."""
    if not CALLS:
        yield
        return
    with Recording(CALLS) as recording:
        yield
    recording.complete()


@pytest.fixture(params=_kernels.targets()[:1] if CALLS else _kernels.targets())
def target(request: pytest.FixtureRequest) -> Iterator[str]:
    """The target in use during the test."""
    before = _kernels.target()
    _kernels.select(request.param)
    yield request.param
    _kernels.select(before)


@pytest.fixture(params=_kernels.thread_backends())
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """The thread backend in use during the test."""
    before = _kernels.thread_backend()
    _kernels.select_thread_backend(request.param)
    yield request.param
    _kernels.select_thread_backend(before)


@pytest.fixture
def threads() -> Iterator[None]:
    """Restores the number of threads after a test that sets it."""
    before = _kernels.num_threads()
    yield
    _kernels.set_num_threads(before)
