"""The compiled module: one function for each line of the table (cpp/table), and the choice of target and threads."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

KERNELS: tuple[str, ...]
BUNDLES: dict[str, str]

def targets() -> list[str]:
    """Those that this machine can run, best first."""

def target() -> str: ...
def select(target: str) -> None:
    """Raises ValueError for a target that this machine cannot run."""

def thread_backends() -> list[str]:
    """Where threads can come from, the default first."""

def thread_backend() -> str: ...
def select_thread_backend(name: str) -> None:
    """Raises ValueError for a name that thread_backends() does not list."""

def cpu_limit() -> int:
    """The least of affinity and the control group's quota, as found by the first call."""

def read_cpu_quota() -> int:
    """CPUs' worth of time that the control group grants now, rounded up; 0 for no limit."""

def num_threads() -> int: ...
def set_num_threads(n: int) -> None: ...

class Plan:
    """plan(kernel, *arguments) is kernel(*arguments). It remembers the memory of the lists' arrays and that nothing written
    overlaps; the next call with the same memory checks only that it is the same. It keeps no array alive.
    """

    def __call__(self, kernel: Callable[..., None], /, *arguments: Any) -> None: ...
    def step(
        self,
        kernel: Callable[..., None],
        params: list[Any],
        grads: list[Any],
        slots: list[list[Any]],
        numbers: tuple[Any, ...],
        last: tuple[Any, ...],
        /,
    ) -> None:
        """plan(kernel, params, grads, *slots, *numbers, last)"""

# Of lists of parameters and dicts of state; for many small arrays and for one.
def gradients(params: list[Any], held: list[Any], /) -> list[Any] | None:
    """The .grad of `params` that are not None. None if not exactly the parameters of `held` have one."""

def identical(objects: list[Any] | dict[Any, Any], others: list[Any], /) -> bool:
    """Whether the items of a list, or the values of a dict, are the objects of `others`."""

def common_count(
    states: list[dict[str, Any]], names: list[str], tensors: list[list[Any]], counts: _Floats | None, /
) -> float | None:
    """The number that all counts are, 0 without counts. None if they differ, or states[i][names[k]] is not tensors[k][i]."""

def count_up(counts: _Floats, /) -> None:
    """Add 1 to each element."""

def finite(owner: object, group: dict[str, Any], /, *names: str) -> tuple[float, ...]:
    """group[name] for each name as floats; a sequence gives all its items.

    Raises:
        ValueError: A number is not finite. The message names the owner's type and the number.
    """

def adam_numbers(
    owner: object, group: dict[str, Any], steps: float, decoupled: bool, /
) -> tuple[float, float, float, float, tuple[float, float, float]]:
    """The numbers of torch_adam_update between the lists and the bounds, for the step that comes after `steps` others.

    Raises:
        ValueError: A hyperparameter of the group is not finite, or betas are not below 1. The message names the owner's type.
    """

def lists_fit(calls: list[list[list[Any]]]) -> bool: ...
def contiguous(x: NDArray[Any], /) -> NDArray[Any]: ...
def empty_like(x: NDArray[Any], shape: tuple[int, ...] = ..., /) -> NDArray[Any]: ...
def in_place_of(dy: NDArray[Any], /) -> NDArray[Any]: ...

# What lamella.core.pool is made of; it says what these mean.
def in_pool(function: Callable[..., T], /, *arguments: Any, **named: Any) -> T: ...
def pool_limit() -> int:
    """-1: none was set."""

def set_pool_limit(limit: int) -> None: ...
def empty_pool() -> int: ...
def offer_pool() -> None: ...
def pool_counts() -> tuple[int, int, int, int, int]: ...
def read_files(paths: list[str], most: int) -> list[bytes | None]:
    """The contents of files, read by one call that does not hold the interpreter's lock.

    An entry is None if the file cannot be read, or is not a regular file of 1 to `most` bytes. The call stops after the file with
    which `most` bytes are reached, so the list may be shorter than `paths`.
    """

