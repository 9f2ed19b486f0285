"""TensorBoard: writes logs, histograms, images, the graph and embeddings to files that TensorBoard shows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lamella.callbacks import events
from lamella.callbacks.base import Callback
from lamella.callbacks.logs import Logs
from lamella.core.warn import warn


class TensorBoard(Callback):
    """Writes event files to `log_dir` with the library tensorboardX.

    Args:
        log_dir: Directory of the event files.
        histogram_freq: Number of epochs between two writes of histograms: of the weights, and of the layers' outputs for the
            validation data. 0 writes none.
        batch_size: Batch size for these outputs.
        write_graph: Whether to write the graph of layers.
        write_grads: Whether to write histograms of the gradients of the validation loss too.
        write_images: Whether to write the weights as images too, together with the histograms.
        embeddings_freq: Number of epochs between two writes of embeddings: the outputs of some layers for `embeddings_data`,
            flattened. 0 writes none.
        embeddings_layer_names: Names of these layers; None for all Embedding layers.
        embeddings_metadata: Path of a file of labels, or a dict from layer name to path. The file has one label per line, or
            several columns with a header. A path that does not exist as it is is relative to log_dir.
        embeddings_data: Input of the model: an array, or a list of arrays.
        update_freq: "epoch", "batch", or a number of samples after which the logs of a batch are written too.

    Raises:
        ImportError: tensorboardX is not installed.
        ValueError: Before training, if arguments do not fit the run.

    Source: Keras 2.2.5. A histogram of Keras shows one batch; here it shows all validation data.
    """

    state_names = ("samples_seen", "samples_seen_at_last_write")

    def __init__(
        self,
        log_dir: str = "./logs",
        histogram_freq: int = 0,
        batch_size: int = 32,
        write_graph: bool = True,
        write_grads: bool = False,
        write_images: bool = False,
        embeddings_freq: int = 0,
        embeddings_layer_names: Sequence[str] | None = None,
        embeddings_metadata: str | Mapping[str, str] | None = None,
        embeddings_data: Any = None,
        update_freq: str | int = "epoch",
    ) -> None:
        super().__init__()
        if update_freq not in ("epoch", "batch") and (isinstance(update_freq, str) or update_freq < 1):
            raise ValueError(
                f'TensorBoard: expected update_freq to be "epoch", "batch" or a number of samples, got {update_freq!r}'
            )
        if (write_grads or write_images) and not histogram_freq:
            warn("TensorBoard: write_grads and write_images need histograms, but histogram_freq is 0")
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = histogram_freq
        self.batch_size = batch_size
        self.write_graph = write_graph
        self.write_grads = write_grads
        self.write_images = write_images
        self.embeddings_freq = embeddings_freq
        self.embeddings_layer_names = embeddings_layer_names
        self.embeddings_metadata = embeddings_metadata
        self.embeddings_data = embeddings_data
        self.update_freq = update_freq
        # "batch" is an interval of 1 sample: each batch has at least one.
        self._interval = 1 if isinstance(update_freq, str) else update_freq
        self.samples_seen = 0
        self.samples_seen_at_last_write = 0
        self.writer: Any = None
        self._labels: dict[str, tuple[list[Any], list[str] | None]] = {}

    def on_train_begin(self, logs: Logs[Any] | None = None) -> None:
        if self.histogram_freq and not self.validation_data:
            raise ValueError("If printing histograms, validation_data must be provided, and cannot be a generator.")
        if self.embeddings_freq:
            self._labels = {name: self._labels_of(name) for name in self._embedded()}
        self.writer = events.writer(self.log_dir)
        if self.write_graph:
            self.writer.file_writer.add_event(events.graph_event(self.model))

    def on_batch_end(self, batch: int, logs: Logs[Any] | None = None) -> None:
        if self.update_freq == "epoch":
            return
        self.samples_seen += (logs or Logs())["size"]
        if self.samples_seen - self.samples_seen_at_last_write >= self._interval:
            self._write_logs(logs, self.samples_seen)
            self.samples_seen_at_last_write = self.samples_seen

    def on_epoch_end(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_histograms(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._write_embeddings(epoch)
        self._write_logs(logs, epoch if self.update_freq == "epoch" else self.samples_seen)

    def on_train_end(self, logs: Logs[Any] | None = None) -> None:
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def _write_logs(self, logs: Logs[Any] | None, step: int) -> None:
        for name, value in (logs or {}).items():
            if name not in ("batch", "size", "num_steps"):
                self.writer.add_scalar(name, float(value), step)
        self.writer.flush()

    def _write_histograms(self, epoch: int) -> None:
        for weight in self.model.weights:
            tag = weight.name.replace(":", "_")
            self._histogram(tag, weight.value, epoch)
            if self.write_images:
                for name, image in events.images_of(tag, weight.value):
                    self.writer.add_image(name, image, epoch, dataformats="HW")
        inputs, truths, weights = self._validation()
        for name, values in self._outputs(inputs).items():
            self._histogram(f"{name}_out", values, epoch)
        if self.write_grads:
            total: list[Any] = []
            samples = len(inputs[0])
            for rows in _parts(samples, self.batch_size):
                x, y, w = ([a[rows] for a in arrays] for arrays in (inputs, truths, weights))
                share = len(x[0]) / samples
                grads = [share * g for g in self.model.gradients_on_batch(x, y, w)]
                total = [t + g for t, g in zip(total, grads)] if total else grads
            for weight, gradient in zip(self.model.trainable_weights, total, strict=True):
                self._histogram(f"{weight.name.replace(':', '_')}_grad", gradient, epoch)

    def _histogram(self, tag: str, values: Any, epoch: int) -> None:
        finite = values[np.isfinite(values)]
        if finite.size:
            self.writer.add_histogram(tag, finite, epoch)
        else:
            warn(f"TensorBoard: {tag} has no histogram in epoch {epoch + 1}, as none of its values is finite")

    def _validation(self) -> tuple[list[Any], list[Any], list[Any]]:
        """Inputs, y and sample weights of validation_data. A scalar at its end is the learning phase, which is dropped."""
        given = list(self.validation_data or [])
        if given and np.ndim(given[-1]) == 0:
            given.pop()
        inputs = len(self.model.inputs)
        outputs = (len(given) - inputs) // 2
        return given[:inputs], given[inputs : inputs + outputs], given[inputs + outputs :]

    def _outputs(self, inputs: list[Any]) -> dict[str, Any]:
        """Each layer's output for all rows, batch by batch."""
        found: dict[str, list[Any]] = {}
        for rows in _parts(len(inputs[0]), self.batch_size):
            for name, values in self.model.activations_on_batch([x[rows] for x in inputs]).items():
                found.setdefault(name, []).append(values)
        return {name: np.concatenate(values) for name, values in found.items()}

    def _embedded(self) -> list[str]:
        if self.embeddings_data is None:
            raise ValueError("To visualize embeddings, embeddings_data must be provided.")
        names = list(self.embeddings_layer_names or [])
        for name in names:
            self.model.get_layer(name)
        names = names or [layer.name for layer in self.model.layers if type(layer).__name__ == "Embedding"]
        if not names:
            raise ValueError("TensorBoard: the model has no Embedding layer; name layers in embeddings_layer_names")
        return names

    def _labels_of(self, name: str) -> tuple[list[Any], list[str] | None]:
        path = self.embeddings_metadata
        path = path.get(name) if isinstance(path, Mapping) else path
        return ([], None) if path is None else events.labels_from(path, self.log_dir)

    def _write_embeddings(self, epoch: int) -> None:
        data = self.embeddings_data
        inputs = [np.asarray(x) for x in (data if isinstance(data, (list, tuple)) else [data])]
        outputs = self._outputs(inputs)
        for name, (labels, header) in self._labels.items():
            rows = outputs[name].reshape(len(outputs[name]), -1)
            if labels and len(labels) != len(rows):
                raise ValueError(f"TensorBoard: expected {len(rows)} labels in the metadata of '{name}', got {len(labels)}")
            self.writer.add_embedding(rows, labels or None, global_step=epoch, tag=name, metadata_header=header)


def _parts(samples: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, samples)) for start in range(0, samples, size))
