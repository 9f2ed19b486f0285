"""Argument names of Keras 1 are accepted, with a warning that shows the call of Keras 2."""

import pytest

from lamella import config, layers
from lamella.layers import (
    GRU,
    LSTM,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    ConvLSTM2D,
    Convolution2D,
    Deconvolution2D,
    Dense,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    LocallyConnected1D,
    LocallyConnected2D,
    MaxPooling2D,
    PReLU,
    SeparableConv2D,
    SpatialDropout2D,
)


@pytest.mark.parametrize(
    "old, new, shown",
    [
        (lambda: Dense(output_dim=3, init="he_normal", W_regularizer="l2", bias=False), lambda: Dense(3, kernel_initializer="he_normal", kernel_regularizer="l2", use_bias=False), 'Dense(units=3, kernel_initializer="he_normal", kernel_regularizer="l2", use_bias=False)'),
        (lambda: Convolution2D(4, 3, 2, border_mode="same", subsample=(2, 2), dim_ordering="th"), lambda: Conv2D(4, (3, 2), padding="same", strides=(2, 2), data_format="channels_first"), 'Conv2D(4, (3, 2), padding="same", strides=(2, 2), data_format="channels_first")'),
        (lambda: Conv2D(nb_filter=4, nb_row=3, nb_col=2), lambda: Conv2D(4, (3, 2)), "Conv2D(filters=4, kernel_size=(3, 2))"),
        (lambda: Dropout(p=0.5), lambda: Dropout(0.5), "Dropout(rate=0.5)"),
        (lambda: MaxPooling2D((2, 2), border_mode="same"), lambda: MaxPooling2D((2, 2), padding="same"), 'MaxPooling2D((2, 2), padding="same")'),
        (lambda: AveragePooling2D(dim_ordering="tf"), lambda: AveragePooling2D(data_format="channels_last"), 'AveragePooling2D(data_format="channels_last")'),
        (lambda: BatchNormalization(mode=0, beta_init="ones"), lambda: BatchNormalization(beta_initializer="ones"), 'BatchNormalization(beta_initializer="ones")'),
        (lambda: GaussianNoise(sigma=0.5), lambda: GaussianNoise(0.5), "GaussianNoise(stddev=0.5)"),
        (lambda: GaussianDropout(p=0.5), lambda: GaussianDropout(0.5), "GaussianDropout(rate=0.5)"),
        (lambda: SpatialDropout2D(p=0.5, dim_ordering="th"), lambda: SpatialDropout2D(0.5, "channels_first"), 'SpatialDropout2D(rate=0.5, data_format="channels_first")'),
        (lambda: LSTM(output_dim=3, inner_init="identity", inner_activation="sigmoid", dropout_W=0.2, dropout_U=0.3, U_regularizer="l2", consume_less="gpu"), lambda: LSTM(3, recurrent_initializer="identity", recurrent_activation="sigmoid", dropout=0.2, recurrent_dropout=0.3, recurrent_regularizer="l2", implementation=2), 'LSTM(units=3, recurrent_initializer="identity", recurrent_activation="sigmoid", dropout=0.2, recurrent_dropout=0.3, recurrent_regularizer="l2", implementation=2)'),
        (lambda: ConvLSTM2D(nb_filter=4, nb_row=3, nb_col=2, border_mode="same", inner_activation="sigmoid"), lambda: ConvLSTM2D(4, (3, 2), padding="same", recurrent_activation="sigmoid"), 'ConvLSTM2D(filters=4, padding="same", recurrent_activation="sigmoid", kernel_size=(3, 2))'),
        (lambda: LocallyConnected1D(nb_filter=4, filter_length=3, subsample_length=2, bias=False), lambda: LocallyConnected1D(4, 3, 2, use_bias=False), "LocallyConnected1D(filters=4, kernel_size=3, strides=2, use_bias=False)"),
        (lambda: LocallyConnected2D(4, 3, 2, dim_ordering="th"), lambda: LocallyConnected2D(4, (3, 2), data_format="channels_first"), 'LocallyConnected2D(4, (3, 2), data_format="channels_first")'),
        (lambda: Deconvolution2D(4, 3, 2, (None, 8, 7, 4), border_mode="same"), lambda: Conv2DTranspose(4, (3, 2), padding="same"), 'Conv2DTranspose(4, (3, 2), padding="same")'),
        (lambda: Deconvolution2D(4, 3, nb_col=2, output_shape=(8, 7, 4)), lambda: Conv2DTranspose(4, (3, 2)), "Conv2DTranspose(4, kernel_size=(3, 2))"),
        (lambda: SeparableConv2D(4, 3, 2, init="he_normal"), lambda: SeparableConv2D(4, (3, 2), depthwise_initializer="he_normal", pointwise_initializer="he_normal"), 'SeparableConv2D(4, (3, 2), depthwise_initializer="he_normal", pointwise_initializer="he_normal")'),
        (lambda: PReLU(init="ones"), lambda: PReLU("ones"), 'PReLU(alpha_initializer="ones")'),
    ],
)  # fmt: skip
def test_old_call(old, new, shown):
    with pytest.warns(UserWarning) as caught:
        layer = old()
    assert [str(w.message) for w in caught] == [f"Update your `{shown.split('(')[0]}` call to the Keras 2 API: `{shown}`"]
    assert caught[0].filename == __file__
    config, expected = layer.get_config(), new().get_config()
    assert config | {"name": ""} == expected | {"name": ""}


