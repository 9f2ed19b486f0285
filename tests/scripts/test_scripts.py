"""Scripts in the manner of 2017 to 2022 run as they are, and assert numbers of their own.

A script's folder says what it is written for: `keras2` for Keras 2 alone, `tf` for tensorflow.keras alone, `both` for
`import keras` in either dialect. All scripts of a dialect run in one process.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FOLDERS = {"keras2": ("both", "keras2"), "tf": ("both", "tf")}
SCRIPTS = {
    dialect: {str(path.relative_to(HERE)): path for folder in folders for path in sorted((HERE / folder).glob("*.py"))}
    for dialect, folders in FOLDERS.items()
}

RUN = """
import contextlib, json, os, random, runpy, sys, tempfile, time, traceback
import numpy as np
import lamella
lamella.install_as_keras(sys.argv[1])
from lamella import backend as K
outcomes = {}
for script in sys.argv[2:]:
    K.clear_session()
    lamella.utils.set_random_seed(0)
    np.random.seed(0)
    random.seed(0)
    start = time.process_time()
    error = None
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        os.chdir(folder)
        try:
            runpy.run_path(script, run_name="__main__")
        except (Exception, SystemExit):
            error = traceback.format_exc()
        os.chdir("/")
    K.set_floatx("float32")
    K.set_image_data_format("channels_last")
    outcomes[script] = {"error": error, "seconds": time.process_time() - start}
print(json.dumps(outcomes))
"""


def run(dialect, scripts):
    """What became of each script: its traceback or None, and the CPU seconds that it took."""
    # The models are small: more threads would only spin.
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUN, dialect, *map(str, scripts)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("dialect", FOLDERS)
def test_each_script_runs_and_its_numbers_hold(dialect):
    # One test a dialect, so that tests in several processes do not each run all scripts.
    scripts = SCRIPTS[dialect].values()
    if find_spec("pandas") is None:
        scripts = [path for path in scripts if "import pandas" not in path.read_text()]
    errors = {script: outcome["error"] for script, outcome in run(dialect, scripts).items() if outcome["error"]}
    assert not errors, "\n".join(f"{script}\n{error}" for script, error in errors.items())
