"""Download of checked files to the user's cache while napari keeps drawing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from napari_emgauss._napari.controls.activity import Activity, redraw
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.errors import DownloadError

MAX_FILE_BYTES = 4 * 2**20
AT_ONCE = 6
SILENCE_S = 10.0
"""A server may take so long to answer, and to go on."""
ENDING_S = 1.0
REDRAWN_S = 0.03
LONGEST_S = 60.0
"""All files together may take so long: meanwhile napari draws but takes no clicks."""


def cached(folder: Path, base_url: str, files: Mapping[str, str], *, title: str) -> Path:
    """Have ``files`` in ``folder``, downloading those that are missing or damaged.

    A file appears under its name only when it is complete and its checksum is right. The GUI thread shows progress in
    napari's activity dock and repaints, but takes no clicks, for `LONGEST_S` at most.

    Parameters
    ----------
    folder
        Where they are kept.
    base_url
        What the names are appended to.
    files
        SHA-256 by name.
    title
        Shown in the activity dock.

    Raises
    ------
    DownloadError
        No connection, too slow, too large, or a wrong checksum. What has arrived is kept.
    """
    worker = Worker(None, name="emgauss-download", at_once=AT_ONCE, draws=False)
    activity = Activity()
    fetched: list[None] = []
    failures: list[BaseException] = []
    try:
        with _quiet():
            for name, digest in files.items():
                work = partial(_fetch, folder, base_url, name, digest, lambda: worker.overtaken)
                worker.submit(work, done=fetched.append, failed=failures.append)
            if not all((folder / name).is_file() for name in files):
                activity.open(title, len(files))
            deadline = time.monotonic() + LONGEST_S
            while worker.busy and not failures:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"it took longer than {LONGEST_S:g} s")
                time.sleep(REDRAWN_S)
                worker.deliver()
                activity.show(len(fetched))
                redraw()
        if failures:
            raise failures[0]
    except Exception as error:
        raise _explained(error, base_url) from error
    finally:
        # One that waits for a silent server ends by itself later.
        worker.close(within_s=ENDING_S)
        activity.close()
    return folder


def _fetch(folder: Path, base_url: str, name: str, digest: str, stop: Callable[[], bool]) -> None:
    import pooch

    store = pooch.create(folder, base_url, registry={name: f"sha256:{digest}"})
    store.fetch(name, downloader=pooch.HTTPDownloader(progressbar=_Meter(stop), timeout=SILENCE_S))


class _Meter:
    """A progress bar to pooch: stops a download that is too large or no longer wanted."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        self._total, self._done, self._stop = 0, 0, stop

    @property
    def total(self) -> int:
        """Bytes that the server has announced."""
        return self._total

    @total.setter
    def total(self, n_bytes: int) -> None:
        self._total = n_bytes
        self._check()

    def update(self, n_bytes: int) -> None:
        """Count a piece."""
        self._done += n_bytes
        self._check()

    def _check(self) -> None:
        if self._stop():
            raise TimeoutError("it was given up")
        if max(self._done, self._total) > MAX_FILE_BYTES:
            raise ValueError(f"a file is larger than {MAX_FILE_BYTES} bytes")

    def reset(self) -> None:
        """Begin anew: pooch counts the total again at the end."""
        self._done = 0

    def close(self) -> None:
        """Do nothing."""


def _explained(error: Exception, base_url: str) -> DownloadError:
    server = base_url.split("/")[2]
    text = " ".join(str(error).split())
    if "hash" in text:
        reason = "what arrived is not what was expected (its checksum differs)"
    elif (status := getattr(getattr(error, "response", None), "status_code", None)) is not None:
        reason = f"{server} answered with the status {status}"
    elif isinstance(error, OSError) and not isinstance(error, PermissionError | TimeoutError):
        reason = f"{server} could not be reached or broke off"
    else:
        reason = text[:200]
    return DownloadError(
        f"the sample could not be downloaded: {reason}. Check the internet connection and try again; files that have "
        "arrived are kept."
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep pooch from writing a line to the terminal for each file."""
    import pooch

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
