"""Pictures of models, which lamella does not draw."""

from __future__ import annotations

from typing import NoReturn

from lamella.core.keras_names import complete as _complete


def plot_model(
    model: object,
    to_file: str = "model.png",
    show_shapes: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 96,
) -> NoReturn:
    """Raises ImportError, as Keras does without pydot and graphviz; `model.summary()` prints layers and connections."""
    raise ImportError(
        f"plot_model: expected a drawing program, and lamella brings none (no {to_file} was written); model.summary() prints "
        "the layers, their shapes and what each is connected to"
    )


_complete(__name__)
