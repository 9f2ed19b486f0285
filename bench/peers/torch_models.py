"""torch's side of the whole models: eager, an ordinary loop over shuffled tensors, Adam(fused=True)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

import lamella.torch
from bench import nets
from lamella import config


class TorchTrainer:
    """Trains a net.

    channels_last: images and weights have that memory format, otherwise contiguous (NCHW). replaced: lamella.torch.replace lets
    its Conv2d and Linear layers run on lamella's kernels.
    """

    def __init__(self, net: nets.Net, threads: int, dtype: str, channels_last: bool, replaced: bool = False) -> None:
        torch.set_num_threads(threads)
        self.replaced = replaced
        if replaced:
            config.set_num_threads(threads)
        torch.manual_seed(3)
        torch.set_default_dtype(getattr(torch, dtype))
        self.net, self.channels_last = net, channels_last
        x, labels = nets.data(net)
        # Indexing samples keeps their layout, so no format needs a conversion in the loop.
        self.x = torch.from_numpy(x if x.dtype.kind == "i" else x.astype(dtype))
        if self.x.ndim == 4 and not channels_last:
            self.x = self.x.permute(0, 3, 1, 2).contiguous()
        self.y = torch.from_numpy(labels)
        self.model = self.build(dropout=True)
        self.optimizer: torch.optim.Optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=True)

    def epoch(self) -> None:
        order = torch.randperm(self.net.samples)
        for i in range(0, self.net.samples, self.net.batch):
            chosen = order[i : i + self.net.batch]
            step(self.model, self.optimizer, self.images(self.x[chosen]), self.y[chosen])

    def losses(self, steps: int) -> list[float]:
        """The same as LamellaTrainer.losses."""
        model, batch = self.build(dropout=False), self.net.batch
        optimizer = torch.optim.SGD(model.parameters(), lr=nets.CHECK_RATE)
        return [
            step(model, optimizer, self.images(self.x[i : i + batch]), self.y[i : i + batch]).item()
            for i in range(0, steps * batch, batch)
        ]

    def images(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 3, 1, 2) if self.channels_last else x

    def build(self, *, dropout: bool) -> nn.Sequential:
        model = build(self.net, dropout=dropout)
        if self.channels_last:
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return lamella.torch.replace(model) if self.replaced else model


def step(model: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss


def build(net: nets.Net, *, dropout: bool) -> nn.Sequential:
    """The model, with nets.initial_weights and Keras's constants of batch normalization."""
    weights = iter(torch.from_numpy(w).to(torch.get_default_dtype()) for w in nets.initial_weights(net))
    modules: list[nn.Module] = []
    flattened: nets.Shape | None = None
    for layer, shape in nets.walk(net):
        if isinstance(layer, nets.Conv):
            convolution = nn.Conv2d(shape[2], layer.filters, 3, padding=1 if layer.padding == "same" else 0)
            fill(convolution, next(weights).permute(3, 2, 0, 1), next(weights))
            modules.append(convolution)
            if layer.norm:
                modules.append(normalization(layer.filters, weights))
            modules.append(nn.ReLU())
        elif isinstance(layer, nets.Separable):
            channels = shape[2]
            depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
            fill(depthwise, next(weights).permute(2, 3, 0, 1))
            modules += [depthwise, normalization(channels, weights), nn.ReLU6()]
            pointwise = nn.Conv2d(channels, layer.filters, 1, bias=False)
            fill(pointwise, next(weights).permute(3, 2, 0, 1))
            modules += [pointwise, normalization(layer.filters, weights), nn.ReLU6()]
        elif isinstance(layer, nets.Pool):
            modules.append(nn.MaxPool2d(2))
        elif isinstance(layer, nets.GlobalPool):
            modules += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        elif isinstance(layer, nets.Flatten):
            modules.append(nn.Flatten())
            flattened = shape
        elif isinstance(layer, nets.Dense):
            kernel = next(weights)
            if flattened is not None:
                # torch flattens channels first.
                kernel = kernel.reshape(*flattened, layer.units).permute(2, 0, 1, 3).reshape(-1, layer.units)
                flattened = None
            dense = nn.Linear(shape[0], layer.units)
            fill(dense, kernel.T, next(weights))
            modules += [dense, nn.ReLU()]
        elif isinstance(layer, nets.Embed):
            modules.append(nn.Embedding.from_pretrained(next(weights), freeze=False))  # type: ignore[no-untyped-call]
        elif isinstance(layer, nets.Lstm):
            modules.append(LastOutput(shape[-1], layer.units, [next(weights) for _ in range(3)]))
        elif dropout:
            modules.append(nn.Dropout(layer.rate))
    return nn.Sequential(*modules[:-1])  # without the relu of the output layer


class LastOutput(nn.Module):
    """The last output of an LSTM, from kernel, recurrent kernel and bias in Keras's layout; gates have the same order."""

    def __init__(self, features: int, units: int, weights: list[torch.Tensor]) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, units, batch_first=True)
        kernel, recurrent, bias = weights
        with torch.no_grad():
            self.lstm.weight_ih_l0.copy_(kernel.T)
            self.lstm.weight_hh_l0.copy_(recurrent.T)
            self.lstm.bias_ih_l0.copy_(bias)
            self.lstm.bias_hh_l0.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.lstm(x)[0]
        return outputs[:, -1]


def normalization(channels: int, weights: Iterator[torch.Tensor]) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
    fill(norm, next(weights), next(weights))
    next(weights), next(weights)  # the moving mean and variance are torch's own 0 and 1
    return norm


def fill(module: nn.Conv2d | nn.Linear | nn.BatchNorm2d, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
    with torch.no_grad():
        module.weight.copy_(weight)
        if module.bias is not None and bias is not None:
            module.bias.copy_(bias)
