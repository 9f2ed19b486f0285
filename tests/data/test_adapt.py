"""Users' data against what a model expects, without a model."""

from dataclasses import dataclass

import numpy as np
import pytest

from lamella.data.adapt.expected import ModelInputs
from lamella.data.adapt.feed import check_whole_batches, checked_batch_size, data_of, inputs_of, items_to_data, items_to_inputs

INPUTS = ModelInputs(["a", "b"], [(None, 3), (None,)], ["float32", "int64"])
A, B = np.arange(6.0).reshape(2, 3), np.array([[4], [5]])


@dataclass
class Target:
    name: str
    shape: tuple
    loss_name: str | None = "mean_squared_error"
    mode: str | None = None
    fed: bool = True
    layer: str = ""


def test_arrays_come_in_the_models_order_dtype_and_read_only():
    inputs = INPUTS._replace(shapes=[(None, 3), (None, 1)])
    given, arrays = inputs_of(inputs, {"b": B, "a": A})
    assert given[0] is A and given[1] is B
    assert [a.dtype for a in arrays] == [np.float32, np.int64]
    assert not any(a.flags.writeable for a in arrays)
    np.testing.assert_array_equal(arrays[0], A)


def test_targets_and_weights_are_those_of_the_outputs():
    outputs = [Target("y", (None, 1)), Target("z", (None, 2), "sparse_categorical_crossentropy")]
    inputs = ModelInputs(["a"], [(None, 3)], ["float32"])
    y, z = np.array([0.5, 1.5]), np.array([1, 0])
    data, shown = data_of(inputs, outputs, A, [y, z], {"z": np.array([2.0, 3.0])}, {"y": {0.5: 1.0, 1.5: 4.0}})
    assert [t.shape for t in data.targets] == [(2, 1), (2, 1)]
    assert [t.dtype for t in data.targets] == [np.float32, np.int64]
    np.testing.assert_array_equal(data.weights[0], [1.0, 4.0])
    np.testing.assert_array_equal(data.weights[1], [2.0, 3.0])
    assert shown[0] is A and len(shown) == 5


def test_items_become_the_data_of_a_batch():
    inputs = ModelInputs(["a"], [(None, 3)], ["float64"])
    data = items_to_data(inputs, [Target("y", (None, 1))])((A, [1, 2], [1.0, 0.0]))
    assert data.samples == 2
    np.testing.assert_array_equal(data.targets[0], [[1], [2]])
    for item in (A, (A, None), (A, None, None)):
        np.testing.assert_array_equal(items_to_inputs(inputs)(item).inputs[0], A)
    with pytest.raises(ValueError, match="Received an empty batch"):
        items_to_inputs(inputs)(A[:0])


def test_a_fixed_batch_size_is_kept():
    fixed = ModelInputs(["a"], [(8, 3)], ["float32"], stateful=True)
    assert [checked_batch_size(i, size) for i, size in ((INPUTS, None), (INPUTS, 5), (fixed, None), (fixed, 8))] == [
        32,
        5,
        8,
        8,
    ]
    with pytest.raises(ValueError, match="`batch_size` argument value 5 is incompatible .* Input Layer: 8"):
        checked_batch_size(fixed, 5)
    check_whole_batches(fixed, 16, 8)
    check_whole_batches(fixed._replace(stateful=False), 17, 8)
    with pytest.raises(ValueError, match="Found: 17 samples"):
        check_whole_batches(fixed, 17, 8)
