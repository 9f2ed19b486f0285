"""python -m bench.start: the cost of a start. Bytes on the disk, time to import, and a toy model from start to prediction.

The interpreters are those of environments that contain only the measured packages (and pip):

    python -m venv a && a/bin/pip install .
    python -m venv b && b/bin/pip install tensorflow-cpu keras
    python -m bench.start --lamella a/bin/python --keras b/bin/python
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 9
# Packages of the installer, which do not count.
INSTALLERS = ("pip", "setuptools", "wheel")

SIZE = f"""
import os
from importlib.metadata import distributions
files = [d.locate_file(f) for d in distributions() if d.name not in {INSTALLERS!r} for f in d.files or ()]
print(sum(os.path.getsize(f) for f in files if os.path.isfile(f) and "__pycache__" not in str(f)))
"""

MODEL = """
import numpy as np
from {package}.layers import Dense
from {package}.models import Sequential
x = np.random.default_rng(0).normal(size=(256, 8)).astype("float32")
model = Sequential([Dense(16, activation="relu"), Dense(1)])
model.compile("adam", loss="mse")
model.fit(x, x[:, :1], epochs=1, verbose=0)
assert model.predict(x, verbose=0).shape == (256, 1)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.start", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--lamella", default=sys.executable, metavar="PYTHON", help="default: this interpreter")
    parser.add_argument("--keras", metavar="PYTHON", help="an interpreter that has Keras 3 and a backend")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    contenders = [("lamella", options.lamella, "lamella")]
    if options.keras:
        contenders.append(("Keras 3", options.keras, "keras"))
    print("| | on the disk, MB | import, s | from start to prediction, s | peak memory of that, MB |")
    print("|---|---|---|---|---|")
    for name, python, package in contenders:
        size = int(run(python, SIZE)[0]) / 1e6
        nothing = median(python, "pass", options.rounds)[0]
        imported = median(python, f"import {package}", options.rounds)[0] - nothing
        whole, peak = median(python, MODEL.format(package=package), options.rounds)
        print(f"| {name} | {size:.0f} | {imported:.2f} | {whole:.2f} | {peak / 1e6:.0f} |")


def median(python: str, program: str, rounds: int) -> tuple[float, float]:
    """Median seconds of the whole process and of its peak resident bytes. The first run fills caches and does not count."""
    found = [run(python, program)[1:] for _ in range(rounds + 1)][1:]
    return statistics.median(seconds for seconds, _ in found), statistics.median(peak for _, peak in found)


def run(python: str, program: str) -> tuple[str, float, int]:
    """The output of the program, seconds, peak resident bytes."""
    with tempfile.TemporaryFile("w+") as out:
        began = time.perf_counter()
        process = subprocess.Popen([python, "-c", program], stdout=out, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        if status:
            raise SystemExit(f"{python} failed with status {os.waitstatus_to_exitcode(status)}")
        out.seek(0)
        return out.read(), seconds, usage.ru_maxrss * 1024


if __name__ == "__main__":
    main()
