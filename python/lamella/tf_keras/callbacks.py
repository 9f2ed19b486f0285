"""The callbacks of tf.keras whose arguments differ from those of Keras 2.2.5."""

from __future__ import annotations

from collections.abc import Mapping

from lamella import callbacks
from lamella.tf_keras import rest_of

__getattr__, __dir__ = rest_of("callbacks", globals())


class TensorBoard(callbacks.TensorBoard):
    """See lamella.callbacks.TensorBoard, also for the other arguments.

    Args:
        write_steps_per_second: Must be False.
        profile_batch: Must be 0 or 2, the default of TensorFlow 2.0 to 2.3. No profile is made.

    Raises:
        ValueError: One of them has another value.
    """

    def __init__(
        self,
        log_dir: str = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: int = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: str | Mapping[str, str] | None = None,
    ) -> None:
        for name, value, known in (
            ("write_steps_per_second", write_steps_per_second, (False,)),
            ("profile_batch", profile_batch, (0, 2)),
        ):
            if value not in known:
                raise ValueError(f"TensorBoard: {name} is not in lamella; expected {known[0]!r}, got {value!r}")
        super().__init__(
            log_dir=str(log_dir),
            histogram_freq=histogram_freq,
            write_graph=write_graph,
            write_images=write_images,
            update_freq=update_freq,
            embeddings_freq=embeddings_freq,
            embeddings_metadata=embeddings_metadata,
        )
