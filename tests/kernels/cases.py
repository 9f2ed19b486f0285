"""The roster: a row for each kernel of the table, for the tests of threads, targets and overlap. A new kernel needs a row."""

import numpy as np

ROWS, COLUMNS = 3001, 37  # about seven chunks; vectors and chunks end with a rest
IMAGES = (3, 33, 31, 40)
POOL = ((3, 2), (2, 2), (1, 1), (1, 0))
POOLED = (3, 17, 15, 40)


def draw(rng, shape, dtype):
    return rng.uniform(0.05, 0.95, shape).astype(dtype)


def calls(dtype):
    """(name, arguments) for each kernel. The arrays that it writes are among its arguments."""
    rng = np.random.default_rng(0)

    def a(*shape):
        return draw(rng, shape, dtype)

    rows = (ROWS, COLUMNS)
    labels = rng.integers(0, COLUMNS, ROWS)
    for name in ("tanh", "sigmoid", "hard_sigmoid", "softplus", "softsign"):
        yield f"{name}_forward", (a(*rows), a(*rows))
        yield f"{name}_backward", (a(*rows), a(*rows), a(*rows))
    yield "exp_forward", (a(*rows), a(*rows))
    yield "log_forward", (a(*rows), a(*rows))
    yield "relu_forward", (a(*rows), 0.1, 0.7, 0.2, a(*rows))
    yield "relu_backward", (a(*rows), a(*rows), 0.1, 0.7, 0.2, a(*rows))
    yield "elu_forward", (a(*rows) - 0.5, 1.5, 1.1, a(*rows))
    yield "elu_backward", (a(*rows) - 0.5, a(*rows), 1.5, 1.1, a(*rows))
    yield "softmax_forward", (a(*rows), a(*rows))
    yield "softmax_backward", (a(*rows), a(*rows), a(*rows))
    yield "take_forward", (a(50, 300), labels, a(ROWS, 300))
    yield "take_backward", (a(ROWS, 300), labels, a(50, 300))
    yield "put_rows", ([a(ROWS, 300), a(ROWS, 1)], np.arange(ROWS), [a(ROWS + 7, 300), a(ROWS + 7, 1)])
    yield "sum_rows", (a(*rows), a(ROWS))
    yield "sum_columns", (a(*rows), a(COLUMNS))
    for name in ("sum_all", "sum_squares", "sum_absolute"):
        yield name, (a(*rows), a(1))
    for name in ("squared_error", "absolute_error"):
        yield f"{name}_forward", (a(*rows), a(*rows), a(ROWS))
        yield f"{name}_backward", (a(*rows), a(*rows), a(ROWS), a(*rows))
    for name in ("logcosh", "hinge", "squared_hinge", "categorical_hinge", "cosine"):
        yield f"{name}_forward", (a(*rows), a(*rows), a(ROWS))
        yield f"{name}_backward", (a(*rows), a(*rows), a(ROWS), a(*rows))
    yield "categorical_hinge_backward_target", (a(*rows), a(*rows), a(ROWS), a(*rows))
    for name in ("percentage_error", "logarithmic_error", "poisson", "kl_divergence"):
        yield f"{name}_forward", (a(*rows), a(*rows), 1e-7, a(ROWS))
        yield f"{name}_backward", (a(*rows), a(*rows), a(ROWS), 1e-7, a(*rows))
        if name != "logarithmic_error":
            yield f"{name}_backward_target", (a(*rows), a(*rows), a(ROWS), 1e-7, a(*rows))
    for name in ("categorical_crossentropy", "binary_crossentropy"):
        yield f"{name}_forward", (a(*rows), a(*rows), 1e-7, a(ROWS))
        yield f"{name}_backward", (a(*rows), a(*rows), a(ROWS), 1e-7, a(*rows))
    yield "sparse_categorical_crossentropy_forward", (a(*rows), labels, 1e-7, a(ROWS))
    yield "sparse_categorical_crossentropy_backward", (a(*rows), labels, a(ROWS), 1e-7, a(*rows))
    for name in ("softmax_crossentropy", "sigmoid_crossentropy"):
        yield f"{name}_forward", (a(*rows), a(*rows), a(*rows), a(ROWS))
        yield f"{name}_backward", (a(*rows), a(*rows), a(ROWS), a(*rows))
    yield "sparse_softmax_crossentropy_forward", (a(*rows), labels, a(*rows), a(ROWS))
    yield "sparse_softmax_crossentropy_backward", (a(*rows), labels, a(ROWS), a(*rows))
    places = rng.integers(0, 6, POOLED).astype(np.uint8)
    yield "max_pool_forward", (a(*IMAGES), POOL, 1, a(*POOLED), places.copy())
    yield "max_pool_backward", (a(*POOLED), places, POOL, a(*IMAGES))
    yield "avg_pool_forward", (a(*IMAGES), POOL, a(*POOLED))
    yield "avg_pool_backward", (a(*POOLED), POOL, a(*IMAGES))
    yield "global_avg_pool_forward", (a(5, 900, 33), a(5, 33))
    yield "global_avg_pool_backward", (a(5, 33), a(5, 900, 33))
    yield "global_max_pool_forward", (a(5, 900, 33), a(5, 33), np.zeros((5, 33), np.int64))
    yield "global_max_pool_backward", (a(5, 33), rng.integers(0, 900, (5, 33)), a(5, 900, 33))
    yield "extremum_forward", (a(5, 90, 1030), 1, a(5, 1030))
    yield "extremum_backward", (a(5, 90, 1030), a(5, 1030), a(5, 1030), a(5, 90, 1030))
    yield "cumulate", (a(5, 90, 1030), a(5, 90, 1030), 0, 1, a(5, 90, 1030))
    yield "pad", (a(5, 30, 31, 33), 2, 1, a(5, 34, 35, 33))
    places, weights = rng.integers(0, 29, 61), rng.uniform(size=61)
    yield "resize_forward", (a(5, 30, 30, 70), places, weights, places, weights, a(5, 61, 61, 70))
    yield "resize_backward", (a(5, 61, 61, 70), places, weights, places, weights, a(5, 30, 30, 70))
    c = COLUMNS
    yield "batch_norm_forward", (a(*rows), a(c), a(c), 1e-3, a(*rows), a(c), a(c))
    yield "batch_norm_backward", (a(*rows), a(*rows), a(c), a(c), a(c), 1e-3, a(*rows), a(c), a(c))
    yield "batch_norm_relu_forward", (a(*rows), a(c), a(c), 1e-3, 0.5, a(*rows), a(c), a(c))
    yield "batch_norm_relu_backward", (a(*rows), a(*rows), a(c), a(c), a(c), a(c), 1e-3, 0.5, a(*rows), a(c), a(c))
    yield "batch_norm_inference", (a(*rows), a(c), a(c), a(c), a(c), 1e-3, a(*rows))
    yield "dropout", (a(*rows), 0.3, 1, 2, a(*rows))
    yield "gaussian_noise", (a(*rows), 0.3, 1, 1, 2, a(*rows))
    lists = [[a(70_001), a(3), a(5, 7), a(40_000)] for _ in range(5)]
    sums = [a(70_001), a(3), a(5, 7), a(40_000)]
    yield "accumulate_gradients", (*lists[:2], 0)
    yield "sgd_update", (*lists[:3], 0.1, 0.9, 1, (sums, 0.5, 10.0, 5.0, 0.3))
    plain, moments = ([], 1.0, 0.0, 0.0, 0.0), (0.9, 0.99, 1e-7)
    yield "adagrad_update", (*lists[:3], 0.1, 1e-7, plain)
    yield "rmsprop_update", (*lists[:3], 0.1, 0.9, 1e-7, plain)
    squares = [1 + array for array in lists[2]]  # above the square of each mean: a variance of 0 would divide by epsilon
    yield "centered_rmsprop_update", (*lists[:2], squares, lists[3], 0.1, 0.9, 1e-7, plain)
    yield "momentum_rmsprop_update", (*lists[:2], squares, *lists[3:], 0.1, 0.9, 0.8, 1e-7, plain)
    yield "ftrl_update", (*lists[:4], 0.1, 0.5, 0.1, 0.2, 0.3, plain)
    yield "adadelta_update", (*lists[:4], 1.0, 0.95, 1e-7, ([], 1.0, 10.0, 0.0, 0.0))
    yield "adam_update", (*lists[:4], 0.1, 0.01, moments, (sums, 1.0, 10.0, 0.0, 0.0))
    yield "amsgrad_update", (*lists, 0.1, 0.0, moments, ([], 1.0, 0.0, 5.0, 0.0))
    yield "adamax_update", (*lists[:4], 0.1, moments, plain)
    yield "nadam_update", (*lists[:4], 0.1, 0.1, 1.5, moments, plain)
    yield "lamb_update", (*lists[:3], squares, 0.1, 2.0, 3.0, 0.05, moments, (sums, 1.0, 10.0, 0.0, 0.0))
    yield "average_update", (*lists[:2], 0.9)
    yield "torch_adam_update", (*lists, 0.1, 0.7, 0.01, 0.99, moments, (sums, 1.0, 10.0, 0.0, 0.0))
    yield "torch_sgd_update", (*lists[:3], 0.1, 0.9, 0.8, 1, 0.01, plain)
    yield "lion_update", (*lists[:3], 0.1, 0.9, 0.9, 0.99, plain)
    yield "torch_adagrad_update", (*lists[:3], 0.1, 1e-7, 0.01, plain)
    means = [mean / 100 for mean in lists[3]]  # the mean of squares is above the square of the mean
    yield "torch_rmsprop_update", (*lists[:3], means, lists[4], 0.1, 0.9, 1e-7, 0.8, 0.01, plain)
    yield from narrow(a, rng, dtype)
    yield "gradient_norm", (lists[1], [], a(1))
    window = ((3, 3), (2, 1), (1, 2), (1, 1))
    images, weights, maps = (3, 33, 31, 7), (3, 3, 7, 12), (3, 17, 29, 12)
    yield "conv_forward", (a(*images), a(*weights), a(12), window, 1, a(*maps))
    yield "conv_backward_input", (a(*maps), a(*weights), window, a(*images))
    yield "conv_backward_weights", (a(*images), a(*maps), window, a(*weights), a(12))
    filters = (3, 3, 7, 2)
    yield "depthwise_conv_forward", (a(*images), a(*filters), a(14), window, 1, a(*maps[:3], 14))
    yield "depthwise_conv_backward_input", (a(*maps[:3], 14), a(*filters), window, a(*images))
    yield "depthwise_conv_backward_weights", (a(*images), a(*maps[:3], 14), window, a(*filters), a(14))
    window, places, maps = ((3, 2), (2, 1), (1, 1), (0, 0)), (16, 30), (3, 16, 30, 18)
    weights = (16 * 30, 3 * 2 * 7, 18)
    yield "local_conv_forward", (a(*images), a(*weights), a(*places, 18), window, 0, a(*maps))
    yield "local_conv_backward_input", (a(*maps), a(*weights), window, 1, a(*images))
    yield "local_conv_backward_weights", (a(*images), a(*maps), window, 0, a(*weights), a(*places, 18))
    yield "dense_forward", (a(*rows), a(c, 65), a(65), 1, a(ROWS, 65))
    yield "dense_backward", (a(*rows), a(c, 65), a(ROWS, 65), a(ROWS, 65), *(a(*s) for s in ((ROWS, 65), rows, (c, 65), (65,))))
    yield "matmul", (a(ROWS, 3, c), a(ROWS, 5, c), 0, 1, a(ROWS, 3, 5))
    yield from recurrent(a, (rng.random((50, 7)) < 0.7).astype(np.uint8))
    yield from image_batches(a, rng)
    matrices = [[a(300, 230), a(3), a(40, 3, 5), a(4, 200, 100)] for _ in range(3)]
    factors = [[np.abs(x).mean(axis, keepdims=True) if x.ndim > 1 else x * x for x in matrices[2]] for axis in (-1, -2)]
    factors[1][1] = a(0)
    yield "adafactor_update", (*matrices[:2], *factors, 0.1, 0.9, 0.5, 1e-7, 1e-3, 1.0, (matrices[2], 0.5, 10.0, 0.0, 0.3))
    yield "strided_copy", (a(31, 70, 50), 2, np.array([1, 3500, 50]), a(48, 31, 70))
    yield "strided_add", (a(31, 70, 50), 2, np.array([1, 3500, 50]), a(48, 31, 70), a(48, 31, 70))
    yield "concatenate", ([a(3, 7, 900), a(3, 5000), a(3, 1)], 3, a(3, 11_301))
    yield "prelu_forward", (a(*rows) - 0.5, a(COLUMNS), a(*rows))
    yield "prelu_backward", (a(*rows) - 0.5, a(COLUMNS), a(*rows), a(*rows), a(COLUMNS))
    yield "batch_norm_relu_inference", (a(*rows), a(c), a(c), a(c), a(c), 1e-3, 0.5, a(*rows))
    yield "elementary_forward", (a(*rows), 3, -1.5, 0.0, a(*rows))
    yield "elementary_backward", (a(*rows), a(*rows), 3, -1.5, 0.0, a(*rows))
    yield "modulo", (a(*rows), a(*rows) + 0.5, a(*rows))
    yield "floor_divide", (a(*rows), a(*rows) + 0.5, a(*rows))
    yield "where", ((a(*rows) > 0.5).view(np.uint8), a(*rows), a(*rows), a(*rows))
    yield "arithmetic", (a(1, *rows), a(1, 1, COLUMNS), 5, a(1, *rows))
    yield "measure_stream", tuple(a(40_001) for _ in range(4))
    yield "measure_fma", (10, a(4))
    yield "measure_region", (3, 4)


