"""K, the functions that users write layers, losses and metrics with: Keras 2.2.5's names over `lamella.ops`.

Arguments may be arrays, Variables, or tensors of a running tape; then the result is one, too. A symbolic tensor of a graph has
no value, and is refused by name.
"""

from lamella.backend.elementwise import *  # noqa: F403 - its __all__ is the list of names
from lamella.backend.graph import *  # noqa: F403
from lamella.backend.neural import *  # noqa: F403
from lamella.backend.products import *  # noqa: F403
from lamella.backend.random import *  # noqa: F403
from lamella.backend.reductions import *  # noqa: F403
from lamella.backend.session import *  # noqa: F403
from lamella.backend.shapes import *  # noqa: F403
from lamella.backend.values import *  # noqa: F403
