"""Commits and scopes: done whole or not at all, and undone however a block ends."""

import sys
from operator import setitem

import numpy as np
import pytest

from lamella.core.atomic import Scope, commit, write


class Held:
    """Attributes to set."""


def interrupt_at(number, function):
    """Whether function() was interrupted, at the number-th opcode of what it runs in Python."""
    seen = 0

    def trace(frame, event, _):
        nonlocal seen
        frame.f_trace_opcodes = True
        if event == "opcode":
            seen += 1
            if seen == number:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        function()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return False


def test_calls_are_made_in_order_and_their_results_returned():
    a, held = np.zeros(3), Held()
    assert commit([(max, (1, 2)), write(a, 5.0), (setattr, (held, "x", 1))]) == [2, None, None]
    assert a.tolist() == [5, 5, 5] and held.x == 1
    assert commit([]) == []


def test_where_a_call_fails_what_undoes_them_is_called():
    a, table = np.zeros(3), {}
    with pytest.raises(ValueError, match="invalid literal"):
        commit([write(a, 5.0), (setitem, (table, "b", 1)), (int, ("q",)), (setitem, (table, "c", 1))], [write(a, 7.0)])
    assert a.tolist() == [7, 7, 7] and table == {"b": 1}


@pytest.mark.parametrize("calls", [(), [max], [(max,)], [(max, [1, 2])]])
def test_what_is_no_list_of_calls_is_refused(calls):
    with pytest.raises(TypeError, match="commit: expected"):
        commit(calls)


def test_an_undo_that_fails_hides_neither_the_error_nor_the_rest(monkeypatch):
    unraisable, table = [], {}
    monkeypatch.setattr(sys, "unraisablehook", lambda what: unraisable.append(what.exc_type))
    with pytest.raises(ZeroDivisionError):
        commit([(divmod, (1, 0))], [(int, ("q",)), (setitem, (table, "a", 1))])
    assert unraisable == [ValueError] and table == {"a": 1}


def test_a_scope_binds_and_restores_in_either_form():
    held = Held()
    held.x, held.y = 1, 2
    scope = Scope((held, "x", 3), (held, "y", 4))
    assert scope.run(lambda *a, **b: (held.x, held.y, a, b), 5, k=6) == (3, 4, (5,), {"k": 6})
    with scope:
        assert (held.x, held.y) == (3, 4)
        with pytest.raises(RuntimeError, match="entered already"):
            scope.__enter__()
        assert scope.run(lambda: held.x) == 3
        held.x = 9
    assert (held.x, held.y) == (1, 2)
    for failing in (lambda: 1 / 0, lambda: held.missing):
        with pytest.raises((ZeroDivisionError, AttributeError)):
            scope.run(failing)
        assert (held.x, held.y) == (1, 2)


def test_a_scope_that_cannot_bind_all_binds_none():
    held = Held()
    held.x = 1
    with pytest.raises(AttributeError):
        Scope((held, "x", 2), (held, "missing", 3)).run(lambda: None)
    assert held.x == 1
    with pytest.raises(TypeError, match="expected tuples"):
        Scope((held, "x"))


def test_run_restores_wherever_an_interrupt_comes():
    held = Held()
    held.x = 1

    def block():
        values = [held.x]
        values.append(held.x + 1)
        return values

    for number in range(1, 100):
        interrupted = interrupt_at(number, lambda: Scope((held, "x", 2)).run(block))
        assert held.x == 1
        if not interrupted:
            break
    assert 20 < number < 99
