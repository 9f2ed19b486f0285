"""The functions on the lists of a step of lamella.torch, without torch."""

import numpy as np
import pytest

from lamella._kernels import _compiled as _kernels


class Param:
    def __init__(self, grad):
        self.grad = grad


def common_count(counts):
    return _kernels.common_count([], [], [], counts)


def test_gradients_are_those_of_the_parameters_that_are_held():
    one, two = object(), object()
    params = [Param(one), Param(None), Param(two), Param(None)]
    found = _kernels.gradients(params, params[0:3:2])
    assert len(found) == 2 and found[0] is one and found[1] is two
    for others in (params[:1], params[:3], params[2::-2], [*params[0:3:2], params[0]], []):
        assert _kernels.gradients(params, others) is None
    assert _kernels.gradients(params[1:2], []) == _kernels.gradients([], []) == []
    with pytest.raises(TypeError, match="gradients: expected 2 lists, got 2 arguments"):
        _kernels.gradients((Param(one),), [])
    with pytest.raises(TypeError, match="gradients: expected 2 lists, got 1 arguments"):
        _kernels.gradients(params)
    with pytest.raises(AttributeError):
        _kernels.gradients([object()], [])


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
    assert _kernels.gradients(params, [*params]) == [1.5]
    params = [Leaving(), Leaving()]
    assert _kernels.gradients(params, [*params]) is None


def test_identical_compares_objects_not_values():
    one, same = [1], [1]
    assert _kernels.identical([one], [one]) and _kernels.identical({"a": one}, [one])
    assert not _kernels.identical([one], [same]) and not _kernels.identical({"a": one}, [same])
    assert not _kernels.identical([one], []) and not _kernels.identical({}, [one])
    with pytest.raises(TypeError, match=r"identical: expected a list or dict, and a list, got \[\] and \(\)"):
        _kernels.identical([], ())
    with pytest.raises(TypeError, match="identical: expected 2 arguments, got 1"):
        _kernels.identical([])


def test_a_common_count_needs_the_same_tensors_in_all_states():
    m, n, v, w = [1], [1], [2], [2]
    states = [{"m": m, "v": v, "other": m}, {"m": n, "v": w}]
    assert _kernels.common_count(states, ["m", "v"], [[m, n], [v, w]], None) == 0.0
    assert _kernels.common_count(states, ["v"], [[v, w]], np.full(2, 7.0)) == 7.0
    assert _kernels.common_count([], [], [], None) == 0.0
    assert _kernels.common_count(states, ["m", "v"], [[n, m], [v, w]], None) is None
    assert _kernels.common_count(states, ["m", "v"], [[m, n], [v, v]], None) is None
    assert _kernels.common_count(states, ["other"], [[m, n]], None) is None
    with pytest.raises(TypeError, match="common_count: expected 3 lists and counts, got 4 arguments"):
        _kernels.common_count(states, ("m",), [[m, n]], None)
    with pytest.raises(TypeError, match="common_count: expected 3 lists and counts, got 1 arguments"):
        _kernels.common_count(states)
    for one in ((states, ["m", "v"], [[m, n]]), (states, ["m"], [[m]]), (states, ["m"], [(m, n)]), ([m], ["m"], [[m]])):
        with pytest.raises(TypeError, match="common_count: expected dicts, and for each name a tensor of each of them"):
            _kernels.common_count(*one, None)


