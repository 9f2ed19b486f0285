"""Run the example scripts that Keras 2.2.5 published, unchanged, at a reduced size, and print what became of each.

    pip download keras==2.2.5 --no-binary :all: --no-deps && tar xf Keras-2.2.5.tar.gz
    python tests/parity/keras_examples Keras-2.2.5/examples [--seconds 300] [script ...]

The scripts need matplotlib, pandas, scipy, scikit-learn, editdistance, cairocffi, six, tensorboardX, OpenCV (cv2), pydot and
Graphviz. A script whose package is missing is skipped, and its line says so. `stand_ins.py` has the data, `sizes.py` the numbers.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ONE = Path(__file__).with_name("one.py")
# Skipped unless they are named.
NOT_HERE = {
    "cifar10_cnn_capsule": "fails in Keras 2.2.5 itself: K.batch_dot of axes of 10 and 16",
    "cifar10_cnn_tfaugment2d": "uses TensorFlow itself",
    "mnist_dataset_api": "uses TensorFlow itself",
    "mnist_tfrecord": "uses TensorFlow itself",
}
# Which other script writes a file that a script reads.
AFTER = {"lstm_seq2seq_restore": "lstm_seq2seq"}
# The last line of a script if a program or package is not installed. Any other import that fails is a failure.
LACKS = re.compile(
    r"No module named '(cairocffi|cv2|editdistance|matplotlib|pandas|pylab|scipy|six|sklearn)'"
    r"|failed to call Graphviz|no library called|Failed to import `pydot`|requires tensorboardX"
)


def run(script, folder, seconds):
    """Exit code and seconds; 124 where the time is up. What it printed stands in folder/NAME.log."""
    work = folder / AFTER.get(script.stem, script.stem)
    if script.stem in AFTER and not work.exists():
        run(script.with_stem(AFTER[script.stem]), folder, seconds)
    work.mkdir(exist_ok=True)
    began = time.monotonic()
    # No ~/.keras of this machine's user, and no display.
    settings = os.environ | {"KERAS_HOME": str(folder / "keras"), "MPLBACKEND": "Agg"}
    with open(folder / f"{script.stem}.log", "wb") as log:
        try:
            code = subprocess.run(
                [sys.executable, str(ONE), str(script)], cwd=work, env=settings, stdout=log, stderr=log, timeout=seconds
            ).returncode
        except subprocess.TimeoutExpired:
            code = 124
    return code, time.monotonic() - began


def why(log):
    """The last line that says something."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1][-150:] if lines else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="the examples of an unpacked source distribution")
    parser.add_argument("scripts", nargs="*", help="names without .py; all unless given")
    parser.add_argument("--seconds", type=float, default=300, help="for each script")
    parser.add_argument("--work", type=Path, help="where scripts write; a temporary directory unless given")
    options = parser.parse_args()
    scripts = sorted(p.resolve() for p in options.folder.glob("*.py") if not options.scripts or p.stem in options.scripts)
    work = options.work or Path(tempfile.mkdtemp(prefix="keras_examples_"))
    work.mkdir(exist_ok=True)
    ran = failed = 0
    for script in scripts:
        code, seconds, said = 0, 0.0, "" if options.scripts else NOT_HERE.get(script.stem, "")
        if not said:
            code, seconds = run(script, work.resolve(), options.seconds)
            said = why(work / f"{script.stem}.log") if code else ""
        skipped = said and (code == 0 or LACKS.search(said))
        ran += not skipped
        failed += not skipped and code != 0
        print(f"{script.stem:32}  {'skipped' if skipped else f'exit {code}':8}  {seconds:6.1f} s  {said}".rstrip(), flush=True)
    print(f"{ran - failed} of {ran} scripts ran; what they printed: {work}")
    return failed != 0 or ran == 0


if __name__ == "__main__":
    sys.exit(main())
