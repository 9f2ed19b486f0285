"""The initializers of tf.keras: those of Keras 2.2.5, also with names in CamelCase."""

from __future__ import annotations

from lamella import initializers
from lamella.tf_keras import rest_of

__getattr__, __dir__ = rest_of("initializers", globals())

GlorotNormal = initializers.glorot_normal
GlorotUniform = initializers.glorot_uniform
HeNormal = initializers.he_normal
HeUniform = initializers.he_uniform
LecunNormal = initializers.lecun_normal
LecunUniform = initializers.lecun_uniform
