"""Programs that call a function of keras.backend on arrays in each way that scripts do, and describe what it gives."""

import numpy as np
from parts import attempt


def described(K, y):
    """A tensor's dtype, shapes and value."""
    if isinstance(y, (list, tuple)):
        return [described(K, part) for part in y]
    if isinstance(y, (np.ndarray, np.generic, float, int)):
        y = np.asarray(y)
        return {
            "dtype": y.dtype.name,
            "ndim": y.ndim,
            "int_shape": y.shape,
            "shape": np.array(y.shape, "int32"),
            "value": y[()],
        }
    facts = {"dtype": K.dtype(y), "ndim": K.ndim(y), "int_shape": K.int_shape(y)}
    return facts | {"shape": K.eval(K.shape(y)), "value": K.eval(y)}


def weighted(K, y):
    """A scalar whose gradient differs at each item of y."""
    return K.sum([weighted(K, part) for part in y]) if isinstance(y, (list, tuple)) else K.sum(y * y + 3 * y)


def partly_known(shape):
    """The shape without its first size, as a batch, and without its third."""
    return tuple(None if i in (0, 2) else size for i, size in enumerate(shape))


def of_placeholders(K, body, arrays, shapes):
    """The function on placeholders: static facts, and what K.function gives."""
    inputs = [K.placeholder(shape=s, dtype=a.dtype.name) for a, s in zip(arrays, shapes, strict=True)]
    y = body(K, *inputs)
    outputs = list(y) if isinstance(y, (list, tuple)) else [y]
    facts = [(K.dtype(o), K.ndim(o), K.int_shape(o)) for o in outputs]
    return {"static": facts, "values": K.function(inputs, outputs)(list(arrays))}


def gradients(K, body, arrays):
    inputs = [K.variable(a, dtype=a.dtype.name) for a in arrays]
    floats = [v for v, a in zip(inputs, arrays, strict=True) if a.dtype.kind == "f"]
    slopes = K.gradients(weighted(K, body(K, *inputs)), floats)
    # lamella gives zeros where Keras gives None because each path has a function without gradients.
    return [np.zeros(K.int_shape(v)) if s is None else np.array(K.eval(s), float) for s, v in zip(slopes, floats, strict=True)]


def program(body, arrays, slopes=True, kernels=False):
    """Calls body(K, *arrays) on constants, variables, NumPy arrays and placeholders; kernels are of known sizes."""

    def run():
        from keras import backend as K

        result = {
            "constant": attempt(lambda: described(K, body(K, *[K.constant(a, dtype=a.dtype.name) for a in arrays]))),
            "variable": attempt(lambda: described(K, body(K, *[K.variable(a, dtype=a.dtype.name) for a in arrays]))),
            "numpy": attempt(lambda: described(K, body(K, *arrays))),
            "placeholder": attempt(lambda: of_placeholders(K, body, arrays, [a.shape for a in arrays])),
            "partly": attempt(
                lambda: of_placeholders(
                    K, body, arrays, [a.shape if i and kernels else partly_known(a.shape) for i, a in enumerate(arrays)]
                )
            ),
        }
        if slopes and any(a.dtype.kind == "f" for a in arrays):
            result["gradients"] = attempt(lambda: gradients(K, body, arrays))
        return result

    return run


def array(random, shape, kind="float32", low=-2, high=2):
    if kind == "bool":
        return random.randint(0, 2, shape).astype(bool)
    if kind.startswith("int"):
        return random.randint(int(low), int(high) + 1, shape).astype(kind)
    return np.asarray(random.uniform(low, high, shape), kind)


def shape(random, least=0, most=5):
    """A random shape, also of odd sizes and of size 1."""
    return tuple(map(int, random.randint(1, 5, random.randint(least, most + 1))))


def axis(random, rank):
    return int(random.randint(-rank, rank)) if rank else None


def broadcast_to(random, of):
    """A shape that broadcasts with another one."""
    kept = of[random.randint(0, len(of) + 1) :]
    return tuple(1 if random.rand() < 0.3 else size for size in kept)
