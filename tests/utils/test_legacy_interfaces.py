"""keras.legacy.interfaces: decorators for copies of Keras's layers and optimizers that translate arguments of Keras 1."""

import numpy as np
import pytest

from lamella.utils import legacy_interfaces as interfaces


def called(decorator, *args, **kwargs):
    """The arguments that a constructor with the decorator receives."""

    class Mine:
        @decorator
        def __init__(self, *args, **kwargs):
            self.got = args, kwargs

    return Mine(*args, **kwargs).got


@pytest.mark.parametrize(
    "name, args, kwargs, wanted, shown",
    [
        ("dense", (), dict(output_dim=3, W_regularizer="l2", bias=False), ((), dict(units=3, kernel_regularizer="l2", use_bias=False)), 'Mine(units=3, kernel_regularizer="l2", use_bias=False)'),
        ("dropout", (), dict(p=0.5), ((), dict(rate=0.5)), "Mine(rate=0.5)"),
        ("embedding", (4, 2), dict(init="ones"), ((4, 2), dict(embeddings_initializer="ones")), 'Mine(4, 2, embeddings_initializer="ones")'),
        ("recurrent", (3,), dict(inner_init="ones", consume_less="gpu", forget_bias_init="one"), ((3,), dict(recurrent_initializer="ones", implementation=2, unit_forget_bias=True)), None),
        ("conv1d", (2,), dict(filter_length=3, input_dim=4, subsample_length=2), ((2,), dict(kernel_size=3, strides=2, input_shape=(None, 4))), None),
        ("conv2d", (8, 3, 2), dict(subsample=(2, 2), dim_ordering="th"), ((8, (3, 2)), dict(strides=(2, 2), data_format="channels_first")), 'Mine(8, (3, 2), strides=(2, 2), data_format="channels_first")'),
        ("conv2d", (8, 3), dict(nb_col=2), ((8, (3, 2)), {}), "Mine(8, (3, 2))"),
        ("conv2d", (), dict(nb_filter=8, nb_row=3, nb_col=2), ((), dict(kernel_size=(3, 2), filters=8)), "Mine(kernel_size=(3, 2), filters=8)"),
        ("conv3d", (8, 3, 2, 1), {}, ((8, (3, 2, 1)), {}), "Mine(8, (3, 2, 1))"),
        ("conv3d", (8, 3), dict(kernel_dim2=2, kernel_dim3=1), ((8, (3, 2, 1)), {}), None),
        ("deconv2d", (8, 3, 2, (None, 9, 9, 8)), {}, ((8, (3, 2)), {}), None),
        ("separable_conv2d", (8, (3, 2)), dict(init="ones"), ((8, (3, 2)), dict(depthwise_initializer="ones", pointwise_initializer="ones")), None),
        ("convlstm2d", (8, 3, 2), dict(dropout_U=0.5), ((8, (3, 2)), dict(recurrent_dropout=0.5)), None),
        ("batchnorm", (), dict(mode=0, beta_init="ones"), ((), dict(beta_initializer="ones")), 'Mine(beta_initializer="ones")'),
        ("global_pooling", (), dict(dim_ordering="default"), ((), dict(data_format=None)), "Mine(data_format=None)"),
        ("model_constructor", (), dict(input=1, output=np.ones(3)), ((), dict(inputs=1, outputs=np.ones(3))), "Mine(inputs=1, outputs=array)"),
    ],
)  # fmt: skip
def test_old_arguments(name, args, kwargs, wanted, shown):
    with pytest.warns(UserWarning) as caught:
        got = called(getattr(interfaces, f"legacy_{name}_support"), *args, **kwargs)
    assert [tuple(got[0]), repr(sorted(got[1].items()))] == [wanted[0], repr(sorted(wanted[1].items()))]
    assert caught[-1].filename == __file__
    if shown is not None:
        assert str(caught[-1].message) == f"Update your `Mine` call to the Keras 2 API: `{shown}`"


def test_new_arguments_pass_without_a_warning(recwarn):
    assert called(interfaces.legacy_conv2d_support, 8, (3, 3), padding="same") == ((8, (3, 3)), {"padding": "same"})
    assert called(interfaces.legacy_dense_support, 3, kernel_initializer="ones") == ((3,), {"kernel_initializer": "ones"})
    assert called(interfaces.legacy_get_updates_support, "loss", ["w"]) == (("loss", ["w"]), {})
    assert called(interfaces.legacy_add_weight_support, "kernel", (3,)) == (("kernel", (3,)), {})
    assert not recwarn


def test_old_orders_of_arguments(recwarn):
    assert called(interfaces.legacy_add_weight_support, (3, 4), "kernel", trainable=False) == (
        (),
        {"trainable": False, "shape": (3, 4), "name": "kernel"},
    )
    assert called(interfaces.legacy_get_updates_support, ["w"], {}, "loss") == ((), {"loss": "loss", "params": ["w"]})
    assert not recwarn
    with pytest.warns(UserWarning, match="no longer accepts dict types"):
        assert called(interfaces.legacy_zeropadding2d_support, {"top_pad": 1, "right_pad": 2}) == ((((1, 0), (0, 2)),), {})
    with pytest.warns(UserWarning, match="The semantics of the Keras 2 argument `steps_per_epoch`"):
        got = called(interfaces.legacy_generator_methods_support, "data", samples_per_epoch=10, nb_epoch=2)
    assert got == (("data",), {"steps_per_epoch": 10, "epochs": 2})


@pytest.mark.parametrize(
    "name, args, kwargs, error, message",
    [
        ("dense", (3, "relu"), {}, TypeError, r"`Mine` can accept only 1 positional arguments \('units',\), but you passed .* \[3, 'relu'\]"),
        ("dense", (), dict(output_dim=3, units=3), TypeError, "both the legacy keyword argument `output_dim` and the Keras 2 keyword argument `units`"),
        ("conv2d", (8, 3, 3), dict(strides=2), ValueError, "Pass `strides` as a keyword argument instead"),
        ("conv2d", (8, 3, 3, 3), {}, TypeError, "Layer can receive at most 3 positional arguments"),
        ("batchnorm", (1,), {}, TypeError, "does not accept positional arguments"),
        ("batchnorm", (), dict(mode=2), TypeError, "`mode=1` and `mode=2` are no longer supported"),
        ("get_updates", (1, 2, 3, 4), {}, TypeError, "received more arguments than expected"),
    ],
)  # fmt: skip
def test_wrong_calls_raise(name, args, kwargs, error, message):
    with pytest.raises(error, match=message):
        called(getattr(interfaces, f"legacy_{name}_support"), *args, **kwargs)
