"""What SimpleRNN, GRU and LSTM share: an RNN over a cell of their own, whose arguments are theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella import regularizers
from lamella.core.configurable import Config, own_arguments
from lamella.core.names import unique_name
from lamella.core.warn import warn
from lamella.graph.layer import Layer
from lamella.layers.recurrent.rnn import RNN


class CellLayer(RNN):
    """Base. The cell's arguments are properties of the layer, and stand in its config instead of the cell."""

    def begin(self, kind: type, arguments: Mapping[str, Any], kwargs: Mapping[str, Any], **fixed: Any) -> None:
        """All that the constructor of a subclass does.

        Args:
            kind: The cell's class.
            arguments: The constructor's; those that the cell has, too, are the cell's, and RNN takes the others.
            kwargs: What the constructor passes on. Weights and errors bear the layer's name, so the cell shares name and dtype.
            fixed: More arguments of the cell.
        """
        if arguments.get("implementation") == 0:
            warn(
                "`implementation=0` has been deprecated, and now defaults to `implementation=1`. Please update your layer call."
            )
        names = {"name": kwargs.get("name") or unique_name(type(self).__name__), "dtype": kwargs.get("dtype")}
        of_cell = {name: arguments[name] for name in own_arguments(kind, Layer) if name in arguments}
        rest = {name: arguments[name] for name in arguments if name not in of_cell}
        regularizer = rest.pop("activity_regularizer")
        super().__init__(kind(**of_cell, **fixed, **names), **rest, **(dict(kwargs) | names))
        self.activity_regularizer = regularizers.get(regularizer)

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
