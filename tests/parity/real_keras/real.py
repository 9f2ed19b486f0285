"""Makes `import keras` the real Keras 2.2.5, on today's TensorFlow, Python, NumPy and h5py.

    pip install tensorflow-cpu==2.21.0 h5py numpy pyyaml
    pip install --no-deps --target DIR keras==2.2.5 keras_applications==1.0.8 keras_preprocessing==1.1.0

with DIR on PYTHONPATH. What Keras asks of TensorFlow 1 is in tensorflow.compat.v1. Of Keras's own tests of layers, engine, backend and
initializers 537 of 553 pass this way; the others compare with Theano, or call TensorFlow 1 or an old pytest themselves.
"""

import collections
import collections.abc
import importlib
import inspect
import logging
import os
import sys
import types
import warnings

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import h5py
import numpy as np
import tensorflow as tf
from tensorflow.python.ops import control_flow_ops, functional_ops

V1 = tf.compat.v1
KERAS_OWN = "keras", "keras_applications", "keras_preprocessing"


def with_names(module, **names):
    """A copy of the module with these names."""
    copy = types.ModuleType(module.__name__)
    vars(copy).update(vars(module), **names)
    return copy


def give_old_names():
    """What Python 3.9 and NumPy 1 still had."""
    for name in ("Iterable", "Mapping", "Sequence", "Callable", "Container"):
        setattr(collections, name, getattr(collections.abc, name))
    specification = inspect.ArgSpec = collections.namedtuple("ArgSpec", "args varargs keywords defaults")
    inspect.getargspec = lambda function: specification(*inspect.getfullargspec(function)[:4])
    old = {
        "float": float,
        "int": int,
        "bool": bool,
        "object": object,
        "str": str,
        "string_": np.bytes_,
        "unicode_": np.str_,
        "Inf": np.inf,
    }
    for name, value in (old | {"product": np.prod, "alltrue": np.all}).items():
        if name not in vars(np):
            setattr(np, name, value)


def give_bytes_of_attributes():
    """h5py 2 gave attributes of text as bytes, which Keras decodes."""
    read = h5py.AttributeManager.__getitem__

    def as_bytes(attributes, name):
        value = read(attributes, name)
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, np.ndarray) and value.dtype == object:
            return np.array([v.encode() if isinstance(v, str) else v for v in value.ravel()], dtype="S").reshape(value.shape)
        return value

    h5py.AttributeManager.__getitem__ = as_bytes


def behave_as_tensorflow_1():
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    V1.disable_eager_execution()
    V1.enable_resource_variables()  # with TensorFlow 1's own kind, a step may read weights that it has already updated
    V1.disable_v2_tensorshape()
    V1.disable_control_flow_v2()
    V1.disable_tensor_equality()


def give_tensorflow_1(backend):
    """Modules of Keras call TensorFlow 1 by these names."""
    for name, module in list(sys.modules.items()):
        if name.startswith("keras.") and getattr(module, "tf", None) is tf:
            module.tf = V1
    backend.tf = V1
    backend._get_default_graph = V1.get_default_graph
    backend.control_flow_ops = with_names(control_flow_ops, while_loop=V1.while_loop, cond=V1.cond)
    loops = {name: getattr(V1, name) for name in ("scan", "foldl", "foldr", "map_fn")}
    backend.functional_ops = with_names(functional_ops, **loops)
    backend.ctc = V1.nn
    tensors = tf.Tensor, tf.Variable, tf.SparseTensor
    backend.is_tensor = importlib.import_module("keras.backend").is_tensor = lambda x: isinstance(x, tensors)


def compute_before_updating(backend):
    """Make functions compute all new values before a variable changes.

    K.update makes an operation that waits for nothing, and variables of TensorFlow 1 share memory with what was read of them: whether
    a gradient or the loss sees old or new weights is left to chance.
    """

    def with_pair(make, new_value):
        def update(x, value):
            operation = make(x, value)
            operation.pair = x, new_value(x, value)
            return operation

        return update

    backend.update = with_pair(backend.update, lambda x, value: V1.convert_to_tensor(value, x.dtype.base_dtype))
    backend.update_add = with_pair(backend.update_add, lambda x, value: x + value)
    backend.update_sub = with_pair(backend.update_sub, lambda x, value: x - value)
    make = backend.Function.__init__

    def init(self, inputs, outputs, updates=None, **options):
        pairs = [getattr(update, "pair", update) for update in updates or []]
        with V1.control_dependencies([pair[1] for pair in pairs if isinstance(pair, tuple) and backend.is_tensor(pair[1])]):
            make(self, inputs, outputs, pairs, **options)

    backend.Function.__init__ = init
    public = importlib.import_module("keras.backend")
    public.update, public.update_add, public.update_sub = backend.update, backend.update_add, backend.update_sub


def install():
    warnings.simplefilter("ignore")
    np.set_printoptions(legacy="1.25")  # NumPy 2 prints a size as np.int64(3)
    give_old_names()
    give_bytes_of_attributes()
    behave_as_tensorflow_1()
    backend = importlib.import_module("keras.backend.tensorflow_backend")
    importlib.import_module("keras")
    give_tensorflow_1(backend)
    compute_before_updating(backend)