def narrow(a, rng, dtype):
    """Kernels on slots of few bits. Slots are exact in any order of operations: their bytes are the same on all targets."""
    sizes = (70_001, 3, 35, 40_000)

    def halves():
        return [np.asarray(rng.integers(-8, 9, n) / 8, np.float32).view(np.uint16)[1::2].copy().view(np.uint8) for n in sizes]

    def dyadic():
        return [np.asarray(rng.integers(-16, 17, n) / 16, dtype) for n in sizes]

    def ones():  # in blocks of a scale of 1 each, with the code of 1
        return [np.concatenate([np.ones(-(-n // 256), np.float32).view(np.uint8), np.full(n, 127, np.uint8)]) for n in sizes]

    ps = [[a(n) for n in sizes] for _ in range(3)]
    plain, squares = (0.5, 0.5, 1e-3), [np.abs(x.view(np.int8)).view(np.uint8) for x in halves()]
    for square in squares:  # positive
        square[1::2] &= 127
    yield (
        "narrow_adam_update",
        (ps[0], dyadic(), halves(), squares, 0.1, 0.7, 0.0, 0.99, plain, ([], [], halves(), 16, 1, 0.5, 1, 7, 9)),
    )
    yield "narrow_sgd_update", (ps[1], dyadic(), halves(), 0.1, 0.5, 1.0, 1, 0.0, ([], [], halves(), 16, 0, 2.0, 0, 0, 0))
    yield "narrow_lion_update", (ps[2], dyadic(), ones(), 0.1, 0.9, 0.5, 0.75, ([], [], [], 8, 1, 1.0, 1, 3, 4))


def image_batches(a, rng):
    """Kernels of images: rotated images with all changes of colours."""
    matrices = np.array([[[0.9, -0.3, 4], [0.2, 1.1, -3]], [[1, 0, 0], [0, 1, 0]], [[0.7, 0, 9.5], [0.1, -0.8, 40]]] * 2)
    flips = rng.integers(0, 2, (6, 2)).astype(np.uint8)
    shifts, brightness = rng.uniform(-0.1, 0.1, 6), rng.uniform(0.5, 1.5, 6)
    numbers = (0.5, 1, 1, a(3), a(40, 50, 3))
    batch = (6, 40, 50, 3)
    for name, x, order in (
        ("augment_images", [a(50, 41, 3) for _ in range(6)], 3),
        ("augment_bytes", list(rng.integers(0, 256, batch).astype(np.uint8)), 1),
    ):
        yield name, (x, matrices, order, 2, 0.0, shifts, flips, brightness, 0.9, numbers, a(*batch))
    yield "standardize_images", (a(*batch), numbers, a(*batch))


def recurrent(a, mask):
    """The recurrent kernels. a(*shape) draws an array; mask: [N, T]."""
    (n, t), features, units = mask.shape, 13, 37

    def layer(gates):
        weights = a(features, gates * units), a(units, gates * units)
        return *weights, mask, a(1, n, features), a(gates, n, units), 1

    def gradients(kernel, recurrent_kernel, *bias):
        return a(n, t, features), np.zeros_like(kernel), np.zeros_like(recurrent_kernel), a(*bias), *states(1)

    def steps(count):
        return [a(n, t, units) for _ in range(count)]

    def states(count):
        return [a(n, units) for _ in range(count)]

    x = a(n, t, features)
    lstm, gates = layer(4), a(n, t, 4 * units)
    yield "lstm_forward", (x, lstm, 2, 4, a(4 * units), *states(2), gates, *steps(3), *states(2))
    last = gates + 1, gradients(*lstm[:2], 4 * units), *states(1)
    yield "lstm_backward", (x, lstm, 2, 4, gates, *steps(3), *states(2), *last)
    gru, gates = layer(3), a(n, t, 3 * units)
    yield "gru_forward", (x, gru, 2, 4, 1, a(2, 3 * units), *states(1), gates, *steps(3), *states(1))
    last = gates + 1, *steps(1), gradients(*gru[:2], 2, 3 * units)
    yield "gru_backward", (x, gru, 2, 4, 1, gates, *steps(3), *states(1), *last)
    simple = layer(1)
    yield "simple_rnn_forward", (x, simple, 2, a(units), *states(1), *steps(3), *states(1))
    yield "simple_rnn_backward", (x, simple, 2, *steps(3), *states(1), *steps(1), gradients(*simple[:2], units))
    sums, maps = (n, t, 4 * units), steps(7)
    yield "lstm_step_forward", (a(*sums), a(*sums), maps[0], 2, 4, a(*sums), *maps[1:3])
    yield "lstm_step_backward", (a(*sums), *maps[:2], 2, 3, *maps[3:5], a(*sums), maps[6])


# The kernels that measure the machine for the benchmark. Their results are times, or they write nothing, so they are not compared.
MEASURES = {"measure_fma", "measure_region", "measure_stream"}


def copied(argument):
    if isinstance(argument, (list, tuple)):
        return type(argument)(map(copied, argument))
    return argument.copy() if isinstance(argument, np.ndarray) else argument


def arrays(arguments):
    """The arrays among the arguments, also those in lists and bundles, in order."""
    if isinstance(arguments, (list, tuple)):
        return [a for x in arguments for a in arrays(x)]
    return [arguments] if isinstance(arguments, np.ndarray) else []


def everything(arguments):
    return b"".join(a.tobytes() for a in arrays(arguments))
