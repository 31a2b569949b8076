"""The files of a job: what its folder may hold under their names."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from napari_emgauss.io.guard import check_plain_file
from napari_emgauss.io.jobs.claims import CLAIM, LOCK
from napari_emgauss.io.jobs.description import NAME
from napari_emgauss.io.jobs.failures import FAILED
from napari_emgauss.io.jobs.log import LOG
from napari_emgauss.io.jobs.requests import Request

OUTPUT = "output.log"
"""What the latest process of a job printed, in its folder."""
_FILES = frozenset({NAME, LOG, LOCK, OUTPUT, *(request.value for request in Request)})
_OF_BLOCKS = frozenset({CLAIM, FAILED, "dropped", "done", "state"})
_FOLDER = re.compile(r"record|block-\d+")


def check_own_files(job: Path) -> None:
    """Make sure that what a job keeps is in files of its folder; other things beside them are let be.

    Raises
    ------
    FileFormatError
        One is a link, a pipe, a device, or a folder in the place of a file.
    PermissionError
        A folder cannot be looked into.
    """
    try:
        with os.scandir(job) as entries:
            for entry in entries:
                is_folder = _FOLDER.fullmatch(entry.name) is not None
                if is_folder and entry.is_dir(follow_symlinks=False):
                    _check_folder(entry)
                elif is_folder or entry.name in _FILES:
                    check_plain_file(entry)
    except (FileNotFoundError, NotADirectoryError):  # there is no job yet
        return
    except PermissionError as error:
        raise PermissionError(
            f"{error.filename} cannot be looked into ({error.strerror}). Everybody who looks at a job must be allowed "
            "to read its folders."
        ) from error


def _check_folder(folder: os.DirEntry[str]) -> None:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:  # others may be at work in it
        for entry in entries:
            if entry.name in _OF_BLOCKS or not entry.is_dir(follow_symlinks=False):
                check_plain_file(entry)
