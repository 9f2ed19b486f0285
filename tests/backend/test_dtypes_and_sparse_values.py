"""dtype of tensors with the attributes of TensorFlow's, and sparse matrices as values."""

import copy
import importlib.util
import pickle

import numpy as np
import pytest
import scipy.sparse

from lamella import backend as K
from lamella.layers import Dense, Input, Lambda
from lamella.models import Model, Sequential, model_from_json, model_from_yaml

TENSORS = {
    "variable": lambda dtype: K.variable([1, 0], dtype=dtype),
    "input": lambda dtype: Input((3,), dtype=dtype),
    "placeholder": lambda dtype: K.placeholder((2, 3), dtype=dtype),
    "result": lambda dtype: K.reshape(Input((3,), dtype=dtype), (-1,)),
}


@pytest.mark.parametrize("kind", TENSORS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "bool"])
def test_a_dtype_is_its_name_and_has_a_name(kind, dtype):
    x = TENSORS[kind](dtype)
    assert x.dtype == dtype and x.dtype.name == dtype and str(x.dtype) == dtype and hash(x.dtype) == hash(dtype)
    assert type(K.dtype(x)) is str and type(x.dtype.name) is str
    assert x.dtype.as_numpy_dtype is np.dtype(dtype).type and np.dtype(x.dtype) == np.dtype(dtype)
    assert x.dtype.base_dtype.name == dtype
    assert (x.dtype.is_floating, x.dtype.is_integer) == (dtype[0] == "f", dtype[0] == "i")
    for other in (copy.deepcopy(x.dtype), pickle.loads(pickle.dumps(x.dtype))):
        assert other == dtype and other.name == dtype


def test_descriptions_have_plain_names():
    x = Input((3,), dtype="float64")
    y = Input((3,), dtype=x.dtype)
    cast = Lambda(K.cast, arguments={"dtype": x.dtype})(y)
    model = Model(y, Dense(2, dtype=x.dtype)(cast))
    others = [model_from_json(model.to_json()), Model.from_config(model.get_config())]
    if importlib.util.find_spec("yaml"):
        others.append(model_from_yaml(model.to_yaml()))
    for other in others:
        assert other.input.dtype.name == "float64" and other.layers[-1].kernel.dtype == "float64"


@pytest.mark.parametrize("form", ["csr_matrix", "coo_matrix", "csc_matrix"])
def test_sparse_matrices_become_dense_values(form):
    matrix = getattr(scipy.sparse, form)(np.array([[0, 7.0, 0], [2, 0, 0]]))
    for make in (K.variable, K.constant):
        value = make(matrix)
        np.testing.assert_array_equal(K.eval(value), matrix.toarray())
        np.testing.assert_array_equal(K.eval(K.dot(value, K.variable(np.eye(3)))), matrix.toarray())
        assert value.dtype == "float32" and make(matrix, dtype="int32").dtype == "int32"
    model = Sequential([Dense(1, input_shape=(3,))])
    assert model.predict(matrix).shape == (2, 1)
