"""Errors and news as napari notifications: plain words for the person, the traceback for the log."""

from __future__ import annotations

import logging
import re

from napari_emgauss import errors
from napari_emgauss.runtime.memory import is_out_of_memory

LOGGER = logging.getLogger("napari_emgauss")

EXPLAINED = (
    errors.VolumeError,
    errors.ParticlesError,
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
FORM_WORDS = {
    r" \(--[a-z-]+\)": "",
    r" Give it in nanometres as z y x.*$": " Enter it in nm: z, y, x.",
    r"\(spacing_px, max_gaussians\)": "('Detail' under Advanced)",
    r"\(tile_px\)": "('Tile size' under Advanced)",
    r"\(device='cpu'\)": "('Device')",
    r"\bvoxel_size_nm\b": "the voxel size",
    r"\bvoxel_size_mm\b": "the voxel size",
    r"\bthickness_mm\b": "the thickness",
    r"\bdata_dir\b": "'Data folder'",
    r"\bpixel_size_angstrom\b": "the pixel size",
    r"Pass ignore_aberrations=True": "Tick 'Ignore aberrations'",
    r"\bhold_out\b": "'Hold out'",
    r"\bleave_out\b": "'Leave out'",
    r"\btile_px\b": "'Tile size'",
    r"\bbundle_sections\b": "'Bundle size'",
    r"\bspacing_px\b": "'Detail'",
    r"\bnewton_steps\b": "'Effort of the training'",
    r"\blateral_steps\b": "'Study of your own sections'",
}
"""What settings are called in the forms, by patterns of what the library's messages call them."""


def message_of(error: BaseException) -> str:
    """Return words for a person about ``error``."""
    text = _in_form_words(str(error).strip() or type(error).__name__)
    if isinstance(error, EXPLAINED):
        return text[0].upper() + text[1:]
    if is_out_of_memory(error):
        return f"Out of memory ({text}). Try a part of the stack, or close other programs."
    return f"Something unexpected went wrong: {type(error).__name__}: {text}. The log has the details."


def _in_form_words(text: str) -> str:
    """Return a message of the library with the names that the forms have for its settings."""
    for name, words in FORM_WORDS.items():
        text = re.sub(name, words, text)
    return text


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
