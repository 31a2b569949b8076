"""What hands a half's training over to the draft."""

from __future__ import annotations

from napari_emgauss.methods.gem.draft.map_draft import MapDraft
from napari_emgauss.methods.gem.model import HalfModel
from napari_emgauss.training import Hook
from napari_emgauss.training.optimiser import Optimiser


class DraftUpdate(Hook):
    """Hands every step of a half's training over to the draft."""

    name = "draft"

    def __init__(self, draft: MapDraft, half: int, model: HalfModel) -> None:
        self.draft, self.half, self.model = draft, half, model

    def after_step(self, iteration: int, n_iterations: int, optimiser: Optimiser) -> None:
        """Hand over."""
        self.draft.learned(self.half, self.model)
