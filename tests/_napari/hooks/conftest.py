"""A server with seven small sections, which can be spoilt in several ways."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from napari_emgauss._napari.hooks import fib25, samples


@pytest.fixture(scope="module")
def images() -> dict[str, bytes]:
    """Seven small sections as PNG files."""
    rng = np.random.default_rng(0)
    names = list(fib25.FILES)[:7]
    return {n: cv2.imencode(".png", rng.integers(0, 255, (20, 24), np.uint8))[1].tobytes() for n in names}


class Server(ThreadingHTTPServer):
    """Serves ``files``; ``spoil`` changes how."""

    files: dict
    spoil = "nothing"

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.silent = files, [], threading.Event()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.rpartition("/")[2]
        self.server.asked.append(name)
        body = self.server.files[name]
        if self.server.spoil == "silent":
            self.server.silent.wait(60)
            return
        if self.server.spoil == "absent":
            self.send_error(404)
            return
        self.send_response(200)
        length = {"truncated": len(body) + 500, "huge": 10**9}.get(self.server.spoil, len(body))
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body[::-1] if self.server.spoil == "changed" else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(images, tmp_path, monkeypatch):
    server = Server(images)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(fib25, "BASE_URL", f"http://127.0.0.1:{server.server_port}/maps/")
    monkeypatch.setattr(fib25, "FILES", {n: hashlib.sha256(b).hexdigest() for n, b in images.items()})
    monkeypatch.setattr(samples, "cache_folder", lambda: tmp_path / "cache")
    yield server
    server.silent.set()
    server.shutdown()
    server.server_close()
    thread.join()
