"""The parts of TensorBoard's files: the writer, the graph of layers, images of weights, labels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

# TensorFlow's own limit for the images of one tensor.
_IMAGES = 3


def writer(log_dir: str) -> Any:
    """A writer of a new event file in log_dir, which is made if it does not exist.

    Raises:
        ImportError: tensorboardX is not installed.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise ImportError("TensorBoard requires tensorboardX: pip install 'lamella[tensorboard]'") from None
    return SummaryWriter(log_dir)


def graph_event(model: Any) -> Any:
    """The event that shows the graph: a node for each layer, with its class as operation and its inbound layers as inputs."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.graph_pb2 import GraphDef
    from tensorboardX.proto.node_def_pb2 import NodeDef

    here = {id(layer) for layer in model.layers}
    nodes = []
    for layer in model.layers:
        reads = [x.name for node in layer._inbound_nodes for x in node.inbound_layers if id(x) in here]
        nodes.append(NodeDef(name=layer.name, op=type(layer).__name__, input=list(dict.fromkeys(reads))))
    return Event(graph_def=GraphDef(node=nodes).SerializeToString())


def images_of(tag: str, weight: Any) -> Iterator[tuple[str, Any]]:
    """Images of a weight: pairs (name, uint8 [h, w]), at most three.

    Axes of length 1 are dropped first. A vector is one column. A matrix is one image, transposed if it is higher than wide.
    Three axes are as many images as the last axis is long. A weight with more axes has no image.
    """
    values = np.squeeze(weight)
    if values.ndim == 1:
        images = values[None, :, None]
    elif values.ndim == 2:
        images = (values.T if values.shape[0] > values.shape[1] else values)[None]
    elif values.ndim == 3:
        images = values.transpose(2, 0, 1)
    else:
        return
    for i, image in enumerate(images[:_IMAGES]):
        yield f"{tag}/image/{i}" if len(images) > 1 else f"{tag}/image", _shades(image)


def _shades(image: Any) -> Any:
    """An image in shades of grey, scaled as TensorFlow does: 0 is black, or middle grey if any value is negative."""
    finite = np.where(np.isfinite(image), image, 0.0)
    largest = np.abs(finite).max() or 1.0
    scaled = 127.0 + finite * (127.0 / largest) if finite.min() < 0 else finite * (255.0 / largest)
    return np.rint(scaled).astype(np.uint8)


def labels_from(path: str, log_dir: str) -> tuple[list[Any], list[str] | None]:
    """The labels of a file of tab-separated columns.

    Args:
        path: The file; relative to log_dir if it does not exist as it is.
        log_dir: The directory of the event files.

    Returns:
        (labels, header). A file of one column has no header: labels are strings and header is None. The first line of a file
        of several columns is the header.

    Raises:
        FileNotFoundError: The file does not exist.
    """
    path = path if os.path.exists(path) else os.path.join(log_dir, path)
    with open(path, encoding="utf-8") as file:
        lines = [line.split("\t") for line in file.read().splitlines()]
    if lines and len(lines[0]) > 1:
        return lines[1:], lines[0]
    return [line[0] for line in lines], None
