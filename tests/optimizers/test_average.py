"""Moving averages of weights, on arrays and on memory of other libraries."""

import array

import numpy as np
import pytest

from lamella.optimizers import SGD, WeightAverage


def weights(seed, dtype="float64"):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape), dtype) for shape in ((3, 4), (4,), ())]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("momentum, warmup", [(0.9, False), (0.0, False), (1.0, False), (0.5, True), (0.1, True)])
def test_updates_follow_the_formula(dtype, momentum, warmup):
    average = WeightAverage(weights(0, dtype), momentum, warmup=warmup)
    wanted = [w.astype("f8") for w in weights(0, dtype)]
    for n in range(6):
        average.update(weights(n + 1, dtype))
        keep = min(momentum, (1 + n) / (10 + n)) if warmup else momentum
        wanted = [keep * a + (1 - keep) * p for a, p in zip(wanted, weights(n + 1, dtype), strict=True)]
    for a, w in zip(average.averages, wanted, strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, w, rtol=0, atol=1e-6 if dtype == "float32" else 1e-14)
    assert average.updates == 6


def test_swap_exchanges_and_a_second_swap_restores():
    params, average = weights(0), WeightAverage(weights(1))
    average.swap(params)
    for got, wanted in zip([*params, *average.averages], [*weights(1), *weights(0)], strict=True):
        np.testing.assert_array_equal(got, wanted)
    average.swap(params)
    for got, wanted in zip([*params, *average.averages], [*weights(0), *weights(1)], strict=True):
        np.testing.assert_array_equal(got, wanted)
    average.copy_to(params)
    for got, wanted in zip([*params, *average.averages], [*weights(1), *weights(1)], strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_averages_of_an_oscillating_descent_end_nearer_to_the_minimum():
    params, optimizer = [np.full(3, 4.0)], SGD(lr=0.1)
    average = WeightAverage(params, 0.95, warmup=True)
    for step in range(400):
        noise = 3.0 if step % 2 else -3.0
        optimizer.step(params, [params[0] + noise])
        average.update(params)
    assert np.abs(average.averages[0]).max() < 0.02 < 0.1 < np.abs(params[0]).max()


def test_a_state_continues_with_the_same_bits():
    first, second = WeightAverage(weights(0), warmup=True), WeightAverage(weights(5), warmup=True)
    first.update(weights(1))
    second.set_state(first.get_state())
    for average in (first, second):
        average.update(weights(2))
    assert second.updates == 2
    for a, b in zip(first.averages, second.averages, strict=True):
        np.testing.assert_array_equal(a, b)
    before = first.get_state()
    for state, words in (
        ({"updates:0": 1}, "WeightAverage: expected a state of .*'averages_2:0'.*got .'updates:0'."),
        ({**before, "averages_1:0": np.zeros(5)}, r"WeightAverage: expected 'averages_1:0' of shape \(4,\), got \(5,\)"),
        ({**before, "updates:0": 9, "averages_2:0": "x"}, "could not convert string to float"),
    ):
        with pytest.raises(ValueError, match=words):
            first.set_state(state)
        for name, kept in first.get_state().items():
            np.testing.assert_array_equal(kept, before[name])


def test_memory_of_other_libraries():
    p = array.array("f", [1.0, 2.0])
    average = WeightAverage([p], 0.5)
    p[0] = 3.0
    average.update([p])
    average.swap([p])
    assert p.tolist() == [2.0, 2.0] and average.averages[0].tolist() == [3.0, 2.0]
    torch = pytest.importorskip("torch")
    w = torch.nn.Parameter(torch.ones(2))
    average = WeightAverage([w], 0.5)
    loss = (w * w).sum()
    average.averages[0][:] = 5.0
    average.copy_to([w])
    assert w.tolist() == [5.0, 5.0]
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_what_does_not_fit_is_refused_and_nothing_changes():
    params, average = weights(0), WeightAverage(weights(0))
    before = average.get_state()
    for bad, error, words in (
        (params[:2], ValueError, "expected 3 parameters, got 2"),
        ([params[0].T.copy(), *params[1:]], ValueError, r"parameter 0 of shape \(3, 4\) and dtype float64, got \(4, 3\)"),
        (weights(0, "float32"), ValueError, r"parameter 0 of shape \(3, 4\) and dtype float64, got \(3, 4\) and float32"),
        ([params[0][:, ::-1], *params[1:]], ValueError, "parameter 0 to be C-contiguous"),
        ([params[0], None, params[2]], TypeError, "parameter 1 to be a NumPy array, got NoneType"),
        (average.averages, ValueError, r"average (\d) and parameter \1 share memory"),
        ([], ValueError, "at least one parameter"),
    ):
        for call in (average.update, average.swap, average.copy_to):
            with pytest.raises(error, match=f"WeightAverage: .*{words}"):
                call(bad)
    for name, kept in average.get_state().items():
        np.testing.assert_array_equal(kept, before[name])
    average = WeightAverage([np.zeros(4), np.ones(4)])
    for call in (average.update, average.swap, average.copy_to):
        with pytest.raises(ValueError, match="WeightAverage: average (0 and parameter 1|1 and parameter 0) share memory"):
            call(average.averages[::-1])
    assert [a[0] for a in average.averages] == [0.0, 1.0] and average.updates == 0
    for momentum in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match=r"expected momentum in \[0, 1\]"):
            WeightAverage(params, momentum)


def test_a_momentum_that_is_set_later_is_checked():
    average = WeightAverage([np.ones(3)], momentum=0.5)
    for wrong in (1.5, -0.1, np.nan):
        with pytest.raises(ValueError, match=r"expected momentum in \[0, 1\], got"):
            average.momentum = wrong
    assert average.momentum == 0.5
    average.momentum = 0.25
    average.update([np.full(3, 5.0)])
    np.testing.assert_array_equal(average.averages[0], np.full(3, 4.0))
