"""Run the same programs with the real Keras 2.2.5 and with lamella, and show where they differ.

    python tests/parity/real_keras --real PYTHON --site DIR [ROOM...] [--seed 0] [--count 100]

PYTHON is an interpreter with TensorFlow, DIR has Keras 2.2.5; real.py says how to install both. Rooms are the modules with a function
`cases`. Both engines run in one folder; if a room has EXCHANGES = True, lamella runs before Keras, too, so that each can read what the
other has written. A room's DECIDED has the decided differences: a part of a line that differs, or a tuple of parts, with the reason.
"""

import argparse
import ast
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

from differences import of_outcomes

HERE = Path(__file__).resolve().parent
ROOMS = sorted(p.stem for p in HERE.glob("*.py") if "\ndef cases(" in p.read_text())


def outcomes(command, environment, room, options, file):
    arguments = [*command, room, str(options.seed), str(options.count), str(file)]
    subprocess.run(arguments, env=os.environ | environment, check=True)
    return pickle.loads(file.read_bytes())


def decided_of(room):
    """The dictionary DECIDED of a room, without importing the room."""
    for node in ast.parse((HERE / f"{room}.py").read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DECIDED":
            return ast.literal_eval(node.value)
    return {}


def is_decided(line, parts):
    return all(part in line for part in ([parts] if isinstance(parts, str) else parts))


def compare(room, options, work):
    """Prints what differs in a room; returns how many cases do."""
    script = str(HERE / "run.py")
    if "\nEXCHANGES = True" in (HERE / f"{room}.py").read_text():  # Keras reads what lamella wrote, too
        outcomes([sys.executable, script, "lamella"], {}, room, options, work / "lamella")
    expected = outcomes([options.real, script, "real"], {"PYTHONPATH": options.site}, room, options, work / "real")
    actual = outcomes([sys.executable, script, "lamella"], {}, room, options, work / "lamella")
    decided, differing = decided_of(room), 0
    for name in expected:
        lines = [f"{name}{line}" for line in of_outcomes(expected[name], actual[name])]
        lines = [line for line in lines if not any(is_decided(line, parts) for parts in decided)]
        differing += bool(lines)
        print(*lines, sep="\n", end="\n" if lines else "")
    raising = sum("raised" in expected[name] and "raised" in actual[name] for name in expected)
    print(f"{room}: {len(expected)} programs, {differing} differ" + (f", {raising} raise with both" if raising else ""))
    return differing


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rooms", nargs="*", help=f"of {', '.join(ROOMS)}; all unless given")
    parser.add_argument("--real", required=True, help="an interpreter with TensorFlow")
    parser.add_argument("--site", required=True, help="the folder with Keras 2.2.5")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=100, help="random programs of a room")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="real_keras_") as work:
        return int(sum([compare(room, options, Path(work)) for room in options.rooms or ROOMS]) > 0)


if __name__ == "__main__":
    sys.exit(main())
