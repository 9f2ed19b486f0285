"""Every function of K, with arrays, Variables, Tensors of a tape, symbolic tensors and lists, and with wrong arguments.

Each call gives the numbers of NumPy, or raises a TypeError or ValueError that names the function.
"""

import inspect
import re

import numpy as np
import pytest

from lamella import _kernels
from lamella import backend as K
from lamella.core.variable import Variable
from lamella.layers import Input
from lamella.models import Model
from lamella.ops.tape import Tape, value_of
from tests.backend.roster import ROWS, SETTINGS, T
from tests.ops.gradients import check

CASES = [pytest.param(name, row, id=f"{name}-{i}") for name, rows in ROWS.items() for i, row in enumerate(rows)]
# Other tests import modules of Keras below K, which have no files.
MODULES = [
    m for m in vars(K).values() if inspect.ismodule(m) and m.__name__.startswith("lamella.backend.") and hasattr(m, "__file__")
]
FUNCTIONS = sorted(name for module in MODULES for name in module.__all__)


# Tensors that may be None: (function, position of the argument).
MAY_BE_NONE = {("clip", 1), ("clip", 2), ("foldl", 1), ("batch_normalization", 3), ("batch_normalization", 4)}


@pytest.fixture
def float64():
    K.set_floatx("float64")
    yield
    K.set_floatx("float32")


def test_each_function_has_a_row():
    assert set(FUNCTIONS) == set(ROWS) | SETTINGS and not set(ROWS) & SETTINGS


def replaced(value, new):
    """`value` with new(t) in place of each T, in order."""
    if isinstance(value, T):
        return new(value)
    if isinstance(value, (list, tuple)):
        return type(value)(replaced(v, new) for v in value)
    return value


def tensors(value):
    if isinstance(value, T):
        return [value]
    return [t for v in value for t in tensors(v)] if isinstance(value, (list, tuple)) else []


def expected(row):
    return row.oracle(*replaced(row.arguments, lambda t: t.value), **row.named)


def same(got, wanted):
    if isinstance(wanted, str):
        assert got == wanted
    else:
        got = np.stack([value_of(v) for v in got]) if isinstance(got, list) else value_of(got)
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-8)
        assert np.shape(got) == np.shape(wanted)


@pytest.mark.parametrize("kind", ["array", "Variable", "list", "view"])
@pytest.mark.parametrize(("name", "row"), CASES)
def test_values(name, row, kind, float64):
    makers = {
        "array": lambda t: t.value,
        "Variable": lambda t: Variable(t.value),
        "list": lambda t: t.value.tolist(),
        "view": lambda t: np.repeat(t.value[..., None], 2, axis=-1)[..., 0],
    }
    if kind == "list" and name in ("map_fn", "stop_gradient") and isinstance(row.arguments[-1], tuple):
        pytest.skip("a list is a list of tensors here")
    got = getattr(K, name)(*replaced(row.arguments, makers[kind]), **row.named)
    same(np.asarray(got) if name == "stop_gradient" and kind == "list" else got, expected(row))


@pytest.mark.parametrize(("name", "row"), [case for case in CASES if case.values[1].symbolic])
def test_nodes_of_a_graph(name, row, float64):
    marked = tensors(row.arguments)
    sizes = {t.value.shape[:1] for t in marked}
    # The inputs have the shapes of the arguments, the batch included.
    inputs = [Input(batch_shape=t.value.shape, dtype=t.value.dtype.name) for t in marked]
    places = iter(inputs)
    y = getattr(K, name)(*replaced(row.arguments, lambda t: next(places)), **row.named)
    assert K.is_keras_tensor(y) and sizes
    wanted = np.asarray(expected(row))
    assert K.int_shape(y) == wanted.shape
    (got,) = Model(inputs, y).run([t.value for t in marked], training=False)
    same(got, wanted)


@pytest.mark.parametrize(("name", "row"), CASES)
def test_gradients_on_a_tape(name, row, float64):
    """Gradients are right for functions that have them. For the others the values are right."""
    marked = tensors(row.arguments)
    wanted = [t for t in marked if t.gradient]

    def call(*values):
        given = dict(zip(map(id, wanted), values))
        return getattr(K, name)(*replaced(row.arguments, lambda t: given.get(id(t), t.value)), **row.named)

    if row.gradient and name != "cast":
        check(call, *[t.value for t in wanted])
    with Tape() as tape:
        same(call(*[tape.watch(t.value) for t in wanted]), expected(row))


NO_TENSORS = {
    "None": None, "text": "abc", "a dict": {}, "an object": object(), "texts": ["a", "b"], "ragged": [[1.0], [1.0, 2.0]],
    "an array of texts": np.array(["a"]),
}  # fmt: skip


def clear(error, name):
    text = str(error)
    assert re.match(rf"(K\.)?{name}\b|Layer |Input |{name}_", text), text
    assert "has no attribute" not in text and "ufunc" not in text, text
    assert not any(f"{kernel}:" in text for kernel in _kernels.KERNELS if kernel != name), text
    assert "C-contiguous" not in text, text


