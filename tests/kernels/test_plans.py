"""A Plan calls kernels and remembers what it has checked: the results and the errors are those of the kernels."""

import threading
import weakref

import numpy as np
import pytest

# The compiled functions themselves: with LAMELLA_CALLS those of `_kernels` are replaced by functions that record them.
from lamella._kernels import _compiled as _kernels

MOMENTS = (0.9, 0.999, 1e-7)
BOUNDS = ([], 1.0, 0.0, 0.0, 0.0)
SHAPES = [(3,), (), (40, 5), (0, 2), (17,)] * 5  # more arrays than are compared in pairs


def draw(seed, dtype=np.float32, shapes=SHAPES):
    rng = np.random.default_rng(seed)
    return [np.array(abs(rng.normal(size=shape)), dtype) for shape in shapes]


def lists(dtype=np.float32):
    return [draw(seed, dtype) for seed in range(4)]


def adam(step, p, g, m, v, bounds=BOUNDS):
    step(_kernels.adam_update, p, g, m, v, 0.01, 0.0, MOMENTS, bounds)


def call(kernel, *arguments):
    kernel(*arguments)


def copied(arrays):
    return [[a.copy() for a in some] for some in arrays]


def equal(left, right):
    return all(
        np.array_equal(a, b) for some, others in zip(left, right, strict=True) for a, b in zip(some, others, strict=True)
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_steps_are_those_of_the_kernel(target, dtype):
    plan, ours = _kernels.Plan(), lists(dtype)
    theirs = copied(ours)
    for step in range(5):
        gradients = draw(100 + step, dtype)  # at new addresses
        for some in (ours, theirs):
            some[1] = [g.copy() for g in gradients]
        adam(plan, *ours)
        adam(call, *theirs)
        assert equal(ours, theirs)
    assert not equal([ours[0]], [draw(0, dtype)])


def test_other_lists_kernels_dtypes_and_lengths_follow_each_other():
    plan = _kernels.Plan()
    for dtype, count in (
        (np.float32, 25),
        (np.float64, 25),
        (np.float64, 3),
        (np.float64, 9),
        (np.float32, 1),
        (np.float32, 0),
    ):
        ours = [some[:count] for some in lists(dtype)]
        theirs = copied(ours)
        for _ in range(2):
            adam(plan, *ours)
            adam(call, *theirs)
            plan(_kernels.adagrad_update, *ours[:3], 0.1, 1e-3, BOUNDS)
            _kernels.adagrad_update(*theirs[:3], 0.1, 1e-3, BOUNDS)
        assert equal(ours, theirs)


def test_sums_of_gradients_are_checked_like_gradients():
    plan, ours, sums = _kernels.Plan(), lists(), draw(7)
    theirs = copied(ours)
    bounds = (sums, 0.5, 1.0, 0.0, 0.0)
    for _ in range(2):
        adam(plan, *ours, bounds)
        adam(call, *theirs, bounds)
    assert equal(ours, theirs)
    with pytest.raises(
        ValueError, match=r"array 2 of argument 'ps': expected memory of its own, got some of array 2 of argument"
    ):
        adam(plan, *ours, ([*sums[:2], ours[0][2], *sums[3:]], 0.5, 1.0, 0.0, 0.0))


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_narrow_steps_are_those_of_the_kernel(target, bits):
    def bytes_of(size):
        return 4 * -(-size // 256) + size if bits == 8 else size * bits // 8

    plan, ours = _kernels.Plan(), lists()[:2]
    ours += [[np.zeros(bytes_of(p.size), np.uint8) for p in ours[0]] for _ in range(2)]
    theirs = copied(ours)

    def step(caller, some, count):
        narrow = [], [], [], bits, 0, 1.0, 1, 7, count
        caller(_kernels.narrow_adam_update, *some, 0.01, 1.0, 0.0, 1.0, MOMENTS, narrow)

    for count in range(3):
        gradients = draw(100 + count)  # at new addresses
        for caller, some in ((plan, ours), (call, theirs)):
            some[1] = [g.copy() for g in gradients]
            step(caller, some, count)
        assert equal(ours, theirs)
    ours[3][2] = ours[2][2]
    for caller in (plan, call, plan):
        with pytest.raises(ValueError, match="memory of its own"):
            step(caller, ours, 3)


def overlapping_gradient(p, g, m, v):
    g[2] = m[2]


def half_a_parameter(p, g, m, v):
    g[4] = p[2].reshape(-1)[10:27]


def overlapping_parameters(p, g, m, v):
    p[4] = p[2].reshape(-1)[100:117]


def read_only(p, g, m, v):
    v[2].flags.writeable = False


def another_dtype(p, g, m, v):
    g[2] = g[2].astype(np.float64)


def another_layout(p, g, m, v):
    m[2] = np.ascontiguousarray(m[2].T).T


def another_shape(p, g, m, v):
    g[2] = g[2].reshape(5, 40)


def another_shape_in_place(p, g, m, v):
    g[2].shape = 5, 40


def another_dtype_in_place(p, g, m, v):
    p[2].dtype = np.int32


def missing(p, g, m, v):
    g.pop()


def no_array(p, g, m, v):
    g[2] = "text"


@pytest.mark.parametrize(
    "change",
    [
        overlapping_gradient,
        half_a_parameter,
        overlapping_parameters,
        read_only,
        another_dtype,
        another_layout,
        another_shape,
        another_shape_in_place,
        another_dtype_in_place,
        missing,
        no_array,
    ],
)
@pytest.mark.filterwarnings("ignore:Setting the:DeprecationWarning")
def test_a_later_step_refuses_what_the_kernel_refuses(change):
    plan, ours = _kernels.Plan(), lists()
    adam(plan, *ours)
    change(*ours)
    before = [[np.array(a) for a in some] for some in ours]
    messages = []
    for step in (plan, call, plan):
        with pytest.raises((TypeError, ValueError)) as error:
            adam(step, *ours)
        messages.append(f"{error.type} {error.value}")
    assert messages[0] == messages[1] == messages[2]
    assert equal(ours, before)


def test_an_error_leaves_nothing_half_checked():
    plan, ours = _kernels.Plan(), lists()
    adam(plan, *ours)
    gradient, slot = ours[1][2], ours[2][2]
    ours[1][2], ours[2][2] = slot, np.zeros(1)  # the second one is refused before the first is compared
    with pytest.raises((TypeError, ValueError)):
        adam(plan, *ours)
    ours[2][2] = slot
    with pytest.raises(ValueError, match="memory of its own"):
        adam(plan, *ours)
    ours[1][2] = gradient
    theirs = copied(ours)
    adam(plan, *ours)
    adam(call, *theirs)
    assert equal(ours, theirs)


def test_arrays_whose_memory_has_moved_are_updated_where_they_are():
    plan = _kernels.Plan()
    ours = [[np.ones(1000, np.float32)] for _ in range(4)]
    adam(plan, *ours)
    ours[0][0].resize(100_000, refcheck=False)
    for some in ours[1:]:
        some[0] = np.ones(100_000, np.float32)
    theirs = copied(ours)
    adam(plan, *ours)
    adam(call, *theirs)
    assert equal(ours, theirs)


def test_a_plan_keeps_no_array_alive():
    plan, ours = _kernels.Plan(), lists()
    adam(plan, *ours)
    dead = [weakref.ref(a) for some in ours for a in some]
    del ours
    assert not any(each() is not None for each in dead)


def test_threads_can_share_a_plan():
    plan = _kernels.Plan()
    shapes = [(1000,)] * 40
    alone = [draw(seed, shapes=shapes) for seed in range(4)]
    of_threads = [copied(alone) for _ in range(4)]
    for _ in range(50):
        adam(call, *alone)

    def run(ours):
        for _ in range(50):
            adam(plan, *ours)

    threads = [threading.Thread(target=run, args=(ours,)) for ours in of_threads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(equal(ours, alone) for ours in of_threads)


def test_a_list_that_contains_itself_is_refused():
    endless = []
    endless.append(endless)
    for step in (call, _kernels.Plan()):
        with pytest.raises(TypeError, match="adam_update: argument 'ps': expected an array of float32, got list"):
            adam(step, endless, [], [], [])


def test_a_plans_step_inserts_slots_and_numbers():
    plan, ours = _kernels.Plan(), lists()
    theirs = copied(ours)
    for _ in range(2):
        plan.step(_kernels.adam_update, ours[0], ours[1], ours[2:], (0.01, 0.0, MOMENTS), BOUNDS)
        adam(call, *theirs)
    assert equal(ours, theirs)
    wanted = "Plan.step: expected a kernel, parameters, gradients, slots, numbers and an argument"
    for slots, numbers in (((), ()), ([], []), ([], (0.0,) * 14), ([[]] * 14, ())):
        with pytest.raises(TypeError, match=wanted):
            plan.step(_kernels.adam_update, [], [], slots, numbers, BOUNDS)
    with pytest.raises(TypeError, match=wanted):
        plan.step(_kernels.adam_update, [], [], [])
    with pytest.raises(TypeError, match="Plan: expected a kernel and its arguments, got <built-in function len>"):
        plan.step(len, [], [], [], (), BOUNDS)
    with pytest.raises(TypeError, match="adam_update: expected 8 arguments"):
        plan.step(_kernels.adam_update, [], [], [], (), BOUNDS)


def test_a_plan_calls_kernels_only():
    plan = _kernels.Plan()
    for arguments in ((), (len, []), (print,), (_kernels.commit, [])):
        with pytest.raises(TypeError, match="Plan: expected a kernel and its arguments"):
            plan(*arguments)
    with pytest.raises(TypeError, match="Plan: expected a kernel and its arguments"):
        plan(_kernels.adam_update, p=[])
    with pytest.raises(TypeError, match="adam_update: expected 8 arguments"):
        plan(_kernels.adam_update, [])
    with pytest.raises(TypeError, match="Plan: expected no arguments"):
        _kernels.Plan(1)
