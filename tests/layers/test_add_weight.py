"""add_weight with the order of arguments of Keras 2 and of Keras 1."""

import pytest

from lamella.layers import Dense, Layer


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


def test_a_weight_needs_a_name_and_a_shape():
    for arguments in (((2, 3),), ("w",)):
        with pytest.raises(TypeError, match="add_weight\\(\\) missing 1 required positional argument"):
            Bare().add_weight(*arguments)
    assert Dense.built is False and not Dense(2).built
