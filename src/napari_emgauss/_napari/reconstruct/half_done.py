"""A training that was not finished, found again: what it was of, and its line in the form."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_emgauss._napari.controls.elements import button, row, text_label
from napari_emgauss._types import Region, Triple
from napari_emgauss.io.store import jobs_in


@dataclass(frozen=True, kw_only=True)
class HalfDone:
    """What a half-done training was of; ``about`` keeps it as plain JSON values."""

    layer: str
    """Name of the stack's layer."""
    path: str
    """File of the stack, if known."""
    shape: tuple[int, int, int]
    """Of the layer."""
    voxel_size_nm: Triple
    region: Region | None
    """Pixels (y0, y1, x0, x1) that are trained on; None for all."""
    settings: Mapping[str, Any]
    """Arguments of the training."""
    folder: Path = Path()
    changed_at: float = 0.0

    def about(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "layer": self.layer,
            "path": self.path,
            "shape": list(self.shape),
            "voxel_size_nm": list(self.voxel_size_nm),
            "region": None if self.region is None else list(self.region),
            "settings": {k: list(v) if isinstance(v, tuple) else v for k, v in self.settings.items()},
        }

    @classmethod
    def of(cls, folder: Path, changed_at: float, about: Mapping[str, Any]) -> HalfDone | None:
        """Return what ``about`` tells; None where it is not usable."""
        try:
            n, height, width = (int(side) for side in about["shape"])
            dz, dy, dx = (float(size) for size in about["voxel_size_nm"])
            region = about["region"]
            if region is not None:
                y0, y1, x0, x1 = (int(edge) for edge in region)
                region = y0, y1, x0, x1
            settings = {str(k): tuple(v) if isinstance(v, list) else v for k, v in about["settings"].items()}
            return cls(
                layer=str(about["layer"]),
                path=str(about["path"]),
                shape=(n, height, width),
                voxel_size_nm=(dz, dy, dx),
                region=region,
                settings=settings,
                folder=folder,
                changed_at=changed_at,
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def describe(self, *, is_open: bool) -> str:
        """Return a sentence for the user."""
        when = time.strftime("%d %b, %H:%M", time.localtime(self.changed_at))
        text = f"The training of '{self.layer}' ({self.settings.get('preset', '')}) was not finished ({when})."
        return text if is_open else f"{text} Open {self.path or 'that stack'} to go on."


def half_done_in(folder: Path) -> list[HalfDone]:
    """Return the half-done trainings in a folder of job folders, newest first."""
    found = (HalfDone.of(job, changed_at, about) for job, changed_at, about in jobs_in(folder))
    return sorted((each for each in found if each is not None), key=lambda each: -each.changed_at)


class HalfDonePanel(QWidget):
    """Offer to go on with a half-done training, or to forget it; hidden while there is none."""

    wanted = Signal()
    forgotten = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.text = text_label()
        self.go_on_button = button("Go on", "Continue that training with its own settings, where it was left.")
        self.forget_button = button("Forget it", "Throw away what was learned so far.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.text)
        layout.addWidget(row(self.go_on_button, self.forget_button, stretch=True))
        self.go_on_button.clicked.connect(self.wanted)
        self.forget_button.clicked.connect(self.forgotten)
        self.hide()

    def offer(self, text: str, *, can_go_on: bool) -> None:
        """Show ``text``; hide where it is empty."""
        self.text.setText(text)
        self.go_on_button.setEnabled(can_go_on)
        self.setVisible(bool(text))
