"""Thicknesses that were entered for files, which do not hold them."""

from __future__ import annotations

from urllib.parse import quote

from napari_emgauss._napari.controls.remembered import user_settings

GROUP = "thickness_mm"


def remember_thickness(path: str | None, thickness_mm: float) -> None:
    """Keep the thickness of a file's slices for the next time."""
    if path is not None and thickness_mm > 0:
        user_settings().setValue(_key(path), thickness_mm)


def remembered_thickness(path: str | None) -> float | None:
    """Return what was entered for a file, None if nothing was."""
    if path is None:
        return None
    try:
        thickness = float(user_settings().value(_key(path), 0.0))
    except (TypeError, ValueError):
        return None
    return thickness if thickness > 0 else None


def _key(path: str) -> str:
    return f"{GROUP}/{quote(path, safe='')}"
