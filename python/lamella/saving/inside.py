"""The layers inside a layer: those of a nested model, or the one that a wrapper wraps."""

from __future__ import annotations

from typing import Any

from lamella.core.protocols import WeightedLayer


def parts(layer: WeightedLayer) -> list[Any]:
    """Directly inside. What a user's layer calls `layers` may be anything."""
    listed = getattr(layer, "layers", ())
    found = list(listed) if isinstance(listed, (list, tuple)) else []
    found += [getattr(layer, name, None) for name in ("layer", "forward_layer", "backward_layer")]
    # Each once: a Bidirectional's layer is its forward layer.
    return list({id(part): part for part in found if hasattr(part, "weights")}.values())
