"""Ctrl-C at a chosen bytecode."""

import sys


class Interrupt:
    """Raises KeyboardInterrupt at the n-th bytecode of what runs in the block; counts them where n is None."""

    def __init__(self, n=None):
        self.n, self.seen, self.came = n, 0, False
        # Kept as long as this object: CPython may call a trace function after sys.settrace(None) has freed it. It does so
        # where a garbage collection, and in it the callback of a weak reference, runs between the two.
        self._function = self._enter_frame

    def _enter_frame(self, frame, event, argument):
        if frame.f_code is Interrupt.__exit__.__code__:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._in_frame

    def _in_frame(self, frame, event, argument):
        if event == "opcode":
            self.seen += 1
            if self.seen == self.n:
                sys.settrace(None)
                raise KeyboardInterrupt

    def __enter__(self):
        sys.settrace(self._function)
        return self

    def __exit__(self, kind, error, trace):
        sys.settrace(None)
        self.came = kind is KeyboardInterrupt
        return self.came
