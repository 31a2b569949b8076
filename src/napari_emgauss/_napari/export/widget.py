"""The widget 'Export isotropic': a reconstruction as a layer, a file, or both."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.notify import message_of, report
from napari_emgauss._napari.controls.replacing import may_replace
from napari_emgauss._napari.export.job import Ending, ExportJob
from napari_emgauss._napari.export.part import PartForm
from napari_emgauss._napari.export.target import TargetForm
from napari_emgauss._napari.viewer.docked import EndsWithDock
from napari_emgauss._napari.viewer.models import OpenModel, open_models
from napari_emgauss._napari.viewer.part_watch import PartWatch
from napari_emgauss._napari.workers.background import Background
from napari_emgauss.errors import DiskSpaceError, OutOfMemoryError
from napari_emgauss.io import WriteCancelled
from napari_emgauss.resampling.export import Exported, check_room, expected_seconds
from napari_emgauss.resampling.planes import Planes
from napari_emgauss.units import format_bytes, format_duration
from napari_emgauss.volume import Volume

if TYPE_CHECKING:
    import napari.viewer

SETTLED_MS = 250
"""The summary waits so long for the last of many changes."""
POLL_MS = 100
SPACING_PX = 6
LAYER_KEPT = ("colormap", "gamma", "interpolation2d", "interpolation3d")
"""What the new layer takes over from the stack's, besides contrast and place."""


