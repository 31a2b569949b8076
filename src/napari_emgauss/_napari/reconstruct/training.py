"""A training as the widget sees it: events brought to the GUI thread, a preview layer, a clean end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_emgauss._napari.viewer.layers import LayerPlacement
from napari_emgauss.session import Session
from napari_emgauss.training import Finished, Preview, Progress
from napari_emgauss.volume import Volume

POLL_MS = 100
CLOSING_S = 10.0
"""Longest wait for the present iteration when the viewer closes."""
PREVIEW_NAME = "EMGauss preview"


@dataclass
class Mailbox:
    """What the training thread leaves for the GUI thread; appending to a deque is atomic."""

    progress: deque[Progress] = field(default_factory=lambda: deque(maxlen=5000))
    preview: deque[Preview] = field(default_factory=lambda: deque(maxlen=1))
    finished: deque[Finished] = field(default_factory=lambda: deque(maxlen=1))

    def connect(self, session: Session) -> None:
        """Collect the events of ``session``."""
        for name in ("progress", "preview", "finished"):
            getattr(session.signals, name).connect(getattr(self, name).append, check_nargs=False)


class TrainingRun:
    """Starts a session and tells its events in the GUI thread.

    Parameters
    ----------
    parent
        Widget that owns it; its destruction ends the training, whose checkpoint stays.
    session
        Not started yet.
    on_progress
        Called with the new progress records, oldest first.
    on_preview
        Called with the newest preview.
    on_finished
        Called once.
    """

    def __init__(
        self,
        parent: QObject,
        session: Session,
        *,
        on_progress: Callable[[list[Progress]], None],
        on_preview: Callable[[Preview], None],
        on_finished: Callable[[Finished], None],
    ) -> None:
        self.session = session
        self._on_progress, self._on_preview, self._on_finished = on_progress, on_preview, on_finished
        self._mail = Mailbox()
        self._mail.connect(session)
        self._timer: QTimer | None = QTimer(parent)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._deliver)
        parent.destroyed.connect(self.close)

    def start(self) -> None:
        """Begin."""
        self.session.start()
        assert self._timer is not None
        self._timer.start()

    @property
    def running(self) -> bool:
        """Whether the end was not told yet."""
        return self._timer is not None

    def close(self) -> None:
        """Stop, and tell nothing any more; the checkpoint stays."""
        if self._timer is None:
            return
        self._timer = None  # a child of the widget, which is being destroyed
        self.session.stop()
        self.session.wait(CLOSING_S)

    def _deliver(self) -> None:
        finished = self._mail.finished.popleft() if self._mail.finished else None
        if records := [self._mail.progress.popleft() for _ in range(len(self._mail.progress))]:
            self._on_progress(records)
        if finished is not None and self._timer is not None:
            self._timer.stop()
            self._timer.deleteLater()
            self._timer = None
            self._on_finished(finished)
        elif self._mail.preview:
            self._on_preview(self._mail.preview.pop())


class PreviewLayer:
    """A layer with the reconstruction at a depth between two sections, as it is being learned.

    It is twice as thick as a section, so that it shows on both observed sections beside it. Selection, camera and
    contrast stay as the user left them. Removing it ends the previews of this run.

    Parameters
    ----------
    viewer
        Where it is shown.
    volume
        The stack in training.
    placement
        Where that lies in the viewer.
    like
        Layer whose contrast and colours it starts with.
    """

    def __init__(self, viewer: Any, volume: Volume, placement: LayerPlacement, like: Any | None) -> None:
        self._viewer, self._volume, self._placement, self._like = viewer, volume, placement, like
        self._layer: Any | None = None
        self._removed = False

    def show(self, preview: Preview) -> None:
        """Show a newer preview."""
        if self._layer is not None and self._layer not in self._viewer.layers:
            self._removed = True
        if self._removed:
            return
        dz, dy, dx = self._volume.voxel_size_nm
        z, y, x = self._volume.origin_nm
        origin_nm = (z + preview.z * dz, y + preview.origin_px[0] * dy, x + preview.origin_px[1] * dx)
        place = self._placement.attributes((2 * dz, dy, dx), origin_nm)
        data = preview.image[None]
        if self._layer is None:
            self._add(data, place)
            return
        if self._layer.data.shape != data.shape or tuple(self._layer.translate) != place["translate"]:
            self._layer.translate = place["translate"]
        self._layer.data = data

    def _add(self, data: Any, place: dict[str, Any]) -> None:
        selected = set(self._viewer.layers.selection)
        like = self._like
        if like is not None:
            limits, colormap = tuple(like.contrast_limits), like.colormap
        else:
            limits, colormap = tuple(float(v) for v in np.percentile(data, (0.5, 99.5))), "gray"
        layer = self._viewer.add_image(
            data,
            name=PREVIEW_NAME,
            contrast_limits=limits,
            colormap=colormap,
            metadata={"napari-emgauss": {"preview": True}},
            **place,
        )
        self._viewer.layers.selection.clear()
        self._viewer.layers.selection.update(selected)
        self._layer = layer

    def remove(self) -> None:
        """Take the layer away, if it is still there."""
        if self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        self._layer = None
