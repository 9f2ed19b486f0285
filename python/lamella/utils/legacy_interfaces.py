"""Decorators that translate arguments of Keras 1. Source: Keras 2.2.5 keras/legacy/interfaces.py.

Layers and optimizers that users copied from Keras and changed have these decorators. Lamella's own layers use `layers.keras1`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import numpy as np

from lamella.core.warn import warn

F = TypeVar("F", bound=Callable[..., Any])
Arguments = Sequence[Any]  # positional arguments; the first is self
Named = dict[str, Any]  # keyword arguments
# (positional arguments, keyword arguments, [(new name, old name), ...] of the translated arguments)
Translated = tuple[Arguments, Named, list[tuple[str, str | None]]]
Preprocessor = Callable[[Arguments, Named], Translated]


def generate_legacy_interface(
    allowed_positional_args: Sequence[str] | None = None,
    conversions: Sequence[tuple[str, str]] | None = None,
    preprocessor: Preprocessor | None = None,
    value_conversions: Mapping[str, Mapping[Any, Any]] | None = None,
    object_type: str = "class",
) -> Callable[[F], F]:
    """A decorator of methods that translates old arguments, with a warning that shows the new call.

    Args:
        allowed_positional_args: Names of the arguments that may be positional; None means all.
        conversions: Pairs (old name, new name).
        preprocessor: Called first, with the positional and the keyword arguments.
        value_conversions: For each old name, a dict from old to new values.
        object_type: "class" shows the name of self's class in messages, "method" the name of the method.

    Returns:
        The decorator. The decorated method raises TypeError for too many positional arguments, and for an argument that is
        given by its old and its new name.
    """
    most = None if allowed_positional_args is None else len(allowed_positional_args)

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            name = type(args[0]).__name__ if object_type == "class" else function.__name__
            given: Arguments = args
            converted: list[tuple[str, str | None]] = []
            if preprocessor is not None:
                given, kwargs, converted = preprocessor(args, kwargs)
            if most is not None and len(given) > most + 1:
                raise TypeError(
                    f"`{name}` can accept only {most} positional arguments {tuple(allowed_positional_args or ())}, but you passed "
                    f"the following positional arguments: {list(given[1:])}"
                )
            for old, meanings in (value_conversions or {}).items():
                if isinstance(kwargs.get(old), (str, int)):
                    kwargs[old] = meanings.get(kwargs[old], kwargs[old])
            for old, new in conversions or ():
                if old in kwargs:
                    value = kwargs.pop(old)
                    if new in kwargs:
                        raise_duplicate_arg_error(old, new)
                    kwargs[new] = value
                    converted.append((new, old))
            if converted:
                shown = [_shown(v) for v in given[1:]] + [f"{k}={_shown(v)}" for k, v in kwargs.items()]
                warn(f"Update your `{name}` call to the Keras 2 API: `{name}({', '.join(shown)})`")
            return function(*given, **kwargs)

        setattr(call, "_original_function", function)
        return call  # type: ignore[return-value]

    return decorate


generate_legacy_method_interface = functools.partial(generate_legacy_interface, object_type="method")


def raise_duplicate_arg_error(old_arg: str, new_arg: str) -> NoReturn:
    """Raise TypeError for an argument that is given by its old and its new name. Source: Keras 2.2.5."""
    raise TypeError(
        f"For the `{new_arg}` argument, the layer received both the legacy keyword argument `{old_arg}` and the Keras 2 keyword "
        f"argument `{new_arg}`. Stick to the latter!"
    )


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    text = "array" if isinstance(value, np.ndarray) else str(value)
    return text if len(text) <= 10 else text[:10] + "..."


# Preprocessors -------------------------------------------------------------------------------------------


def _window(args: Arguments, kwargs: Named, names: tuple[str, ...]) -> Translated:
    """Combine the sizes of a window, which are given as separate arguments, into one kernel_size."""
    given = list(args[2:])
    if len(given) > len(names):
        raise TypeError(f"Layer can receive at most {1 + len(names)} positional arguments.")
    rest = names[len(given) :]
    if not all(isinstance(v, int) for v in given) or not all(name in kwargs for name in rest):
        return args, kwargs, []
    if len(given) == len(names) and {"padding", "strides", "data_format"} & set(kwargs):
        raise ValueError(
            "It seems that you are using the Keras 2 and you are passing both `kernel_size` and `strides` as integer positional "
            "arguments. For safety reasons, this is disallowed. Pass `strides` as a keyword argument instead."
        )
    sizes = (*given, *(kwargs.pop(name) for name in rest))
    converted: list[tuple[str, str | None]] = [("kernel_size", "/".join(names))]
    if len(args) > 1:
        return [*args[:2], sizes], kwargs, converted
    return args, kwargs | {"kernel_size": sizes}, converted


def conv1d_args_preprocessor(args: Arguments, kwargs: Named) -> Translated:
    """Replace input_dim and input_length by input_shape."""
    if "input_dim" not in kwargs:
        return args, kwargs, []
    kwargs["input_shape"] = (kwargs.pop("input_length", None), kwargs.pop("input_dim"))
    return args, kwargs, [("input_shape", "input_dim")]


def conv2d_args_preprocessor(args: Arguments, kwargs: Named) -> Translated:
    """Combine two sizes, positional or named nb_row and nb_col, into kernel_size."""
    return _window(args, kwargs, ("nb_row", "nb_col"))


def conv3d_args_preprocessor(args: Arguments, kwargs: Named) -> Translated:
    """Combine three sizes, positional or named kernel_dim1 to kernel_dim3, into kernel_size."""
    return _window(args, kwargs, ("kernel_dim1", "kernel_dim2", "kernel_dim3"))


def deconv2d_args_preprocessor(args: Arguments, kwargs: Named) -> Translated:
    """The same as conv2d_args_preprocessor. Also drop output_shape, positional (the fourth) or named, which has no effect."""
    converted: list[tuple[str, str | None]] = []
    if len(args) == 5 and isinstance(args[4], tuple):
        args = args[:-1]
        converted.append(("output_shape", None))
    if "output_shape" in kwargs:
        del kwargs["output_shape"]
        converted.append(("output_shape", None))
    args, kwargs, more = conv2d_args_preprocessor(args, kwargs)
    return args, kwargs, converted + more


def separable_conv2d_args_preprocessor(args: Arguments, kwargs: Named) -> Translated:
    """Use `init` for the depthwise and the pointwise kernel. Otherwise the same as conv2d_args_preprocessor."""
    converted: list[tuple[str, str | None]] = []
    if "init" in kwargs:
        kwargs["depthwise_initializer"] = kwargs["pointwise_initializer"] = kwargs.pop("init")
        converted.append(("depthwise_initializer/pointwise_initializer", "init"))
    args, kwargs, more = conv2d_args_preprocessor(args, kwargs)
    return args, kwargs, converted + more


def _forget_bias(kwargs: Named) -> list[tuple[str, str | None]]:
    if kwargs.get("forget_bias_init") == "one":
        kwargs["unit_forget_bias"] = bool(kwargs.pop("forget_bias_init"))
        return [("unit_forget_bias", "forget_bias_init")]
    if "forget_bias_init" in kwargs:
        del kwargs["forget_bias_init"]
        warn("The `forget_bias_init` argument has been ignored. Use `unit_forget_bias=True` instead to initialize with ones.")
    return []


def recurrent_args_preprocessor(args: Arguments, kwargs: Named) -> Translated:
    """Replace forget_bias_init by unit_forget_bias, and input_dim and input_length by input_shape."""
    converted = _forget_bias(kwargs)
    args, kwargs, shape = conv1d_args_preprocessor(args, kwargs)
    if shape:
        warn("The `input_dim` and `input_length` arguments in recurrent layers are deprecated. Use `input_shape` instead.")
    return args, kwargs, converted + shape


def convlstm2d_args_preprocessor(args: Arguments, kwargs: Named) -> Translated:
    """Replace forget_bias_init by unit_forget_bias. Otherwise the same as conv2d_args_preprocessor."""
    converted = _forget_bias(kwargs)
    args, kwargs, more = conv2d_args_preprocessor(args, kwargs)
    return args, kwargs, converted + more


def batchnorm_args_preprocessor(args: Arguments, kwargs: Named) -> Translated:
    """Drop mode=0. Raise TypeError for another mode, and for positional arguments."""
    if len(args) > 1:
        raise TypeError("The `BatchNormalization` layer does not accept positional arguments. Use keyword arguments instead.")
    if "mode" not in kwargs:
        return args, kwargs, []
    if kwargs.pop("mode") != 0:
        raise TypeError(
            "The `mode` argument of `BatchNormalization` no longer exists. `mode=1` and `mode=2` are no longer supported."
        )
    return args, kwargs, [("mode", None)]


def embedding_kwargs_preprocessor(args: Arguments, kwargs: Named) -> Translated:
    """Drop `dropout`, with a warning."""
    if "dropout" in kwargs:
        del kwargs["dropout"]
        warn(
            "The `dropout` argument is no longer support in `Embedding`. You can apply a `keras.layers.SpatialDropout1D` layer "
            "right after the `Embedding` layer to get the same behavior."
        )
    return args, kwargs, []


def zeropadding2d_args_preprocessor(args: Arguments, kwargs: Named) -> Translated:
    """Replace a dict of top_pad, bottom_pad, left_pad and right_pad by two pairs."""
    padding = kwargs.get("padding", args[1] if len(args) == 2 else None)
    names = ("top_pad", "bottom_pad", "left_pad", "right_pad")
    if not isinstance(padding, dict) or not set(padding) <= set(names):
        return args, kwargs, []
    warn(
        "The `padding` argument in the Keras 2 API no longer accepts dict types. You can now input argument as: "
        "`padding=((top_pad, bottom_pad), (left_pad, right_pad))`."
    )
    top, bottom, left, right = (padding.get(name, 0) for name in names)
    pairs = ((top, bottom), (left, right))
    return ((args[0], pairs), kwargs, []) if "padding" not in kwargs else (args, kwargs | {"padding": pairs}, [])


def generator_methods_args_preprocessor(args: Arguments, kwargs: Named) -> Translated:
    """Replace samples_per_epoch by steps_per_epoch: samples_per_epoch // the generator's batch_size, which is 1 if it has none."""
    converted: list[tuple[str, str | None]] = []
    old = {"samples_per_epoch", "val_samples", "nb_epoch", "nb_val_samples", "nb_worker"} & set(kwargs)
    if len(args) < 3 and "samples_per_epoch" in kwargs:
        generator = args[1] if len(args) > 1 else kwargs["generator"]
        kwargs["steps_per_epoch"] = kwargs.pop("samples_per_epoch") // getattr(generator, "batch_size", 1)
        converted.append(("steps_per_epoch", "samples_per_epoch"))
    if old:
        warn(
            "The semantics of the Keras 2 argument `steps_per_epoch` is not the same as the Keras 1 argument `samples_per_epoch`. "
            "`steps_per_epoch` is the number of batches to draw from the generator at each epoch. Basically steps_per_epoch = "
            "samples_per_epoch/batch_size. Similarly `nb_val_samples`->`validation_steps` and `val_samples`->`steps` arguments "
            "have changed. Update your method calls accordingly."
        )
    return args, kwargs, converted


