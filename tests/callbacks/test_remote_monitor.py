"""RemoteMonitor with a server on this machine."""

import json
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from lamella.callbacks import RemoteMonitor
from lamella.layers import Dense
from lamella.models import Sequential


@pytest.fixture
def server():
    """(root, what it got); `server.status` is what it answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            got.append((self.path, dict(self.headers), body))
            self.send_response(httpd.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    got = []
    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    httpd.status, httpd.got, httpd.root = 200, got, f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield httpd
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_a_form_and_a_body_of_json(server):
    pytest.importorskip("requests")
    logs = {"loss": np.float32(0.5), "list": np.array([1, 2]), "acc": 0.25}
    RemoteMonitor(root=server.root, path="/here/", field="numbers", headers={"X-Run": "7"}).on_epoch_end(3, logs)
    RemoteMonitor(root=server.root, send_as_json=True).on_epoch_end(4, logs)
    (path, headers, form), (default, kind, body) = server.got
    want = {"loss": 0.5, "list": [1, 2], "acc": 0.25}
    assert path == "/here/" and headers["X-Run"] == "7"
    assert json.loads(urllib.parse.parse_qs(form)["numbers"][0]) == {"epoch": 3, **want}
    assert default == "/publish/epoch/end/" and kind["Content-Type"] == "application/json"
    assert json.loads(body) == {"epoch": 4, **want}


def test_each_epoch_of_a_fit_is_posted(server):
    pytest.importorskip("requests")
    net = Sequential([Dense(1, input_shape=(3,))])
    net.compile("sgd", "mse")
    monitor = RemoteMonitor(root=server.root, send_as_json=True)
    history = net.fit(np.ones((4, 3)), np.ones((4, 1)), epochs=2, verbose=0, callbacks=[monitor])
    assert [json.loads(body)["loss"] for _, _, body in server.got] == history.history["loss"]


def test_a_server_that_fails_is_a_warning(server):
    pytest.importorskip("requests")
    server.status = 500
    with pytest.warns(UserWarning, match=f"could not reach RemoteMonitor root server at {server.root}"):
        RemoteMonitor(root=server.root).on_epoch_end(0, {"loss": 1.0})
    with pytest.warns(UserWarning, match="could not reach RemoteMonitor root server at http://127.0.0.1:9"):
        RemoteMonitor(root="http://127.0.0.1:9").on_epoch_end(0, {"loss": 1.0})


def test_without_requests_training_does_not_begin(monkeypatch):
    monkeypatch.setitem(sys.modules, "requests", None)
    with pytest.raises(ImportError, match="RemoteMonitor requires the `requests` library."):
        RemoteMonitor().on_train_begin()
