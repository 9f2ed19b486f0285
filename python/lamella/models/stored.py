"""Stored: how a model goes to files and comes back; each method hands over to `saving`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from lamella.core.protocols import SavedModel
from lamella.models import architecture
from lamella.training.exclusive import Exclusive, Holder


class Stored:
    """Source: Keras 2.2.5 keras/engine/network.py."""

    # Of the network that this is mixed into.
    name: str
    built: bool
    trained_by: Holder | None

    def save(self, filepath: Any, overwrite: bool = True, include_optimizer: bool = True) -> None:
        """See `save_model`."""
        save_model(self, filepath, overwrite, include_optimizer)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """The weights alone, layer by layer.

        Args:
            filepath: str, bytes or Path, `.safetensors` or else HDF5; a file open for writing bytes; an h5py.File or
                h5py.Group.
            overwrite: False asks on the terminal before a file is replaced.

        Raises:
            FileExistsError: Without a terminal to ask on.
            OSError: Naming the path, and the old file is whole then.
            RuntimeError: While another thread trains the model.
        """
        from lamella import saving  # loaded with the first file

        with Exclusive(self):
            saving.save_weights(cast(SavedModel, self), filepath, overwrite)

    def load_weights(
        self,
        filepath: Any,
        by_name: bool = False,
        skip_mismatch: bool = False,
        reshape: bool = False,
        *,
        timeout: float | None = None,
    ) -> None:
        """Set the weights from a file of weights or of a whole model; all of them or, where an error is raised, none.

        What is frozen, now or when the file was written, does not matter: inside a nested model lamella's files say which
        weight is which, and in files of Keras the weights' names do.

        Args:
            by_name: Layers of the same name instead of layers in the same place; a warning names those of the model that are
                not in the file. Inside a nested model then weights of the same names, if all are there.
            skip_mismatch: Warn of a layer that does not fit instead of raising; here without by_name, too, where Keras 2.2.5
                ignores it.
            reshape: Weights of another shape and the same size are reshaped; Keras 2.2.5 says so and does it for convolutions
                only.
            timeout: As in `load_model`.

        Raises:
            ModelFileError: For a damaged file.
            ValueError: In Keras's words, with the file's and the model's shapes, and where it cannot be known which weight of a
                nested model is which, or which layer of a `.weights.h5`.

        Deviation from Keras 2.2.5: it takes the weights of a nested model in the order of the file, which depends on what was
            frozen, and so exchanges weights of the same shape.
        """
        from lamella import saving

        if not self.built:
            raise ValueError(
                f"Model '{self.name}' has no weights yet: call build(input_shape), or fit first, then load_weights"
            )
        with Exclusive(self):
            saving.load_weights(cast(SavedModel, self), filepath, by_name, skip_mismatch, reshape, timeout=timeout)

    def to_json(self, **kwargs: Any) -> str:
        """Architecture without weights; kwargs go to json.dumps."""
        return architecture.to_json(self, **kwargs)

    def to_yaml(self, **kwargs: Any) -> str:
        """What `to_json` says, as YAML of plain data; kwargs go to yaml.safe_dump. Raises ImportError naming the extra."""
        return architecture.to_yaml(self, **kwargs)


def save_model(model: Any, filepath: Any, overwrite: bool = True, include_optimizer: bool = True) -> None:
    """Description, weights, and what training needs to go on, in one file.

    Args:
        filepath: str, bytes or Path, `.safetensors` or else HDF5; a file open for writing bytes; an h5py.File or h5py.Group.
        overwrite: False asks on the terminal before a file is replaced.
        include_optimizer: Also how the model was compiled, and the optimizer's state.

    Raises:
        FileExistsError: Without a terminal to ask on.
        OSError: Naming the path, and the old file is whole then.
        TypeError: For a config that is no JSON.
        RuntimeError: While another thread trains the model.

    Deviation from Keras 2.2.5: the file is written beside and renamed, and ends with a checksum that Keras reads past. With
    the optimizer's state goes the state of callbacks, see load_model, in an attribute and a group `lamella_state`.
    """
    from lamella import saving

    with Exclusive(model):
        saving.save_model(model, filepath, overwrite, include_optimizer)


def load_model(
    filepath: Any,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    *,
    timeout: float | None = None,
) -> Any:
    """The model that `save_model`, or real Keras, wrote.

    It trains on as if it had not stopped: fit(initial_epoch=n), where n epochs had ended, gives each callback the state that
    one of the same class and arguments had when the file was written (wait, best, best weights ...), and does what those after
    ModelCheckpoint in the list were yet to do at that epoch's end. In Keras they begin afresh, as they do here
    with other arguments, in a fit from epoch 0, in every later one, and once the model is compiled again.

    Args:
        filepath: str, bytes or Path; a file open for reading bytes; an h5py.File or h5py.Group.
        custom_objects: Classes and functions of your own by name.
        compile: Also compile, and give the optimizer its state.
        timeout: Seconds; HDF5 then reads the file in a process of its own. lamella's files carry a checksum, but a file from
            elsewhere may be damaged or made so that HDF5 crashes or never returns. Lamella's own argument.

    Raises:
        ModelFileError: For a damaged file.
        ValueError: "Unknown layer: Foo" for a class that is not registered.
    """
    from lamella import saving

    return saving.load_model(filepath, custom_objects, compile, timeout=timeout)
