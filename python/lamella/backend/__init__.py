"""K, the functions that users write layers, losses and metrics with: Keras 2.2.5's names over `lamella.ops`.

Arguments may be arrays, Variables, or tensors of a running tape; then the result is one, too. Of symbolic tensors the functions
marked `in_graphs` make a node of the graph, a `layers.Function`; the others want values, which a symbolic tensor has not.
"""

from lamella.backend.ctc import *  # noqa: F403
from lamella.backend.derivatives import *  # noqa: F403
from lamella.backend.elementwise import *  # noqa: F403 - its __all__ is the list of names
from lamella.backend.graph import *  # noqa: F403
from lamella.backend.neural import *  # noqa: F403
from lamella.backend.normalization import *  # noqa: F403
from lamella.backend.operators import *  # noqa: F403 - nothing: it lists functions for graphs
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
