"""Names of Keras 2.2.5 that lamella does not have, each with the reason or what to use instead."""

from __future__ import annotations

_LOOPS = "it is a part of Keras's loop over batches; use the methods of Model"
_CLOUD = "files of Google's cloud storage are not read; copy them first"
_PYTHON = "use Python's own function, whose name has no py_"
_NO_CELL = "its kernel computes all steps at once; `units` is the size of its state"

# A name also stands for all names below it.
REASONS = {
    "backend.tensorflow_backend.py_all": _PYTHON,
    "backend.tensorflow_backend.py_any": _PYTHON,
    "backend.tensorflow_backend.py_slice": _PYTHON,
    "backend.tensorflow_backend.py_sum": _PYTHON,
    "engine.saving.allow_read_from_gcs": _CLOUD,
    "engine.saving.allow_write_to_gcs": _CLOUD,
    "engine.training_arrays.fit_loop": _LOOPS,
    "engine.training_arrays.predict_loop": _LOOPS,
    "engine.training_arrays.test_loop": _LOOPS,
    "engine.training_generator.evaluate_generator": _LOOPS,
    "engine.training_generator.fit_generator": _LOOPS,
    "engine.training_generator.predict_generator": _LOOPS,
    "layers.cudnn_recurrent.CuDNNGRU.cell": _NO_CELL,
    "layers.cudnn_recurrent.CuDNNLSTM.cell": _NO_CELL,
    "optimizers.TFOptimizer": "it wraps an optimizer of TensorFlow, which lamella does not use; take an optimizer of lamella",
    "utils.test_utils.tf_file_io_proxy": "it replaces Google's cloud storage, which lamella does not read, in the tests of Keras",
}


def reason(name: str) -> str | None:
    """Why lamella does not have a name, or a module that contains it; None if it is not listed.

    Args:
        name: The name without "keras.".
    """
    parts = name.split(".")
    return next((REASONS[head] for i in range(len(parts)) if (head := ".".join(parts[: i + 1])) in REASONS), None)
