"""K, the functions that users write layers and losses with: Keras 2.2.5's names over `lamella.ops`.

Arguments may be arrays, Variables, or tensors of a running tape; then the result is one, too.
"""

from lamella.backend.arithmetic import *  # noqa: F403 - its __all__ is the list of names
from lamella.backend.neural import *  # noqa: F403
from lamella.backend.session import *  # noqa: F403
from lamella.backend.values import *  # noqa: F403
