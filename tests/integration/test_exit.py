"""A script ends with its own status, also if daemon threads are running. A sub-interpreter raises."""

import os
import subprocess
import sys

import pytest

TRIES = int(os.environ.get("LAMELLA_EXITS", "4"))

# The main thread ends while the other is in a kernel, or waits for the lock after one, or is in a function of the user
# that C++ called.
SCRIPT = """
import random, sys, threading, time
import numpy as np
from lamella import backend as K, config
from lamella.layers import Conv2D, Dense, Flatten
from lamella.models import Sequential
config.set_num_threads(2)
def loss(y, p):
    sum(range(2000))
    return K.mean(K.square(p - y) + K.abs(p), axis=-1)
model = Sequential([Conv2D(8, 3, input_shape=(12, 12, 1)), Flatten(), Dense(32), Dense(1)])
model.compile("adam", loss)
x = np.ones((512, 12, 12, 1), "f4")
y = np.ones((512, 1), "f4")
begun = threading.Event()
def work():
    while True:
        {work}
        begun.set()
for _ in range({threads}):
    threading.Thread(target=work, daemon=True).start()
begun.wait()
time.sleep(random.Random({number}).uniform(0, 0.1))
sys.exit(7)
"""


@pytest.mark.parametrize(
    ("work", "threads"),
    [("model.fit(x, y, verbose=0)", 1), ("model.predict(x)", 3), ("K.dot(x[0, 0], y[:1])", 3)],
    ids=["fit", "predict", "op"],
)
def test_a_daemon_thread_that_computes_does_not_abort_the_exit(work, threads):
    scripts = [SCRIPT.format(work=work, threads=threads, number=i) for i in range(TRIES)]
    for first in range(0, TRIES, 4):
        children = [
            subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
            for script in scripts[first : first + 4]
        ]
        ended = [(child.communicate(timeout=120)[1], child.returncode) for child in children]
        assert ended == [("", 7)] * len(children)


SUB_INTERPRETER = """
{first}
try:
    import _xxsubinterpreters as interpreters  # 3.11, 3.12
except ImportError:
    import _interpreters as interpreters
code = '''
import sys, warnings
sys.path[:] = {path!r}
warnings.simplefilter("ignore")  # NumPy warns about sub-interpreters
try:
    import lamella._kernels
except ImportError as error:
    print("refused:", error, flush=True)
'''
interpreters.run_string(interpreters.create(), code)
"""


# NumPy itself raises if it is already loaded, or in an interpreter with its own lock.
@pytest.mark.parametrize(
    ("first", "words"),
    [("", "sub-interpreter" if sys.version_info < (3, 13) else ""), ("import lamella._kernels", "")],
    ids=["alone", "beside the main one"],
)
def test_a_sub_interpreter_is_refused(first, words):
    script = SUB_INTERPRETER.format(first=first, path=sys.path)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused: ") and words in done.stdout
