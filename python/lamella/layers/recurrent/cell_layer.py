"""What SimpleRNN, GRU and LSTM share: an RNN over a cell of their own, whose arguments are theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.core.configurable import Config
from lamella.core.names import unique_name
from lamella.layers.recurrent.rnn import RNN


def cell_names(kind: type, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The name and dtype that a layer of this class and its cell have in common: weights and errors bear the layer's name."""
    return {"name": kwargs.get("name") or unique_name(kind.__name__), "dtype": kwargs.get("dtype")}


class CellLayer(RNN):
    """Base. The cell's arguments are properties of the layer, and stand in its config instead of the cell."""

    def get_config(self) -> Config:
        config = super().get_config()
        del config["cell"]
        return config

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, Any] | None = None) -> Any:
        # Keras before 2.1 had an implementation 0, which computes as 1 does.
        return cls(**(config | {"implementation": 1} if config.get("implementation") == 0 else config))


def _of_cell(name: str) -> property:
    return property(lambda self: getattr(self.cell, name), doc=f"The cell's {name}.")


# All arguments of these cells; a cell without one has no such argument.
for _name in (
    "units", "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "activation",
    "recurrent_activation", "use_bias", "kernel_initializer", "recurrent_initializer", "bias_initializer",
    "unit_forget_bias", "kernel_regularizer", "recurrent_regularizer", "bias_regularizer", "kernel_constraint",
    "recurrent_constraint", "bias_constraint", "dropout", "recurrent_dropout", "implementation", "reset_after",
):  # fmt: skip
    setattr(CellLayer, _name, _of_cell(_name))
