"""RemoteMonitor: sends the logs of each epoch to a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamella.callbacks.base import Callback
from lamella.callbacks.logs import Logs
from lamella.core.warn import warn

# A server that does not answer must not delay the training for longer.
_TIMEOUT = 10.0  # seconds


class RemoteMonitor(Callback):
    """Sends {"epoch": ..., **logs} to root + path by POST after each epoch. A failure is a warning.

    Args:
        root: Root of the server's URL.
        path: Path on the server.
        field: Name of the form field that holds the JSON text.
        headers: HTTP headers of the request.
        send_as_json: Whether the JSON is the body of the request, with type application/json, instead of a form field.

    Raises:
        ImportError: Before training, if the library requests is not installed.

    Source: Keras 2.2.5, which has no timeout and ignores the status of the answer.
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: Mapping[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        super().__init__()
        self.root = root
        self.path = path
        self.field = field
        self.headers = headers
        self.send_as_json = send_as_json

    def on_train_begin(self, logs: Logs[Any] | None = None) -> None:
        _requests()

    def on_epoch_end(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        requests = _requests()
        numbers = {name: v.tolist() if isinstance(v, (np.ndarray, np.generic)) else v for name, v in (logs or {}).items()}
        send = {"epoch": epoch, **numbers}
        body = {"json": send} if self.send_as_json else {"data": {self.field: json.dumps(send)}}
        try:
            requests.post(self.root + self.path, headers=self.headers, timeout=_TIMEOUT, **body).raise_for_status()
        except requests.exceptions.RequestException as error:
            warn(f"Warning: could not reach RemoteMonitor root server at {self.root} ({error})")


def _requests() -> Any:  # Any: the module, typed only where its stubs are installed
    try:
        import requests
    except ImportError:
        raise ImportError("RemoteMonitor requires the `requests` library.") from None
    return requests