def test_finite_numbers_are_floats_in_one_tuple():
    class Half:
        def __float__(self):
            return 0.5

    group = {
        "lr": 1,
        "betas": [0.25, Half()],
        "eps": float("nan"),
        "decay": -float("inf"),
        "pair": (0.0, 1.0),
        "name": "x",
    }
    found = _kernels.finite(Half(), group, "lr", "betas")
    assert found == (1.0, 0.25, 0.5) and {*map(type, found)} == {float}
    assert _kernels.finite(None, {}) == ()
    for name, got in (("eps", "nan"), ("decay", "-inf")):
        with pytest.raises(ValueError, match=f"^Half: expected a finite {name}, got {got}$"):
            _kernels.finite(Half(), group, name)
    with pytest.raises(ValueError, match="^Half: expected a finite betas, got inf$"):
        _kernels.finite(Half(), {"betas": (0.0, float("inf"))}, "betas")
    with pytest.raises(KeyError, match="alpha"):
        _kernels.finite(Half(), group, "alpha")
    for name, got in (("name", "'x'"), ("pair", r"\(0.0, 1.0\)")):
        with pytest.raises(TypeError, match=f"^Half: expected a number for {name}, got {got}$"):
            _kernels.finite(Half(), group, name)
    for betas in (0.9, (0.9,), (0.9, 0.99, 0.999), None):
        with pytest.raises(TypeError, match="^Half: expected two numbers for betas, got"):
            _kernels.finite(Half(), {"betas": betas}, "betas")
    with pytest.raises(TypeError, match="finite: expected at most 8 numbers"):
        _kernels.finite(Half(), dict.fromkeys("abcdefghi", 1.0), *"abcdefghi")
    with pytest.raises(TypeError, match="finite: expected an object, a dict and names, got 1 arguments"):
        _kernels.finite(Half())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_counts_are_common_or_not_and_rise_by_one(dtype):
    counts = np.full(5, 3, dtype)
    assert common_count(counts) == 3.0
    _kernels.count_up(counts)
    assert counts.tolist() == [4] * 5
    counts[4] = 7
    assert common_count(counts) is None
    _kernels.count_up(counts)
    assert counts.tolist() == [5, 5, 5, 5, 8]


@pytest.mark.parametrize(
    "counts", [np.ones(3, np.int64), np.ones((2, 2)), np.ones(6)[::2], np.ones(0), np.ones(3, ">f4"), [1.0]]
)
def test_counts_of_other_kinds_are_refused(counts):
    for function in (common_count, _kernels.count_up):
        who = f"{function.__name__}: expected counts: a contiguous array of one axis of float32 or float64, got "
        with pytest.raises(TypeError, match=who):
            function(counts)


@pytest.mark.parametrize("steps", [0.0, 1.0, 76.0, 1e6])
@pytest.mark.parametrize("decay", [0, 0.25])
@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("betas", [(0.9, 0.999), [0, 0.5], (np.float32(0.3), 0.99)])
def test_adam_numbers_are_those_of_pythons_arithmetic(steps, decay, decoupled, betas):
    lr, eps = 3e-3, 1e-8
    group = {"lr": lr, "weight_decay": decay, "eps": eps, "betas": betas, "amsgrad": False}
    beta1, beta2 = map(float, betas)
    t = steps + 1
    kept, l2 = (1 - lr * decay, 0.0) if decoupled else (1.0, decay)
    wanted = lr / (1 - beta1**t), (1 - beta2**t) ** 0.5, l2, kept, (beta1, beta2, eps)
    assert _kernels.adam_numbers(object(), group, steps, decoupled) == wanted


@pytest.mark.parametrize("betas", [(1.0, 0.999), (0.9, 1.5), (-1.0, 0.999)])
def test_adam_numbers_refuse_betas_without_a_correction(betas):
    group = {"lr": 0.1, "weight_decay": 0, "eps": 1e-8, "betas": betas}
    with pytest.raises(ValueError, match=r"object: expected betas of at least 0 and below 1, got \(.*\)"):
        _kernels.adam_numbers(object(), group, 1.0, False)


def test_adam_numbers_refuse_what_is_no_number():
    group = {"lr": 0.1, "weight_decay": 0, "eps": 1e-8, "betas": (0.9, 0.999)}
    for name, value, error, text in [
        ("lr", float("nan"), ValueError, "object: expected a finite lr, got nan"),
        ("eps", "x", TypeError, "object: expected a number for eps, got 'x'"),
        ("betas", (0.9,), TypeError, r"object: expected two numbers for betas, got \(0.9,\)"),
        ("betas", 0.9, TypeError, "object: expected two numbers for betas, got 0.9"),
    ]:
        with pytest.raises(error, match=text):
            _kernels.adam_numbers(object(), {**group, name: value}, 1.0, False)
    with pytest.raises(KeyError, match="eps"):
        _kernels.adam_numbers(object(), {"lr": 0.1, "weight_decay": 0}, 1.0, False)
    with pytest.raises(TypeError, match="adam_numbers: expected an object, a dict, steps and a bool, got 2 arguments"):
        _kernels.adam_numbers(object(), group)
