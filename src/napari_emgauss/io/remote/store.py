"""A folder on a server, in a bucket or here: its JSON files and arrays, and what may go wrong in words."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from napari_emgauss._types import AnyArray
from napari_emgauss.errors import FileFormatError, MissingLibraryError
from napari_emgauss.io.guard import MAX_METADATA_BYTES, json_object
from napari_emgauss.io.location import Url
from napari_emgauss.io.remote.first_look import FirstLook

CACHE_BYTES = 128 * 2**20
"""Chunks that were read stay in memory up to this, for the next window often needs them too."""
_DESCRIBED_BY = {"zarr": ".zarray", "zarr3": "zarr.json", "n5": "attributes.json"}
RETRIES = {"max_retries": 3, "initial_delay": "500ms", "max_delay": "4s"}
SILENCE_S = 30
"""Time without a byte after which a request is given up, and counts as one that was not answered."""
_DENIED = ("PERMISSION_DENIED", "UNAUTHENTICATED", "HTTP 401", "HTTP 403", "HTTP response code: 403")
_UNREACHABLE = ("UNAVAILABLE", "ABORTED", "DEADLINE_EXCEEDED", "CURL error", "retry attempts failed")
_MOVED = re.compile(r"HTTP (response )?code:? 30\d|http_response_code='30\d")
_DETAILS = re.compile(r" \[[^\d-].*", re.DOTALL)
"""What the library tells besides, in brackets; ranges of bytes are in brackets, too."""


def tensorstore() -> Any:
    """Return the library.

    Raises
    ------
    MissingLibraryError
        It is not installed.
    """
    # It would wait for ever for a server that is silent, and can be told so in no other way.
    os.environ.setdefault("TENSORSTORE_CURL_LOW_SPEED_TIME_SECONDS", str(SILENCE_S))
    os.environ.setdefault("TENSORSTORE_CURL_LOW_SPEED_LIMIT_BYTES", "1")
    try:
        import tensorstore
    except ImportError as error:
        raise MissingLibraryError(
            "URLs and N5 are read by TensorStore, which is not installed. "
            "Install it: pip install 'napari-emgauss[remote]'"
        ) from error
    return tensorstore


@cache
def _context() -> Any:
    """Return what all stores of the process share: the cache, and how patient they are."""
    retries = {f"{kind}_request_retries": RETRIES for kind in ("http", "s3", "gcs")}
    return tensorstore().Context({"cache_pool": {"total_bytes_limit": CACHE_BYTES}, **retries})


class RemoteFolder:
    """A folder behind a URL; nothing is written.

    Parameters
    ----------
    url
        http, https, s3, gs or file.
    """

    def __init__(self, url: Url) -> None:
        self.url = Url(url.rstrip("/"))
        self._spec = _kvstore(self.url)
        self._denied = ""
        self._description = ""
        self._first = FirstLook(self.url)
        library, context = tensorstore(), _context()
        with explained(self.url):
            self._store = library.KvStore.open(self._spec, context=context).result()

    def json(self, name: str) -> dict[str, Any] | None:
        """Return a JSON object, None where there is no such file.

        Raises
        ------
        FileFormatError
            It is no JSON, or implausibly large.
        ConnectionError
            The server cannot be reached, or sends without end.
        """
        self._first.ask([name], MAX_METADATA_BYTES, what="a description")
        try:
            with explained(self.url):
                found = self._store.read(name).result()
        except PermissionError as error:  # a bucket that may not be listed says so of every file that is not there
            self._denied = str(error)
            return None
        if found.state != "value":
            return None
        if len(found.value) > MAX_METADATA_BYTES:
            raise FileFormatError(f"{self.url}/{name} is larger than {MAX_METADATA_BYTES} bytes: no description.")
        try:
            return json_object(json.loads(found.value))
        except (ValueError, RecursionError) as error:
            raise FileFormatError(
                f"{self.url}/{name} is no JSON ({error}). It is damaged or something else."
            ) from error

    def nothing_found(self, expected: str) -> Exception:
        """Return what to raise where the folder holds nothing that is known."""
        if self._denied:
            return PermissionError(self._denied)
        return FileNotFoundError(f"there is no {expected} at {self.url}. Check the address, also upper and lower case.")

    def array(self, name: str, driver: str) -> Any:
        """Open an array: ``zarr``, ``zarr3`` or ``n5``."""
        path = f"{self._spec['path']}{name}/" if name else self._spec["path"]
        self._description = f"{name}/{_DESCRIBED_BY[driver]}".lstrip("/")
        self._first.ask([self._description], MAX_METADATA_BYTES, what="a description")
        spec = {"driver": driver, "kvstore": {**self._spec, "path": path}, "recheck_cached_data": False}
        with explained(self.url):
            return tensorstore().open(spec, open=True, read=True, context=_context()).result()

    def first_look(self, chunks: Iterable[str], at_most: int, *, in_parts: bool) -> dict[str, bool]:
        """Return which chunks of the array that was opened are there, of those of which the server tells.

        Raises
        ------
        ConnectionError
            One has no end, or is larger than ``at_most`` bytes; see `FirstLook.ask`.
        """
        inside = self._description.rpartition("/")[0]
        names = {f"{inside}/{chunk}".lstrip("/"): chunk for chunk in chunks}
        found = self._first.ask(names, at_most, what="a chunk of this array", in_parts=in_parts)
        return {names[name]: is_there for name, is_there in found.items()}

    def read(self, array: Any, index: tuple[int | slice, ...]) -> AnyArray:
        """Return a window of the array that was opened.

        Raises
        ------
        FileFormatError
            The array is damaged, or no longer there: the library reads chunks that are not there as the fill value.
        """
        with explained(self.url):
            window = np.asarray(array[index].read().result())
            is_there = window.all() or self._store.read(self._description).result().state == "value"
        if not is_there:
            raise FileFormatError(
                f"{self.url} is no longer there. It was deleted, or its disk is no longer connected. Bring it back and "
                "start again."
            )
        return window


@contextmanager
def explained(url: Url) -> Iterator[None]:
    """Turn what the library says of a network into exceptions that say what to do.

    Raises
    ------
    PermissionError, FileNotFoundError, ConnectionError, FileFormatError
        Credentials are missing; there is no such place; the server cannot be reached; anything else.
    """
    try:
        yield
    except (ValueError, OSError, RuntimeError) as error:
        told = str(error)
        reason = " ".join(_DETAILS.sub("", told).split())[:300]
        if any(word in told for word in _DENIED):
            raise PermissionError(
                f"{url} is not open to everybody, or there is nothing: {reason}. Check the address; for s3 set "
                "AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, for gs GOOGLE_APPLICATION_CREDENTIALS."
            ) from error
        if "certificate" in told:
            raise ConnectionError(
                f"{url} is not read, for its server may not be what it says: {reason}. Check the address; if the "
                "certificate is by an authority of your own, set SSL_CERT_FILE to the file with that of the authority."
            ) from error
        if any(word in told for word in _UNREACHABLE):
            raise ConnectionError(
                f"{url} cannot be reached: {reason}. Check the address and the network, and try again."
            ) from error
        if _MOVED.search(told):
            raise ConnectionError(
                f"{url} is at another address, to which its server redirects. Open it in a browser, and give the "
                "address that the browser shows then."
            ) from error
        if "was ignored by server" in told:
            raise ConnectionError(
                f"{url} has files that are read in parts, and its server sends whole files only. Use a server that "
                "knows ranges of bytes, as those of buckets do, or copy the stack here."
            ) from error
        if "NOT_FOUND" in told:
            raise FileNotFoundError(f"there is nothing at {url}: {reason}. Check the address.") from error
        raise FileFormatError(f"{url} cannot be read: {reason}. It is damaged, or of another kind.") from error


def _kvstore(url: Url) -> dict[str, Any]:
    """Return TensorStore's description of a folder."""
    kind, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    path = f"{path}/" if path else ""
    if kind == "file":
        return {"driver": "file", "path": f"/{path}"}
    if kind == "gs":
        return {"driver": "gcs", "bucket": host, "path": path}
    if kind == "s3":
        return {"driver": "s3", "bucket": host, "path": path, **_of_amazon()}
    return {"driver": "http", "base_url": f"{kind}://{host}", "path": f"/{path}"}


def _of_amazon() -> dict[str, Any]:
    """Return credentials and server of s3, from the variables and files that AWS's tools read; public without."""
    known = any(os.environ.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"))
    files = os.environ.get("AWS_SHARED_CREDENTIALS_FILE", os.path.expanduser("~/.aws/credentials"))
    found: dict[str, Any] = {}
    if os.environ.get("AWS_ACCESS_KEY_ID") and os.environ.get("AWS_SECRET_ACCESS_KEY"):
        found["aws_credentials"] = {"type": "environment"}  # else it would complain of files that are not there
    elif not known and not os.path.exists(files):
        found["aws_credentials"] = {"type": "anonymous"}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        found |= {"endpoint": endpoint, "aws_region": region}
    return found
