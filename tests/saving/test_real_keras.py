"""Files that real Keras wrote: tests/golden/h5, made by make.py there. They predict and train on as they did."""

import gzip
import io
from pathlib import Path

import numpy as np
import pytest

from lamella.models import load_model

GOLDEN = Path(__file__).parents[1] / "golden" / "h5"
CASES = sorted(path.name.removesuffix(".h5.gz") for path in GOLDEN.glob("*.h5.gz"))
STEPS = 3  # taken before the file was written


def load(case, **kwargs):
    return load_model(io.BytesIO(gzip.decompress((GOLDEN / f"{case}.h5.gz").read_bytes())), **kwargs)


def arrays(case, prefix):
    with np.load(GOLDEN / f"{case}.npz") as file:
        return [file[key] for key in sorted(file, key=lambda k: (len(k), k)) if key.rstrip("0123456789") == prefix]


@pytest.mark.parametrize("case", CASES)
def test_it_predicts_and_trains_on_as_it_did(case, recwarn):
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
        # The step itself is compared, not the weights that it hardly moves. Their RMSprop has epsilon under the root,
        # which is nearly 1% where gradients are small.
        np.testing.assert_allclose(ours.numpy() - start, theirs - start, rtol=1e-2, atol=1e-6)


def test_there_are_files_of_each_generation():
    assert CASES == [
        "keras_adam", "keras_graph", "keras_rmsprop",
        "tf_keras_adam", "tf_keras_graph", "tf_keras_legacy_adam", "tf_keras_rmsprop",
    ]  # fmt: skip
