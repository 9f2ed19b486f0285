"""Gradients that have gradients: for each op a rule that computes its gradient with ops.

The closure of an op computes on arrays, so a tape does not record it. `gradients_on_tape` uses the recorded calls of ops and the
rules of this folder instead: `walk.py` has the backward pass, each other file the rules of one family of ops. Ops that are linear
in each of their inputs share one rule (`linear.py`), which is also such an op. This gives gradients of any order.
"""

from lamella.ops.gradient_rules import axes, coarse, elementwise, linear  # noqa: F401 - they fill the rules
from lamella.ops.gradient_rules.walk import gradients_of_calls, gradients_on_tape, recording_calls, watch

__all__ = ["gradients_of_calls", "gradients_on_tape", "recording_calls", "watch"]
