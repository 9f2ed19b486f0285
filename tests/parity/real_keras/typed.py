"""Values together with their types, which scripts may read: json.dumps, for one, takes float and refuses numpy.float32."""

import numpy as np


def typed(value):
    """Numbers as [name of the type, value], within lists and dictionaries.

    All floating numbers are one type: Keras's values are numpy.float32 where a function of K gave them, and with NumPy 1 float64 in means;
    lamella's are numpy.float64, a subclass of float.
    """
    if isinstance(value, (float, np.floating)):
        return ["float", float(value)]
    if isinstance(value, dict):
        return {str(name): typed(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(typed, value)]
    if isinstance(value, (bool, int, float, np.generic)):
        return [type(value).__name__, value]
    return value
