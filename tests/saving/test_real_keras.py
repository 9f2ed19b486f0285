"""Files of tests/golden/h5 that real Keras wrote, with the scripts there. Loaded models predict and continue training as before."""

import gzip
import io
from pathlib import Path

import numpy as np
import pytest

from lamella.models import load_model, model_from_json

GOLDEN = Path(__file__).parents[1] / "golden" / "h5"
# The files of whole models from Keras 2.0 on. test_weights_h5 and test_keras1_files read the others.
FILES = (path.name.removesuffix(".h5.gz") for path in GOLDEN.glob("*.h5.gz"))
ALL = sorted(name for name in FILES if ".weights" not in name and "keras_1" not in name)
KERAS2 = [
    case for case in ALL if case.startswith("keras_2")
]  # written by make_keras2.py there, with Keras's code for saving, without arithmetic
CASES = [case for case in ALL if case not in KERAS2]
STEPS = 3  # taken before the file was written


def load(case, **kwargs):
    return load_model(io.BytesIO(gzip.decompress((GOLDEN / f"{case}.h5.gz").read_bytes())), **kwargs)


def arrays(case, prefix):
    with np.load(GOLDEN / f"{case}.npz") as file:
        return [file[key] for key in sorted(file, key=lambda k: (len(k), k)) if key.rstrip("0123456789") == prefix]


@pytest.mark.parametrize("case", CASES)
def test_a_loaded_model_predicts_and_trains_as_before(case, recwarn):
    model = load(case)
    assert not recwarn.list
    assert int(model.optimizer.iterations) == STEPS
    x, y = arrays(case, "x"), arrays(case, "y")
    predicted = model.predict(x)
    for ours, theirs in zip([predicted] if len(y) == 1 else predicted, arrays(case, "predicted"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    before = [w.numpy() for w in model.trainable_weights]
    model.train_on_batch(x, y)
    after = arrays(case, "after")
    for ours, theirs, start in zip(model.trainable_weights, after, before, strict=True):
        # The step itself is compared, because it changes the weights only a little. Their RMSprop has epsilon under the root,
        # which makes a difference of nearly 1% for small gradients.
        np.testing.assert_allclose(ours.numpy() - start, theirs - start, rtol=1e-2, atol=1e-6)


@pytest.mark.parametrize("name", ["tf_keras", "keras"])
def test_descriptions_of_real_keras_are_read(name):
    model = model_from_json((GOLDEN / f"{name}_graph.json").read_text())
    file = load(f"{name}_graph")
    assert model.to_json() == file.to_json()
    model.set_weights(file.get_weights())
    for ours, theirs in zip(model.predict(arrays(f"{name}_graph", "x")), arrays(f"{name}_graph", "predicted"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", KERAS2)
def test_loaded_weights_are_those_that_keras_2_saved(case, recwarn):
    model = load(case)
    assert not recwarn.list
    # Keras lists the weights of a frozen layer after the others of a nested model, in get_weights and in the file.
    weights = [w.numpy() for layer in model.layers for w in layer.weights]
    for ours, theirs in zip(weights, arrays(case, "weights"), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    state = arrays(case, "state")
    counted = state[0].shape == ()
    # Keras 2.2.5 saves no iterations for RMSprop. In 2.3 the second array of Nadam is the product of momenta.
    assert int(model.optimizer.iterations) == (7 if counted else 0)
    if counted and "rmsprop" in case:
        state = state[1:]
    if "2.3" in case and "nadam" in case:
        state = [state[0], *state[2:]]
    for ours, theirs in zip(model.optimizer.get_weights(), state, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    config = model.optimizer.get_config()
    rates = {"adam": 0.01, "rmsprop": 0.001, "nadam": 0.002, "graph": 0.1}
    assert config["lr"] == pytest.approx(rates[case.rpartition("_")[2]], rel=1e-6)
    outputs = ["sum_mean_absolute_error", "both_mean_absolute_error"] if "graph" in case else ["mean_absolute_error"]
    assert [name for name in model.metrics_names if "loss" not in name] == outputs


def test_there_are_files_of_each_generation():
    assert ALL == [
        "keras_2.2.5_adam", "keras_2.2.5_graph", "keras_2.2.5_nadam", "keras_2.2.5_rmsprop",
        "keras_2.3.1_adam", "keras_2.3.1_graph", "keras_2.3.1_nadam", "keras_2.3.1_rmsprop",
        "keras_adam", "keras_centered_rmsprop", "keras_ftrl", "keras_graph", "keras_rmsprop", "keras_upsampled",
        "tf_keras_adam", "tf_keras_centered_rmsprop", "tf_keras_ftrl", "tf_keras_graph",
        "tf_keras_legacy_adam", "tf_keras_legacy_centered_rmsprop", "tf_keras_legacy_ftrl", "tf_keras_rmsprop",
        "tf_keras_upsampled",
    ]  # fmt: skip
