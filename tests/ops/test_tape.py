"""The tape, and the ops that `differentiable` makes of functions."""

import copy
import gc
import inspect
import pickle
import sys
import threading
import weakref

import numpy as np
import pytest

from lamella import ops
from lamella.core.variable import Variable
from lamella.ops.arrays import contiguous, empty_like
from lamella.ops.tape import Tape, Tensor, differentiable


@differentiable
def scaled_sum(*xs, factor=1.0):
    """factor * (x0 + 2 x1 + 3 x2 ...)"""
    seen.append((tuple(type(x) for x in xs), factor))

    def backward(dy, need):
        needs.append(need)
        return tuple(factor * (i + 1) * dy if n else None for i, n in enumerate(need))

    return factor * sum((i + 1) * x for i, x in enumerate(xs) if x is not None), backward


seen, needs = [], []


@pytest.fixture(autouse=True)
def forget():
    seen.clear(), needs.clear()


def test_outside_of_a_tape_an_op_returns_an_array():
    y = scaled_sum(Variable([1.0, 2.0]), [3.0, 4.0], None, np.float64(5), factor=2.0)
    np.testing.assert_array_equal(y, [2 * (1 + 6 + 20), 2 * (2 + 8 + 20)])
    assert type(y) is np.ndarray and needs == []
    assert seen == [((np.ndarray, np.ndarray, type(None), np.ndarray), 2.0)]


@pytest.mark.parametrize("count", [1, 2, 11, 12, 13, 40])
def test_gradients_of_many_inputs(count):
    variables = [Variable(np.full(3, float(i))) for i in range(count)]
    with Tape(variables) as tape:
        y = scaled_sum(*variables, np.ones(3), factor=0.5)
        y = scaled_sum(y, variables[0], y)
    assert type(y) is Tensor
    found = tape.gradients([(y, np.array([1.0, 2.0, 3.0]))])
    for i, g in enumerate(found):
        np.testing.assert_allclose(g, (4 * 0.5 * (i + 1) + 2 * (i == 0)) * np.array([1.0, 2.0, 3.0]))
    assert needs == [(True, True, True), (*[True] * count, False)]


def test_results_that_do_not_depend_on_a_source_are_arrays():
    with Tape([v := Variable([1.0])]) as tape:
        assert type(scaled_sum(np.ones(1), Variable([2.0]))) is np.ndarray
        y = scaled_sum(v)
        assert (y.index, y.logits) == (1, None)
    assert len(needs) == 0
    np.testing.assert_array_equal(tape.gradients(y)[0], [1.0])


def test_a_closure_is_freed_after_its_use():
    freed = []

    @differentiable
    def op(x):
        held = np.zeros(1)
        weakref.finalize(held, freed.append, x[0])

        def backward(dy, need):
            freed.append(-x[0])
            return (dy + held,)

        return x + 1, backward

    with Tape([v := Variable([1.0])]) as tape:
        y = op(op(v))
    assert freed == []
    tape.gradients(y)
    assert freed == [-2.0, 2.0, -1.0, 1.0]


def test_an_error_leaves_nothing_on_the_tape():
    @differentiable
    def op(x):
        raise KeyError("forward")

    def backward(dy, need):
        raise KeyError("backward")

    @differentiable
    def late(x):
        return x + 1, backward

    v = Variable([1.0])
    before = sys.getrefcount(v.value), sys.getrefcount(v)
    with pytest.raises(KeyError, match="forward"):
        op(v)
    with Tape([v]) as tape:
        with pytest.raises(KeyError, match="forward"):
            op(v)
        y = late(v)
    with pytest.raises(KeyError, match="backward"):
        tape.gradients(y)
    with pytest.raises(TypeError, match=r"expected a tuple \(y, backward\) of <function .*, got int"):
        differentiable(lambda x: 3)(v)
    with pytest.raises(TypeError, match=r"expected a tuple \(y, backward\) of .*, got tuple"):
        differentiable(lambda x: (x, None, None))(v)
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        ops.relu(v, colour=3)
    del tape, y
    assert (sys.getrefcount(v.value), sys.getrefcount(v)) == before


def test_reference_counts_are_restored():
    v, x, factor = Variable([1.0]), np.ones(1), 12345.0
    counted = (v, v.value, x, factor, scaled_sum)

    def run():
        with Tape([v]) as tape:
            y = scaled_sum(v, x, x, *[v] * 20, factor=factor)
        tape.gradients(y)
        scaled_sum(v, x, factor=factor)
        contiguous(x), empty_like(x)
        seen.clear(), needs.clear()

    run()
    before = [sys.getrefcount(c) for c in counted]
    for _ in range(50):
        run()
    assert [sys.getrefcount(c) for c in counted] == before


