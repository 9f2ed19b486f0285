"""Run the test suite that Keras 2.2.5 published, unchanged, against lamella.

    pip download keras==2.2.5 --no-binary :all: --no-deps && tar xf Keras-2.2.5.tar.gz
    python tests/parity/keras_tests Keras-2.2.5/tests [-n 2] [keras/losses_test.py ...] [--tb=long, or other options of pytest]

The suite needs lamella's extras `test` and `yaml`, and flaky, h5py, pandas, requests, scipy and six. `expected.py` lists the tests
that are not expected to pass, with reasons; the run fails if another test fails, or if a test in the list passes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="the tests of an unpacked source distribution")
    parser.add_argument("tests", nargs="*", help="files or tests, relative to the folder; all unless given")
    parser.add_argument("-n", default="0", help="processes")
    options, more = parser.parse_known_intermixed_args()
    folder = options.folder.resolve()
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "--timeout=300", "-n", options.n, *more]
    # No settings of another project's pytest, and no files among the sources.
    command += ["-c", os.devnull, "--rootdir", str(folder), "-p", "no:cacheprovider", "-p", "plugin"]
    command += [str(folder / test) for test in options.tests] or ["--whole-suite", str(folder)]
    with tempfile.TemporaryDirectory(prefix="keras_tests_") as work:
        settings = {
            "KERAS_HOME": f"{work}/keras",
            "KERAS_SOURCES": str(folder.parent / "keras"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }
        return subprocess.run(command, cwd=work, env=os.environ | settings).returncode


if __name__ == "__main__":
    sys.exit(main())
