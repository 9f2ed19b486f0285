"""A plugin of pytest that leaves out tests, and expects the listed ones to fail."""

import pytest
from expected import BY_CHANCE, FAILS, LEFT_OUT

LISTED = FAILS | BY_CHANCE
ran = set()


def pytest_addoption(parser):
    parser.addoption("--whole-suite", action="store_true", help="each listed test must exist")


def pytest_ignore_collect(collection_path, config):
    inside = collection_path.is_relative_to(config.rootpath)
    return True if inside and collection_path.relative_to(config.rootpath).as_posix() in LEFT_OUT else None


def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if item.nodeid not in LEFT_OUT]
    for item in items:
        if item.nodeid in LISTED:
            item.add_marker(pytest.mark.xfail(reason=LISTED[item.nodeid], strict=item.nodeid in FAILS))


def pytest_runtest_logreport(report):
    ran.add(report.nodeid)


def pytest_sessionfinish(session):
    workers = hasattr(session.config, "workerinput")
    if session.config.option.whole_suite and not workers and set(LISTED) - ran:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    for name in sorted(set(LISTED) - ran) if config.option.whole_suite else ():
        terminalreporter.line(f"listed in expected.py, and not in the suite: {name}")