def test_a_tensor_of_an_earlier_step_is_refused():
    tape = Tape([v := Variable([1.0])])
    with tape:
        old = ops.relu(v)
    with tape:
        with pytest.raises(RuntimeError, match=r"Tensor\(shape=\(1,\), dtype=float64\) is of an earlier step"):
            scaled_sum(v, old)
        y = scaled_sum(v, old.value)
    with pytest.raises(RuntimeError, match="is from an earlier block, or its gradients were already computed"):
        tape.gradients(old)
    with tape:
        y = scaled_sum(v, old.value)
    np.testing.assert_array_equal(tape.gradients(y)[0], [1.0])
    np.testing.assert_array_equal(scaled_sum(old), [1.0])  # its value can still be used


def test_gradients_inside_the_block_start_a_new_one():
    with Tape([v := Variable([1.0, 2.0])]) as tape:
        for factor in (2.0, 3.0):
            y = scaled_sum(v, v, factor=factor)
            np.testing.assert_array_equal(tape.gradients([(y, np.ones(2))])[0], [3 * factor] * 2)
        with pytest.raises(RuntimeError, match="already computed"):
            tape.gradients([(y, np.ones(2))])
        with pytest.raises(RuntimeError, match="is of an earlier step"):
            scaled_sum(y)
        y = scaled_sum(v)
    np.testing.assert_array_equal(tape.gradients([(y, np.ones(2))])[0], [1.0, 1.0])


def test_watched_arrays_belong_to_the_block():
    other, tape = Tape(), Tape([v := Variable([1.0])])
    outside = "Tape.watch: expected a call in the tape's block, before the first op"
    with pytest.raises(RuntimeError, match=outside):
        other.watch(np.ones(1))
    with tape:
        with pytest.raises(RuntimeError, match=outside):
            other.watch(np.ones(1))
        x = tape.watch(np.array([3.0]))
        y = scaled_sum(v, x, v)
        with pytest.raises(RuntimeError, match=outside):
            tape.watch(np.ones(1))
    assert [g.item() for g in tape.gradients(y)] == [4.0, 2.0]
    with pytest.raises(RuntimeError, match=outside):
        tape.watch(np.ones(1))
    assert type(scaled_sum(v)) is np.ndarray  # nothing records
    with tape:
        y = scaled_sum(v)
    assert [g.item() for g in tape.gradients(y)] == [1.0]


def test_a_failed_block_has_no_gradients_and_keeps_nothing():
    freed = []

    @differentiable
    def op(x):
        held = np.zeros(1)
        weakref.finalize(held, freed.append, 1)
        return x + 1, lambda dy, need: (dy + held,)

    with pytest.raises(KeyError), Tape([v := Variable([1.0])]) as tape:
        y = op(v)
        raise KeyError
    assert freed == [1] and y.value == 2.0
    with pytest.raises(RuntimeError, match="is from an earlier block"):
        tape.gradients(y)
    with Tape([v]) as tape:
        y = op(v)
    del tape
    assert freed == [1, 1] and y.value == 2.0  # a Tensor that still exists keeps no closure


def test_a_closure_may_return_any_sequence_and_change_it_later():
    found = []

    class Clears(np.ndarray):
        def __add__(self, other):
            found.clear()
            return np.asarray(self) + np.asarray(other)

        __radd__ = __add__

    @differentiable
    def op(*xs):
        def backward(dy, need):
            found[:] = [dy.copy().view(Clears) for _ in need]
            return found

        return sum(xs), backward

    with Tape([v := Variable([1.0])]) as tape:
        y = op(v, v, v)
    np.testing.assert_array_equal(tape.gradients(y)[0], [3.0])
    for short in ((), (None,), (np.ones(1),)):
        one = differentiable(lambda *xs, short=short: (xs[0] + 1, lambda dy, need: short))
        with tape:
            y = one(v, v)
        assert tape.gradients(y)[0] == (1.0 if short and short[0] is not None else None)


def test_wrong_indices_of_tensors_do_not_crash():
    tape = Tape()
    for index, error in ((10**7, IndexError), (-2, None)):
        with tape:
            x = tape.watch(np.ones(1))
            x.index = index
            y = scaled_sum(x, x)
        if error is None:
            assert type(y) is np.ndarray
        else:
            with pytest.raises(error):
                tape.gradients(y)


def test_numbers_as_gradients():
    """The sum of two 0-d arrays is a number in NumPy."""
    for op in (ops.relu, ops.tanh, ops.elu, ops.softplus):
        with Tape([v := Variable(np.float32(0.5))]) as tape:
            y = op(v)
            y = y * y
        slope = (float(y.value) ** 0.5 - float(op(v.value - np.float32(1e-2)))) / 1e-2
        assert float(tape.gradients(y)[0]) == pytest.approx(2 * float(y.value) ** 0.5 * slope, rel=2e-2)


def test_each_thread_has_its_own_tape():
    v, found = Variable([2.0]), []

    def other():
        found.append(type(ops.relu(v)))  # none records here
        with Tape([v]) as tape:
            y = v * v
        found.append(tape.gradients(y)[0][0])

    with Tape([v]) as tape:
        y = scaled_sum(v, factor=3.0)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        y = scaled_sum(y)
    assert found == [np.ndarray, 4.0]
    np.testing.assert_array_equal(tape.gradients(y)[0], [3.0])


