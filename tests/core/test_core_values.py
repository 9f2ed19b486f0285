"""Variables, shapes, checks, names and random keys."""

import random

import numpy as np
import pytest

from lamella.core import config, names, phase, shapes
from lamella.core.checks import as_array
from lamella.core.random import generator, next_seed, set_random_seed
from lamella.core.variable import Variable


def test_variable_updates_in_place():
    v = Variable([1, 2], "w:0", dtype="float32")
    held = v.value
    v.assign([3.0, 4.0])
    assert v.value is held and held.tolist() == [3, 4] and v.dtype == "float32"
    with pytest.raises(ValueError, match=r"'w:0': expected shape \(2,\), got \(1, 2\)"):
        v.assign([[1, 2]])
    copy = v.numpy()
    copy[:] = 0
    assert held.tolist() == [3, 4]


def test_variable_of_a_scalar():
    v = Variable(0.25)
    assert float(v) == 0.25 and v.shape == () and np.asarray(v) == 0.25
    assert len({v, Variable(0.25)}) == 2  # identity


def test_variable_copies_its_value():
    source = np.zeros(2, np.float32)
    Variable(source).value[0] = 1
    assert source[0] == 0


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize("window", (1, 2, 3, 5))
@pytest.mark.parametrize("stride", (1, 2, 3))
@pytest.mark.parametrize("dilation", (1, 2))
def test_window_length_counts_windows(size, window, stride, dilation):
    reach = (window - 1) * dilation + 1
    valid = len(range(0, size - reach + 1, stride))
    assert shapes.window_length(size, window, stride, "valid", dilation) == valid
    same = shapes.window_length(size, window, stride, "same", dilation)
    before, after = shapes.pad_amounts(size, window, stride, "same", dilation)
    assert same == len(range(0, size, stride))
    assert 0 <= after - before <= 1
    assert shapes.window_length(size + before + after, window, stride, "valid", dilation) == same
    assert shapes.window_length(None, window, stride, "valid", dilation) is None


@pytest.mark.parametrize("value", [0, -1, (1, 2, 3), "ab", 1.5, (1, 0), None, True])
def test_normalize_tuple_refuses(value):
    with pytest.raises(ValueError, match="The `strides` argument must be a tuple of 2 integers. Received: "):
        shapes.normalize_tuple(value, 2, "strides")


def test_normalize_tuple_accepts():
    assert shapes.normalize_tuple(3, 2, "k") == (3, 3)
    assert shapes.normalize_tuple([np.int64(1), 2], 2, "k") == (1, 2)


def test_as_shape():
    assert shapes.as_shape([None, np.int64(3), 4]) == (None, 3, 4) and shapes.as_shape(5) == (5,)
    for bad in (-1, (3, -2), (1.5,), "ab", None, object()):
        with pytest.raises(ValueError, match="expected a shape"):
            shapes.as_shape(bad)


def layouts(x):
    unaligned = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape)
    read_only = x.copy()
    read_only.flags.writeable = False
    return {
        "fortran": np.asfortranarray(x),
        "negative stride": x[::-1].copy()[::-1],
        "strided": np.repeat(x, 2, axis=1)[:, ::2],
        "big endian": x.astype(x.dtype.newbyteorder(">")),
        "unaligned": unaligned,
        "read-only": read_only,
        "list": x.tolist(),
        "masked": np.ma.masked_array(x),
        "float64": x.astype(np.float64),
    }


@pytest.mark.parametrize("kind", layouts(np.zeros((1, 1), np.float32)))
def test_as_array_accepts_every_layout(kind):
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    y = as_array(layouts(x)[kind], np.float32, "x")
    assert type(y) is np.ndarray and y.flags.c_contiguous and y.flags.aligned and y.dtype == np.dtype("=f4")
    np.testing.assert_array_equal(y, x)


def test_as_array_does_not_copy_a_clean_array():
    x = np.zeros((2, 3), np.float32)
    assert as_array(x, "float32", "x") is x
    assert as_array(np.float32(3), "float32", "x").shape == ()


@pytest.mark.parametrize("bad", [np.array(["a"]), np.array([object()]), np.array([1j]), [[1], [1, 2]], "abc", None])
def test_as_array_refuses_by_name(bad):
    with pytest.raises(TypeError, match="^input_1: expected "):
        as_array(bad, np.float32, "input_1")


@pytest.mark.parametrize(
    "name, spelled",
    [("Dense", "dense"), ("Conv2D", "conv2d"), ("MaxPooling2D", "max_pooling2d"), ("LSTMCell", "lstm_cell"),
     ("GlobalAveragePooling2D", "global_average_pooling2d"), ("ReLU", "re_lu"), ("BatchNormalization", "batch_normalization"),
     ("_Hidden", "private__hidden")],
)  # fmt: skip
def test_snake_case_gives_the_names_of_keras(name, spelled):
    assert names.snake_case(name) == spelled


def test_seeds_repeat_and_differ_by_owner():
    set_random_seed(7)
    first = [next_seed("dropout"), next_seed("dropout"), next_seed("initializer"), random.random(), np.random.rand()]
    set_random_seed(7)
    again = [next_seed("dropout"), next_seed("dropout"), next_seed("initializer"), random.random(), np.random.rand()]
    assert first == again and len(set(first)) == 5
    set_random_seed(8)
    assert next_seed("dropout") != first[0]
    # The keys of one kind of owner do not change the keys of another kind.
    set_random_seed(7)
    assert next_seed("initializer") == first[2]


def test_a_seeded_generator_repeats():
    assert generator(3).random() == generator(3).random() != generator(4).random()


@pytest.mark.parametrize("bad", [-1, 2**32, 1.5, "a", None, True])
def test_set_random_seed_refuses(bad):
    with pytest.raises(ValueError, match="set_random_seed: expected an integer"):
        set_random_seed(bad)


def test_config_refuses_unknown_values():
    with pytest.raises(ValueError, match="Unknown floatx type: float16"):
        config.set_floatx("float16")
    with pytest.raises(ValueError, match="`data_format` argument"):
        config.set_image_data_format("nhwc")
    assert (config.floatx(), config.image_data_format(), config.epsilon()) == ("float32", "channels_last", 1e-7)


def test_learning_phase():
    assert phase.learning_phase() == 0
    with phase.phase(True):
        assert phase.learning_phase() == 1
    assert phase.learning_phase() == 0
    with pytest.raises(ValueError):
        phase.set_learning_phase(2)


def test_numbers_that_no_float_holds_are_refused_by_name():
    with pytest.raises(TypeError, match="labels: expected numbers that float32 can hold"):
        as_array([[1, 2, 10**400]], "float32", "labels")
