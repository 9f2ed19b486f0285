"""The same seed gives the same bits of weights for any number of threads."""

import numpy as np

from lamella import config
from lamella.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    MaxPooling2D,
    add,
)
from lamella.models import Model
from lamella.utils import set_random_seed


def trained_weights(threads: int) -> list[np.ndarray]:
    """Weights after two epochs of a network with a layer of each kind, large enough that every kernel uses several threads."""
    config.set_num_threads(threads)
    set_random_seed(7)
    draw = np.random.default_rng(0)
    x, y = draw.random((96, 24, 24, 3)).astype("float32"), draw.integers(0, 10, (96, 1))
    image = Input((24, 24, 3))
    a = Conv2D(32, 3, padding="same", activation="relu")(image)
    b = Activation("relu")(BatchNormalization()(Conv2D(32, 3, padding="same", use_bias=False)(a)))
    c = Dropout(0.25)(MaxPooling2D()(add([a, b])))
    d = Conv2D(48, 3, strides=2, padding="same", activation="tanh")(c)
    e = Dense(256, activation="relu")(Flatten()(d))
    model = Model(image, Dense(10, activation="softmax")(e))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=32, epochs=2, verbose=0)
    return model.get_weights()


def test_one_two_and_three_threads_train_the_same_weights() -> None:
    before = config.num_threads()
    try:
        one, two, three = (trained_weights(threads) for threads in (1, 2, 3))
    finally:
        config.set_num_threads(before)
    assert len(one) == 13
    assert all(np.isfinite(w).all() for w in one)
    for w1, w2, w3 in zip(one, two, three):
        np.testing.assert_array_equal(w1, w2)
        np.testing.assert_array_equal(w1, w3)
