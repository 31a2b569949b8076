"""The map of a training that goes on."""

from napari_emgauss.methods.gem.draft.map_draft import MapDraft
from napari_emgauss.methods.gem.draft.update import DraftUpdate

__all__ = ["DraftUpdate", "MapDraft"]
