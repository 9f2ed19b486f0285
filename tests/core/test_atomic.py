"""Commits are made completely or not at all. Scopes are undone at the end of a block in any case."""

import signal
import sys
import threading
from contextvars import ContextVar
from operator import setitem

import numpy as np
import pytest

from lamella.core import registry
from lamella.core.atomic import Scope, commit, write
from tests.interrupts import Interrupt


class Held:
    """Attributes to set."""


def interrupt_at(number, function):
    """Whether function() was interrupted, at the bytecode with this number among those that it runs in Python."""
    with Interrupt(number) as interrupt:
        function()
    return interrupt.came


def test_calls_are_made_in_order_and_their_results_returned():
    a, held = np.zeros(3), Held()
    assert commit([(max, (1, 2)), write(a, 5.0), (setattr, (held, "x", 1))]) == [2, None, None]
    assert a.tolist() == [5, 5, 5] and held.x == 1
    assert commit([]) == []


def test_if_a_call_fails_the_undo_calls_are_made():
    a, table = np.zeros(3), {}
    with pytest.raises(ValueError, match="invalid literal"):
        commit([write(a, 5.0), (setitem, (table, "b", 1)), (int, ("q",)), (setitem, (table, "c", 1))], [write(a, 7.0)])
    assert a.tolist() == [7, 7, 7] and table == {"b": 1}


@pytest.mark.parametrize("calls", [(), [max], [(max,)], [(max, [1, 2])]])
def test_wrong_lists_of_calls_are_refused(calls):
    with pytest.raises(TypeError, match="commit: expected"):
        commit(calls)


def test_a_failed_undo_call_does_not_hide_the_error_or_stop_the_others(monkeypatch):
    unraisable, table = [], {}
    monkeypatch.setattr(sys, "unraisablehook", lambda what: unraisable.append(what.exc_type))
    with pytest.raises(ZeroDivisionError):
        commit([(divmod, (1, 0))], [(int, ("q",)), (setitem, (table, "a", 1))])
    assert unraisable == [ValueError] and table == {"a": 1}


def test_a_scope_sets_and_restores_in_both_forms():
    held = Held()
    held.x, held.y = 1, 2
    scope = Scope((held, "x", 3), (held, "y", 4))
    assert scope.run(lambda *a, **b: (held.x, held.y, a, b), 5, k=6) == (3, 4, (5,), {"k": 6})
    with scope:
        assert (held.x, held.y) == (3, 4)
        with pytest.raises(RuntimeError, match="its with block is already running"):
            scope.__enter__()
        assert scope.run(lambda: held.x) == 3
        held.x = 9
    assert (held.x, held.y) == (1, 2)
    for failing in (lambda: 1 / 0, lambda: held.missing):
        with pytest.raises((ZeroDivisionError, AttributeError)):
            scope.run(failing)
        assert (held.x, held.y) == (1, 2)


def test_a_scope_that_is_entered_and_lost_is_restored():
    """CPython 3.14 handles Ctrl-C between __enter__ and the block, and then calls no __exit__."""
    held = Held()
    held.x = 1
    scope = Scope((held, "x", 5))
    scope.__enter__()
    assert held.x == 5
    del scope
    assert held.x == 1


def test_a_scope_that_cannot_set_all_values_sets_none():
    held = Held()
    held.x = 1
    with pytest.raises(AttributeError):
        Scope((held, "x", 2), (held, "missing", 3)).run(lambda: None)
    assert held.x == 1
    with pytest.raises(TypeError, match="expected tuples"):
        Scope((held, "x"))


def test_run_restores_after_an_interrupt_at_any_place():
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


def test_a_scope_of_a_context_variable_is_completely_undone():
    number = ContextVar("number", default=1)
    held = Held()
    held.x = "before"
    scope = Scope((number, 2), (held, "x", "within"))
    assert scope.run(lambda: (number.get(), held.x)) == (2, "within")
    with scope:
        assert number.get() == 2
        assert in_a_thread(number) == 1
    assert (number.get(), held.x) == (1, "before")
    with pytest.raises(LookupError), Scope((held, "x", "within"), (ContextVar("unset"), 1)):
        raise AssertionError
    assert held.x == "before"
    for wrong in [(number,), (held, 1), (number, "x", 1, 2)]:
        with pytest.raises(TypeError, match="expected tuples"):
            Scope(wrong)


def in_a_thread(variable):
    """The value in a new thread."""
    seen = []
    thread = threading.Thread(target=lambda: seen.append(variable.get()))
    thread.start()
    thread.join()
    return seen[0]


def test_no_signal_leaves_a_scope_of_custom_objects_open():
    """With real signals, which CPython handles only after calls and at backward jumps, not between any two bytecodes."""
    random = np.random.default_rng(0)

    def within():
        while True:
            with registry.custom_object_scope({"mine": 1}), registry.custom_object_scope({"mine": 2}, {"other": 3}):
                registry.get_custom_objects()["more"] = 4

    def interrupt(number, frame):
        raise KeyboardInterrupt

    handler = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(1000):
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 3e-4))
                within()
            except KeyboardInterrupt:
                pass
            assert registry.get_custom_objects().keys() & {"mine", "other", "more"} == set()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