def add_weight_args_preprocessing(args: Arguments, kwargs: Named) -> Translated:
    """Replace the positional arguments (shape, name) by keyword arguments."""
    args = tuple(args)
    if len(args) > 1 and isinstance(args[1], (tuple, list)):
        kwargs["shape"] = args[1]
        args = (args[0], *args[2:])
        if len(args) > 1 and isinstance(args[1], str):
            kwargs["name"] = args[1]
            args = (args[0], *args[2:])
    return args, kwargs, []


def get_updates_arg_preprocessing(args: Arguments, kwargs: Named) -> Translated:
    """Replace (params, constraints, loss) by keyword arguments without constraints. Raise TypeError for too many arguments."""
    if len(args) > 4:
        raise TypeError("`get_update` call received more arguments than expected.")
    if len(args) == 4:
        optimizer, params, _, loss = args
        return [optimizer], kwargs | {"loss": loss, "params": params}, []
    if len(args) == 3 and isinstance(args[1], (list, tuple)) and "loss" in kwargs:
        return [args[0]], kwargs | {"params": args[1]}, []
    return args, kwargs, []


# Decorators ----------------------------------------------------------------------------------------------

_FORMATS = {"dim_ordering": {"tf": "channels_last", "th": "channels_first", "default": None}}
_FORMAT = [("dim_ordering", "data_format")]
_BIAS = [("b_regularizer", "bias_regularizer"), ("b_constraint", "bias_constraint"), ("bias", "use_bias")]
_KERNEL = [("init", "kernel_initializer"), ("W_regularizer", "kernel_regularizer"), ("W_constraint", "kernel_constraint")]
_GATES = [
    ("inner_init", "recurrent_initializer"),
    ("inner_activation", "recurrent_activation"),
    ("U_regularizer", "recurrent_regularizer"),
    ("dropout_W", "dropout"),
    ("dropout_U", "recurrent_dropout"),
]
_WINDOWS = [("nb_filter", "filters"), ("subsample", "strides"), ("border_mode", "padding"), *_FORMAT]
_SIZES = ["filters", "kernel_size"]
_POOLS = ["pool_size", "strides", "padding"]

