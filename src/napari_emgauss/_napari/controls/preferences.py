"""The plugin's page in napari's preferences."""

from __future__ import annotations

PLUGIN = "napari-emgauss"


def keeps_models() -> bool:
    """Tell whether finished models are to be saved by themselves; yes where napari does not know the plugin."""
    from napari.settings import get_plugin_settings

    try:
        return bool(get_plugin_settings(PLUGIN).models.keep)
    except (KeyError, AttributeError, ValueError):
        return True
