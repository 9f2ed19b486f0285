"""A gradient may be written over the one that it is computed from only if nothing else refers to that one."""

import threading

import numpy as np
import pytest

from lamella import ops
from lamella.core.variable import Variable
from lamella.ops.arrays import in_place_of
from lamella.ops.tape import Tape, differentiable

RNG = np.random.default_rng(5)


def source(shape=(3, 4), dtype="f8"):
    return Variable(RNG.normal(size=shape).astype(dtype))


def loss_of(y):
    return [(y, np.ones(y.shape, y.dtype))]


@differentiable
def doubled(x):
    """2 x, whose gradient is always a new array."""
    return 2 * x, lambda dy, need: (2 * dy,)


def observer(seen):
    """The identity; its backward adds (dy, the memory for a gradient, memory for a second one) to `seen`."""

    @differentiable
    def observed(x):
        def backward(dy, need):
            result = in_place_of(dy), in_place_of(dy)
            seen.append((dy, *result))
            return (1.0 * dy,)

        return x.copy(), backward

    return observed


def test_a_gradient_of_the_tape_alone_is_overwritten_once():
    seen, v = [], source()
    with Tape([v]) as tape:
        y = doubled(observer(seen)(v))
    tape.gradients(loss_of(y))
    [(dy, first, second)] = seen
    assert first is dy
    assert second is not dy and second.shape == dy.shape and second.dtype == dy.dtype
    assert not np.shares_memory(second, dy)


def test_a_view_of_memory_that_nothing_else_refers_to_is_overwritten():
    seen, v = [], source((3, 4))
    with Tape([v]) as tape:
        y = doubled(ops.reshape(observer(seen)(v), shape=(12,)))
    tape.gradients(loss_of(y))
    [(dy, first, _)] = seen
    assert dy.base is not None and first is dy


kept = []


def as_it_is(dy):
    kept.append(dy)
    return dy


def view_of_kept(dy):
    kept.append(2 * dy)
    return kept[-1].reshape(dy.shape)


def beside_a_view(dy):
    made = 2 * dy
    kept.append(made.T)
    return made


def read_only(dy):
    made = 2 * dy
    made.flags.writeable = False
    return made


def not_contiguous(dy):
    return np.asfortranarray(2 * dy)


def of_bytes(dy):
    return np.frombuffer(bytearray(dy.tobytes()), dy.dtype).reshape(dy.shape)


class Marked(np.ndarray):
    pass


def of_a_subclass(dy):
    return (2 * dy).view(Marked)


@pytest.mark.parametrize("given", [as_it_is, view_of_kept, beside_a_view, read_only, not_contiguous, of_bytes, of_a_subclass])
def test_other_gradients_are_not_overwritten(given):
    kept.clear()
    seen, v = [], source()

    @differentiable
    def op(x):
        return 2 * x, lambda dy, need: (given(dy),)

    with Tape([v]) as tape:
        y = doubled(op(observer(seen)(v)))
    tape.gradients(loss_of(y))
    [(dy, first, _)] = seen
    assert first is not dy and not np.shares_memory(first, dy)
    assert first.flags.c_contiguous and first.flags.writeable and first.dtype == dy.dtype and first.shape == dy.shape


def test_the_weights_of_a_loss_are_not_overwritten():
    seen, v = [], source()
    with Tape([v]) as tape:
        y = observer(seen)(v)
    weights = RNG.normal(size=y.shape)
    before = weights.copy()
    tape.gradients([(y, weights)])
    assert seen[0][1] is not weights
    with Tape([v]) as tape:
        y = ops.relu(ops.tanh(v))
    tape.gradients([(y, weights)])
    assert np.array_equal(weights, before)


def test_outside_of_backward_memory_is_new():
    x = np.ones((2, 3))
    assert in_place_of(x) is not x
    with pytest.raises(TypeError, match="empty_like: expected an array"):
        in_place_of(3)


def test_another_thread_gets_new_memory():
    others, v = [], source()

    @differentiable
    def op(x):
        def backward(dy, need):
            thread = threading.Thread(target=lambda: others.append(in_place_of(dy)))
            thread.start()
            thread.join()
            assert others[0] is not dy and in_place_of(dy) is dy
            return (dy,)

        return x.copy(), backward

    with Tape([v]) as tape:
        y = doubled(op(v))
    tape.gradients(loss_of(y))
    assert len(others) == 1


def test_a_failed_backward_leaves_no_memory_to_overwrite():
    held, v = [], source()

    @differentiable
    def op(x):
        def backward(dy, need):
            held.append(dy)
            raise ArithmeticError

        return x.copy(), backward

    with Tape([v]) as tape:
        y = doubled(op(v))
    with pytest.raises(ArithmeticError):
        tape.gradients(loss_of(y))
    assert in_place_of(held[0]) is not held[0]


