"""add_weight with the order of arguments of Keras 2 and of Keras 1."""

import pytest

from lamella import backend as K
from lamella.initializers import Constant
from lamella.layers import Dense, Input, Layer
from lamella.models import Model


class Bare(Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("w", (2, 3)), {}),
        (("w",), {"shape": (2, 3)}),
        ((), {"name": "w", "shape": [2, 3]}),
        (((2, 3),), {"name": "w"}),
        (([2, 3], "w"), {}),
    ],
)
def test_the_shape_may_come_first(arguments, named):
    layer = Bare(name="layer")
    weight = layer.add_weight(*arguments, initializer="ones", trainable=False, **named)
    assert weight.name == "layer/w:0" and weight.shape == (2, 3) and weight.value.tolist() == [[1.0] * 3] * 2
    assert layer.non_trainable_weights == [weight]


@pytest.mark.parametrize("dtype", ["int64", "float64", "bool", None])
def test_weights_of_custom_layers_and_models_have_the_dtype_that_was_given(dtype):
    class Own(Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.w = self.add_weight("w", [2], initializer=Constant(1), trainable=False)

    layer = Bare(dtype=dtype)
    layer.w = layer.add_weight("w", [2], initializer=Constant(1), trainable=False)
    for weight in (layer.w, Own(dtype=dtype).w):
        assert K.dtype(weight) == (dtype or "float32") and weight.value.tolist() == [1, 1]
    assert layer.add_weight("v", [], dtype="float32").value.dtype == "float32"
    x = Input((3,))
    with pytest.raises(TypeError, match="dtype='int32' is only for subclasses with their own `call`"):
        Model(x, Dense(1)(x), dtype="int32")


def test_a_weight_needs_a_name_and_a_shape():
    for arguments in (((2, 3),), ("w",)):
        with pytest.raises(TypeError, match="add_weight\\(\\) missing 1 required positional argument"):
            Bare().add_weight(*arguments)
    assert Dense.built is False and not Dense(2).built
