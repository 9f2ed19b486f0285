"""Inputs and outputs of networks for ImageNet: their pixels, their classes, their input shapes."""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np

from lamella.applications.input_shape import _obtain_input_shape as _obtain_input_shape
from lamella.applications.modules import check_modules
from lamella.applications.weights import cached
from lamella.core.checks import as_array
from lamella.core.config import floatx, image_data_format

# Keras's file with the names of the classes, {"0": ["n01440764", "tench"], ...}, and its MD5.
CLASS_INDEX_PATH = "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json"
_CLASS_INDEX_HASH = "c2c37ea517e94d9795004a39431a14cb"

# Means of ImageNet's channels: BGR from 0 to 255 for networks from Caffe, RGB from 0 to 1 for networks from Torch.
_CAFFE_MEAN = (103.939, 116.779, 123.68)
_TORCH_MEAN, _TORCH_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe", **kwargs: Any) -> Any:
    """Normalize RGB pixels from 0 to 255 as in the training of a network.

    A writable array of floats is changed in place. "caffe" returns a view of it with the channels reversed.

    Args:
        x: One image or a batch: an array, a value in a layer's call(), or a symbolic tensor. Integers are converted to floatx.
        data_format: "channels_last" or "channels_first". None means image_data_format().
        mode: "caffe": BGR minus the means. "tf": -1 to 1. "torch": 0 to 1, minus the means, divided by the standard deviations.
        kwargs: backend, layers, models and utils of lamella, as for keras_applications. They have no effect.

    Returns:
        The normalized pixels, with the shape of x.

    Raises:
        ValueError: The mode or data_format is none of these, or there are not 3 channels and the mode subtracts means.

    Source: keras_applications 1.0.8, where an unknown mode has the effect of "caffe".
    """
    check_modules("preprocess_input", kwargs)
    data_format = data_format or image_data_format()
    if data_format not in ("channels_first", "channels_last"):
        raise ValueError(f"Unknown data_format {data_format}")
    if mode not in ("caffe", "tf", "torch"):
        raise ValueError(f'preprocess_input: expected mode "caffe", "tf" or "torch", got {mode!r}')
    if isinstance(x, (np.ndarray, list, tuple)):
        x = _writable_floats(x)
    if mode == "tf":
        x /= 127.5
        x -= 1.0
        return x
    axis = x.ndim - 1 if data_format == "channels_last" else 0 if x.ndim == 3 else 1
    if x.ndim < 2 or x.shape[axis] != 3:
        raise ValueError(f"preprocess_input: expected 3 channels on axis {axis} ({data_format}), got shape {x.shape}")
    column = (3, *[1] * (x.ndim - 1 - axis))
    dtype = x.dtype if np.dtype(x.dtype).kind == "f" else floatx()  # a symbolic tensor may have integers
    if mode == "torch":
        x /= 255.0
        x -= np.array(_TORCH_MEAN, dtype).reshape(column)
        x /= np.array(_TORCH_STD, dtype).reshape(column)
        return x
    x = x[(*[slice(None)] * axis, slice(None, None, -1))]
    x -= np.array(_CAFFE_MEAN, dtype).reshape(column)
    return x


def _writable_floats(x: Any) -> np.ndarray:
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
        return np.array(as_array(x, floatx(), "preprocess_input"))
    return x if x.flags.writeable else x.copy()


def preprocess_caffe(x: Any, **kwargs: Any) -> Any:
    """preprocess_input(x, mode="caffe")."""
    return preprocess_input(x, mode="caffe", **kwargs)


def preprocess_tf(x: Any, **kwargs: Any) -> Any:
    """preprocess_input(x, mode="tf")."""
    return preprocess_input(x, mode="tf", **kwargs)


def preprocess_torch(x: Any, data_format: str | None = None, **kwargs: Any) -> Any:
    """preprocess_input(x, data_format, mode="torch")."""
    return preprocess_input(x, data_format, mode="torch", **kwargs)


def decode_predictions(preds: Any, top: int = 5, **kwargs: Any) -> list[list[tuple[str, str, np.floating[Any]]]]:
    """The classes with the highest scores, for each row of an ImageNet network's output.

    The names are in imagenet_class_index.json, which is downloaded once to `models` in the cache of `utils.get_file`.

    Args:
        preds: Scores [N, 1000].
        top: Number of classes for each row.
        kwargs: See preprocess_input.

    Returns:
        For each row a list of tuples (WordNet's id, name, score), the highest score first.

    Raises:
        ValueError: The shape is another one, or `top` is not a positive integer.
        OSError: The file of names is missing and cannot be downloaded.

    Source: keras_applications 1.0.8.
    """
    check_modules("decode_predictions", kwargs)
    scores = np.asarray(preds)
    if scores.ndim != 2 or scores.shape[1] != 1000:
        raise ValueError(
            "`decode_predictions` expects a batch of predictions (i.e. a 2D array of shape (samples, 1000)). Found array "
            f"with shape: {scores.shape}"
        )
    if isinstance(top, bool) or not isinstance(top, (int, np.integer)) or top < 1:
        raise ValueError(f"decode_predictions: expected top to be a positive integer, got {top!r}")
    names = _class_names()
    # Of equal scores the later class is first, as when argsort's order is reversed.
    order = scores.argsort(axis=1, kind="stable")[:, ::-1][:, :top]
    return [[(*names[i], row[i]) for i in best] for row, best in zip(scores, order)]


@functools.cache
def _class_names() -> list[tuple[str, str]]:
    path = cached("decode_predictions", "imagenet_class_index.json", CLASS_INDEX_PATH, _CLASS_INDEX_HASH)
    with open(path) as file:
        index = json.load(file)
    return [(index[str(i)][0], index[str(i)][1]) for i in range(1000)]


def correct_pad(backend: Any, inputs: Any, kernel_size: int | tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Zeros before and after the rows and the columns, for a convolution of step 2 without padding that halves an even size.

    Args:
        backend: Has no effect; keras_applications passes K.
        inputs: Images, a tensor of four axes in the order of K.image_data_format().
        kernel_size: The window: one number, or (rows, columns).

    Source: keras_applications 1.0.8.
    """
    from lamella.applications.assembly import padding_before_stride  # imported late: it loads layers and models

    rows, columns = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    return padding_before_stride(inputs, rows)[0], padding_before_stride(inputs, columns)[1]
