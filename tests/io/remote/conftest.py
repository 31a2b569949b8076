"""A server on this machine, and what it serves: no test needs a network."""

import shutil
import ssl
import subprocess
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

SHAPE = (40, 60, 70)


class _Ranged(SimpleHTTPRequestHandler):
    """Files of a folder, also in part; ``secret`` is for nobody, ``moved`` is elsewhere, ``unranged`` is sent whole.

    Those in ``faulty`` are sent by the function that stands there.
    """

    protocol_version = "HTTP/1.1"
    asked = None
    faulty = None

    def do_GET(self):
        self.asked.append((self.path, self.headers.get("Range")))
        if self.path.startswith("/secret"):
            self.send_error(403)
            return
        if self.path.startswith("/moved"):
            self.send_response(301)
            self.send_header("Location", self.path.replace("moved", "here"))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        for name, send in self.faulty.items():
            if self.path.endswith(name):
                send(self)
                self.close_connection = True
                return
        try:
            with open(self.translate_path(self.path), "rb") as file:
                content = file.read()
        except OSError:
            self.send_error(404)
            return
        wanted, total = self.headers.get("Range"), len(content)
        if wanted and not self.path.startswith("/unranged"):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, stop = (int(first), int(last or total - 1) + 1) if first else (max(total - int(last), 0), total)
            stop = min(stop, total)
            content = content[start:stop]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{total}")
        else:
            self.send_response(200)
        self.send_header("ETag", '"1"')  # s3 has one
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture
def asked():
    """What the server was asked for: (path, range)."""
    return []


@pytest.fixture
def faulty():
    """Ends of paths, and what sends them."""
    return {}


@pytest.fixture
def server(tmp_path, asked, faulty):
    """Address of the folder ``tmp_path``."""
    with serving(tmp_path, asked, faulty) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def serving(folder, asked, faulty, certificate=None):
    """Serve a folder; yields the port."""
    handler = type("Handler", (_Ranged,), {"asked": asked, "faulty": faulty})
    served = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        served.socket = context.wrap_socket(served.socket, server_side=True)
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield served.server_address[1]
    served.shutdown()
    served.server_close()
    thread.join()


CERTIFICATES = """
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=Authority
openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost
echo subjectAltName=DNS:localhost > names
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.crt -days 2 -extfile names
cat server.key server.crt > server.pem
"""


@pytest.fixture
def authority(tmp_path_factory):
    """Certificate of an authority that nobody knows; that of a server of this machine is beside it."""
    folder = tmp_path_factory.mktemp("certificates")
    if shutil.which("openssl") is None:
        pytest.skip("makes certificates by openssl")
    subprocess.run(["sh", "-ec", CERTIFICATES], cwd=folder, check=True, capture_output=True)
    return folder / "ca.pem"


@pytest.fixture
def secure_server(tmp_path, asked, faulty, authority):
    """Address of the folder ``tmp_path``, by https."""
    with serving(tmp_path, asked, faulty, authority.with_name("server.pem")) as port:
        yield f"https://localhost:{port}"


@pytest.fixture(scope="session")
def values():
    return np.random.default_rng(0).integers(0, 60000, SHAPE, np.uint16)


@pytest.fixture
def make_n5(values):
    """Write an N5 dataset of ``values`` at a folder."""
    tensorstore = pytest.importorskip("tensorstore", reason="pip install 'napari-emgauss[remote]'")

    def make(folder, **attributes):
        described = {"dimensions": list(SHAPE[::-1]), "blockSize": [32, 16, 8], "dataType": "uint16"}
        spec = {
            "driver": "n5",
            "kvstore": {"driver": "file", "path": f"{folder}/"},
            "metadata": {**described, "compression": {"type": "gzip"}, **attributes},
        }
        tensorstore.open(spec, create=True).result()[...].write(values.T).result()

    return make
