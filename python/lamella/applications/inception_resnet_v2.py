"""InceptionResNetV2. Source: Szegedy et al. 1602.07261; keras_applications 1.0.8."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from lamella.applications.assembly import Assembly, channel_axis, pooled
from lamella.applications.imagenet_utils import decode_predictions as decode_predictions
from lamella.applications.imagenet_utils import preprocess_tf as preprocess_input  # noqa: F401
from lamella.applications.inception import Part, average, chain, conv, mixed, pool
from lamella.applications.weights import published
from lamella.core.types import Value
from lamella.layers import Activation, Conv2D, Lambda
from lamella.layers.core.lambda_functions import add_scaled
from lamella.models import Model

_PUBLISHED = published(
    "inception_resnet_v2",
    "fchollet/deep-learning-models/releases/download/v0.7",
    "e693bd0210a403b3192acc6073ad2e96",
    "d19885ff4a710c122648d3b5c3b684e4",
)

# The chains of the three kinds of residual blocks.
_CHAINS: dict[str, tuple[tuple[Part, ...], ...]] = {
    "block35": (
        (conv(32, 1, 1),),
        (conv(32, 1, 1), conv(32, 3, 3)),
        (conv(32, 1, 1), conv(48, 3, 3), conv(64, 3, 3)),
    ),
    "block17": (
        (conv(192, 1, 1),),
        (conv(128, 1, 1), conv(160, 1, 7), conv(192, 7, 1)),
    ),
    "block8": (
        (conv(192, 1, 1),),
        (conv(192, 1, 1), conv(224, 1, 3), conv(256, 3, 1)),
    ),
}


def _residual(kind: str, index: int, scale: float, activation: bool = True) -> Part:
    """x + scale * (the chains, projected to the channels of x), with ReLU if `activation` is set."""
    name = f"{kind}_{index}"

    def part(x: Value) -> Value:
        up = mixed(f"{name}_mixed", *_CHAINS[kind])(x)
        up = Conv2D(x.shape[channel_axis()], 1, padding="same", name=f"{name}_conv")(up)
        # Keras writes the code of its function into the config. Lamella writes its name.
        x = Lambda(add_scaled, output_shape=x.shape[1:], arguments={"scale": scale}, name=name)([x, up])
        return Activation("relu", name=f"{name}_ac")(x) if activation else x

    return part


# Sides in comments are those of an image of 299x299.
_BODY: tuple[Part, ...] = (
    conv(32, 3, 3, 2, "valid"),
    conv(32, 3, 3, 1, "valid"),
    conv(64, 3, 3),
    pool,
    conv(80, 1, 1, 1, "valid"),
    conv(192, 3, 3, 1, "valid"),
    pool,
    # 35 x 35
    mixed(
        "mixed_5b",
        (conv(96, 1, 1),),
        (conv(48, 1, 1), conv(64, 5, 5)),
        (conv(64, 1, 1), conv(96, 3, 3), conv(96, 3, 3)),
        (average, conv(64, 1, 1)),
    ),
    *(_residual("block35", i, 0.17) for i in range(1, 11)),
    mixed(
        "mixed_6a",
        (conv(384, 3, 3, 2, "valid"),),
        (conv(256, 1, 1), conv(256, 3, 3), conv(384, 3, 3, 2, "valid")),
        (pool,),
    ),
    # 17 x 17
    *(_residual("block17", i, 0.1) for i in range(1, 21)),
    mixed(
        "mixed_7a",
        (conv(256, 1, 1), conv(384, 3, 3, 2, "valid")),
        (conv(256, 1, 1), conv(288, 3, 3, 2, "valid")),
        (conv(256, 1, 1), conv(288, 3, 3), conv(320, 3, 3, 2, "valid")),
        (pool,),
    ),
    # 8 x 8
    *(_residual("block8", i, 0.2) for i in range(1, 10)),
    _residual("block8", 10, 1.0, activation=False),
    conv(1536, 1, 1, name="conv_7b"),
)


def InceptionResNetV2(
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: Value = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Model:
    """For images of 299x299, 75x75 or more; see `Assembly` for the arguments."""
    assembly = Assembly("InceptionResNetV2", size=299, min_size=75, **locals())
    x = chain(assembly.input, *_BODY)
    return assembly.model(x, "inception_resnet_v2", top=pooled("avg_pool", "predictions"), published=_PUBLISHED)
