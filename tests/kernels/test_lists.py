"""The functions on the lists of a step of lamella.torch, without torch."""

import numpy as np
import pytest

from lamella._kernels import _compiled as _kernels


class Param:
    def __init__(self, grad):
        self.grad = grad


def test_gradients_are_those_of_all_parameters_or_none():
    one, two = object(), object()
    found = _kernels.gradients([Param(one), Param(two)])
    assert len(found) == 2 and found[0] is one and found[1] is two
    assert _kernels.gradients([Param(one), Param(None)]) is None
    assert _kernels.gradients([]) == []
    with pytest.raises(TypeError, match="gradients: expected a list"):
        _kernels.gradients((Param(one),))
    with pytest.raises(AttributeError):
        _kernels.gradients([object()])


def test_gradients_of_a_parameter_that_leaves_the_list_meanwhile():
    class Leaving:
        def __init__(self):
            self.value = 1.5

        @property
        def grad(self):
            params.clear()
            raise AttributeError

        def __getattr__(self, name):
            return self.value

    params = [Leaving()]
    assert _kernels.gradients(params) == [1.5]
    params = [Leaving(), Leaving()]
    assert _kernels.gradients(params) is None


def test_identical_compares_objects_not_values():
    one, same = [1], [1]
    assert _kernels.identical([one], [one]) and _kernels.identical({"a": one}, [one])
    assert not _kernels.identical([one], [same]) and not _kernels.identical({"a": one}, [same])
    assert not _kernels.identical([one], []) and not _kernels.identical({}, [one])
    with pytest.raises(TypeError, match=r"identical: expected a list or dict, and a list, got \[\] and \(\)"):
        _kernels.identical([], ())
    with pytest.raises(TypeError, match="identical: expected 2 arguments, got 1"):
        _kernels.identical([])


def test_have_compares_the_values_of_one_key():
    one, same = [1], [1]
    assert _kernels.have([{"a": one, "b": same}], "a", [one])
    assert not _kernels.have([{"a": one}], "a", [same])
    assert not _kernels.have([{}], "a", [one])
    assert not _kernels.have([{"a": one}], "a", [])
    with pytest.raises(TypeError, match=r"have: expected a list of dicts, a str and a list, got \[\], 1 and \[\]"):
        _kernels.have([], 1, [])
    with pytest.raises(TypeError, match="have: expected dicts"):
        _kernels.have([one], "a", [one])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_counts_are_common_or_not_and_rise_by_one(dtype):
    counts = np.full(5, 3, dtype)
    assert _kernels.common_count(counts) == 3.0
    _kernels.count_up(counts)
    assert counts.tolist() == [4] * 5
    counts[4] = 7
    assert _kernels.common_count(counts) is None
    _kernels.count_up(counts)
    assert counts.tolist() == [5, 5, 5, 5, 8]


@pytest.mark.parametrize(
    "counts", [np.ones(3, np.int64), np.ones((2, 2)), np.ones(6)[::2], np.ones(0), np.ones(3, ">f4"), [1.0]]
)
def test_counts_of_other_kinds_are_refused(counts):
    for function in (_kernels.common_count, _kernels.count_up):
        who = f"{function.__name__}: expected counts: a contiguous array of one axis of float32 or float64, got "
        with pytest.raises(TypeError, match=who):
            function(counts)
