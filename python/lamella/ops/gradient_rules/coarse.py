"""Rules of coarse ops: the op is computed again by simpler ops, which have rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella.core.types import Value
from lamella.ops import conv_pool, crossentropy, gates, norm, pooling, recurrent, row_losses, written_out
from lamella.ops.gradient_rules.walk import RULES, Call, Rule, backpropagate, collect, key_of
from lamella.ops.prelu import prelu
from lamella.ops.tape import Tensor, recording


def _recompute_with(compute: Callable[..., Any]) -> Rule:
    """The rule for an op that `compute` computes by ops which have rules."""

    def rule(call: Call, dy: Any) -> list[Value | None]:
        tape = recording()
        assert tape is not None and tape.calls is not None
        start = len(tape.calls)
        results = compute(*call.inputs, **call.config)
        several = isinstance(call.y, tuple)
        slopes: dict[Any, Value] = {}
        for y, d in zip(results if several else [results], dy if several else [dy]):
            if d is not None and isinstance(y, Tensor):
                collect(slopes, y, d)
        sources: dict[Any, Value] = {key_of(x): x for x, needed in zip(call.inputs, call.need) if needed}
        found = dict(zip(sources, backpropagate(tape.calls[start:], slopes, list(sources.values()))))
        # If the same value is given for two inputs, its gradient is returned once.
        return [found.pop(key_of(x), None) if needed else None for x, needed in zip(call.inputs, call.need)]

    return rule


# The functions of written_out have the names of these ops, without the underscore.
_COARSE = (
    conv_pool.conv_max_pool, gates.gated_dense, norm.batch_norm_with_statistics, pooling.global_max_pool, pooling.max_pool, prelu,
    recurrent.gru, recurrent.lstm, recurrent.lstm_step, recurrent.simple_rnn,
    crossentropy._binary_crossentropy, crossentropy._categorical_crossentropy, crossentropy._sigmoid_crossentropy,
    crossentropy._softmax_crossentropy, crossentropy._sparse_categorical_crossentropy,
    crossentropy._sparse_softmax_crossentropy,
    row_losses.absolute_error, row_losses.categorical_hinge, row_losses.cosine_proximity, row_losses.hinge,
    row_losses.kl_divergence, row_losses.logarithmic_error, row_losses.logcosh, row_losses.percentage_error,
    row_losses.poisson, row_losses.squared_error, row_losses.squared_hinge,
)  # fmt: skip

RULES.update({op: _recompute_with(getattr(written_out, op.__name__.lstrip("_"))) for op in _COARSE})
