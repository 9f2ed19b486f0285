"""The layers inside a layer: the layers of a nested model, or the layer of a wrapper."""

from __future__ import annotations

from typing import Any

from lamella.core.protocols import WeightedLayer


def parts(layer: WeightedLayer) -> list[Any]:
    """The layers directly inside. The attribute `layers` of a custom layer may be anything, so entries are checked."""
    listed = getattr(layer, "layers", ())
    found = list(listed) if isinstance(listed, (list, tuple)) else []
    found += [getattr(layer, name, None) for name in ("layer", "forward_layer", "backward_layer")]
    # Each layer once: the `layer` of a Bidirectional is its forward layer.
    return list({id(part): part for part in found if hasattr(part, "weights")}.values())
