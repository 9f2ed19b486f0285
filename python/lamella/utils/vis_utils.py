"""Pictures of models, drawn by pydot and Graphviz: `pip install 'lamella[plot]'`. Source: Keras 2.2.5."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lamella.core.keras_names import complete as _complete
from lamella.graph.layer import Layer
from lamella.graph.trace import Graph, trace
from lamella.layers.wrappers.wrapper import Wrapper
from lamella.models import Model, Sequential

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
        ImportError: Without pydot.
        OSError: Without Graphviz.
        ValueError: For a model that is not built.

    Deviation from Keras 2.2.5: with expand_nested, what goes into or out of a nested model begins and ends at its own nodes, also
        where one wrapped model follows another, or a model's last layer is a model. Keras draws stray nodes there, or fails.
    """
    _check_programs()
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
        to_file: Path of the file.
        model, show_shapes, show_layer_names, rankdir, expand_nested, dpi: As `model_to_dot` takes them.

    Returns:
        The picture as a notebook shows it, or None if IPython is not installed.

    Raises:
        ImportError: Without pydot.
        OSError: Without Graphviz.
        ValueError: For a model that is not built.
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
            "Failed to import `pydot`. Pictures of models need two programs that lamella does not bring: pydot "
            "(pip install 'lamella[plot]') and Graphviz (apt install graphviz, or https://graphviz.org). "
            "model.summary() prints the layers, their shapes and what each is connected to without them."
        ) from None
    return pydot


def _check_programs() -> None:
    pydot = _pydot()
    try:
        pydot.Dot().create()
    except OSError as error:
        raise OSError(
            "`pydot` failed to call Graphviz. Install Graphviz (apt install graphviz, or https://graphviz.org), and see that "
            "its program `dot` is on the PATH."
        ) from error


def _graph(model: Model) -> Graph:
    if isinstance(model, Sequential) and not model.built:
        model.build()
    if not model.built:
        raise ValueError(
            f"model_to_dot: expected a model that is built, got {model.name!r}; call it on data, or build it, first"
        )
    return trace(model.inputs, model.outputs)


def _nested(layer: Layer) -> Model | None:
    """The model that a layer is, or wraps."""
    inner = layer.layer if isinstance(layer, Wrapper) else layer
    return inner if isinstance(inner, Model) else None


def _label(layer: Layer, show_shapes: bool, show_layer_names: bool, inner_is_drawn: bool) -> str:
    name, kind = layer.name, type(layer).__name__
    if isinstance(layer, Wrapper) and not inner_is_drawn:
        name, kind = f"{name}({layer.layer.name})", f"{kind}({type(layer.layer).__name__})"
    label = f"{name}: {kind}" if show_layer_names else kind
    if show_shapes:
        return f"{label}\n|{{input:|output:}}|{{{{{_shape(layer, 'input_shape')}}}|{{{_shape(layer, 'output_shape')}}}}}"
    return label


def _shape(layer: Layer, which: str) -> str:
    try:
        return str(getattr(layer, which))
    except AttributeError:  # calls on tensors of several shapes
        return "multiple"


def _add_edges(dot: pydot.Graph, graph: Graph, expand_nested: bool) -> None:
    inside = set(graph.nodes)
    for layer in graph.layers:
        name, first = str(id(layer)), _end(layer, 0) if expand_nested else str(id(layer))
        for node in layer._inbound_nodes:
            for before in node.inbound_layers if node in inside else ():
                last = _end(before, -1) if expand_nested else str(id(before))
                if is_wrapped_model(layer) or (first == name and last == str(id(before))):
                    dot.add_edge(_pydot().Edge(last, name))  # two tensors, two edges
                else:
                    add_edge(dot, last, first)
        if expand_nested and is_wrapped_model(layer):
            add_edge(dot, name, first)


def _end(layer: Layer, place: int) -> str:
    """The node at which what goes into a layer ends (place 0), or what comes from it begins (-1), if nested models are drawn."""
    nested = _nested(layer)
    while nested is not None:
        layer = _graph(nested).layers[place]
        nested = _nested(layer)
    return str(id(layer))


_complete(__name__)