def jpeg_frames(contents: list[bytes | None]) -> list[tuple[int, int, int] | None]:
    """Width, height and number of channels of JPEG files, from their headers.

    An entry is None for all but usual files: 8 bits, 1 or 3 channels, one frame, no bytes between the segments.
    """

# What lamella.ops.tape is made of; it says what these mean.
class TensorBase:
    """What a Tensor holds, where ops read and write it."""

    value: NDArray[Any]
    index: int
    block: object
    logits: tuple[str, Any] | None  # None to begin with

class Op:
    """An op, as `differentiable` makes it.

    Args:  forward: (*ndarrays, **configuration) -> (y, backward), y an array or a tuple of them.  tensor, variable: the types
        whose `value` is computed on.  symbolic: the type of symbolic tensors, whose `compute` gives the value.
    """

    def __init__(self, forward: Callable[..., Any], tensor: type[TensorBase], variable: type, symbolic: type) -> None: ...
    def __call__(self, *inputs: Any, **config: Any) -> Any: ...

class Recorder:
    """What a Tape records. Within `run` or a `with` block ops of this thread append to `nodes`, in which results count on
    from `first`, where an input is in `places` or of this `block`. While `calls` is a list, such calls of ops are added to it:
    op, inputs, configuration, result. A new `run` or block begins without one.

    Raises:  RuntimeError if one records in this thread already.
    """

    nodes: list[Any]
    places: dict[Any, int]
    block: object
    calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] | None
    first: int
    recording: bool  # in this thread

    def __init__(self, places: dict[Any, int], first: int) -> None: ...
    def run(self, function: Callable[..., T], /, *arguments: Any, **named: Any) -> T: ...
    def renew(self) -> None:
        """Begin a new block."""

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: object, error: object, trace: object, /) -> None: ...

def recorded() -> Any:
    """The Recorder that records in this thread, or None."""

def backpropagate(nodes: list[Any], gradients: list[Any], /) -> None:
    """Empties `nodes` from the end: hands each result's gradient to its closure, and adds up what comes back."""

# What lamella.core.atomic is made of.
def commit(
    calls: list[tuple[Callable[..., Any], tuple[Any, ...]]], undo: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [], /
) -> list[Any]:
    """Make the calls (function, arguments) in order; returns what they return. Without a bytecode between them: if all are
    C functions, no signal comes in between. Where one raises, the calls of `undo` are made, then the error is raised.
    """

class Scope:
    """Attributes and context variables that have another value for a while.

    Args:  bindings: (object, name of the attribute, its value meanwhile), or (context variable, its value meanwhile).
    """

    def __init__(self, *bindings: tuple[object, str, object] | tuple[ContextVar[Any], object]) -> None: ...
    def run(self, function: Callable[..., T], /, *arguments: Any, **named: Any) -> T:
        """What function(*arguments) returns; then the attributes are as before, whatever came."""

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: object, error: object, trace: object, /) -> None: ...

# A kernel raises TypeError for arrays that it does not take, ValueError where one of its checks fails.
_Floats: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
# Sizes, strides, dilations, zeros before.
_Window: TypeAlias = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]

# --- from cpp/table, by cpp/bindings/stub.py: what you write below this line is overwritten ---
# kernel, recurrent_kernel, mask, input_dropout, recurrent_dropout, backwards
_RecurrentLayer: TypeAlias = tuple[_Floats, _Floats, NDArray[np.uint8], _Floats, _Floats, int]
# dx, dkernel, drecurrent, dbias, dh0
_RecurrentGradients: TypeAlias = tuple[_Floats, _Floats, _Floats, _Floats, _Floats]
# rescale, center, scale, mean, deviation
_Standardization: TypeAlias = tuple[float, int, int, _Floats, _Floats]
# sums, scale, norm, norm_each, clip
_Bounds: TypeAlias = tuple[list[_Floats], float, float, float, float]
# beta1, beta2, eps
_Moments: TypeAlias = tuple[float, float, float]
# params, grads, copies, bits, zero, scale, stochastic, seed, offset
_Narrow: TypeAlias = tuple[
    list[NDArray[np.uint8]], list[NDArray[np.uint8]], list[NDArray[np.uint8]], int, int, float, int, int, int
]

