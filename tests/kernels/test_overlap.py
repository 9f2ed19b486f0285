"""An array that a kernel writes must not share memory with other arguments, except with an input if the table says InPlace."""

import re

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.cases import arrays, calls, copied, everything
from tests.kernels.signatures import fields, gathered, spread

# (kernel, output that is InPlace): inputs that it must still not be.
REFUSED = {
    ("gru_backward", "dinner"): ("previous", "doutputs"),
    ("simple_rnn_backward", "dstates"): ("previous", "doutputs"),
}


def call(name, values):
    """Call the kernel with the values of its `fields`."""
    getattr(_kernels, name)(*gathered(name, values))


def written(kind):
    return kind in ("Out", "InPlace", "Bytes", "OutLabels", "List", "BytesList")


# measure_fma and measure_region have at most one array.
CALLS = [
    (name, spread(name, arguments)) for name, arguments in calls(np.float32) if name not in ("measure_fma", "measure_region")
]


def sharing_an_item(y, x, *, y_first):
    """Arrays like y and x, where the last bytes of one are the first bytes of the other."""
    first, second = (y, x) if y_first else (x, y)
    start = (first.nbytes - 1) // 8 * 8
    room = np.zeros(start + second.nbytes + first.nbytes, np.uint8)
    pair = [room[at : at + a.nbytes].view(a.dtype).reshape(a.shape) for at, a in ((0, first), (start, second))]
    return pair if y_first else pair[::-1]


@pytest.mark.parametrize("y_first", [True, False])
@pytest.mark.parametrize("name, arguments", CALLS, ids=lambda x: x if isinstance(x, str) else "")
def test_outputs_that_partly_overlap_are_refused_by_name(name, arguments, y_first):
    kinds = fields(name)
    met = 0
    for i, (kind, out) in enumerate(kinds):
        if not written(kind) or not arrays(arguments[i]):
            continue
        for j, (_, other) in enumerate(kinds):
            if i == j or not arrays(arguments[j]):
                continue
            mine = list(arguments)
            pair = sharing_an_item(arrays(arguments[i])[-1], arrays(arguments[j])[-1], y_first=y_first)
            assert np.shares_memory(*pair)
            for place, array in zip((i, j), pair, strict=True):
                mine[place] = [*mine[place][:-1], array] if isinstance(mine[place], list) else array
            kept = everything(mine)
            with pytest.raises(ValueError, match=f"^{name}: .*: expected memory of its own.*, got some of") as raised:
                call(name, mine)
            assert {out, other} == set(re.findall(r"argument '(\w+)'", str(raised.value)))
            assert kept == everything(mine)
            met += 1
    assert met


@pytest.mark.parametrize("name, arguments", CALLS, ids=lambda x: x if isinstance(x, str) else "")
def test_an_output_may_be_an_input_only_if_in_place(name, arguments):
    kinds = fields(name)
    for i, (kind, _) in enumerate(kinds):
        for j, (other_kind, _) in enumerate(kinds):
            y, x = arguments[i], arguments[j]
            if kind not in ("Out", "InPlace") or other_kind != "In" or y.shape != x.shape:
                continue
            mine = copied(arguments)
            apart = copied(arguments)
            mine[i] = mine[j]
            if kinds[j][1] in REFUSED.get((name, kinds[i][1]), ()):
                with pytest.raises(ValueError, match=f"{kinds[i][1]}.data != {kinds[j][1]}.data"):
                    call(name, mine)
            elif kind == "InPlace":
                call(name, mine)
                call(name, apart)
                assert mine[i].tobytes() == apart[i].tobytes()
            else:
                with pytest.raises(ValueError, match="expected memory of its own, got some of"):
                    call(name, mine)


def test_each_place_of_long_lists_is_checked():
    """In long lists the arrays are sorted first. The same gradient may be given twice; other overlaps are refused."""
    row = np.zeros(4 * 100, np.float32)

    def lists():
        ps, gs, ms = ([row[100 * k + 3 * i :][:3] for i in range(30)] for k in range(3))
        return ps, gs, ms

    rest = (0.1, 0.9, 0, ([], 1.0, 0.0, 0.0, 0.0))
    ps, gs, ms = lists()
    gs[4] = gs[7]
    _kernels.sgd_update(ps, gs, ms, *rest)
    for k, i, wrong, both in [
        (0, 29, ms[0], {("29", "ps"), ("0", "ms")}),
        (1, 3, row[100 * 2 + 10 :][:3], {("3", "gs"), ("3", "ms")}),
        (2, 11, row[:3], {("11", "ms"), ("0", "ps")}),
        (0, 5, row[3 * 20 + 1 :][:2], {("5", "ps"), ("20", "ps")}),
    ]:
        these = lists()
        these[k][i] = wrong
        with pytest.raises(ValueError, match="^sgd_update: .*expected memory of its own, got some of") as raised:
            _kernels.sgd_update(*these, *rest)
        assert set(re.findall(r"array (\d+) of argument '(\w+)'", str(raised.value))) == both


def test_adjacent_and_empty_arrays_do_not_overlap():
    room = np.zeros(12, np.float32)
    _kernels.tanh_forward(room[:6], room[6:])
    _kernels.tanh_forward(room[6:], room[:6])
    y = np.zeros((2, 3), np.float32)
    _kernels.dense_forward(np.zeros((2, 2), np.float32), np.zeros((2, 3), np.float32), y.reshape(-1)[3:3], 0, y)
