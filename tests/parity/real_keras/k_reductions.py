"""Reductions of keras.backend: each function over no axis, an axis, or a list of axes, with and without keepdims."""

from on_tensors import array, axis, program, shape

DECIDED = {
    (".numpy: only Keras raises AttributeError", "'numpy."): "lamella computes with arrays where TensorFlow wants a tensor",
    (
        "only Keras raises TypeError",
        "in list of allowed values",
    ): "TensorFlow has no such function of this dtype, lamella computes it",
    ("only Keras raises TypeError", "Expected bool, but got"): "the slopes of a sum of bools, which are none",
    "nan in Keras, 0.0 here": "the slope of K.std of equal numbers",
    "np.float64(nan) in Keras, np.float64(0.0) here": "likewise",
}

FLOATS = "max min sum prod mean std var logsumexp".split()
ONE_AXIS = "cumsum cumprod argmax argmin".split()
TRUTH = ["any", "all"]


def axes(random, rank):
    """None, one axis, or a list or tuple of some."""
    if rank == 0 or random.rand() < 0.25:
        return None
    if random.rand() < 0.5:
        return axis(random, rank)
    some = random.permutation(rank)[: random.randint(1, rank + 1)]
    some = [int(a - rank if random.rand() < 0.4 else a) for a in some]
    return tuple(some) if random.rand() < 0.3 else some


def cases(random, count):
    for i in range(count):
        if i % 4 == 3:
            name = ONE_AXIS[i // 4 % 4]
            x = array(random, shape(random, 1), str(random.choice(["float32", "float64", "int32"])))
            at = {} if random.rand() < 0.2 else {"axis": axis(random, x.ndim)}
        else:
            name = (TRUTH if i % 12 == 4 else FLOATS)[random.randint(2 if i % 12 == 4 else 8)]
            kinds = ["float32", "float32", "float64", "int32", "bool"]
            x = array(random, shape(random), str(random.choice(kinds)))
            if name in ("mean", "var", "std") and x.dtype == "int32":
                x = x.astype("float32")  # Keras rounds the mean of integers; here it is a fraction, as the docstring says
            at = {"axis": axes(random, x.ndim)}
            if random.rand() < 0.7:
                at["keepdims"] = bool(random.rand() < 0.5)

        def body(K, x, name=name, at=at):
            return getattr(K, name)(x, **at)

        yield f"{i}:{name} {at} {x.dtype}{x.shape}", program(body, [x])