@pytest.mark.parametrize("wrong", NO_TENSORS)
@pytest.mark.parametrize(("name", "row"), CASES)
def test_arguments_that_are_not_tensors_are_refused(name, row, wrong):
    for place in range(len(tensors(row.arguments))):
        count = iter(range(99))
        arguments = replaced(row.arguments, lambda t: NO_TENSORS[wrong] if next(count) == place else t.value)
        try:
            got = getattr(K, name)(*arguments, **row.named)
        except (TypeError, ValueError) as error:
            clear(error, name)
        else:
            no_bound = wrong == "None" and (name, place) in MAY_BE_NONE
            a_list = wrong == "ragged" and name == "stop_gradient"
            assert no_bound or a_list, (got, arguments)


@pytest.mark.parametrize("name", ["sqrt", "sin", "cos"])
def test_results_between_integers_have_floatx(name):
    for x in (np.ones((2, 3), np.int32), np.ones((2, 3), bool), np.uint8([4]), np.int64(3), 3):
        y = getattr(K, name)(x)
        assert y.dtype == np.float32 and y.shape == np.shape(x)
        np.testing.assert_allclose(y, getattr(np, name)(np.asarray(x, float)), rtol=1e-6)


@pytest.mark.parametrize("name", ["exp", "log"])
def test_functions_on_kernels_refuse_integers(name):
    for x in (np.ones((2, 3), np.int32), np.ones((2, 3), bool), np.int64(3)):
        said = re.escape(f"K.{name}: expected tensors of float32 or float64, got {x.dtype} {x.shape}; K.cast converts")
        with pytest.raises(TypeError, match=f"^{said}$"):
            getattr(K, name)(x)
    with pytest.raises(TypeError, match=rf"^K.{name}: expected tensors of float32 or float64, got int64 \(\)"):
        getattr(K, name)(3)


@pytest.mark.parametrize("dtype", ["int64", "float16"])
@pytest.mark.parametrize(("name", "row"), [case for case in CASES if case.values[1].integers])
def test_dtypes_without_kernels(name, row, dtype):
    """Right numbers, or an error with advice."""
    arguments = replaced(row.arguments, lambda t: (4 * np.abs(t.value)).astype(dtype) if t.gradient else t.value)
    try:
        got = getattr(K, name)(*arguments, **row.named)
    except (TypeError, ValueError) as error:
        clear(error, name)
        return
    if name == "dtype":
        assert got == dtype
        return
    with np.errstate(all="ignore"):
        wanted = np.asarray(row.oracle(*arguments, **row.named), float)
    got = np.asarray([value_of(v) for v in got] if isinstance(got, list) else value_of(got), float)
    np.testing.assert_allclose(got, wanted, rtol=2e-2, atol=1e-2)


@pytest.mark.parametrize("shape", [(), (7,), (0, 4), (2, 1, 3, 1, 2)])
@pytest.mark.parametrize(("name", "row"), CASES)
def test_shapes_that_do_not_fit_are_refused_by_name(name, row, shape):
    for place in range(len(tensors(row.arguments))):
        count = iter(range(99))
        arguments = replaced(row.arguments, lambda t: np.ones(shape, t.value.dtype) if next(count) == place else t.value)
        try:
            with np.errstate(all="ignore"):
                getattr(K, name)(*arguments, **row.named)
        except (TypeError, ValueError) as error:
            clear(error, name)


WORDS = {"padding", "data_format", "pool_mode", "dtype", "interpolation", "dim_ordering", "floatx"}


def worded():
    found = []
    for name in FUNCTIONS:
        for parameter in inspect.signature(getattr(K, name)).parameters.values():
            takes_words = parameter.name in WORDS and (
                parameter.default is None or isinstance(parameter.default, (str, type)) or parameter.default is parameter.empty
            )
            if takes_words:
                found.append(pytest.param(name, parameter.name, id=f"{name}-{parameter.name}"))
    return found


SETTING_ARGUMENTS = {
    "arange": (3,), "constant": (1.0,), "eye": (2,), "ones": ((2,),), "zeros": ((2,),), "variable": (1.0,), "placeholder": (),
    "random_binomial": ((2,),), "random_normal": ((2,),), "random_normal_variable": ((2,), 0.0, 1.0), "random_uniform": ((2,),),
    "random_uniform_variable": ((2,), 0.0, 1.0), "truncated_normal": ((2,),), "set_image_data_format": (), "set_image_dim_ordering": (),
    "set_floatx": (),
}  # fmt: skip


@pytest.mark.parametrize("word", ["sam", "", 3, 2.5, b"valid", ["same"]])
@pytest.mark.parametrize(("name", "parameter"), worded())
def test_wrong_names_are_refused(name, parameter, word):
    arguments = SETTING_ARGUMENTS[name] if name in SETTINGS else replaced(ROWS[name][0].arguments, lambda t: t.value)
    named = {} if name in SETTINGS else dict(ROWS[name][0].named)
    signature = inspect.signature(getattr(K, name))
    position = list(signature.parameters).index(parameter)
    with pytest.raises((TypeError, ValueError, NotImplementedError)) as caught:
        getattr(K, name)(*arguments[:position], **{**named, parameter: word})
    clear(caught.value, name)
