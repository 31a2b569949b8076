"""Errors and news as napari notifications: plain words for the person, the traceback for the log."""

from __future__ import annotations

import logging

from napari_emgauss import errors

LOGGER = logging.getLogger("napari_emgauss")

EXPLAINED = (
    errors.VolumeError,
    errors.FileFormatError,
    errors.SectionRangeError,
    errors.ConfigError,
    errors.BackendUnavailableError,
    errors.OutOfMemoryError,
    errors.DiskSpaceError,
    errors.DownloadError,
    errors.FolderInUseError,
    FileNotFoundError,
    FileExistsError,
    PermissionError,
)
"""Errors whose message says what to do."""


def message_of(error: BaseException) -> str:
    """Return words for a person about ``error``."""
    text = str(error).strip() or type(error).__name__
    if isinstance(error, EXPLAINED):
        return text[0].upper() + text[1:]
    if isinstance(error, MemoryError):
        return f"Out of memory ({text}). Try a part of the stack, or close other programs."
    return f"Something unexpected went wrong: {type(error).__name__}: {text}. The log has the details."


def report(error: BaseException) -> None:
    """Show ``error`` as a notification and write its traceback to the log."""
    from napari.utils.notifications import show_error

    LOGGER.error("%s", error, exc_info=error)
    show_error(message_of(error))


def show_notice(message: str) -> None:
    """Show what a person should know although nothing failed, and write it to the log."""
    from napari.utils.notifications import show_warning

    LOGGER.warning("%s", message)
    show_warning(message)
