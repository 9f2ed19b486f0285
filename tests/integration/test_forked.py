"""A server that trains or predicts, and then forks, as gunicorn does with a preloaded model."""

import os
import pickle

import numpy as np

from lamella.layers import Dense, Dropout
from lamella.models import Sequential
from lamella.utils import set_random_seed

# Large enough that the kernels use their threads.
X = np.random.default_rng(0).normal(size=(4096, 64)).astype("f4")
Y = X[:, :1]


def trained_on(model):
    model.fit(X, Y, batch_size=512, epochs=2, verbose=0)
    return [*model.get_weights(), model.predict(X)]


def in_a_fork(work):
    """The result of `work` in a forked child."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(ours)
            with os.fdopen(theirs, "wb") as out:
                pickle.dump(work(), out)
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as came:
        data = came.read()
    os.waitpid(child, 0)
    return pickle.loads(data)


def test_children_train_and_predict_as_the_parent_and_none_hangs():
    set_random_seed(4)
    model = Sequential([Dense(128, activation="relu", input_shape=(64,)), Dropout(0.2), Dense(1)])
    model.compile("adam", "mse")
    model.fit(X, Y, batch_size=512, verbose=0)
    children = [in_a_fork(lambda: trained_on(model)) for _ in range(2)]
    # A child of a child, and the parent after its children.
    children.append(in_a_fork(lambda: in_a_fork(lambda: trained_on(model))))
    wanted = trained_on(model)
    for child in children:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(child, wanted, strict=True))
