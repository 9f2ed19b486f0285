"""torch.nn.LSTM and torch.nn.GRU, with lamella's weights and order of axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.harness import Contender
from bench.kernels.reference import Array, Reference, distance

if TYPE_CHECKING:
    from bench.kernels.recurrent import Sequences


def contender(sequences: Sequences, x: Array, dy: Array, wanted: Reference, direction: str, amount: float) -> Contender:
    """The eager module, batch first: under no_grad for the forward pass, otherwise with the gradients of x and all weights."""
    module = module_of(sequences)
    inputs, slope = torch.from_numpy(x.copy()), torch.from_numpy(dy)
    inputs.requires_grad_(direction == "both")

    def run() -> NDArray[Any]:
        if direction == "forward":
            with torch.no_grad():
                outputs: NDArray[Any] = module(inputs)[0].numpy()
            return outputs
        inputs.grad = None
        module.zero_grad(set_to_none=True)
        module(inputs)[0].backward(slope)
        gradient = module.weight_ih_l0.grad
        assert isinstance(gradient, torch.Tensor)
        return by_gates(gradient.numpy(), sequences).T

    return Contender("torch", "peer", run, amount, lambda: distance(run(), wanted))


def module_of(sequences: Sequences) -> torch.nn.RNNBase:
    kernel, recurrent, bias = sequences.weights()
    kind = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU}[sequences.kind]
    module = kind(sequences.features, sequences.units, batch_first=True)
    offsets = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
    values = {"weight_ih_l0": kernel.T, "weight_hh_l0": recurrent.T, "bias_ih_l0": offsets[0], "bias_hh_l0": offsets[1]}
    with torch.no_grad():
        for name, value in values.items():
            getattr(module, name).copy_(torch.from_numpy(np.ascontiguousarray(by_gates(value, sequences))))
    return module


def by_gates(rows: NDArray[Any], sequences: Sequences) -> NDArray[Any]:
    """Rows of gates in the other library's order: a GRU has r, z, n in torch and z, r, n in lamella; an LSTM has the same."""
    if sequences.kind == "LSTM":
        return rows
    first, second, last = np.split(rows, 3)
    return np.concatenate([second, first, last])
