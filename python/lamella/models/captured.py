"""Losses and metrics that read symbolic tensors of a model besides y_true and y_pred, such as the divergence of a VAE; and the
tensors of target_tensors and metrics_tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lamella.core.shapes import Shape
from lamella.core.types import Array, Value
from lamella.core.updates import Updates
from lamella.graph.input import Input
from lamella.graph.masked_plan import Outputs
from lamella.graph.symbolic import Symbolic
from lamella.graph.trace import held_values, walk
from lamella.models.compiled import ones_for
from lamella.models.network import Network
from lamella.models.target_tensors import as_y_true
from lamella.training.output import Output


def with_functions(
    model: Network,
    functions: Sequence[tuple[int, Callable[..., Any]]],
    targets: Mapping[int, Array],
    given: Mapping[int, Any],
    tensors: Sequence[Symbolic],
    target_places: Mapping[Symbolic, int],
    weight_places: Mapping[Symbolic, Output],
) -> Callable[..., tuple[Any, list[Any]]]:
    """See TrainableModel.with_functions. Each function is called once, on symbolic tensors, as Keras calls every loss.

    Args:
        model: The model.
        functions: The index of an output, and a function of y and of this output.
        targets: The y that are fed, by output, as examples of shape and dtype.
        given: By output, the tensor that stands for its y.
        tensors: Symbolic tensors of the model's inputs, of y and of sample weights.
        target_places: Placeholders of y that `tensors` may read, with their outputs.
        weight_places: Placeholders of sample weights that they may read, with their outputs.

    Raises:
        TypeError: A function returns something that is not a tensor of the graph.
        ValueError: What it returns depends on other inputs than those of the model.
    """
    places: dict[int, Symbolic] = {}
    for i, y in targets.items():
        shape = _target_shape(model.outputs[i].shape, y.shape)
        # A placeholder of target_tensors, which a loss may read by its name in the script.
        places[i] = (
            given[i] if i in given else Input(batch_shape=shape, dtype=y.dtype.name, name=f"{model.output_names[i]}_target")
        )
    read = {i: as_y_true(given[i], model.outputs[i]) for i, _ in functions if i not in places} | places
    made = [function(read[i], model.outputs[i]) for i, function in functions]
    for (_, function), y in zip(functions, made):
        if not isinstance(y, Symbolic):
            name = getattr(function, "__name__", type(function).__name__)
            raise TypeError(f"{name}: expected a loss or metric to return a tensor, got {y!r}")
    ends = [*model.outputs, *made, *tensors]
    starts = [*model.inputs, *places.values()]
    nodes = walk(starts, ends)[0]
    reached = {x for node in nodes if not node.is_computed for x in node.outputs}
    again = {x: i for x, i in target_places.items() if x in reached}  # further inputs with the same y
    weighted = {x: output for x, output in weight_places.items() if x in reached}
    starts += [*again, *weighted]
    held = [x for x in held_values(nodes) if all(x is not start for start in starts)]
    network = _WithMore([*starts, *held], ends, name=f"{model.name}_with_losses")
    network.share_losses(model)
    count = len(model.outputs)

    def run(
        inputs: Sequence[Value],
        targets: Mapping[int, Array],
        weights: Mapping[int, Array | None],
        training: bool,
        updates: Updates | None,
    ) -> Any:
        network.trainable = model.trainable
        fed = [*inputs, *(targets[i] for i in (*places, *again.values()))]
        for output in weighted.values():
            weight = weights[output.index]
            fed.append(ones_for(targets.get(output.index), output, len(fed[0])) if weight is None else weight)
        values = network.run(fed, training=training, updates=updates)
        found = values[count:]
        del values[count:]
        if isinstance(values, Outputs):
            del values.masks[count:]
        return values, found

    return run


class _WithMore(Network, self_contained=True):
    """A model with more outputs."""

    internal = True


def _target_shape(output: Shape, target: Shape) -> Shape:
    """The shape of y without the sizes that vary: those of axes in which the output varies, such as the batch."""
    same = len(output) == len(target)
    rest = (None if same and output[i] is None else target[i] for i in range(1, len(target)))
    return (None if output[0] is None else target[0], *rest)
