"""Parameters and gradients of other libraries: memory that is available by DLPack, __array_interface__ or the buffer protocol."""

import array
import ctypes
import mmap

import numpy as np
import pytest

from lamella.optimizers import SGD, Adam, NarrowSGD, WeightAverage

START, STEPS = [1.0, 2.0, 3.0, 4.0], 4


class ByInterface:
    """An object that gives the address of its memory by __array_interface__ only."""

    def __init__(self, values, writable=True, strides=None):
        self.kept = np.array(values, "f4")
        self.__array_interface__ = {**self.kept.__array_interface__, "data": (self.kept.ctypes.data, not writable)}
        if strides:
            self.__array_interface__ |= {"strides": strides, "shape": (2,)}


class ByDlpack:
    """An object with DLPack whose memory is available only after `detach`, like that of torch's tensors."""

    def __init__(self, values, attached=True):
        self.kept, self.attached = np.asarray(values, "f4"), attached

    def detach(self):
        return ByDlpack(self.kept, attached=False)

    def __dlpack__(self, **options):
        if self.attached:
            raise BufferError("detach it first")
        return self.kept.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.kept.__dlpack_device__()


class OnAnotherDevice(ByDlpack):
    def detach(self):
        return self

    def __dlpack__(self, **options):
        raise BufferError("its memory is on a GPU")


def floats(values):
    return (ctypes.c_float * len(values))(*values)


def mapped(values):
    memory = mmap.mmap(-1, 4096)
    memory[:16] = np.array(values, "f4").tobytes()
    return memoryview(memory)[:16].cast("f")


MAKERS = {
    "array.array": lambda values: array.array("f", values),
    "ctypes": floats,
    "memoryview": mapped,
    "array interface": ByInterface,
    "DLPack": ByDlpack,
}
makers = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def values_of(x):
    return np.array(x.kept if hasattr(x, "kept") else x)


def gradient(step):
    return np.random.default_rng(step).normal(size=4).astype("f4")


@makers
def test_steps_in_place_have_the_bits_of_steps_on_arrays(make):
    p, q, ours, theirs = make(START), np.array(START, "f4"), Adam(clipnorm=1.0), Adam(clipnorm=1.0)
    for step in range(STEPS):
        ours.step([p], [make(gradient(step))])
        theirs.step([q], [gradient(step)])
    np.testing.assert_array_equal(values_of(p), q)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_objects_made_in_each_step_over_the_same_memory_use_the_same_state():
    kept, straight = np.array(START, "f4"), np.array(START, "f4")
    ours, theirs = Adam(), Adam()
    for step in range(STEPS):
        ours.step([ByDlpack(kept)], [gradient(step)])
        theirs.step([straight], [gradient(step)])
    np.testing.assert_array_equal(kept, straight)


def test_memory_that_no_step_can_use_is_refused_and_nothing_changes():
    good = np.ones(4, "f4")
    for bad, error, words in (
        (ByInterface(START, writable=False), ValueError, "parameter 1 is read-only"),
        (ByInterface(START, strides=(8,)), ValueError, "parameter 1 to be C-contiguous"),
        (array.array("i", [1, 2, 3]), TypeError, "parameter 1 to be native float32 or float64, got dtype\\('int32'\\)"),
        (array.array("d", START), TypeError, "one dtype for all, got float32 and float64"),
        (bytearray(16), TypeError, "parameter 1 to be native float32"),
        (OnAnotherDevice(START), TypeError, "parameter 1: expected memory of the CPU .* on a GPU"),
        (np.float32(1), TypeError, "parameter 1 to be a NumPy array, got float32"),
        ("text", TypeError, "parameter 1 to be a NumPy array, got str"),
        (ByDlpack(good), ValueError, "parameter 0 and parameter 1 share memory"),
        (memoryview(good)[1:], ValueError, "parameter 0 and parameter 1 share memory"),
    ):
        optimizer = Adam()
        with pytest.raises(error, match=words):
            optimizer.step([good, bad], [np.ones(4, "f4"), np.ones(4, "f4")])
        assert (good == 1).all() and int(optimizer.iterations) == 0


def test_gradients_that_do_not_fit_are_refused_and_nothing_changes():
    good = np.ones(4, "f4")
    for bad, error, words in (
        (array.array("d", START), TypeError, "gradient 0 of dtype float32, got float64"),
        (array.array("f", START[:3]), ValueError, r"gradient 0 of shape \(4,\), got \(3,\)"),
        (OnAnotherDevice(START), TypeError, "gradient 0: expected memory of the CPU"),
        (ByDlpack(good), ValueError, "gradient 0 overlaps the memory of parameter 0"),
        (memoryview(good), ValueError, "gradient 0 overlaps the memory of parameter 0"),
    ):
        optimizer = SGD()
        with pytest.raises(error, match=words):
            optimizer.step([good], [bad])
        assert (good == 1).all() and int(optimizer.iterations) == 0


