"""Wrong calls: the error names the layer, and neither weights nor state change."""

import numpy as np
import pytest

from lamella import backend as K
from lamella import layers
from lamella.layers import (
    GRU,
    LSTM,
    Add,
    AveragePooling1D,
    BatchNormalization,
    Concatenate,
    Conv1D,
    Conv2D,
    Conv3D,
    Dense,
    Dot,
    Embedding,
    Flatten,
    GlobalMaxPooling2D,
    Input,
    Lambda,
    MaxPooling3D,
    Permute,
    RepeatVector,
    Softmax,
    SpatialDropout1D,
    UpSampling2D,
    ZeroPadding2D,
)
from lamella.models import Model

RANKS = {
    "conv1d": (lambda: Conv1D(2, 1, name="net"), 3),
    "conv2d": (lambda: Conv2D(2, 1, name="net"), 4),
    "conv3d": (lambda: Conv3D(2, 1, name="net"), 5),
    "separable": (lambda: layers.SeparableConv2D(2, 1, name="net"), 4),
    "depthwise": (lambda: layers.DepthwiseConv2D(1, name="net"), 4),
    "transposed": (lambda: layers.Conv2DTranspose(2, 1, name="net"), 4),
    "local": (lambda: layers.LocallyConnected1D(2, 1, name="net"), 3),
    "pooling": (lambda: AveragePooling1D(name="net"), 3),
    "pooling of volumes": (lambda: MaxPooling3D(name="net"), 5),
    "global pooling": (lambda: GlobalMaxPooling2D(name="net"), 4),
    "up-sampling": (lambda: UpSampling2D(name="net"), 4),
    "padding": (lambda: ZeroPadding2D(name="net"), 4),
    "permute": (lambda: Permute((2, 1), name="net"), 3),
    "repeat": (lambda: RepeatVector(3, name="net"), 2),
    "spatial dropout": (lambda: SpatialDropout1D(0.5, name="net"), 3),
    "lstm": (lambda: LSTM(2, name="net"), 3),
    "gru": (lambda: GRU(2, name="net"), 3),
    "convlstm": (lambda: layers.ConvLSTM2D(2, 1, name="net"), 5),
}


@pytest.mark.parametrize("name", RANKS)
def test_a_wrong_rank(name):
    make, rank = RANKS[name]
    for given in (rank - 1, rank + 1):
        layer = make()
        with pytest.raises(ValueError, match=rf"net.*ndim={rank}.*ndim={given}"):
            layer(Input(batch_shape=(2,) + (4,) * (given - 1)))
        with pytest.raises(ValueError, match=rf"net.*ndim={rank}.*ndim={given}"):
            layer(np.ones((2,) + (4,) * (given - 1), "f4"))
        assert not layer.built and not layer.weights


def test_dense_and_flatten_need_two_axes():
    for layer in (Dense(2, name="net"), Flatten(name="net")):
        with pytest.raises(ValueError, match="net"):
            layer(Input(batch_shape=(4,)))


def test_an_axis_out_of_range():
    x = Input((4, 3))
    for make in (
        lambda: BatchNormalization(axis=5, name="net"),
        lambda: Softmax(axis=4, name="net"),
    ):
        with pytest.raises((ValueError, IndexError), match="net"):
            make()(x)
    with pytest.raises(ValueError, match="net"):
        Concatenate(axis=7, name="net")([x, x])
    with pytest.raises(ValueError, match="net"):
        Dot(axes=6, name="net")([x, x])


def test_merges_of_different_shapes():
    x, other = Input((4, 3)), Input((4, 2))
    with pytest.raises(ValueError, match="Operands could not be broadcast together with shapes"):
        Add(name="net")([x, other])
    with pytest.raises(ValueError, match="requires inputs with matching shapes"):
        Concatenate(axis=1, name="net")([x, other])


def test_rows_beyond_the_vocabulary_change_nothing():
    x = Input((2,))
    model = Model(x, Dense(1)(Flatten()(Embedding(5, 3, name="words")(x))))
    model.compile("adam", "mse")
    before = model.get_weights()
    for wrong in (-1, 5):
        with pytest.raises(ValueError, match=rf"words.*{wrong}"):
            model.fit(np.array([[0, wrong]]), np.ones((1, 1)), verbose=0)
    for one, other in zip(model.get_weights(), before):
        np.testing.assert_array_equal(one, other)


def test_a_batch_of_another_size_does_not_change_a_stateful_layer():
    x = Input(batch_shape=(2, 3, 4))
    layer = LSTM(2, stateful=True, name="net")
    model = Model(x, layer(x))
    model.predict(np.ones((2, 3, 4)), batch_size=2)
    before = [K.get_value(state).copy() for state in layer.states]
    with pytest.raises(ValueError, match="batch size|multiple of the batch|divisible"):
        model.predict(np.ones((3, 3, 4)), batch_size=3)
    with pytest.raises(ValueError, match=r"expects 2 states, but it received 1|State 0 is incompatible"):
        layer.reset_states(np.ones((2, 2)))
    for state, value in zip(layer.states, before):
        np.testing.assert_array_equal(K.get_value(state), value)


def test_states_of_the_wrong_shape_or_number():
    x = Input((3, 4))
    with pytest.raises(ValueError, match="net.*not compatible with `cell.state_size`"):
        GRU(2, name="net")(x, initial_state=Input((3,)))
    with pytest.raises(ValueError, match="net.*has 2 states but was passed 1 initial states"):
        LSTM(2, name="net")(x, initial_state=[Input((2,))])


def test_labels_of_ctc_that_are_not_integers():
    p = np.full((1, 4, 3), 1 / 3)
    with pytest.raises(ValueError, match="ctc"):
        K.ctc_batch_cost(np.array([[np.nan, 1.0]]), p, np.array([[4]]), np.array([[2]]))


def test_a_lambda_that_does_not_return_a_tensor():
    with pytest.raises(TypeError, match="Layer net: expected its function to return a tensor or a list of tensors, got str"):
        Lambda(lambda x: "x", name="net")(np.ones((2, 3), "f4"))


def test_a_model_that_is_code_cannot_be_saved_as_a_whole(tmp_path):
    class Own(Model):
        def __init__(self):
            super().__init__(name="own")
            self.dense = Dense(2)

        def call(self, inputs):
            return self.dense(inputs)

    model = Own()
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 3)), np.ones((2, 2)), verbose=0)
    before = model.get_weights()
    with pytest.raises(NotImplementedError, match="own.*use save_weights"):
        model.save(str(tmp_path / "own.h5"))
    assert not list(tmp_path.iterdir())
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
