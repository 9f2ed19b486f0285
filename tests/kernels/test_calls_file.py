"""The file of calls that tests/cpp replays."""

import struct

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.calls_file import Recording


def head(name, outcome):
    return struct.pack("=B", len(name)) + name.encode() + b"f" + outcome


def test_a_call_is_written_with_its_results(tmp_path):
    x = np.array([[-1, 2, 9]], np.float32)
    y = np.empty_like(x)
    original = _kernels.relu_forward
    with Recording(tmp_path / "calls"):
        for _ in range(3):
            _kernels.relu_forward(x, 0.5, 4.0, 0.0, y)
    assert _kernels.relu_forward is original
    call = (
        head("relu_forward", b"C")
        + struct.pack("=3q3f", 2, 1, 3, -1, 2, 9)
        + struct.pack("=3d", 0.5, 4, 0)
        + struct.pack("=3q3f", 2, 1, 3, -0.5, 2, 4)
        + b"E"
    )
    assert (tmp_path / "calls").read_bytes() == 2 * call


def test_arrays_changed_in_place_are_written_before_and_after(tmp_path):
    p, g = np.array([1, 2], np.float32), np.array([10, 20], np.float32)
    with Recording(tmp_path / "calls"):
        _kernels.sgd_update([p], [g], [], 0.1, 0.0, 0, ([], 1.0, 0.0, 0.0, 0.0))
    wanted = (
        head("sgd_update", b"C") + struct.pack("=3q2f", 1, 1, 2, 1, 2) + p.tobytes() + struct.pack("=3q2f", 1, 1, 2, 10, 20)
    )
    wanted += struct.pack("=q2dq", 0, 0.1, 0, 0) + struct.pack("=q4d", 0, 1, 0, 0, 0) + b"E"
    assert (tmp_path / "calls").read_bytes() == wanted


def test_a_refused_call_is_written_as_refused(tmp_path):
    x, y = np.zeros(3, np.float32), np.zeros(4, np.float32)
    with Recording(tmp_path / "calls"):
        with pytest.raises(ValueError, match=": requires "):
            _kernels.tanh_forward(x, y)
        with pytest.raises(TypeError):
            _kernels.tanh_forward(x, y.astype(np.float64))
    wanted = head("tanh_forward", b"R") + struct.pack("=2q3f", 1, 3, 0, 0, 0) + struct.pack("=2q4f", 1, 4, 0, 0, 0, 0) + b"E"
    assert (tmp_path / "calls").read_bytes() == wanted


def test_a_kernel_without_a_call_is_named(tmp_path):
    with Recording(tmp_path / "calls") as recording:
        _kernels.tanh_forward(*np.zeros((2, 3), np.float32))
    with pytest.raises(AssertionError, match="no test calls these kernels.*'tanh_forward', b'd'") as raised:
        recording.complete()
    assert "('tanh_forward', b'f')" not in str(raised.value)
