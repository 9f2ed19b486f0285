"""Pictures of models, drawn by pydot and Graphviz: `pip install 'lamella[plot]'`. Source: Keras 2.2.5."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lamella.core.keras_names import complete as _complete
from lamella.graph.layer import Layer
from lamella.graph.trace import Graph, trace
from lamella.layers.wrappers.wrapper import Wrapper
from lamella.models import Model, Sequential
from lamella.models.summary import shape_in_calls

if TYPE_CHECKING:
    import pydot

__all__ = ["Wrapper", "add_edge", "is_model", "is_wrapped_model", "model_to_dot", "plot_model"]


def is_model(layer: object) -> bool:
    """Whether a layer is a model."""
    return isinstance(layer, Model)


def is_wrapped_model(layer: object) -> bool:
    """Whether a layer is a wrapper, such as TimeDistributed, around a model."""
    return isinstance(layer, Wrapper) and isinstance(layer.layer, Model)


def add_edge(dot: pydot.Graph, src: str, dst: str) -> None:
    """Add an edge between two named nodes of a pydot graph, unless it exists."""
    if not dot.get_edge(src, dst):
        dot.add_edge(_pydot().Edge(src, dst))


def model_to_dot(
    model: Model,
    show_shapes: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 96,
    subgraph: bool = False,
) -> pydot.Dot | pydot.Cluster:
    """A model as a graph of pydot: a node for each layer, an edge for each tensor that goes from one to another.

    Args:
        model: A model that is built.
        show_shapes: Whether labels also show the shapes of inputs and outputs.
        show_layer_names: Whether labels begin with the layer's name.
        rankdir: "TB": from top to bottom; "LR": from left to right.
        expand_nested: Whether a nested model is drawn as a frame with its layers, instead of one node.
        dpi: Dots per inch of the picture.
        subgraph: Whether to return such a frame, a pydot.Cluster.

    Returns:
        A pydot.Dot, or a pydot.Cluster. The name of a node is str(id(layer)).

    Raises:
        ImportError: pydot is not installed.
        OSError: Graphviz is not installed.
        ValueError: The model is not built.

    Deviation from Keras 2.2.5: with expand_nested, edges into and out of a nested model end and begin at the nodes of its layers,
        also if one wrapped model follows another, or the last layer of a model is a model. Keras draws unconnected nodes there,
        or fails.
    """
    _check_pydot()
    pydot = _pydot()
    if subgraph:
        dot = pydot.Cluster(graph_name=model.name, style="dashed", label=model.name, labeljust="l")
    else:
        dot = pydot.Dot(rankdir=rankdir, concentrate=True, dpi=dpi)
        dot.set_node_defaults(shape="record")
    graph = _graph(model)
    for layer in graph.layers:
        nested = _nested(layer) if expand_nested else None
        if nested is not None:
            dot.add_subgraph(model_to_dot(nested, show_shapes, show_layer_names, rankdir, True, dpi, subgraph=True))
        if nested is not layer:
            dot.add_node(pydot.Node(str(id(layer)), label=_label(layer, show_shapes, show_layer_names, nested is not None)))
    _add_edges(dot, graph, expand_nested)
    return dot


def plot_model(
    model: Model,
    to_file: str = "model.png",
    show_shapes: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 96,
) -> Any:
    """Draw a model into a file. The suffix selects the format (png, pdf, svg and others); without a suffix it is png.

    Args:
        model: A model that is built.
        to_file: Path of the file.
        show_shapes: See `model_to_dot`, also for the arguments below.
        show_layer_names: Whether labels begin with the layer's name.
        rankdir: "TB" or "LR".
        expand_nested: Whether a nested model is drawn as a frame.
        dpi: Dots per inch.

    Returns:
        The picture as an object of IPython, which a notebook shows; None if IPython is not installed.

    Raises:
        ImportError: pydot is not installed.
        OSError: Graphviz is not installed.
        ValueError: The model is not built.
    """
    dot = model_to_dot(model, show_shapes, show_layer_names, rankdir, expand_nested, dpi)
    dot.write(to_file, format=os.path.splitext(to_file)[1].removeprefix(".") or "png")
    try:
        from IPython import display
    except ImportError:
        return None
    return display.Image(filename=to_file)


def _pydot() -> Any:
    try:
        import pydot
    except ImportError:
        raise ImportError(
            "Failed to import `pydot`. Pictures of models need two programs that are not part of lamella: pydot "
            "(pip install 'lamella[plot]') and Graphviz (apt install graphviz, or https://graphviz.org). "
            "Without them, model.summary() prints the layers, their shapes and their connections."
        ) from None
    return pydot


def _check_pydot() -> None:
    pydot = _pydot()
    try:
        pydot.Dot().create()
    except OSError as error:
        raise OSError(
            "`pydot` failed to call Graphviz. Install Graphviz (apt install graphviz, or https://graphviz.org), and check that "
            "its program `dot` is on the PATH."
        ) from error


def _graph(model: Model) -> Graph:
    if isinstance(model, Sequential) and not model.built:
        model.build()
    if not model.built:
        raise ValueError(
            f"model_to_dot: expected a model that is built, got {model.name!r}; first build it, or call it on data"
        )
    return trace(model.inputs, model.outputs, outside=False)


def _nested(layer: Layer) -> Model | None:
    """The layer itself if it is a model, or the model that it wraps, or None."""
    inner = layer.layer if isinstance(layer, Wrapper) else layer
    return inner if isinstance(inner, Model) else None


def _label(layer: Layer, show_shapes: bool, show_layer_names: bool, inner_is_drawn: bool) -> str:
    name, kind = layer.name, type(layer).__name__
    if isinstance(layer, Wrapper) and not inner_is_drawn:
        name, kind = f"{name}({layer.layer.name})", f"{kind}({type(layer.layer).__name__})"
    label = f"{name}: {kind}" if show_layer_names else kind
    if show_shapes:
        return f"{label}\n|{{input:|output:}}|{{{{{shape_in_calls(layer, 'input')}}}|{{{shape_in_calls(layer, 'output')}}}}}"
    return label


def _add_edges(dot: pydot.Graph, graph: Graph, expand_nested: bool) -> None:
    inside = set(graph.nodes)
    for layer in graph.layers:
        name, first = str(id(layer)), _end(layer, 0) if expand_nested else str(id(layer))
        for node in layer._inbound_nodes:
            for before in node.inbound_layers if node in inside else ():
                last = _end(before, -1) if expand_nested else str(id(before))
                if is_wrapped_model(layer) or (first == name and last == str(id(before))):
                    dot.add_edge(_pydot().Edge(last, name))  # one edge for each tensor
                else:
                    add_edge(dot, last, first)
        if expand_nested and is_wrapped_model(layer):
            add_edge(dot, name, first)


def _end(layer: Layer, place: int) -> str:
    """The node at which edges into a layer end (place 0) or edges out of it begin (-1), if nested models are drawn."""
    nested = _nested(layer)
    while nested is not None:
        layer = _graph(nested).layers[place]
        nested = _nested(layer)
    return str(id(layer))


_complete(__name__)
