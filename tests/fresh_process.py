"""Training on in a process that knows nothing of the tests."""

import subprocess
import sys

import numpy as np

SCRIPT = """
import pickle, sys
import numpy as np
model, x, y = pickle.load(open(sys.argv[1], "rb"))
model.fit(x, y, batch_size=4, epochs=2, verbose=0)
np.savez(sys.argv[2], *model.get_weights())
"""


def trained_in_a_fresh_process(pickled, folder):
    """The weights after two more epochs of the model in the bytes `pickled`, which contain (model, x, y)."""
    (folder / "model").write_bytes(pickled)
    subprocess.run([sys.executable, "-c", SCRIPT, folder / "model", folder / "w.npz"], check=True)
    with np.load(folder / "w.npz") as file:
        return [file[name] for name in file]
