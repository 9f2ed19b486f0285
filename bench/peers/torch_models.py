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
        if not channels_last:
            self.x = channels_first(self.x).contiguous()
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
        return channels_first(x) if self.channels_last else x

    def build(self, *, dropout: bool) -> nn.Sequential:
        model = build(self.net, dropout=dropout)
        if self.channels_last:
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return lamella.torch.replace(model) if self.replaced else model


def channels_first(x: torch.Tensor) -> torch.Tensor:
    """A view of images, or of sequences of images, with the channels before rows and columns; other tensors as they are."""
    return x.movedim(-1, -3) if x.ndim >= 4 else x


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
            modules += [MeanOfSteps()] if len(shape) == 2 else [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
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
        elif isinstance(layer, nets.ConvLstm):
            modules.append(ConvLstm(shape[-1], layer, [next(weights) for _ in range(3)]))
        elif isinstance(layer, nets.Encoder):
            modules.append(encoder(shape[-1], layer, weights))
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


class MeanOfSteps(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=1)


class ConvLstm(nn.Module):
    """[N, T, C, H, W] -> all outputs in this order, or the last one. Weights in Keras's layout; gates i, f, g, o."""

    def __init__(self, channels: int, layer: nets.ConvLstm, weights: list[torch.Tensor]) -> None:
        super().__init__()
        filters = layer.filters
        self.of_x = nn.Conv2d(channels, 4 * filters, 3, padding=1)
        self.of_h = nn.Conv2d(filters, 4 * filters, 3, padding=1, bias=False)
        kernel, recurrent, bias = weights
        fill(self.of_x, kernel.permute(3, 2, 0, 1), bias)
        fill(self.of_h, recurrent.permute(3, 2, 0, 1))
        self.filters, self.sequences = filters, layer.sequences

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: list[torch.Tensor] = []
        for x_t in x.unbind(1):
            z = self.of_x(x_t)
            if not outputs:
                h = c = torch.zeros_like(z[:, : self.filters])
            i, f, g, o = (z + self.of_h(h)).chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        return torch.stack(outputs, dim=1) if self.sequences else h


def encoder(units: int, layer: nets.Encoder, weights: Iterator[torch.Tensor]) -> nn.TransformerEncoderLayer:
    """torch's block, which computes attention with one fused function."""
    block = nn.TransformerEncoderLayer(units, layer.heads, layer.hidden, dropout=0.0, batch_first=True)
    kernels, biases = zip(*((next(weights).T, next(weights)) for _ in range(4)))
    attention = block.self_attn
    with torch.no_grad():
        attention.in_proj_weight.copy_(torch.cat(kernels[:3]))
        attention.in_proj_bias.copy_(torch.cat(biases[:3]))
    fill(attention.out_proj, kernels[3], biases[3])
    fill(block.norm1, next(weights), next(weights))
    fill(block.linear1, next(weights).T, next(weights))
    fill(block.linear2, next(weights).T, next(weights))
    fill(block.norm2, next(weights), next(weights))
    return block


def normalization(channels: int, weights: Iterator[torch.Tensor]) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
    fill(norm, next(weights), next(weights))
    next(weights), next(weights)  # the moving mean and variance are torch's own 0 and 1
    return norm


def fill(
    module: nn.Conv2d | nn.Linear | nn.BatchNorm2d | nn.LayerNorm, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> None:
    with torch.no_grad():
        module.weight.copy_(weight)
        if module.bias is not None and bias is not None:
            module.bias.copy_(bias)
