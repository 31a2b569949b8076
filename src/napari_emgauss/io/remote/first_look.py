"""A first look at what a web server sends: TensorStore has no bound for what it receives, and cannot be stopped."""

from __future__ import annotations

import os
import time
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

from napari_emgauss.io.location import Url
from napari_emgauss.units import format_bytes

AT_ONCE = 16
SILENCE_S, ENDS_WITHIN_S = 10.0, 60.0
"""Time without a byte after which TensorStore is left to find out what is wrong; time in which an answer that does not
say how long it is has to end."""
_THERE, _NOT_THERE = (200, 206), (404, 410)
_PIECE_BYTES = 2**16


class FirstLook:
    """Asks a web server for a byte of each file before it is read, and sees how much would come.

    Parameters
    ----------
    url
        Of the folder. Buckets and folders of this machine are not asked.
    """

    def __init__(self, url: Url) -> None:
        self._url = url
        self._is_web = url.startswith(("http://", "https://"))

    def ask(self, names: Iterable[str], at_most: int, *, what: str, in_parts: bool = False) -> dict[str, bool]:
        """Return which files are there, of those of which the server tells.

        Parameters
        ----------
        names
            In the folder.
        at_most
            Bytes that such a file can take.
        what
            What such a file is called in errors.
        in_parts
            It is read in parts, and may be larger where the server knows ranges of bytes.

        Raises
        ------
        ConnectionError
            A file is larger, or has no end.
        """
        asked = list(names) if self._is_web else []
        found = dict[str, bool]()
        failed = False

        def ask_one(name: str) -> None:
            nonlocal failed
            if failed:  # silence is not waited for again and again
                return
            try:
                status = self._look(f"{self._url}/{name}", at_most, what, in_parts=in_parts)
            except self._errors:
                failed = True
            else:
                if status in _THERE + _NOT_THERE:
                    found[name] = status in _THERE

        if len(asked) == 1:
            ask_one(asked[0])
        elif asked:
            with ThreadPoolExecutor(AT_ONCE, "emgauss-first-look") as threads:
                list(threads.map(ask_one, asked))
        return found

    @cached_property
    def _pool(self) -> Any:
        import urllib3

        proxy = urllib.request.getproxies().get(self._url.partition(":")[0])
        host = self._url.partition("://")[2].partition("/")[0]
        options: dict[str, Any] = {
            "maxsize": AT_ONCE,
            "timeout": urllib3.Timeout(connect=SILENCE_S, read=SILENCE_S),
            # Where TensorStore looks for authorities, too; SSL_CERT_FILE is known to both.
            "ca_certs": os.environ.get("TENSORSTORE_CA_BUNDLE"),
            "ca_cert_dir": os.environ.get("TENSORSTORE_CA_PATH"),
        }
        if proxy and not urllib.request.proxy_bypass(host):
            return urllib3.ProxyManager(proxy, **options)
        return urllib3.PoolManager(**options)

    @property
    def _errors(self) -> tuple[type[Exception], ...]:
        from urllib3.exceptions import HTTPError

        return (HTTPError,)

    def _look(self, address: str, at_most: int, what: str, *, in_parts: bool) -> int:
        """Return the status that the server answers with."""
        answer = self._request(address, {"Range": "bytes=0-0", "Accept-Encoding": "identity"})
        if "Content-Encoding" in answer.headers:  # TensorStore would unpack it
            answer.close()
            answer = self._request(address, {})
        try:
            announced = _announced(answer, in_parts=in_parts)
            if announced is None:
                _count(answer, at_most)
            elif announced > at_most:
                raise _Endless(f"wants to send {format_bytes(announced)}")
        except _Endless as error:
            answer.close()
            raise ConnectionError(
                f"{address} is not read: its server {error}, and {what} takes {format_bytes(at_most)} at most. Check "
                "the address; if it is right, copy the stack here and open the copy."
            ) from None
        if announced is not None and int(answer.headers["Content-Length"]) > _PIECE_BYTES:
            answer.close()  # a whole file: it is not wanted
        else:
            answer.drain_conn()  # the connection is for the next question
        return int(answer.status)

    def _request(self, address: str, headers: dict[str, str]) -> Any:
        return self._pool.request("GET", address, headers=headers, preload_content=False, redirect=False, retries=False)


class _Endless(Exception):
    """More comes than can be."""


def _announced(answer: Any, *, in_parts: bool) -> int | None:
    """Return how many bytes will come, of the whole file where that is what will be read; None if it is not said."""
    headers = answer.headers
    if "Content-Encoding" in headers or "Transfer-Encoding" in headers:  # whatever length is declared beside them
        return None
    whole = headers.get("Content-Range", "").rpartition("/")[2]
    try:
        length = int(headers["Content-Length"])
        return max(length, int(whole)) if answer.status == 206 and whole != "*" and not in_parts else length
    except (KeyError, ValueError):
        return None


def _count(answer: Any, at_most: int) -> None:
    """Raise `_Endless` if more comes, unpacked, than there can be."""
    n_bytes, begun_s = 0, time.monotonic()
    while piece := answer.read1(_PIECE_BYTES, decode_content=True):
        n_bytes += len(piece)
        if n_bytes > at_most:
            raise _Endless("sends more and more")
        if time.monotonic() - begun_s > ENDS_WITHIN_S:
            raise _Endless(f"has not come to an end within {ENDS_WITHIN_S:.0f} s")
