"""Two epochs of small models: logs, weights and names are those that were recorded with tf.keras."""

import json
from pathlib import Path

import numpy as np
import pytest

from lamella import losses, metrics
from lamella.core import config
from lamella.tf_keras import Sequential, layers, optimizers, regularizers

GOLDEN = Path(__file__).parents[1] / "golden" / "tf_keras"
CASES = {case["name"]: case for case in json.loads(GOLDEN.with_suffix(".json").read_text())["fits"]}
ARRAYS = dict(np.load(GOLDEN.with_suffix(".npz")))
X, LABELS, REAL, WEIGHTS, XS, YS = (ARRAYS[f"fit/{name}"] for name in ("x", "yl", "yr", "sw", "xs", "ys"))

MODELS = {
    "plain": lambda: (
        [layers.Dense(5, activation="tanh", input_shape=(3,)), layers.Dense(4, activation="softmax")],
        {
            "optimizer": optimizers.SGD(0.1),
            "loss": "sparse_categorical_crossentropy",
            "metrics": ["accuracy", "acc", "sparse_categorical_accuracy"],
        },
    ),
    "weighted": lambda: (
        [layers.Dense(5, activation="tanh", input_shape=(3,)), layers.Dense(4)],
        {
            "optimizer": optimizers.SGD(0.1),
            "loss": losses.SparseCategoricalCrossentropy(from_logits=True),
            "metrics": ["accuracy"],
            "weighted_metrics": [metrics.SparseCategoricalAccuracy(name="weighted")],
        },
    ),
    "masked": lambda: (
        [layers.Masking(0.0, input_shape=(5, 3)), layers.LSTM(4, return_sequences=True), layers.Dense(2)],
        {"optimizer": optimizers.Adam(0.01), "loss": "mse", "metrics": ["mae"]},
    ),
    "summed": lambda: (
        [layers.Dense(1, input_shape=(3,))],
        {"optimizer": optimizers.SGD(0.01), "loss": losses.MeanSquaredError(reduction="sum"), "metrics": ["mse"]},
    ),
    "regularized": lambda: (
        [
            layers.Dense(
                4,
                activation="relu",
                activity_regularizer=regularizers.l2(0.1),
                kernel_regularizer=regularizers.L2(0.01),
                input_shape=(3,),
            ),
            layers.Dense(1),
        ],
        {"optimizer": optimizers.SGD(0.01), "loss": "mse"},
    ),
}
DATA = {"plain": (X, LABELS), "weighted": (X, LABELS), "masked": (XS, YS), "summed": (X, REAL), "regularized": (X, REAL)}


@pytest.mark.parametrize("name", MODELS)
def test_logs_weights_and_names_are_those_of_tf_keras(name):
    config.set_dialect("tf")
    case = CASES[name]
    stack, compiled = MODELS[name]()
    model = Sequential(stack)
    assert model.name == case["model"] and [layer.name for layer in model.layers] == case["layers"]
    model.set_weights([ARRAYS[f"{name}/w{i}"] for i in range(case["weights"])])
    model.compile(**compiled)
    assert model.metrics_names == case["names"]
    x, y = DATA[name]
    weighted = {"sample_weight": WEIGHTS} if name in ("weighted", "summed") else {}
    log = model.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0, **weighted).history
    assert set(log) == set(case["history"])
    for column, wanted in case["history"].items():
        np.testing.assert_allclose(log[column], wanted, rtol=2e-5, err_msg=column)
    for i, weight in enumerate(model.get_weights()):
        np.testing.assert_allclose(weight, ARRAYS[f"{name}/after{i}"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(np.ravel(model.evaluate(x, y, batch_size=4, verbose=0, **weighted)), case["evaluate"], rtol=2e-5)


def test_a_gru_is_that_of_tf_keras():
    config.set_dialect("tf")
    model = Sequential([layers.GRU(4, input_shape=(5, 3)), layers.Dense(1)])
    model.set_weights([ARRAYS[f"gru/after{i}"] for i in range(CASES["gru"]["weights"])])
    model.compile("sgd", losses.Huber(), metrics=[metrics.RootMeanSquaredError()])
    np.testing.assert_allclose(model.evaluate(XS, REAL, batch_size=4, verbose=0), CASES["gru"]["evaluate"], rtol=1e-5)
