"""Sample data: a phantom, and a real stack that is downloaded, checked and kept."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from napari_emgauss._napari.controls.notify import message_of
from napari_emgauss._napari.hooks import download, fib25, samples
from napari_emgauss._napari.viewer.layers import from_layer
from napari_emgauss.errors import DownloadError

# pooch leaves the connection of a download that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


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
            self.server.silent.wait(5)
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


def kept(tmp_path):
    return sorted(f.name for f in (tmp_path / "cache").rglob("*") if f.is_file())


def test_the_stack_is_anisotropic_and_names_its_authors(server, images):
    (data, attributes, kind), *_ = samples.fib25()
    assert kind == "image"
    expected = [cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_UNCHANGED) for image in images.values()]
    assert np.array_equal(data, expected)
    assert attributes["scale"] == (48, 8, 8)
    assert attributes["units"] == ("nm", "nm", "nm")
    attribution = attributes["metadata"]["attribution"]
    assert "Janelia" in attribution["authors"]
    assert "Creative Commons Attribution" in attribution["licence"]
    assert attribution["source"].startswith("https://github.com/janelia-flyem/")
    assert from_layer(data, attributes).metadata["attribution"] == attribution


def test_it_is_downloaded_once(server, images, tmp_path):
    samples.fib25()
    assert sorted(server.asked) == sorted(images)
    samples.fib25()
    assert len(server.asked) == len(images)
    assert kept(tmp_path) == sorted(images)


def test_a_damaged_file_is_downloaded_again(server, images, tmp_path):
    samples.fib25()
    name = next(iter(images))
    next((tmp_path / "cache").rglob(name)).write_bytes(b"damaged")
    samples.fib25()
    assert server.asked[len(images) :] == [name]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("changed", "checksum differs"),
        ("truncated", "broke off"),
        ("absent", "status 404"),
        ("huge", "larger than"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_of_it_is_kept(server, tmp_path, spoil, message):
    server.spoil = spoil
    with pytest.raises(DownloadError, match=message) as caught:
        samples.fib25()
    assert "try again" in message_of(caught.value)
    assert kept(tmp_path) == []
    server.spoil = "nothing"
    assert len(samples.fib25()[0][0]) == 7


def test_without_a_connection_it_says_so(server, monkeypatch):
    monkeypatch.setattr(fib25, "BASE_URL", "http://127.0.0.1:9/maps/")
    with pytest.raises(DownloadError, match="Check the internet connection"):
        samples.fib25()


@pytest.mark.parametrize("limit", ["SILENCE_S", "LONGEST_S"])
def test_a_silent_server_is_given_up(server, monkeypatch, limit):
    server.spoil = "silent"
    monkeypatch.setattr(download, limit, 0.3)
    with pytest.raises(DownloadError):
        samples.fib25()
    server.silent.set()


def test_the_window_is_repainted_while_it_waits(server, qtbot):
    from qtpy.QtCore import QTimer

    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(1) or (len(ticks) > 5 and server.silent.set()))
    timer.start(20)
    server.spoil = "silent"
    with pytest.raises(DownloadError):
        samples.fib25()
    timer.stop()
    assert len(ticks) > 5


def test_the_real_list_is_complete_and_pinned_to_a_commit():
    assert len(fib25.FILES) == 42
    assert list(fib25.FILES)[-1] == "iso.2846.png"
    assert all(len(digest) == 64 for digest in fib25.FILES.values())
    assert len(set(fib25.FILES.values())) == 42
    assert fib25.COMMIT in fib25.BASE_URL
