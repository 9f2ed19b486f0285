"""Stored: the methods of a model for files. Each one calls `saving`."""

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
        """Save the model, see `save_model`."""
        save_model(self, filepath, overwrite, include_optimizer)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Save only the weights.

        Args:
            filepath: A path as str, bytes or Path, of which the suffix `.safetensors` chooses the format, else HDF5; or a file
                open for writing bytes; or an h5py.File or h5py.Group.
            overwrite: Whether an existing file is replaced without a question on the terminal.

        Raises:
            FileExistsError: overwrite is False, the file exists, and there is no terminal.
            OSError: The file cannot be written. The message names the path, and an existing file is unchanged.
            RuntimeError: Another thread trains the model.
        """
        from lamella import saving  # imported late: it loads with the first file

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
        """Set the weights from a file of weights or of a model. After an error no weight is changed.

        It does not matter which weights are frozen, or were frozen when the file was written. Files of lamella identify the
        weights inside a nested model; in files of Keras their names do.

        Args:
            filepath: A path as str, bytes or Path; or a file open for reading bytes; or an h5py.File or h5py.Group.
            by_name: Whether to match layers by name instead of by place. A warning names the layers that are not in the file.
                The weights inside a nested model are matched by name too, if the file has all of them.
            skip_mismatch: Whether a layer that does not fit is skipped with a warning. Keras 2.2.5 uses it only with by_name.
            reshape: Whether weights of another shape but the same size are reshaped. Keras 2.2.5 does so only for convolutions.
            timeout: As in `load_model`.

        Raises:
            ModelFileError: The file is damaged.
            ValueError: The weights do not fit (with the message of Keras, and both sides' shapes); or the weights of a nested
                model, or the layers of a `.weights.h5`, cannot be identified.

        Source: Keras 2.2.5, which takes the weights of a nested model in the order of the file. This order depends on which
            were frozen, so Keras may exchange weights of the same shape.
        """
        from lamella import saving

        if not self.built:
            raise ValueError(
                f"Model '{self.name}' has no weights yet: call build(input_shape), or fit first, then load_weights"
            )
        with Exclusive(self):
            saving.load_weights(cast(SavedModel, self), filepath, by_name, skip_mismatch, reshape, timeout=timeout)

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON, without weights.

        Args:
            **kwargs: The arguments of json.dumps.
        """
        return architecture.to_json(self, **kwargs)

    def to_yaml(self, **kwargs: Any) -> str:
        """The architecture as YAML of plain data, without weights.

        Args:
            **kwargs: The arguments of yaml.safe_dump.

        Raises:
            ImportError: PyYAML is not installed. The message names the extra.
        """
        return architecture.to_yaml(self, **kwargs)


def save_model(model: Any, filepath: Any, overwrite: bool = True, include_optimizer: bool = True) -> None:
    """Save a model in one file: its description, its weights, and the state with which training continues.

    Args:
        model: The model.
        filepath: A path as str, bytes or Path, of which the suffix `.safetensors` chooses the format, else HDF5; or a file
            open for writing bytes; or an h5py.File or h5py.Group.
        overwrite: Whether an existing file is replaced without a question on the terminal.
        include_optimizer: Whether to save the arguments of compile and the states of optimizer and callbacks.

    Raises:
        FileExistsError: overwrite is False, the file exists, and there is no terminal.
        OSError: The file cannot be written. The message names the path, and an existing file is unchanged.
        TypeError: A config cannot be expressed in JSON.
        RuntimeError: Another thread trains the model.

    Source: Keras 2.2.5. Here the file is written under another name and then renamed, and ends with a checksum that Keras
    ignores. The state of callbacks, see load_model, is in an attribute and a group `lamella_state`.
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
    """Load a model that `save_model` or Keras wrote.

    Its training continues as if it had not been interrupted. If n epochs had ended, fit(initial_epoch=n) gives each callback
    the state (wait, best, best weights, ...) that a callback of the same class and arguments had when the file was written. It
    also calls on_epoch_end of the callbacks after ModelCheckpoint in the list, which had not run yet. Callbacks start without
    state, as in Keras, if their arguments differ, in a fit from epoch 0, in every later fit, and after the model is compiled
    again.

    Args:
        filepath: A path as str, bytes or Path; or a file open for reading bytes; or an h5py.File or h5py.Group.
        custom_objects: Custom classes and functions by name.
        compile: Whether to compile the model and restore the optimizer's state.
        timeout: Limit in seconds. HDF5 then reads the file in an isolated process: files of lamella have a checksum, but other
            files may be damaged, or made so that HDF5 crashes or never returns. For a .safetensors file the limit is checked
            while the file is read. Not in Keras.

    Raises:
        ModelFileError: The file is damaged.
        ValueError: A class is not registered ("Unknown layer: Foo").
    """
    from lamella import saving

    return saving.load_model(filepath, custom_objects, compile, timeout=timeout)
