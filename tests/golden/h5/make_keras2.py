"""Model files by the saving code of real Keras 2.2.5 and 2.3.1, without a TensorFlow of their time.

    pip install --no-deps --target DIR keras==2.2.5 keras_applications==1.0.8 keras_preprocessing==1.1.0
    pip install h5py numpy scipy six pyyaml
    python tests/golden/h5/make_keras2.py DIR

Keras runs on the backend in this file: its tensors know their shapes, its variables hold arrays, and nothing computes. The
weights are numbers by hand, see `fill`; the npz beside each file holds them.
"""

import collections.abc
import contextlib
import gzip
import os
import sys
from pathlib import Path

import numpy as np

THIS = sys.modules[__name__]


class Tensor:
    _uses_learning_phase = False

    def __init__(self, shape=(), value=None, name=None):
        self.value = value
        self.shape = self._keras_shape = tuple(shape if value is None else np.shape(value))
        self.name = name
        self.dtype = "float32"

    def _same(self, *_):
        return Tensor(self.shape)

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _same
    __pow__ = __neg__ = __getitem__ = __gt__ = __ge__ = __lt__ = _same


scopes, taken, uids = [], collections.Counter(), collections.Counter()


@contextlib.contextmanager
def name_scope(name):
    scopes.append(name)
    yield
    scopes.pop()


@contextlib.contextmanager
def control_dependencies(operations):
    yield


def variable(value, dtype=None, name=None, constraint=None):
    path = "/".join([*scopes, name or "Variable"])
    taken[path] += 1
    path += f"_{taken[path] - 1}" if taken[path] > 1 else ""
    array = np.array(value.value if isinstance(value, Tensor) else value, dtype or "float32")
    made = Tensor(value=array, name=path + ":0")
    made.constraint = constraint
    return made


def get_uid(prefix=""):
    uids[prefix] += 1
    return uids[prefix]


def placeholder(shape=None, ndim=None, dtype=None, sparse=False, name=None):
    return Tensor(shape or (None,) * (ndim or 0), name=name)


def constant(value, dtype=None, shape=None, name=None):
    return Tensor(value=np.broadcast_to(np.array(value, dtype or "float32"), shape or np.shape(value)))


def set_value(x, value):
    x.value = np.asarray(value, x.value.dtype).reshape(x.value.shape)


def batch_set_value(pairs):
    for x, value in pairs:
        set_value(x, value)


def batch_get_value(tensors):
    return [np.array(x.value) for x in tensors]


def function(*_, **__):
    return None


def int_shape(x):
    return x._keras_shape


def ndim(x):
    return len(x.shape)


def dtype(x):
    return "float32"


def is_tensor(x):
    return isinstance(x, Tensor)


is_variable = is_tensor


def is_keras_tensor(x):
    return hasattr(x, "_keras_history")


def zeros(shape, dtype=None, name=None):
    return variable(np.zeros(shape), dtype, name)


def ones(shape, dtype=None, name=None):
    return variable(np.ones(shape), dtype, name)


def random_uniform(shape, *_, **__):
    return Tensor(value=np.zeros(shape))


def get_value(x):
    return np.array(x.value)


def gradients(loss, variables):
    return [Tensor(v.shape) for v in variables]


def in_train_phase(x, alt, training=None):
    return x() if callable(x) else x


def normalize_batch_in_training(x, *_, **__):
    return Tensor(x.shape), Tensor(), Tensor()


def no(*_, **__):
    return False


is_placeholder = is_sparse = no


def __getattr__(name):
    """Every other function of a backend: a tensor of the shape of its first argument."""
    if name.startswith("_"):
        raise AttributeError(name)

    def shaped(x=None, *_, **__):
        first = x[0] if isinstance(x, list) else x
        return Tensor(first.shape if isinstance(first, Tensor) else ())

    return shaped


def keras_from(directory):
    """Keras, over this backend and on today's Python, NumPy and h5py."""
    for name in ("Iterable", "Mapping", "Sequence"):
        setattr(collections, name, getattr(collections.abc, name))
    np.bytes_ = np.bytes_
    sys.path.insert(0, str(directory))
    listing = (Path(directory) / "keras" / "backend" / "__init__.py").read_text()
    for line in listing.splitlines():
        name = line.rpartition(" ")[2]
        if line.startswith("from .load_backend import") and name not in globals():
            setattr(THIS, name, __getattr__(name))
    sys.modules["shapes_only"] = THIS
    os.environ["KERAS_BACKEND"] = "shapes_only"
    import keras

    return keras


def fill(layer, start):
    """n, n + 1, n + 2 ... hundredths through all weights."""
    arrays = []
    for weight in layer.weights:
        arrays.append((np.arange(weight.value.size) + start).reshape(weight.value.shape) / 100)
        start += weight.value.size
    for weight, array in zip(layer.weights, arrays):
        set_value(weight, array)
    return start


def write(keras, name, model, optimizer):
    model.compile(optimizer, "mse", metrics=["mae"])
    model._make_train_function()
    start = 0
    for layer in [*model.layers, model.optimizer]:
        start = fill(layer, start)
    for variable_ in model.optimizer.weights:
        if "iterations" in variable_.name:
            set_value(variable_, 7)
    file = Path(__file__).parent / f"keras_{keras.__version__}_{name}.h5"
    named = keras.backend.backend.__globals__
    named["_BACKEND"] = "tensorflow"  # what the file is to say
    model.save(str(file))
    named["_BACKEND"] = "shapes_only"
    file.with_name(file.name + ".gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    file.unlink()
    held = [w for layer in model.layers for w in batch_get_value(layer.weights)]
    weights = {f"weights{i}": w for i, w in enumerate(held)}
    state = {f"state{i}": np.array(w.value) for i, w in enumerate(model.optimizer.weights)}
    np.savez_compressed(file.with_suffix(".npz"), **weights, **state)


def main(directory):
    keras = keras_from(directory)
    layers, optimizers = keras.layers, keras.optimizers
    images = keras.Sequential(
        [
            layers.Conv2D(2, 3, activation="relu", input_shape=(5, 5, 1), name="conv"),
            layers.Flatten(name="flat"),
            layers.Dense(2, kernel_regularizer="l2", name="dense"),
        ],
        name="images",
    )
    write(keras, "adam", images, optimizers.Adam(0.01))
    write(keras, "rmsprop", images, optimizers.RMSprop(decay=0.1))
    write(keras, "nadam", images, optimizers.Nadam())
    a, b = layers.Input((2,), name="a"), layers.Input((2,), name="b")
    shared = layers.Dense(2, activation="tanh", name="shared")
    inner = keras.Sequential(
        [layers.Dense(2, input_dim=2, name="in1"), layers.BatchNormalization(name="in2"), layers.Dense(2, name="in3")],
        name="inner",
    )
    inner.layers[0].trainable = False
    joined = [layers.Add(name="sum")([shared(a), inner(b)]), layers.Concatenate(name="both")([shared(b), inner(a)])]
    write(keras, "graph", keras.Model([a, b], joined, name="graph"), optimizers.SGD(0.1, momentum=0.9))


if __name__ == "__main__":
    main(sys.argv[1])