def test_an_op_has_the_attributes_of_its_function_and_pickles():
    assert ops.relu.__name__ == "relu" and ops.relu.__module__ == "lamella.ops.activations"
    assert ops.relu.__doc__.startswith("Where x > threshold")
    assert list(inspect.signature(ops.relu).parameters) == ["x", "alpha", "max_value", "threshold"]
    assert pickle.loads(pickle.dumps(ops.relu)) is ops.relu
    assert copy.deepcopy({"f": ops.relu})["f"] is ops.relu and copy.copy(ops.relu) is ops.relu
    assert "relu" in repr(ops.relu)
    assert weakref.ref(ops.relu)() is ops.relu

    class Has:
        op = scaled_sum

    assert Has.op is scaled_sum
    assert Has().op.__self__.__class__ is Has and Has().op.__func__ is scaled_sum
    reference = weakref.ref(gone := differentiable(lambda x: (x, None)))
    gone.itself = gone
    del gone
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize(
    "x",
    [
        np.ones((2, 3)),
        np.ones((2, 3), order="F"),
        np.ones((4, 6), "i8")[::2, ::2],
        np.array(3.0, "f4"),
        np.ones((0, 2), ">f4"),
        np.ones(3, "?"),
    ],
)
def test_new_and_contiguous_arrays(x):
    new, same = empty_like(x), contiguous(x)
    assert (
        new.shape == x.shape and new.dtype == x.dtype and new.flags.c_contiguous and new.flags.owndata and new.flags.writeable
    )
    assert (same is x) == x.flags.c_contiguous and same.flags.c_contiguous and same.dtype == x.dtype
    np.testing.assert_array_equal(same, x)


def test_unaligned_arrays_are_copied_and_others_refused():
    x = np.frombuffer(b"\0" * 9, np.uint8)[1:].view(np.float64)
    assert contiguous(x) is not x and contiguous(x).flags.aligned
    wanted = "empty_like: expected an array, and optionally a tuple of at most 8 lengths"
    for arguments in ((), ([1.0],), (x, 3), (x, (1,) * 9), (x, (1,), 2)):
        with pytest.raises(TypeError, match=wanted):
            empty_like(*arguments)
    with pytest.raises(TypeError, match="integer"):
        empty_like(x, (2.0,))
    with pytest.raises(ValueError, match="negative dimensions"):
        empty_like(x, (-1,))
    for shape in ((3, 0, 5), (), (2,)):
        new = empty_like(x.astype(">f4"), shape)
        assert new.shape == shape and new.dtype == np.dtype(">f4")


@differentiable
def quotient_and_rest(x, d):
    """(x // d, x % d). Both pass gradients to x, so that the test sees whether backward was called."""

    def backward(dys, need):
        given.append(dys)
        total = sum(factor * dy for factor, dy in zip((10.0, 1.0), dys, strict=True) if dy is not None)
        return (total, None)

    return (x // d, x % d), backward


given = []


def test_an_op_of_several_results_gets_all_gradients_at_once():
    given.clear()
    x = np.array([7.0, 8.0, 11.0])
    plain = quotient_and_rest(x, 3.0)
    assert [type(y) for y in plain] == [np.ndarray] * 2
    with Tape() as tape:
        before = tape.watch(x)
        first, second = quotient_and_rest(ops.multiply(before, 1.0), 3.0)
        assert type(first) is type(second) is Tensor
        after = ops.square(first)
    loss = [(after, np.ones(3)), (second, np.full(3, 5.0))]
    (found,) = tape.gradients(loss)
    np.testing.assert_array_equal(found, 10 * 2 * (x // 3) + 5)
    assert len(given) == 1 and [dy.tolist() for dy in given[0]] == [[4.0, 4.0, 6.0], [5.0, 5.0, 5.0]]


@pytest.mark.parametrize("used", [0, 1])
def test_an_unused_result_has_no_gradient(used):
    given.clear()
    with Tape() as tape:
        results = quotient_and_rest(tape.watch(np.array([7.0])), 3.0)
        other = ops.square(results[used])
    (found,) = tape.gradients([(other, np.ones(1))])
    np.testing.assert_array_equal(found, [(10 * 2 * 2.0, 1 * 2 * 1.0)[used]])
    assert [dy is None for dy in given[0]] == [used == 1, used == 0]


def test_the_closure_of_unused_results_is_not_called():
    given.clear()
    with Tape() as tape:
        x = tape.watch(np.array([7.0]))
        quotient_and_rest(x, 3.0)
        y = ops.square(x)
    np.testing.assert_array_equal(tape.gradients([(y, np.ones(1))])[0], [14.0])
    assert given == []


def test_a_tape_that_was_entered_and_lost_does_not_block_the_next_one():
    """CPython 3.14 handles Ctrl-C between __enter__ and the block, and then calls no __exit__."""
    v = Variable(np.ones(2))
    lost = Tape([v])
    lost.__enter__()
    with pytest.raises(RuntimeError, match="already recording"), Tape([v]):
        pass
    del lost
    with Tape([v]) as tape:
        loss = ops.sum(v * v)
    assert np.array_equal(tape.gradients(loss)[0], [2, 2])