def test_tensors_of_torch_whose_memory_was_freed_are_refused():
    torch = pytest.importorskip("torch")
    for freed in ("parameter", "gradient"):
        for steps in (0, 1):
            tensors = {"kept": torch.ones(3), "parameter": torch.ones(100_000), "gradient": torch.ones(100_000)}
            params, grads = [tensors["kept"], tensors["parameter"]], [torch.ones(3), tensors["gradient"]]
            optimizer = SGD(lr=0.5)
            for _ in range(steps):
                optimizer.step(params, grads)
            tensors[freed].untyped_storage().resize_(0)
            with pytest.raises(
                TypeError, match=f"SGD: {freed} 1: expected memory of the CPU .*, got Tensor: its memory was freed"
            ):
                optimizer.step(params, grads)
            assert tensors["kept"].tolist() == [1 - 0.5 * steps] * 3 and int(optimizer.iterations) == steps


def test_negative_views_of_torch_are_refused():
    torch = pytest.importorskip("torch")
    w, number = torch.ones(2), torch.tensor([1 + 2j, 3 - 4j]).conj().imag
    for params, grads in (([w], [number]), ([number], [w])):
        with pytest.raises(
            TypeError, match=r"SGD: .* 0: expected memory .*, got Tensor: it is a negative view, which resolve_neg"
        ):
            SGD(lr=1.0).step(params, grads)
    SGD(lr=1.0).step([w], [number.resolve_neg()])
    assert w.tolist() == [3.0, -3.0] and number.tolist() == [-2.0, 4.0]


def test_tensors_of_torch_are_stepped_in_place_and_autograd_sees_it():
    torch = pytest.importorskip("torch")
    w, straight = torch.ones(4, requires_grad=True), np.ones(4, "f4")
    ours, theirs = Adam(lr=0.1), Adam(lr=0.1)
    for step in range(STEPS):
        w.grad = torch.from_numpy(gradient(step))
        loss = (w * w).sum()
        ours.step([w], [w.grad])
        theirs.step([straight], [gradient(step)])
    np.testing.assert_array_equal(w.detach().numpy(), straight)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("make", [lambda: Adam(lr=0.1), lambda: NarrowSGD(0.1)])
def test_autograd_sees_steps_of_tensors_from_a_generator(make):
    torch = pytest.importorskip("torch")
    w, straight = torch.ones(4, requires_grad=True), np.ones(4, "f4")
    ours, theirs = make(), make()
    for step in range(2):
        loss, version = (w * w).sum(), w._version
        ours.step((p for p in [w]), (g for g in [gradient(step)]))
        assert w._version > version
        theirs.step([straight], [gradient(step)])
    np.testing.assert_array_equal(w.detach().numpy(), straight)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_autograd_sees_averages_written_into_tensors_from_a_generator():
    torch = pytest.importorskip("torch")
    w = torch.ones(4, requires_grad=True)
    average = WeightAverage(p for p in [w])
    for write in (average.swap, average.copy_to):
        version = w._version
        write(p for p in [w])
        assert w._version > version


def test_steps_on_foreign_memory_compare_it_without_copies(monkeypatch):
    # NumPy's `base` of such an array is not an array, so who owns the memory is unknown.
    memory = [bytearray(np.full(5, i + 1.0, np.float32).tobytes()) for i in range(40)]
    arrays = [np.ctypeslib.as_array((ctypes.c_float * 5).from_buffer(m)) for m in memory]
    params, grads = arrays[:20], arrays[20:]
    own = [np.array(a) for a in arrays]
    ours, theirs = Adam(), Adam()
    monkeypatch.setattr(ours, "_clean", None)  # it compares each gradient with each array
    for _ in range(3):
        ours.step(params, grads)
        theirs.step(own[:20], own[20:])
    assert all(np.array_equal(a, b) for a, b in zip(arrays, own, strict=True))


def test_foreign_gradients_over_a_parameter_are_refused():
    memory = bytearray(np.ones(10, np.float32).tobytes())
    arrays = [np.ctypeslib.as_array((ctypes.c_float * 10).from_buffer(memory)) for _ in range(2)]
    with pytest.raises(ValueError, match="gradient 0 overlaps the memory of parameter 0"):
        Adam().step(arrays[:1], arrays[1:])
    assert np.array_equal(arrays[0], np.ones(10))
