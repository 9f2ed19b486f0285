"""A web server for tests of downloads."""

import functools
import http.server
import threading
from contextlib import contextmanager


class Handler(http.server.SimpleHTTPRequestHandler):
    """Adds the path of each request to the server's list `asked`."""

    def do_GET(self):
        self.server.asked.append(self.path)
        self.answer()

    def answer(self):
        super().do_GET()

    def log_message(self, *args):
        pass


@contextmanager
def serving(folder, handler=Handler):
    """A server of the folder's files, with the attributes `folder`, `url` and `asked`. It stops at the end of the block."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder))) as server:
        server.folder, server.url, server.asked = folder, f"http://127.0.0.1:{server.server_port}", []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
