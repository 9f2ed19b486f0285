"""Models as estimators of scikit-learn: keras.wrappers."""

from lamella.core.keras_names import complete as _complete
from lamella.wrappers import scikit_learn as scikit_learn

_complete(__name__)