def test_old_values_of_recurrent_layers():
    with pytest.warns(UserWarning, match="The `input_dim` and `input_length` arguments in recurrent layers are deprecated"):
        layer = GRU(3, input_dim=4, input_length=5)
    assert layer.batch_input_shape == (None, 5, 4)
    with pytest.warns(UserWarning, match="`forget_bias_init` is `unit_forget_bias`"):
        assert LSTM(3, forget_bias_init="one").unit_forget_bias
    with pytest.warns(UserWarning, match="The `forget_bias_init` argument has been ignored"):
        LSTM(3, forget_bias_init="zero")
    with pytest.warns(UserWarning) as caught:
        assert GRU(3, consume_less="cpu").implementation == 0
    assert [str(w.message)[:30] for w in caught] == ["Update your `GRU` call to the ", "`implementation=0` has been de"]
    assert {w.filename for w in caught} == {__file__}


def test_a_new_call_does_not_warn(recwarn):
    Dense(3, input_shape=(4,))
    Conv2D(4, (3, 3), strides=2)
    assert not recwarn


def test_both_names_of_an_argument_raise():
    for call in (
        lambda: Dense(output_dim=3, units=3),
        lambda: Dropout(rate=0.5, p=0.2),
        lambda: PReLU(init="ones", alpha_initializer="ones"),
    ):
        with pytest.raises(TypeError, match="received both the legacy keyword argument `.*` and the Keras 2 keyword argument"):
            call()


TWO_AXES = [layers.Conv2D, layers.SeparableConv2D, layers.Conv2DTranspose, layers.LocallyConnected2D, layers.ConvLSTM2D]


@pytest.mark.parametrize("cls", TWO_AXES, ids=lambda cls: cls.__name__)
def test_two_positional_kernel_sizes_with_keras_2_arguments_raise(cls):
    with pytest.warns(UserWarning, match="Update your"):
        assert cls(4, 3, 2).kernel_size == (3, 2)
    for keyword in ({"padding": "valid"}, {"strides": 1}, {"data_format": "channels_last"}):
        with pytest.raises(ValueError, match=f"{cls.__name__}: .*passing both `kernel_size` and `strides`.*Got \\(4, 3, 2\\)"):
            cls(4, 3, 2, **keyword)


def test_the_third_number_is_the_strides_in_tf_keras():
    config.set_dialect("tf")
    try:
        layer = layers.Conv2D(4, 3, 2, padding="same")
    finally:
        config.set_dialect("keras2")
    assert (layer.kernel_size, layer.strides) == ((3, 3), (2, 2))