UNARY = {
    "relu": ops.relu,
    "elu": ops.elu,
    "tanh": ops.tanh,
    "sigmoid": ops.sigmoid,
    "hard_sigmoid": ops.hard_sigmoid,
    "softplus": ops.softplus,
    "softsign": ops.softsign,
    "exponential": ops.exponential,
    "dropout": lambda x: ops.dropout(x, rate=0.4, key=(1, 2)),
    "batch_norm": lambda x: ops.batch_norm(x, None, None, epsilon=0.1),
    "batch_norm_relu": lambda x: ops.relu(ops.batch_norm(x, None, None, epsilon=0.1)),
}


def gradient_of(f, value, weights):
    v = Variable(value)
    with Tape([v]) as tape:
        y = f(v)
    return tape.gradients([(y, weights)])[0]


def numerical(f, value, weights, step=1e-6):
    found = np.empty_like(value)
    for at in np.ndindex(*value.shape):
        moved = [value.copy(), value.copy()]
        moved[0][at] += step
        moved[1][at] -= step
        found[at] = ((np.asarray(f(moved[0])) - np.asarray(f(moved[1]))) * weights).sum() / (2 * step)
    return found


@pytest.mark.parametrize("name", UNARY)
def test_gradients_that_several_ops_share_are_right(name):
    """The addition gives one gradient to three inputs; each is the gradient that the next backward may overwrite."""
    f = UNARY[name]

    def branches(x):
        start = doubled(x)
        return f(f(start) + f(doubled(start)) + start)

    value, weights = RNG.normal(size=(5, 4)) / 8, RNG.normal(size=(5, 4))
    np.testing.assert_allclose(gradient_of(branches, value, weights), numerical(branches, value, weights), rtol=2e-5, atol=2e-6)


def test_sums_of_gradients_change_no_array_that_is_kept():
    returned = []

    @differentiable
    def keeper(x):
        def backward(dy, need):
            returned.append((dy * 3, (dy * 3).copy()))
            return (returned[-1][0],)

        return 3 * x, backward

    value = RNG.normal(size=(4, 3))
    v = Variable(value)
    with Tape([v]) as tape:
        start = doubled(v)
        y = keeper(start) + keeper(start) + keeper(start)
    [found] = tape.gradients(loss_of(y))
    assert np.array_equal(found, np.full_like(value, 18))
    for array, copy in returned:
        assert np.array_equal(array, copy)


@pytest.mark.parametrize("other", ["f4", "shape"])
def test_sums_of_unlike_gradients_are_those_of_numpy(other):
    """A sum in place would keep the first one's dtype and shape."""
    first = np.full((2, 3), 1 / 3, "f4" if other == "f4" else "f8")
    second = np.full((2, 3), 1 / 3, "f8") if other == "f4" else np.full((4, 2, 3), 0.5)

    def giving(gradient):
        @differentiable
        def op(x):
            return x.copy(), lambda dy, need: (gradient.copy(),)

        return op

    v = source((2, 3))
    with Tape([v]) as tape:
        y = giving(second)(v) + giving(first)(v)
    [found] = tape.gradients(loss_of(y))
    assert found.dtype == (first + second).dtype and np.array_equal(found, first + second)


def test_gradients_in_a_tuple_that_a_closure_keeps_are_not_overwritten():
    kept = (np.ones(3, "f"),)

    @differentiable
    def op(x):
        return x * 2, lambda dy, need: kept

    ones = np.ones(3, "f")
    for _ in range(2):
        with Tape() as tape:
            x = tape.watch(ones.copy())
            y = op(x)
            z = ops.add(x, np.zeros(3, "f"))
        assert tape.gradients([(y, ones), (z, ones)])[0].tolist() == [2, 2, 2]
    assert kept[0].tolist() == [1, 1, 1]


@pytest.mark.parametrize("kind", ["f4", "f8", "i8", "f2"])
def test_sums_of_slices_of_a_gradient_leave_it_as_it_was(kind):
    for shape in ((0, 3, 4), (3, 5, 4), (40, 30, 16)):
        for axis in range(3):
            wide = [2 * n if i == axis else n for i, n in enumerate(shape)]
            whole = (100 * RNG.normal(size=wide)).astype(kind)
            kept = whole.copy()
            with Tape() as tape:
                x = tape.watch(np.zeros(shape, kind))
                y = ops.concatenate(x, x, axis=axis)
            [found] = tape.gradients([(y, whole)])
            first, second = np.split(kept, 2, axis=axis)
            assert found.dtype == whole.dtype and np.array_equal(found, first + second)
            assert np.array_equal(whole, kept)