legacy_dense_support = generate_legacy_interface(["units"], [("output_dim", "units"), *_KERNEL, *_BIAS])
legacy_dropout_support = generate_legacy_interface(["rate", "noise_shape", "seed"], [("p", "rate")])
legacy_spatialdropout1d_support = generate_legacy_interface(["rate"], [("p", "rate")])
legacy_spatialdropoutNd_support = generate_legacy_interface(["rate"], [("p", "rate"), *_FORMAT], value_conversions=_FORMATS)
legacy_gaussiandropout_support = generate_legacy_interface(["rate"], [("p", "rate")])
legacy_gaussiannoise_support = generate_legacy_interface(["stddev"], [("sigma", "stddev")])
legacy_prelu_support = generate_legacy_interface(["alpha_initializer"], [("init", "alpha_initializer")])
legacy_lambda_support = generate_legacy_interface(["function", "output_shape"])
legacy_embedding_support = generate_legacy_interface(
    ["input_dim", "output_dim"],
    [(old, new.replace("kernel", "embeddings")) for old, new in _KERNEL],
    embedding_kwargs_preprocessor,
)
legacy_batchnorm_support = generate_legacy_interface(
    [], [("beta_init", "beta_initializer"), ("gamma_init", "gamma_initializer")], batchnorm_args_preprocessor
)
legacy_recurrent_support = generate_legacy_interface(
    ["units"],
    [("output_dim", "units"), *_KERNEL, *_BIAS, *_GATES, ("consume_less", "implementation")],
    recurrent_args_preprocessor,
    {"consume_less": {"cpu": 0, "mem": 1, "gpu": 2}},
)
legacy_conv1d_support = generate_legacy_interface(
    _SIZES,
    [
        *[
            ("nb_filter", "filters"),
            ("filter_length", "kernel_size"),
            ("subsample_length", "strides"),
            ("border_mode", "padding"),
        ],
        *_KERNEL,
        *_BIAS,
    ],
    conv1d_args_preprocessor,
)
legacy_conv2d_support = generate_legacy_interface(_SIZES, [*_WINDOWS, *_KERNEL, *_BIAS], conv2d_args_preprocessor, _FORMATS)
legacy_conv3d_support = generate_legacy_interface(_SIZES, [*_WINDOWS, *_KERNEL, *_BIAS], conv3d_args_preprocessor, _FORMATS)
legacy_deconv2d_support = generate_legacy_interface(_SIZES, [*_WINDOWS, *_KERNEL, *_BIAS], deconv2d_args_preprocessor, _FORMATS)
legacy_separable_conv2d_support = generate_legacy_interface(
    _SIZES, [*_WINDOWS, *_BIAS], separable_conv2d_args_preprocessor, _FORMATS
)
legacy_convlstm2d_support = generate_legacy_interface(
    _SIZES, [*_WINDOWS, *_KERNEL, *_BIAS, *_GATES], convlstm2d_args_preprocessor, _FORMATS
)
legacy_pooling1d_support = generate_legacy_interface(
    _POOLS, [("pool_length", "pool_size"), ("stride", "strides"), ("border_mode", "padding")]
)
legacy_pooling2d_support = generate_legacy_interface(_POOLS, [("border_mode", "padding"), *_FORMAT], value_conversions=_FORMATS)
legacy_pooling3d_support = legacy_pooling2d_support
legacy_global_pooling_support = generate_legacy_interface(None, _FORMAT, value_conversions=_FORMATS)
legacy_upsampling1d_support = generate_legacy_interface(["size"], [("length", "size")])
legacy_upsampling2d_support = generate_legacy_interface(["size"], _FORMAT, value_conversions=_FORMATS)
legacy_upsampling3d_support = legacy_upsampling2d_support
legacy_zeropadding2d_support = generate_legacy_interface(["padding"], _FORMAT, zeropadding2d_args_preprocessor, _FORMATS)
legacy_zeropadding3d_support = generate_legacy_interface(["padding"], _FORMAT, value_conversions=_FORMATS)
legacy_cropping2d_support = generate_legacy_interface(["cropping"], _FORMAT, value_conversions=_FORMATS)
legacy_cropping3d_support = legacy_cropping2d_support
legacy_model_constructor_support = generate_legacy_interface(None, [("input", "inputs"), ("output", "outputs")])
legacy_input_support = generate_legacy_interface(None, [("input_dtype", "dtype")])
legacy_add_weight_support = generate_legacy_interface(["name", "shape"], None, add_weight_args_preprocessing)
legacy_get_updates_support = generate_legacy_interface(None, None, get_updates_arg_preprocessing)
legacy_generator_methods_support = generate_legacy_method_interface(
    ["generator", "steps_per_epoch", "epochs"],
    [
        ("samples_per_epoch", "steps_per_epoch"),
        ("val_samples", "steps"),
        ("nb_epoch", "epochs"),
        ("nb_val_samples", "validation_steps"),
        ("nb_worker", "workers"),
        ("pickle_safe", "use_multiprocessing"),
        ("max_q_size", "max_queue_size"),
    ],
    generator_methods_args_preprocessor,
)
