"""Names of Keras 2.2.5 that lamella does without, and why: each says what to use instead."""

from __future__ import annotations

_LOOPS = "Keras's own loop over batches; the methods of Model do what it does"
_CHECKS = "a part of Keras's own checks of what fit is given; Model.fit makes its own"
_GROUPS = "it writes or reads a part of a file; Model.save_weights and load_weights take an h5py.Group, too"
_CLOUD = "files of Google's cloud storage are not read; copy them first"
_PICKLES = "pickle.dumps(model) and pickle.loads do it"
_PYTHON = "Python's own function of that name without py_"
_NO_CELL = "its kernel takes all steps at once; `units` is the size of its state"

# A name is refused with all names below it.
REASONS = {
    "backend.tensorflow_backend.py_all": _PYTHON,
    "backend.tensorflow_backend.py_any": _PYTHON,
    "backend.tensorflow_backend.py_slice": _PYTHON,
    "backend.tensorflow_backend.py_sum": _PYTHON,
    "engine.saving.H5Dict": "lamella.saving reads and writes HDF5; h5py.File opens such a file",
    "engine.saving.HDF5_OBJECT_HEADER_LIMIT": "names of weights are cut into attributes by lamella.saving itself",
    "engine.saving.allow_read_from_gcs": _CLOUD,
    "engine.saving.allow_write_to_gcs": _CLOUD,
    "engine.saving.load_attributes_from_hdf5_group": _GROUPS,
    "engine.saving.load_weights_from_hdf5_group": _GROUPS,
    "engine.saving.load_weights_from_hdf5_group_by_name": _GROUPS,
    "engine.saving.pickle_model": _PICKLES,
    "engine.saving.save_attributes_to_hdf5_group": _GROUPS,
    "engine.saving.save_weights_to_hdf5_group": _GROUPS,
    "engine.saving.unpickle_model": _PICKLES,
    "engine.training_arrays.fit_loop": _LOOPS,
    "engine.training_arrays.predict_loop": _LOOPS,
    "engine.training_arrays.test_loop": _LOOPS,
    "engine.training_generator.evaluate_generator": _LOOPS,
    "engine.training_generator.fit_generator": _LOOPS,
    "engine.training_generator.predict_generator": _LOOPS,
    "engine.training_utils.batch_shuffle": _LOOPS,
    "engine.training_utils.check_array_length_consistency": _CHECKS,
    "engine.training_utils.check_generator_arguments": _CHECKS,
    "engine.training_utils.check_loss_and_target_compatibility": _CHECKS,
    "engine.training_utils.check_num_samples": _CHECKS,
    "engine.training_utils.collect_metrics": _CHECKS,
    "engine.training_utils.get_input_shape_and_dtype": _CHECKS,
    "engine.training_utils.get_static_batch_size": _CHECKS,
    "engine.training_utils.is_generator_or_sequence": _CHECKS,
    "engine.training_utils.is_sequence": _CHECKS,
    "engine.training_utils.iter_sequence_infinite": _LOOPS,
    "engine.training_utils.make_batches": _LOOPS,
    "engine.training_utils.should_run_validation": _LOOPS,
    "engine.training_utils.standardize_class_weights": _CHECKS,
    "engine.training_utils.standardize_input_data": _CHECKS,
    "engine.training_utils.standardize_sample_or_class_weights": _CHECKS,
    "engine.training_utils.standardize_sample_weights": _CHECKS,
    "engine.training_utils.standardize_single_array": _CHECKS,
    "engine.training_utils.standardize_weights": _CHECKS,
    "engine.training_utils.weighted_masked_objective": _LOOPS,
    "layers.cudnn_recurrent.CuDNNGRU.cell": _NO_CELL,
    "layers.cudnn_recurrent.CuDNNLSTM.cell": _NO_CELL,
    "optimizers.TFOptimizer": "it wraps an optimizer of TensorFlow, which lamella does without: take one of its own",
}


def reason(name: str) -> str | None:
    """Why `name`, without "keras.", or one that it stands below, is not there."""
    parts = name.split(".")
    return next((REASONS[head] for i in range(len(parts)) if (head := ".".join(parts[: i + 1])) in REASONS), None)
