"""A folder behind a URL of this machine; its server does what it should, or fails in one of many ways."""

from __future__ import annotations

import multiprocessing
import re
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import numpy as np

HIT = 0.3
"""Share of the files that a fault concerns."""
MOST_TIMES = 5
"""Times that a file fails at most, where it is sent at last: the program asks four times."""
MOST_DELAY_S = 2.0
_BUSY, _REFUSED = (429, 500, 502, 503, 504), (400, 401, 403, 404, 410, 416, 204)
_PAGE = b"<!doctype html><title>Sign in</title><p>Sign in to use this network."


class _Handler(BaseHTTPRequestHandler):
    """Files of a folder, whole or a range of each; below ``/~FAULT-SEED/`` with a fault of `FAULTS`."""

    def __init__(self, *args: object, folder: Path, asked: Counter[str]) -> None:
        self._folder, self._asked = folder, asked
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        found = re.fullmatch(r"(?:/~(\w+)-(\d+))?/(.*)", unquote(self.path))
        if found is None:
            self.send_error(400)
            return
        fault, seed, name = found[1] or "none", int(found[2] or 0), found[3]
        self.rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        self.is_hit = self.rng.random() < HIT
        # Which request this is, of the file and of all.
        self.nth, self.nth_of_all = self._asked[self.path], self._asked[f"{fault}-{seed}"]
        self._asked.update([self.path, f"{fault}-{seed}"])
        self.few = int(np.random.default_rng(seed).integers(1, 30))
        try:
            content = (self._folder / name).read_bytes()
        except OSError:
            self.send_error(404)
            return
        with suppress(ConnectionError):  # who asked has gone
            FAULTS[fault](self, content)

    do_HEAD = do_GET

    def send(
        self, content: bytes, *, ranged: bool = True, shift: int = 0, announced: int | None = None, pause_s: float = 0.0
    ) -> None:
        """Send a file, or the range of it that is asked for."""
        wanted, total, start = self.headers.get("Range") if ranged else None, len(content), 0
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, stop = (int(first), int(last or total - 1) + 1) if first else (max(total - int(last), 0), total)
            start, stop = min(start + shift, total), min(stop + shift, total)
            content = content[start:stop]
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{start + len(content) - 1}/{total}")
        self.send_header("Content-Length", str(len(content) if announced is None else announced))
        self.end_headers()
        if self.command == "HEAD":
            return
        for part in range(0, len(content), max(len(content) // 4, 1)):
            self.wfile.write(content[part : part + max(len(content) // 4, 1)])
            time.sleep(pause_s)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _busy(handler: _Handler, content: bytes) -> None:
    if handler.nth < handler.rng.integers(MOST_TIMES + 1):
        handler.send_error(int(handler.rng.choice(_BUSY)))
    else:
        handler.send(content)


def _refused(handler: _Handler, content: bytes) -> None:
    handler.send_error(int(handler.rng.choice(_REFUSED))) if handler.is_hit else handler.send(content)


def _short(handler: _Handler, content: bytes) -> None:
    is_short = handler.nth < handler.rng.integers(MOST_TIMES + 1)
    handler.send(content[: len(content) // 2] if is_short else content, ranged=False, announced=len(content))


def _cut(handler: _Handler, content: bytes) -> None:
    handler.send(content[: handler.rng.integers(len(content) + 1)] if handler.is_hit else content)


def _garbage(handler: _Handler, content: bytes) -> None:
    handler.send(handler.rng.bytes(len(content)) if handler.is_hit else content)


def _page(handler: _Handler, content: bytes) -> None:
    handler.send(_PAGE, ranged=False) if handler.is_hit else handler.send(content)


def _slow(handler: _Handler, content: bytes) -> None:
    time.sleep(float(handler.rng.uniform(0, MOST_DELAY_S)) * handler.is_hit)
    handler.send(content, pause_s=0.2 * handler.is_hit)


def _silent(handler: _Handler, content: bytes) -> None:
    if not handler.is_hit:
        handler.send(content)
    while handler.is_hit and handler.rfile.read(1):  # until who asked has gone
        continue


def _gone(handler: _Handler, content: bytes) -> None:
    if handler.nth_of_all < handler.few:
        handler.send(content)


def _redirected(handler: _Handler, content: bytes) -> None:
    if not handler.is_hit:
        handler.send(content)
        return
    handler.send_response(302)
    handler.send_header("Location", handler.path)
    handler.end_headers()


def _endless(handler: _Handler, content: bytes) -> None:
    if not handler.is_hit:
        handler.send(content)
        return
    handler.send_response(200)
    handler.end_headers()
    while True:  # until who asked has gone
        handler.wfile.write(content or _PAGE)


FAULTS: dict[str, Callable[[_Handler, bytes], None]] = {
    "none": _Handler.send,
    "busy": _busy,
    "refused": _refused,
    "short": _short,
    "cut": _cut,
    "garbage": _garbage,
    "page": _page,
    "slow": _slow,
    "silent": _silent,
    "gone": _gone,
    "redirected": _redirected,
    "endless": _endless,
    "unranged": partial(_Handler.send, ranged=False),
    "misranged": partial(_Handler.send, shift=1),
}
"""What a server can do to a file: answer with an error now and then or always, send less than it announces, a part,
other bytes or a page of its own, be slow, never answer, be gone after a while, redirect in a circle, send without
end, ignore ranges, or send another range."""
HONEST = frozenset({"none", "busy", "short", "slow", "silent", "gone", "redirected", "unranged"})
"""Faults with which all bytes that are sent are the file's: what is read then must be what the file holds."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the files of a folder from a process of its own; yields their address."""
    handler = partial(_Handler, folder=folder, asked=Counter())
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        process = multiprocessing.get_context("fork").Process(target=server.serve_forever, daemon=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads: none of them does anything
            process.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            process.kill()
            process.join()
