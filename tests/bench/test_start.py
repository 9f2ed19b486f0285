"""python -m bench.start prints a row for each contender."""

import re
import subprocess
import sys


def test_it_measures_this_interpreter():
    out = subprocess.run(
        [sys.executable, "-m", "bench.start", "--rounds", "1"], capture_output=True, text=True, check=True
    ).stdout
    (row,) = [line for line in out.splitlines() if line.startswith("| lamella |")]
    size, imported, whole, peak = map(float, re.findall(r"\d+\.?\d*", row))
    assert size > 10 and peak > 20
    assert imported < whole


def test_an_interpreter_that_fails_is_named(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 3\n")
    python.chmod(0o755)
    run = subprocess.run([sys.executable, "-m", "bench.start", "--lamella", str(python)], capture_output=True, text=True)
    assert run.returncode != 0
    assert f"{python} failed with status 3" in run.stderr
