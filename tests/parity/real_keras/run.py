"""Runs the cases of one room in this process, and writes what they give: python run.py {real,lamella} ROOM SEED COUNT FILE

A room is a module beside this one, with a function cases(random, count) that yields (name, program). A program is called without
arguments, imports keras as any script, and returns what is compared: arrays, numbers, texts, and lists and dictionaries of these.
"""

import contextlib
import importlib
import io
import os
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np


def plain(value):
    """The value in types that pickle without keras."""
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return (list if isinstance(value, list) else tuple)(plain(part) for part in value)
    for kind in (bool, int, str):  # types of lamella are subclasses of these
        if isinstance(value, kind):
            return kind(value)
    if value is None or isinstance(value, (float, np.ndarray)):
        return value
    return value.item() if isinstance(value, np.generic) else str(value)


def outcome(program):
    """What the program returned or raised, and what it printed."""
    from keras import backend as K

    K.clear_session()
    K.set_image_data_format("channels_last")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = {"result": plain(program())}
        except Exception as error:
            result = {"raised": type(error).__name__, "message": str(error)}
    return result | {"printed": printed.getvalue()}


def main(keras, room, seed, count, file):
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    if keras == "real":
        import real

        real.install()
    else:
        import lamella

        lamella.install_as_keras()
    file = Path(file).resolve()
    os.chdir(file.parent)  # for the files that programs write
    cases = importlib.import_module(room).cases(np.random.RandomState(int(seed)), int(count))
    outcomes = {}
    for name, program in cases:
        outcomes[name] = outcome(program)
    file.write_bytes(pickle.dumps(outcomes))


if __name__ == "__main__":
    main(*sys.argv[1:])
