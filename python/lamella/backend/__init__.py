"""K: the functions with which users write layers, losses and metrics, by the names of Keras 2.2.5, made of `lamella.ops`.

Unless a docstring says otherwise, the result has the dtype of the arguments: float32 or float64. Functions that are not computed by
kernels, such as K.sum, K.max and K.reshape, also take integers and booleans; means and roots of these have floatx. K.cast converts.

Arguments may be arrays, Variables, or Tensors of a tape that records; for a Tensor the result is a Tensor. For symbolic tensors
the functions marked `in_graphs` make a node of the graph, a `layers.Function`. Outside of a run they do so for Variables, too: the
result follows the Variables in K.function, K.gradients and losses, and is converted to its present value where Python or NumPy
need one. In a run (a layer's call, a loss, a metric, a tape) functions of Variables compute at once. The other functions need
values, which a symbolic tensor that depends on an Input does not have.
"""

from lamella.backend.ctc import *  # noqa: F403
from lamella.backend.derivatives import *  # noqa: F403
from lamella.backend.elementwise import *  # noqa: F403 - its __all__ is the list of names
from lamella.backend.graph import *  # noqa: F403
from lamella.backend.neural import *  # noqa: F403
from lamella.backend.normalization import *  # noqa: F403
from lamella.backend.operators import *  # noqa: F403 - it has no names, but registers functions for graphs
from lamella.backend.pooling import *  # noqa: F403
from lamella.backend.products import *  # noqa: F403
from lamella.backend.random import *  # noqa: F403
from lamella.backend.recurrent import *  # noqa: F403
from lamella.backend.reductions import *  # noqa: F403
from lamella.backend.rows import *  # noqa: F403
from lamella.backend.session import *  # noqa: F403
from lamella.backend.shapes import *  # noqa: F403
from lamella.backend.sparse import *  # noqa: F403
from lamella.backend.values import *  # noqa: F403
from lamella.backend.windows import *  # noqa: F403
from lamella.core.keras_names import complete as _complete

_complete(__name__)
