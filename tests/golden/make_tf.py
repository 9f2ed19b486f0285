"""Numbers of TensorFlow 2's Keras, written to tf_2.21.json beside this script.

    pip install tensorflow-cpu==2.21.0 tf-keras==2.21.0
    python tests/golden/make_tf.py

optimizers: weights after each of 5 steps, by the classes of tf.keras 2.10. resize: UpSampling2D's interpolation.
"""

import json
import os
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
from tf_keras import layers
from tf_keras.optimizers import legacy

STEPS = 5
CASES = [
    ("RMSprop", {"learning_rate": 0.1, "momentum": 0.9, "epsilon": 0.01}),
    ("RMSprop", {"learning_rate": 0.1, "rho": 0.7, "centered": True, "epsilon": 0.01}),
    ("RMSprop", {"learning_rate": 0.1, "centered": True, "momentum": 0.5, "epsilon": 0.01, "decay": 0.1}),
    ("Ftrl", {}),
    ("Ftrl", {"learning_rate": 0.2, "l1_regularization_strength": 0.3, "l2_regularization_strength": 0.2}),
    ("Ftrl", {"learning_rate": 0.2, "learning_rate_power": -0.7, "initial_accumulator_value": 0.3}),
    ("Ftrl", {"learning_rate": 0.2, "learning_rate_power": 0.0, "l2_shrinkage_regularization_strength": 0.1}),
    ("Ftrl", {"learning_rate": 0.2, "beta": 0.5, "decay": 0.5, "l2_shrinkage_regularization_strength": 0.1}),
]
RESIZED = [((1, 3, 2, 2), (2, 2)), ((2, 2, 4, 1), (3, 1)), ((1, 1, 3, 1), (4, 5))]
rng = np.random.default_rng(12)


def drawn(shape):
    return rng.normal(size=shape).astype("float32")


def lists(arrays):
    return [np.asarray(a).tolist() for a in arrays]


weights, gradients = [drawn((2, 3)), drawn(4)], [[drawn((2, 3)), drawn(4)] for _ in range(STEPS)]
optimizers = []
for name, arguments in CASES:
    optimizer = getattr(legacy, name)(**arguments)
    variables = [tf.Variable(w) for w in weights]
    steps = []
    for given in gradients:
        optimizer.apply_gradients(zip(map(tf.constant, given), variables))
        steps.append(lists(v.numpy() for v in variables))
    optimizers.append({"cls": name, "kw": arguments, "steps": steps})
resized = []
for shape, factors in RESIZED:
    x = tf.constant(drawn(shape))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layers.UpSampling2D(factors, interpolation="bilinear")(x)
        dy = drawn(y.shape)
        loss = tf.reduce_sum(y * dy)
    case = {"x": x.numpy(), "y": y.numpy(), "dy": dy, "dx": tape.gradient(loss, x).numpy()}
    resized.append({"factors": factors} | {key: value.tolist() for key, value in case.items()})
written = {"weights": lists(weights), "gradients": [lists(g) for g in gradients], "optimizers": optimizers, "resize": resized}
Path(__file__).with_name("tf_2.21.json").write_text(json.dumps(written) + "\n")
