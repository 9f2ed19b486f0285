"""Files of Keras 1.2.2 with its predictions: keras_1.2.2_*.h5.gz and .npz beside this script.

python3.6 -m venv VENV
VENV/bin/pip install tensorflow==1.4.1 numpy==1.16.6 h5py==2.10.0 scipy==1.5.4 pyyaml==5.4.1 keras==1.2.2
KERAS_BACKEND=tensorflow VENV/bin/python tests/golden/h5/make_keras1.py
"""

import gzip
import os
import sys

import numpy as np
from keras import backend as K
from keras.layers import (
    GRU,
    LSTM,
    Activation,
    AtrousConvolution2D,
    BatchNormalization,
    Bidirectional,
    ConvLSTM2D,
    Convolution1D,
    Convolution2D,
    Deconvolution2D,
    Dense,
    Embedding,
    Flatten,
    Input,
    MaxPooling2D,
    Reshape,
    TimeDistributed,
    merge,
)  # fmt: skip
from keras.models import Model, Sequential

HERE = os.path.dirname(os.path.abspath(__file__))
RNG = np.random.RandomState(0)


def images(ordering):
    K.set_image_dim_ordering(ordering)
    axis = -1 if ordering == "tf" else 1

    def shape(*sizes, channels):
        return (*sizes, channels) if ordering == "tf" else (channels, *sizes)

    return Sequential(
        [
            Convolution2D(
                4, 3, 2, border_mode="same", subsample=(2, 1), W_regularizer="l2", input_shape=shape(8, 9, channels=3)
            ),
            BatchNormalization(axis=axis),
            MaxPooling2D((2, 2)),
            AtrousConvolution2D(2, 1, 2, atrous_rate=(2, 2), activation="relu"),
            Deconvolution2D(3, 2, 2, output_shape=(None, *shape(3, 3, channels=3))),
            Reshape((1, *shape(3, 3, channels=3))),
            ConvLSTM2D(2, 2, 2),
            Flatten(),
            Dense(2, W_constraint="maxnorm", activation="tanh"),
        ]
    )


def recurrent():
    return Sequential(
        [
            Convolution1D(4, 3, border_mode="same", input_shape=(7, 3)),
            LSTM(5, return_sequences=True, dropout_W=0.2),
            GRU(4, return_sequences=True, consume_less="gpu"),
            Bidirectional(LSTM(3, return_sequences=True)),
            TimeDistributed(Dense(2, bias=False)),
            Bidirectional(GRU(2), merge_mode="sum"),
        ]
    )


def graph():
    first, second, words = Input((5,), name="first"), Input((5,), name="second"), Input((4,), dtype="int32", name="words")
    shared = Dense(4, name="shared")
    a, b = shared(first), shared(second)
    inner = Sequential([LSTM(4, input_shape=(4, 3), return_sequences=True), BatchNormalization(), GRU(4)])
    c = inner(Embedding(9, 3)(words))
    outputs = [
        merge([a, b, c], mode="concat"),
        Activation("linear")(merge([a, b, c], mode="sum")),
        merge([a, b], mode="dot", dot_axes=1),
        merge([merge([a, b], mode="mul"), merge([b, c], mode="max"), merge([a, c], mode="ave")], mode="concat", concat_axis=1),
    ]
    return Model([first, second, words], outputs)


def leaves(layer):
    return [leaf for part in layer.layers for leaf in leaves(part)] if hasattr(layer, "layers") else [layer]


def fill(model):
    """Weights that no initializer makes; of a BatchNormalization's variance positive ones."""
    for leaf in leaves(model):
        arrays = [RNG.normal(size=w.shape) * 0.5 for w in leaf.get_weights()]
        if isinstance(leaf, BatchNormalization):
            arrays[3] = np.abs(arrays[3]) + 0.5
        leaf.set_weights(arrays)


def inputs_of(model):
    for tensor in model.inputs:
        size = (3, *K.int_shape(tensor)[1:])
        yield RNG.randint(0, 9, size) if tensor.name.startswith("words") else RNG.normal(size=size).astype("float32")


if __name__ == "__main__":
    made = [("images_tf", images("tf")), ("images_th", images("th")), ("recurrent", recurrent()), ("graph", graph())]
    for name, model in made:
        K.set_image_dim_ordering("th" if name.endswith("th") else "tf")
        fill(model)
        x = list(inputs_of(model))
        model.compile("adam", "mse", metrics=["mae"])
        y = model.predict(x)
        stem = os.path.join(HERE, "keras_1.2.2_" + name)
        model.save(stem + ".h5")
        with open(stem + ".h5", "rb") as plain, open(stem + ".h5.gz", "wb") as packed:
            packed.write(gzip.compress(plain.read(), 9))
        os.remove(stem + ".h5")
        arrays = {f"x{i}": array for i, array in enumerate(x)}
        arrays.update({f"predicted{i}": array for i, array in enumerate(y if isinstance(y, list) else [y])})
        np.savez_compressed(stem + ".npz", **arrays)
        print(name, [array.shape for array in arrays.values()], file=sys.stderr)
