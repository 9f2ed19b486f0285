"""A graph of lamella's layers, built from torch modules with the same weights, in channels_last."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from bench.harness import Contender
from bench.peers.torch_models import fill
from lamella import layers
from lamella.layers import Layer
from lamella.models import Model


class Graph(nn.Module):
    """The layers of `model` in their order, with the same inputs.

    A ZeroPadding2D with equal margins becomes the padding of the next window, as is usual in torch.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.steps: list[tuple[str, list[str]]] = []
        self.parts = nn.ModuleDict()
        margins: dict[str, int] = {}
        aliases: dict[str, str] = {}
        for layer in model.layers[1:]:
            node = layer._inbound_nodes[0]
            reads = [aliases.get(x._keras_history[0].name, x._keras_history[0].name) for x in node.inputs]
            before = [x._keras_history[0].name for x in node.inputs]
            if isinstance(layer, layers.ZeroPadding2D) and _margin(layer) is not None:
                margins[layer.name], aliases[layer.name] = _margin(layer) or 0, reads[0]
                continue
            self.parts[_key(layer.name)] = part(layer, margins.get(before[0], 0))
            self.steps.append((layer.name, reads))
        self.first, self.last = model.layers[0].name, model.layers[-1].name
        self.uses = {
            name: sum(reads.count(name) for _, reads in self.steps) for name in [s[0] for s in self.steps] + [self.first]
        }

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left = dict(self.uses)
        values = {self.first: x}
        for name, reads in self.steps:
            inputs = [values[r] for r in reads]
            for r in reads:
                left[r] -= 1
                if not left[r]:
                    values.pop(r, None)
            values[name] = self.parts[_key(name)](*inputs)
        return values[self.last]


def _key(name: str) -> str:
    return name.replace("/", "__")


def _margin(layer: Any) -> int | None:
    margins = {m for pair in layer.padding for m in pair}
    return margins.pop() if len(margins) == 1 else None


class Call(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(*inputs)


def part(layer: Layer, margin: int) -> nn.Module:
    """The module for a layer after a margin of zeros. Raises TypeError for a layer of another kind."""
    config = layer.get_config()
    weights = [torch.from_numpy(w.copy()) for w in layer.get_weights()]
    if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
        kernel = weights[0]
        depthwise = isinstance(layer, layers.DepthwiseConv2D)
        padding = margin if config["padding"] == "valid" else kernel.shape[0] // 2
        if config["padding"] == "same" and tuple(config["strides"]) != (1, 1):
            raise TypeError(f"{layer.name}: torch has no padding 'same' with strides")
        channels, filters = kernel.shape[2], kernel.shape[2] if depthwise else kernel.shape[3]
        convolution = nn.Conv2d(
            channels, filters, tuple(kernel.shape[:2]), tuple(config["strides"]), padding,
            groups=channels if depthwise else 1, bias=len(weights) == 2,
        )  # fmt: skip
        order = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
        fill(convolution, kernel.permute(order), *weights[1:])
        return convolution
    if isinstance(layer, layers.BatchNormalization):
        norm = nn.BatchNorm2d(len(weights[0]), eps=config["epsilon"], momentum=1 - config["momentum"])
        fill(norm, *weights[:2])
        return norm
    if isinstance(layer, layers.ReLU):
        return nn.ReLU6(inplace=True)
    if isinstance(layer, layers.Activation) and config["activation"] == "relu":
        return nn.ReLU(inplace=True)
    if isinstance(layer, layers.ZeroPadding2D):
        (top, bottom), (left, right) = config["padding"]
        return nn.ZeroPad2d((left, right, top, bottom))
    if isinstance(layer, layers.MaxPooling2D):
        return nn.MaxPool2d(config["pool_size"], config["strides"], margin)
    if isinstance(layer, layers.AveragePooling2D):
        return nn.AvgPool2d(config["pool_size"], config["strides"])
    if isinstance(layer, layers.GlobalAveragePooling2D):
        return Call(lambda x: x.mean((2, 3)))
    if isinstance(layer, layers.Add):
        return Call(torch.add)
    if isinstance(layer, layers.Concatenate):
        return Call(lambda *xs: torch.cat(xs, 1))
    if isinstance(layer, layers.Dense):
        dense = nn.Linear(*weights[0].shape)
        fill(dense, weights[0].T, weights[1])
        return dense
    raise TypeError(f"{layer.name}: there is no torch module for {type(layer).__name__}")


def contender(model: Model, x: NDArray[Any], y: NDArray[Any], rate: float | None, threads: int) -> Contender:
    """Predictions under no_grad; with a learning rate a step of SGD, which returns the loss."""
    torch.set_num_threads(threads)
    graph = Graph(model).to(memory_format=torch.channels_last).train(rate is not None)  # type: ignore[call-overload]
    images = torch.from_numpy(x).permute(0, 3, 1, 2)  # channels are last in memory
    if rate is not None:
        labels = torch.from_numpy(y.argmax(1))
        optimizer = torch.optim.SGD(graph.parameters(), lr=rate, fused=True)

        def step() -> float:
            optimizer.zero_grad()
            loss = F.cross_entropy(graph(images), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            return loss.item()

        return Contender("torch channels_last", "peer", step, len(x))

    def predict() -> NDArray[Any]:
        with torch.no_grad():
            outputs: NDArray[Any] = F.softmax(graph(images), 1).numpy()
        return outputs

    return Contender("torch channels_last", "peer", predict, len(x))