class ExportWidget(QWidget):
    """Makes an isotropic layer or file of an open model.

    Parameters
    ----------
    viewer
        napari viewer.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer: Any = viewer
        self._ending = Ending()
        EndsWithDock(self)
        self.destroyed.connect(self._ending.__call__)  # before the background, which waits for the worker
        self._background = Background(self, name="emgauss-export")
        self._connections = Connections(self)
        self._model: OpenModel | None = None
        self._seconds: dict[Any, float] = {}
        self._measuring: Any = None
        self._started = 0.0
        self.part_form = PartForm(viewer, open_models(viewer))
        self.target_form = TargetForm()
        self.summary, self.status = _text(), _text()
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.bar = QProgressBar()
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop; no file is left behind.")
        self.export_button = QPushButton("Export")
        self.export_button.setToolTip("Draw every plane in the background; you can go on working.")
        self._settle = _timer(self, SETTLED_MS, self._refresh, single=True)
        self._poll = _timer(self, POLL_MS, self._show_progress)
        self._lay_out()
        self._watch()
        self._set_running(running=False)
        self._refresh()

    def _lay_out(self) -> None:
        progress = QHBoxLayout()
        progress.addWidget(self.bar, 1)
        progress.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(9, 9, 9, 9)
        for widget in (_title("What"), self.part_form, _title("Where to"), self.target_form, self.summary):
            layout.addWidget(widget)
        layout.insertSpacing(4, SPACING_PX)
        layout.insertSpacing(2, SPACING_PX)
        layout.addLayout(progress)
        layout.addWidget(self.export_button)
        layout.addWidget(self.status)
        layout.addStretch(1)

    def _watch(self) -> None:
        self.part_form.changed.connect(self._later)
        self.part_form.model_choice.currentIndexChanged.connect(self._suggest)
        self.target_form.changed.connect(self._later)
        self.export_button.clicked.connect(lambda: self.start())
        self.cancel_button.clicked.connect(lambda: self.cancel())
        PartWatch(self._connections, self._viewer, view_moved=self._view_moved, shapes_changed=self._shapes_changed)
        application = QApplication.instance()
        assert application is not None
        for slot in (self._ending.__call__, self._background.close):
            self._connections.connect(application.aboutToQuit, slot)
        self._connections.connect(open_models(self._viewer).removed, self._forget_times)
        self._suggest()

    def start(self) -> None:
        """Export as chosen, unless something is missing or the file may not be replaced."""
        self.target_form.take_path()
        try:
            part, path, in_memory = self.part_form.part(), self.target_form.path, self.target_form.as_layer
            part.volume()
            check_room(part, path, in_memory=in_memory)
        except (ValueError, OutOfMemoryError, DiskSpaceError) as error:
            self._failed(error)
            return
        if path is not None and not may_replace(self, path):
            return
        self._refresh()
        job = ExportJob(part, path, in_memory=in_memory)
        self._model = self.part_form.model
        self._ending.job, self._started = job, time.monotonic()
        self._set_running(running=True)
        self.bar.setRange(0, job.total)
        self.bar.setValue(0)
        self.status.setText("Drawing planes…")
        self._ending.activity.open("Export isotropic", job.total)
        self._background.submit(job.run, done=self._finished, failed=self._failed)
        self._measuring = None  # overtaken, if it had not begun

    def cancel(self) -> None:
        """Stop the export after the plane in work."""
        if self._ending.job is not None:
            self._ending.job.cancel()
            self.cancel_button.setEnabled(False)
            self.status.setText("Cancelling…")

    @property
    def running(self) -> bool:
        """Whether an export is under way."""
        return self._ending.job is not None

    def _finished(self, exported: Exported) -> None:
        job, model = self._ending.job, self._model
        self._set_running(running=False)
        made = []
        if exported.volume is not None and model is not None and job is not None:
            made.append(f"layer '{self._add_layer(exported.volume, model, job.part)}'")
        if exported.path is not None:
            made.append(str(exported.path))
        self.status.setText(f"Made {' and '.join(made)} in {format_duration(exported.seconds)}.")

    def _failed(self, error: BaseException) -> None:
        self._set_running(running=False)
        if isinstance(error, WriteCancelled):
            self.status.setText("Cancelled; nothing was left behind.")
            return
        self.status.setText(message_of(error))
        report(error)

    def _add_layer(self, volume: Volume, model: OpenModel, part: Planes) -> str:
        """Add the result over the stack, looking as the stack does."""
        source = model.source_layer
        limits = model.reconstruction.display_range if source is None else tuple(source.contrast_limits)
        like = {} if source is None else {name: getattr(source, name) for name in LAYER_KEPT}
        is_isotropic = len(set(volume.voxel_size_nm)) == 1
        layer = self._viewer.add_image(
            volume.data,
            name=f"{model.name.split(' · ')[0]} {'isotropic' if is_isotropic else 'exported'}",
            contrast_limits=part.conversion.limits(*limits),
            metadata=dict(volume.metadata),
            **model.placement.attributes(volume.voxel_size_nm, volume.origin_nm),
            **like,
        )
        return str(layer.name)

    def _set_running(self, *, running: bool) -> None:
        if not running:
            self._ending.job, self._model = None, None
            self._ending.activity.close()
            self._poll.stop()
        else:
            self._poll.start()
        self.part_form.setEnabled(not running and self.part_form.model is not None)
        self.target_form.setEnabled(not running)
        self.export_button.setVisible(not running)
        self.cancel_button.setEnabled(running)
        for widget in (self.bar, self.cancel_button):
            widget.setVisible(running)
        if not running:
            self._later()

    def _show_progress(self) -> None:
        job = self._ending.job
        if job is None:
            return
        self.bar.setValue(job.done)
        self._ending.activity.show(job.done)
        if job.done and self.cancel_button.isEnabled():
            left = (time.monotonic() - self._started) * (job.total / job.done - 1)
            self.status.setText(f"Plane {job.done} of {job.total} · {format_duration(left)} left")

    def _suggest(self) -> None:
        self.target_form.suggest(self.part_form.model)

    def _view_moved(self) -> None:
        if self.part_form.depends_on_view:
            self._later()

    def _shapes_changed(self) -> None:
        if self.part_form.depends_on_shapes:
            self._later()

    def _later(self) -> None:
        self._settle.start()

    def _refresh(self) -> None:
        """Say what will come, or what is missing."""
        if self.running:
            return
        ready = False
        try:
            part, path = self.part_form.part(), self.target_form.path
            part.volume()
            ready = self.target_form.as_layer or path is not None
            text = self._promise(part, path) if ready else "Choose a layer, a file, or both."
            if ready:
                check_room(part, path, in_memory=self.target_form.as_layer)
        except (OutOfMemoryError, DiskSpaceError) as error:
            text = f"{text}\n{message_of(error)}"
        except ValueError as error:
            text = message_of(error)
        self.summary.setText(text)
        self.export_button.setEnabled(ready)

    def _promise(self, part: Planes, path: Any) -> str:
        """Like '551 × 512 × 512 voxels of 4 × 4 × 4 nm, 144 MB, about 20 s'."""
        shape = " × ".join(str(n) for n in part.shape)
        size = " × ".join(f"{v:g}" for v in part.voxel_size_nm)
        key = (part.source, part.region, part.voxel_size_nm[1:], part.dtype.name)
        if key in self._seconds:
            seconds = expected_seconds(part, self._seconds[key], path)
            took = format_duration(seconds) if seconds < 0.5 else f"about {format_duration(seconds)}"
        else:
            took = "measuring the time…"
            if key != self._measuring:
                self._measuring = key
                self._background.submit(
                    part.seconds_per_plane, done=lambda s: self._measured(key, s), failed=self._not_measured
                )
        return f"{shape} voxels of {size} nm, {format_bytes(part.nbytes)}, {took}"

    def _measured(self, key: Any, seconds: float) -> None:
        self._seconds[key] = seconds
        self._measuring = None
        self._refresh()

    def _forget_times(self, model: Any = None) -> None:
        self._seconds.clear()

    def _not_measured(self, error: BaseException) -> None:
        self._measuring = None
        self.summary.setText(message_of(error))


def _title(text: str) -> QLabel:
    return QLabel(f"<b>{text}</b>")


def _text() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    return label


def _timer(parent: QWidget, interval_ms: int, slot: Any, *, single: bool = False) -> QTimer:
    timer = QTimer(parent)
    timer.setInterval(interval_ms)
    timer.setSingleShot(single)
    timer.timeout.connect(slot)
    return timer
