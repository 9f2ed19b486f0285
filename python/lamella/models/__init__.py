"""Models: graphs of layers, and their conversion to data and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamella.core import lazy as _lazy

if TYPE_CHECKING:
    from lamella.graph.input import Input as Input
    from lamella.graph.input import InputLayer as InputLayer
    from lamella.models.architecture import model_from_config as model_from_config
    from lamella.models.architecture import model_from_json as model_from_json
    from lamella.models.architecture import model_from_yaml as model_from_yaml
    from lamella.models.cloning import clone_model as clone_model
    from lamella.models.model import Model as Model
    from lamella.models.sequential import Sequential as Sequential
    from lamella.models.stored import load_model as load_model
    from lamella.models.stored import save_model as save_model

_lazy.attach(__name__)
