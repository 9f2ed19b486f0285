"""Every kernel test runs on every target of this machine."""

from collections.abc import Iterator

import pytest

from lamella import _kernels


@pytest.fixture(params=_kernels.targets())
def target(request: pytest.FixtureRequest) -> Iterator[str]:
    """The target in use during the test."""
    before = _kernels.target()
    _kernels.select(request.param)
    yield request.param
    _kernels.select(before)


@pytest.fixture(params=_kernels.thread_backends())
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where threads come from during the test."""
    before = _kernels.thread_backend()
    _kernels.select_thread_backend(request.param)
    yield request.param
    _kernels.select_thread_backend(before)


@pytest.fixture
def threads() -> Iterator[None]:
    """For tests that set the number of threads: restores it."""
    before = _kernels.num_threads()
    yield
    _kernels.set_num_threads(before)
