"""What is remembered between two starts of napari."""

from __future__ import annotations

from qtpy.QtCore import QSettings


def user_settings() -> QSettings:
    """Return the settings of this user."""
    return QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "napari-emgauss", "napari-emgauss")
