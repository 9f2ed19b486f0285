"""InceptionV3. Source: Szegedy et al. 1512.00567; keras_applications 1.0.8."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from lamella.applications.assembly import Assembly, pooled
from lamella.applications.imagenet_utils import decode_predictions as decode_predictions
from lamella.applications.imagenet_utils import preprocess_tf as preprocess_input  # noqa: F401
from lamella.applications.inception import Part, average, chain, conv, mixed, pool
from lamella.applications.weights import published
from lamella.core.types import Value
from lamella.models import Model

_PUBLISHED = published(
    "inception_v3",
    "fchollet/deep-learning-models/releases/download/v0.5",
    "9a0d58056eeedaa3f26cb7ebd46da564",
    "bcbd6486424b2319ff4ef7d526e38f63",
)


def _mixed_35(name: str, pooled_channels: int) -> Part:
    return mixed(
        name,
        (conv(64, 1, 1),),
        (conv(48, 1, 1), conv(64, 5, 5)),
        (conv(64, 1, 1), conv(96, 3, 3), conv(96, 3, 3)),
        (average, conv(pooled_channels, 1, 1)),
    )


def _mixed_17(name: str, c: int) -> Part:
    return mixed(
        name,
        (conv(192, 1, 1),),
        (conv(c, 1, 1), conv(c, 1, 7), conv(192, 7, 1)),
        (conv(c, 1, 1), conv(c, 7, 1), conv(c, 1, 7), conv(c, 7, 1), conv(192, 1, 7)),
        (average, conv(192, 1, 1)),
    )


def _mixed_8(name: str, inner: str) -> Part:
    return mixed(
        name,
        (conv(320, 1, 1),),
        (conv(384, 1, 1), mixed(inner, (conv(384, 1, 3),), (conv(384, 3, 1),))),
        (conv(448, 1, 1), conv(384, 3, 3), mixed(None, (conv(384, 1, 3),), (conv(384, 3, 1),))),
        (average, conv(192, 1, 1)),
    )


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
    _mixed_35("mixed0", 32),
    _mixed_35("mixed1", 64),
    _mixed_35("mixed2", 64),
    mixed(
        "mixed3",
        (conv(384, 3, 3, 2, "valid"),),
        (conv(64, 1, 1), conv(96, 3, 3), conv(96, 3, 3, 2, "valid")),
        (pool,),
    ),
    # 17 x 17
    _mixed_17("mixed4", 128),
    _mixed_17("mixed5", 160),
    _mixed_17("mixed6", 160),
    _mixed_17("mixed7", 192),
    mixed(
        "mixed8",
        (conv(192, 1, 1), conv(320, 3, 3, 2, "valid")),
        (conv(192, 1, 1), conv(192, 1, 7), conv(192, 7, 1), conv(192, 3, 3, 2, "valid")),
        (pool,),
    ),
    # 8 x 8
    _mixed_8("mixed9", "mixed9_0"),
    _mixed_8("mixed10", "mixed9_1"),
)


def InceptionV3(
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: Value = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Model:
    """For images of 299x299, 75x75 or more; see `Assembly` for the arguments."""
    assembly = Assembly("InceptionV3", size=299, min_size=75, **locals())
    x = chain(assembly.input, *_BODY)
    return assembly.model(x, "inception_v3", top=pooled("avg_pool", "predictions"), published=_PUBLISHED)
