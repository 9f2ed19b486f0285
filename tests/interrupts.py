"""Ctrl-C at a chosen bytecode."""

import dis
import sys

# CPython handles a signal when a function begins, at jumps backwards, and after calls.
_CHECKS = {code for name, code in dis.opmap.items() if name == "RESUME" or "JUMP_BACKWARD" in name}


class Interrupt:
    """Raises KeyboardInterrupt at the n-th bytecode of what runs in the block; counts them where n is None.

    In code that is neither lamella's nor a test's it comes at the next bytecode where CPython handles signals. Python's own modules
    rely on that: a `with lock` of `threading` that is interrupted before it calls `__exit__` keeps the lock, and every later
    thread waits for ever.
    """

    def __init__(self, n=None):
        self.n, self.seen, self.came = n, 0, False
        # Kept as long as this object: CPython may call a trace function after sys.settrace(None) has freed it. It does so
        # where a garbage collection, and in it the callback of a weak reference, runs between the two.
        self._function = self._enter_frame

    def _enter_frame(self, frame, event, argument):
        if frame.f_code is Interrupt.__exit__.__code__:
            return None
        frame.f_trace_opcodes = True
        return self._in_frame

    def _in_frame(self, frame, event, argument):
        frame.f_trace_opcodes = True  # CPython 3.13 and later begin with bytecodes at the first event that sets it, here a line
        if event == "opcode":
            self.seen += 1
            if self.n is not None and self.seen >= self.n and self._may_come(frame):
                sys.settrace(None)
                raise KeyboardInterrupt

    @staticmethod
    def _may_come(frame):
        ours = frame.f_globals.get("__name__", "").partition(".")[0] in ("lamella", "tests")
        return ours or frame.f_code.co_code[frame.f_lasti] in _CHECKS

    def __enter__(self):
        sys._getframe().f_trace_opcodes = True  # else CPython 3.12 reports no bytecodes in the first use of a process
        sys.settrace(self._function)
        return self

    def __exit__(self, kind, error, trace):
        sys.settrace(None)
        self.came = kind is KeyboardInterrupt
        return self.came
