"""Ops: functions of arrays with a gradient. Every public function of a module below is an op; tape.py explains ops.

Unless a docstring says otherwise, arguments are arrays of one dtype, float32 or float64, and the result has it.
"""

from lamella.ops import operators as _operators  # noqa: F401 - gives Tensor and Variable their operators
from lamella.ops.activations import *  # noqa: F403
from lamella.ops.conv import *  # noqa: F403
from lamella.ops.conv_pool import *  # noqa: F403
from lamella.ops.crossentropy import *  # noqa: F403
from lamella.ops.ctc import *  # noqa: F403
from lamella.ops.dense import *  # noqa: F403
from lamella.ops.depthwise import *  # noqa: F403
from lamella.ops.dropout import *  # noqa: F403
from lamella.ops.gates import *  # noqa: F403
from lamella.ops.local import *  # noqa: F403
from lamella.ops.math import *  # noqa: F403
from lamella.ops.noise import *  # noqa: F403
from lamella.ops.norm import *  # noqa: F403
from lamella.ops.pooling import *  # noqa: F403
from lamella.ops.prelu import *  # noqa: F403
from lamella.ops.products import *  # noqa: F403
from lamella.ops.recurrent import *  # noqa: F403
from lamella.ops.reduce import *  # noqa: F403
from lamella.ops.resize import *  # noqa: F403
from lamella.ops.row_losses import *  # noqa: F403
from lamella.ops.rows import *  # noqa: F403
from lamella.ops.scan import *  # noqa: F403
from lamella.ops.shape import *  # noqa: F403

# The star imports also bring what these modules import. Functions of the following modules are not ops.
_SHARED = ("arrays", "broadcast", "ctc_paths", "tape", "targets")


def _is_op(value: object) -> bool:
    room, _, module = getattr(value, "__module__", "").rpartition(".")
    return room == __name__ and module not in _SHARED


__all__ = [name for name, value in globals().items() if not name.startswith("_") and _is_op(value)]