def relu_forward(x: _Floats, alpha: float, max_value: float, threshold: float, y: _Floats, /) -> None: ...
def relu_backward(x: _Floats, dy: _Floats, alpha: float, max_value: float, threshold: float, dx: _Floats, /) -> None: ...
def prelu_forward(x: _Floats, alpha: _Floats, y: _Floats, /) -> None: ...
def prelu_backward(x: _Floats, alpha: _Floats, dy: _Floats, dx: _Floats, dalpha: _Floats, /) -> None: ...
def elu_forward(x: _Floats, alpha: float, scale: float, y: _Floats, /) -> None: ...
def elu_backward(y: _Floats, dy: _Floats, alpha: float, scale: float, dx: _Floats, /) -> None: ...
def tanh_forward(x: _Floats, y: _Floats, /) -> None: ...
def tanh_backward(y: _Floats, dy: _Floats, dx: _Floats, /) -> None: ...
def sigmoid_forward(x: _Floats, y: _Floats, /) -> None: ...
def sigmoid_backward(y: _Floats, dy: _Floats, dx: _Floats, /) -> None: ...
def hard_sigmoid_forward(x: _Floats, y: _Floats, /) -> None: ...
def hard_sigmoid_backward(y: _Floats, dy: _Floats, dx: _Floats, /) -> None: ...
def softplus_forward(x: _Floats, y: _Floats, /) -> None: ...
def softplus_backward(y: _Floats, dy: _Floats, dx: _Floats, /) -> None: ...
def softsign_forward(x: _Floats, y: _Floats, /) -> None: ...
def softsign_backward(y: _Floats, dy: _Floats, dx: _Floats, /) -> None: ...
def exp_forward(x: _Floats, y: _Floats, /) -> None: ...
def log_forward(x: _Floats, y: _Floats, /) -> None: ...
def elementary_forward(x: _Floats, function: int, p: float, q: float, y: _Floats, /) -> None: ...
def elementary_backward(x: _Floats, dy: _Floats, function: int, p: float, q: float, dx: _Floats, /) -> None: ...
def where(condition: NDArray[np.uint8], a: _Floats, b: _Floats, y: _Floats, /) -> None: ...
def arithmetic(a: _Floats, b: _Floats, operation: int, y: _Floats, /) -> None: ...
def modulo(a: _Floats, b: _Floats, y: _Floats, /) -> None: ...
def floor_divide(a: _Floats, b: _Floats, y: _Floats, /) -> None: ...
def softmax_forward(x: _Floats, y: _Floats, /) -> None: ...
def softmax_backward(y: _Floats, dy: _Floats, dx: _Floats, /) -> None: ...
def sum_rows(x: _Floats, y: _Floats, /) -> None: ...
def sum_columns(x: _Floats, y: _Floats, /) -> None: ...
def sum_all(x: _Floats, y: _Floats, /) -> None: ...
def sum_squares(x: _Floats, y: _Floats, /) -> None: ...
def sum_absolute(x: _Floats, y: _Floats, /) -> None: ...
def extremum_forward(x: _Floats, smallest: int, y: _Floats, /) -> None: ...
def extremum_backward(x: _Floats, y: _Floats, dy: _Floats, dx: _Floats, /) -> None: ...
def cumulate(x: _Floats, factors: _Floats, product: int, reverse: int, y: _Floats, /) -> None: ...
def dropout(x: _Floats, rate: float, seed: int, offset: int, y: _Floats, /) -> None: ...
def gaussian_noise(x: _Floats, stddev: float, multiplied: int, seed: int, offset: int, y: _Floats, /) -> None: ...
def squared_error_forward(p: _Floats, y: _Floats, loss: _Floats, /) -> None: ...
def squared_error_backward(p: _Floats, y: _Floats, dloss: _Floats, dp: _Floats, /) -> None: ...
def absolute_error_forward(p: _Floats, y: _Floats, loss: _Floats, /) -> None: ...
def absolute_error_backward(p: _Floats, y: _Floats, dloss: _Floats, dp: _Floats, /) -> None: ...
def percentage_error_forward(p: _Floats, y: _Floats, eps: float, loss: _Floats, /) -> None: ...
def percentage_error_backward(p: _Floats, y: _Floats, dloss: _Floats, eps: float, dp: _Floats, /) -> None: ...
def percentage_error_backward_target(p: _Floats, y: _Floats, dloss: _Floats, eps: float, dy: _Floats, /) -> None: ...
def logarithmic_error_forward(p: _Floats, y: _Floats, eps: float, loss: _Floats, /) -> None: ...
def logarithmic_error_backward(p: _Floats, y: _Floats, dloss: _Floats, eps: float, dp: _Floats, /) -> None: ...
def logcosh_forward(p: _Floats, y: _Floats, loss: _Floats, /) -> None: ...
def logcosh_backward(p: _Floats, y: _Floats, dloss: _Floats, dp: _Floats, /) -> None: ...
def poisson_forward(p: _Floats, y: _Floats, eps: float, loss: _Floats, /) -> None: ...
def poisson_backward(p: _Floats, y: _Floats, dloss: _Floats, eps: float, dp: _Floats, /) -> None: ...
def poisson_backward_target(p: _Floats, y: _Floats, dloss: _Floats, eps: float, dy: _Floats, /) -> None: ...
def hinge_forward(p: _Floats, y: _Floats, loss: _Floats, /) -> None: ...
def hinge_backward(p: _Floats, y: _Floats, dloss: _Floats, dp: _Floats, /) -> None: ...
def squared_hinge_forward(p: _Floats, y: _Floats, loss: _Floats, /) -> None: ...
def squared_hinge_backward(p: _Floats, y: _Floats, dloss: _Floats, dp: _Floats, /) -> None: ...
def categorical_hinge_forward(p: _Floats, y: _Floats, loss: _Floats, /) -> None: ...
def categorical_hinge_backward(p: _Floats, y: _Floats, dloss: _Floats, dp: _Floats, /) -> None: ...
def categorical_hinge_backward_target(p: _Floats, y: _Floats, dloss: _Floats, dy: _Floats, /) -> None: ...
def kl_divergence_forward(p: _Floats, y: _Floats, eps: float, loss: _Floats, /) -> None: ...
def kl_divergence_backward(p: _Floats, y: _Floats, dloss: _Floats, eps: float, dp: _Floats, /) -> None: ...
def kl_divergence_backward_target(p: _Floats, y: _Floats, dloss: _Floats, eps: float, dy: _Floats, /) -> None: ...
def cosine_forward(p: _Floats, y: _Floats, loss: _Floats, /) -> None: ...
def cosine_backward(p: _Floats, y: _Floats, dloss: _Floats, dp: _Floats, /) -> None: ...
def categorical_crossentropy_forward(p: _Floats, y: _Floats, eps: float, loss: _Floats, /) -> None: ...
def categorical_crossentropy_backward(p: _Floats, y: _Floats, dloss: _Floats, eps: float, dp: _Floats, /) -> None: ...
def sparse_categorical_crossentropy_forward(p: _Floats, y: NDArray[np.int64], eps: float, loss: _Floats, /) -> None: ...
def sparse_categorical_crossentropy_backward(
    p: _Floats,
    y: NDArray[np.int64],
    dloss: _Floats,
    eps: float,
    dp: _Floats,
    /,
) -> None: ...
def binary_crossentropy_forward(p: _Floats, y: _Floats, eps: float, loss: _Floats, /) -> None: ...
def binary_crossentropy_backward(p: _Floats, y: _Floats, dloss: _Floats, eps: float, dp: _Floats, /) -> None: ...
def softmax_crossentropy_forward(z: _Floats, y: _Floats, p: _Floats, loss: _Floats, /) -> None: ...
def softmax_crossentropy_backward(p: _Floats, y: _Floats, dloss: _Floats, dz: _Floats, /) -> None: ...
def sparse_softmax_crossentropy_forward(z: _Floats, y: NDArray[np.int64], p: _Floats, loss: _Floats, /) -> None: ...
def sparse_softmax_crossentropy_backward(p: _Floats, y: NDArray[np.int64], dloss: _Floats, dz: _Floats, /) -> None: ...
def sigmoid_crossentropy_forward(z: _Floats, y: _Floats, p: _Floats, loss: _Floats, /) -> None: ...
def sigmoid_crossentropy_backward(p: _Floats, y: _Floats, dloss: _Floats, dz: _Floats, /) -> None: ...
def dense_forward(x: _Floats, w: _Floats, bias: _Floats, relu: int, y: _Floats, /) -> None: ...
def dense_backward(
    x: _Floats,
    w: _Floats,
    y: _Floats,
    dy: _Floats,
    dz: _Floats,
    dx: _Floats,
    dw: _Floats,
    dbias: _Floats,
    /,
) -> None: ...
def matmul(a: _Floats, b: _Floats, transposed_a: int, transposed_b: int, y: _Floats, /) -> None: ...
def conv_forward(x: _Floats, w: _Floats, bias: _Floats, window: _Window, relu: int, y: _Floats, /) -> None: ...
def conv_backward_input(dy: _Floats, w: _Floats, window: _Window, dx: _Floats, /) -> None: ...
def conv_backward_weights(x: _Floats, dy: _Floats, window: _Window, dweights: _Floats, dbias: _Floats, /) -> None: ...
def local_conv_forward(x: _Floats, w: _Floats, bias: _Floats, window: _Window, channels_first: int, y: _Floats, /) -> None: ...
def local_conv_backward_input(dy: _Floats, w: _Floats, window: _Window, channels_first: int, dx: _Floats, /) -> None: ...
def local_conv_backward_weights(
    x: _Floats,
    dy: _Floats,
    window: _Window,
    channels_first: int,
    dw: _Floats,
    dbias: _Floats,
    /,
) -> None: ...
def max_pool_forward(x: _Floats, window: _Window, relu: int, y: _Floats, argmax: NDArray[np.uint8], /) -> None: ...
def max_pool_backward(dy: _Floats, argmax: NDArray[np.uint8], window: _Window, dx: _Floats, /) -> None: ...
def avg_pool_forward(x: _Floats, window: _Window, y: _Floats, /) -> None: ...
def avg_pool_backward(dy: _Floats, window: _Window, dx: _Floats, /) -> None: ...
def global_avg_pool_forward(x: _Floats, y: _Floats, /) -> None: ...
def global_avg_pool_backward(dy: _Floats, dx: _Floats, /) -> None: ...
def global_max_pool_forward(x: _Floats, y: _Floats, argmax: NDArray[np.int64], /) -> None: ...
def global_max_pool_backward(dy: _Floats, argmax: NDArray[np.int64], dx: _Floats, /) -> None: ...
def depthwise_conv_forward(x: _Floats, w: _Floats, bias: _Floats, window: _Window, relu: int, y: _Floats, /) -> None: ...
def depthwise_conv_backward_input(dy: _Floats, w: _Floats, window: _Window, dx: _Floats, /) -> None: ...
def depthwise_conv_backward_weights(x: _Floats, dy: _Floats, window: _Window, dweights: _Floats, dbias: _Floats, /) -> None: ...
def batch_norm_forward(
    x: _Floats,
    gamma: _Floats,
    beta: _Floats,
    eps: float,
    y: _Floats,
    mean: _Floats,
    var: _Floats,
    /,
) -> None: ...
def batch_norm_backward(
    x: _Floats,
    dy: _Floats,
    gamma: _Floats,
    mean: _Floats,
    var: _Floats,
    eps: float,
    dx: _Floats,
    dgamma: _Floats,
    dbeta: _Floats,
    /,
) -> None: ...
def batch_norm_relu_forward(
    x: _Floats,
    gamma: _Floats,
    beta: _Floats,
    eps: float,
    max_value: float,
    y: _Floats,
    mean: _Floats,
    var: _Floats,
    /,
) -> None: ...
def batch_norm_relu_backward(
    x: _Floats,
    dy: _Floats,
    gamma: _Floats,
    beta: _Floats,
    mean: _Floats,
    var: _Floats,
    eps: float,
    max_value: float,
    dx: _Floats,
    dgamma: _Floats,
    dbeta: _Floats,
    /,
) -> None: ...
def batch_norm_inference(
    x: _Floats,
    gamma: _Floats,
    beta: _Floats,
    mean: _Floats,
    var: _Floats,
    eps: float,
    y: _Floats,
    /,
) -> None: ...
def batch_norm_relu_inference(
    x: _Floats,
    gamma: _Floats,
    beta: _Floats,
    mean: _Floats,
    var: _Floats,
    eps: float,
    max_value: float,
    y: _Floats,
    /,
) -> None: ...
def lstm_forward(
    x: _Floats,
    layer: _RecurrentLayer,
    activation: int,
    recurrent_activation: int,
    bias: _Floats,
    h0: _Floats,
    c0: _Floats,
    gates: _Floats,
    previous: _Floats,
    cells: _Floats,
    outputs: _Floats,
    h: _Floats,
    c: _Floats,
    /,
) -> None: ...
def lstm_backward(
    x: _Floats,
    layer: _RecurrentLayer,
    activation: int,
    recurrent_activation: int,
    gates: _Floats,
    previous: _Floats,
    cells: _Floats,
    doutputs: _Floats,
    dh: _Floats,
    dc: _Floats,
    dgates: _Floats,
    gradients: _RecurrentGradients,
    dc0: _Floats,
    /,
) -> None: ...
def lstm_step_forward(
    of_x: _Floats,
    of_h: _Floats,
    c: _Floats,
    activation: int,
    recurrent_activation: int,
    gates: _Floats,
    new_h: _Floats,
    new_c: _Floats,
    /,
) -> None: ...
def lstm_step_backward(
    gates: _Floats,
    c: _Floats,
    new_c: _Floats,
    activation: int,
    recurrent_activation: int,
    dh: _Floats,
    dnew_c: _Floats,
    dsums: _Floats,
    dc: _Floats,
    /,
) -> None: ...
def gru_forward(
    x: _Floats,
    layer: _RecurrentLayer,
    activation: int,
    recurrent_activation: int,
    reset_after: int,
    bias: _Floats,
    h0: _Floats,
    gates: _Floats,
    previous: _Floats,
    inner: _Floats,
    outputs: _Floats,
    h: _Floats,
    /,
) -> None: ...
def gru_backward(
    x: _Floats,
    layer: _RecurrentLayer,
    activation: int,
    recurrent_activation: int,
    reset_after: int,
    gates: _Floats,
    previous: _Floats,
    inner: _Floats,
    doutputs: _Floats,
    dh: _Floats,
    dgates: _Floats,
    dinner: _Floats,
    gradients: _RecurrentGradients,
    /,
) -> None: ...
def simple_rnn_forward(
    x: _Floats,
    layer: _RecurrentLayer,
    activation: int,
    bias: _Floats,
    h0: _Floats,
    states: _Floats,
    previous: _Floats,
    outputs: _Floats,
    h: _Floats,
    /,
) -> None: ...
def simple_rnn_backward(
    x: _Floats,
    layer: _RecurrentLayer,
    activation: int,
    states: _Floats,
    previous: _Floats,
    doutputs: _Floats,
    dh: _Floats,
    dstates: _Floats,
    gradients: _RecurrentGradients,
    /,
) -> None: ...
def take_forward(x: _Floats, rows: NDArray[np.int64], y: _Floats, /) -> None: ...
def take_backward(dy: _Floats, rows: NDArray[np.int64], dx: _Floats, /) -> None: ...
def put_rows(ys: list[_Floats], rows: NDArray[np.int64], tables: list[_Floats], /) -> None: ...
def strided_copy(x: _Floats, offset: int, strides: NDArray[np.int64], y: _Floats, /) -> None: ...
def strided_add(x: _Floats, offset: int, strides: NDArray[np.int64], before: _Floats, y: _Floats, /) -> None: ...
def pad(x: _Floats, top: int, left: int, y: _Floats, /) -> None: ...
def concatenate(xs: list[_Floats], rows: int, y: _Floats, /) -> None: ...
def resize_forward(
    x: _Floats,
    rows: NDArray[np.int64],
    row_weights: NDArray[np.float64],
    columns: NDArray[np.int64],
    column_weights: NDArray[np.float64],
    y: _Floats,
    /,
) -> None: ...
def resize_backward(
    dy: _Floats,
    rows: NDArray[np.int64],
    row_weights: NDArray[np.float64],
    columns: NDArray[np.int64],
    column_weights: NDArray[np.float64],
    dx: _Floats,
    /,
) -> None: ...
def augment_images(
    x: list[_Floats],
    matrices: NDArray[np.float64],
    order: int,
    fill: int,
    cval: float,
    shifts: NDArray[np.float64],
    flips: NDArray[np.uint8],
    brightness: NDArray[np.float64],
    white: float,
    standard: _Standardization,
    y: _Floats,
    /,
) -> None: ...
def augment_bytes(
    x: list[NDArray[np.uint8]],
    matrices: NDArray[np.float64],
    order: int,
    fill: int,
    cval: float,
    shifts: NDArray[np.float64],
    flips: NDArray[np.uint8],
    brightness: NDArray[np.float64],
    white: float,
    standard: _Standardization,
    y: _Floats,
    /,
) -> None: ...
def standardize_images(x: _Floats, standard: _Standardization, y: _Floats, /) -> None: ...
def accumulate_gradients(sums: list[_Floats], gs: list[_Floats], first: int, /) -> None: ...
def sgd_update(
    ps: list[_Floats],
    gs: list[_Floats],
    ms: list[_Floats],
    lr: float,
    momentum: float,
    nesterov: int,
    bounds: _Bounds,
    /,
) -> None: ...
def adagrad_update(
    ps: list[_Floats],
    gs: list[_Floats],
    as_: list[_Floats],
    lr: float,
    eps: float,
    bounds: _Bounds,
    /,
) -> None: ...
def rmsprop_update(
    ps: list[_Floats],
    gs: list[_Floats],
    as_: list[_Floats],
    lr: float,
    rho: float,
    eps: float,
    bounds: _Bounds,
    /,
) -> None: ...
def centered_rmsprop_update(
    ps: list[_Floats],
    gs: list[_Floats],
    as_: list[_Floats],
    cs: list[_Floats],
    lr: float,
    rho: float,
    eps: float,
    bounds: _Bounds,
    /,
) -> None: ...
def momentum_rmsprop_update(
    ps: list[_Floats],
    gs: list[_Floats],
    as_: list[_Floats],
    ms: list[_Floats],
    cs: list[_Floats],
    lr: float,
    rho: float,
    momentum: float,
    eps: float,
    bounds: _Bounds,
    /,
) -> None: ...
def adadelta_update(
    ps: list[_Floats],
    gs: list[_Floats],
    as_: list[_Floats],
    ds: list[_Floats],
    lr: float,
    rho: float,
    eps: float,
    bounds: _Bounds,
    /,
) -> None: ...
def adam_update(
    ps: list[_Floats],
    gs: list[_Floats],
    ms: list[_Floats],
    vs: list[_Floats],
    lr: float,
    shrink: float,
    moments: _Moments,
    bounds: _Bounds,
    /,
) -> None: ...
def amsgrad_update(
    ps: list[_Floats],
    gs: list[_Floats],
    ms: list[_Floats],
    vs: list[_Floats],
    hs: list[_Floats],
    lr: float,
    shrink: float,
    moments: _Moments,
    bounds: _Bounds,
    /,
) -> None: ...
def adamax_update(
    ps: list[_Floats],
    gs: list[_Floats],
    ms: list[_Floats],
    us: list[_Floats],
    lr: float,
    moments: _Moments,
    bounds: _Bounds,
    /,
) -> None: ...
def nadam_update(
    ps: list[_Floats],
    gs: list[_Floats],
    ms: list[_Floats],
    vs: list[_Floats],
    lr_g: float,
    lr_m: float,
    correction: float,
    moments: _Moments,
    bounds: _Bounds,
    /,
) -> None: ...
def ftrl_update(
    ps: list[_Floats],
    gs: list[_Floats],
    as_: list[_Floats],
    zs: list[_Floats],
    lr: float,
    power: float,
    l1: float,
    l2: float,
    shrinkage: float,
    bounds: _Bounds,
    /,
) -> None: ...
def lamb_update(
    ps: list[_Floats],
    gs: list[_Floats],
    ms: list[_Floats],
    vs: list[_Floats],
    lr: float,
    correction1: float,
    correction2: float,
    decay: float,
    moments: _Moments,
    bounds: _Bounds,
    /,
) -> None: ...
def adafactor_update(
    ps: list[_Floats],
    gs: list[_Floats],
    rows: list[_Floats],
    columns: list[_Floats],
    rate: float,
    kept: float,
    take: float,
    eps1: float,
    eps2: float,
    threshold: float,
    bounds: _Bounds,
    /,
) -> None: ...
def average_update(as_: list[_Floats], xs: list[_Floats], keep: float, /) -> None: ...
def torch_adam_update(
    ps: list[_Floats],
    gs: list[_Floats],
    ms: list[_Floats],
    vs: list[_Floats],
    hs: list[_Floats],
    rate: float,
    root: float,
    l2: float,
    kept: float,
    moments: _Moments,
    bounds: _Bounds,
    /,
) -> None: ...
def torch_sgd_update(
    ps: list[_Floats],
    gs: list[_Floats],
    ms: list[_Floats],
    lr: float,
    momentum: float,
    take: float,
    nesterov: int,
    l2: float,
    bounds: _Bounds,
    /,
) -> None: ...
def lion_update(
    ps: list[_Floats],
    gs: list[_Floats],
    ms: list[_Floats],
    lr: float,
    kept: float,
    beta1: float,
    beta2: float,
    bounds: _Bounds,
    /,
) -> None: ...
def torch_adagrad_update(
    ps: list[_Floats],
    gs: list[_Floats],
    as_: list[_Floats],
    lr: float,
    eps: float,
    l2: float,
    bounds: _Bounds,
    /,
) -> None: ...
def torch_rmsprop_update(
    ps: list[_Floats],
    gs: list[_Floats],
    as_: list[_Floats],
    means: list[_Floats],
    ms: list[_Floats],
    lr: float,
    alpha: float,
    eps: float,
    momentum: float,
    l2: float,
    bounds: _Bounds,
    /,
) -> None: ...
def narrow_adam_update(
    ps: list[_Floats],
    gs: list[_Floats],
    ms: list[NDArray[np.uint8]],
    vs: list[NDArray[np.uint8]],
    rate: float,
    root: float,
    l2: float,
    kept: float,
    moments: _Moments,
    narrow: _Narrow,
    /,
) -> None: ...
def narrow_sgd_update(
    ps: list[_Floats],
    gs: list[_Floats],
    ms: list[NDArray[np.uint8]],
    lr: float,
    momentum: float,
    take: float,
    nesterov: int,
    l2: float,
    narrow: _Narrow,
    /,
) -> None: ...
def narrow_lion_update(
    ps: list[_Floats],
    gs: list[_Floats],
    ms: list[NDArray[np.uint8]],
    lr: float,
    kept: float,
    beta1: float,
    beta2: float,
    narrow: _Narrow,
    /,
) -> None: ...
def gradient_norm(gs: list[_Floats], bfloat16_gs: list[NDArray[np.uint8]], norm: _Floats, /) -> None: ...
def measure_fma(rounds: int, sums: _Floats, /) -> None: ...
def measure_stream(a: _Floats, b: _Floats, c: _Floats, g: _Floats, /) -> None: ...
def measure_region(regions: int, chunks: int, /) -> None: ...
