"""The controller of Export: promises, checks, exports in the background, and adds the layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QStandardPaths

from napari_emgauss._napari.controls.activity import Activity
from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.elements import timer
from napari_emgauss._napari.controls.notify import message_of, report
from napari_emgauss._napari.controls.replacing import may_replace
from napari_emgauss._napari.export.job import ExportJob
from napari_emgauss._napari.export.part_choice import PartChoice
from napari_emgauss._napari.export.result_layer import add_result
from napari_emgauss._napari.export.target import suggested
from napari_emgauss._napari.export.view import ExportView
from napari_emgauss._napari.viewer.models import OpenModel, open_models
from napari_emgauss._napari.viewer.part_watch import PartWatch
from napari_emgauss._napari.workers.gui_call import GuiCall
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.errors import DiskSpaceError, OutOfMemoryError
from napari_emgauss.io import WriteCancelled
from napari_emgauss.resampling.export import Exported, check_room, expected_seconds
from napari_emgauss.resampling.planes import Planes
from napari_emgauss.units import about_duration, format_bytes, format_duration

SETTLED_MS = 250
"""The summary waits so long for the last of many changes."""
PROGRESS_EVERY_MS = 100


class ExportController:
    """Gives life to an `ExportView`.

    Parameters
    ----------
    view
        What the user sees; with its end this ends.
    viewer
        napari viewer.
    """

    def __init__(self, view: ExportView, viewer: Any) -> None:
        self.view, self._viewer = view, viewer
        self._worker = Worker(view, name="emgauss-export")
        self._connections = Connections(view)
        self._progress = GuiCall(self._show_progress, every_ms=PROGRESS_EVERY_MS)
        self._activity = Activity()
        self._job: ExportJob | None = None
        self._model: OpenModel | None = None
        self._seconds: dict[Any, float] = {}
        self._measuring: Any = None
        self._choice = PartChoice(view.part_form, viewer, self._connections)
        self._settle = timer(view, SETTLED_MS, self._refresh, once=True)
        view.destroyed.connect(self._progress.close)
        view.destroyed.connect(self._activity.close)
        self._connect()
        self._suggest()
        self._end("")
        self._refresh()

    def _connect(self) -> None:
        view = self.view
        view.part_form.changed.connect(self._later)
        view.part_form.models.changed.connect(self._suggest)
        view.target_form.changed.connect(self._later)
        view.export_button.clicked.connect(lambda: self.start())
        view.cancel_button.clicked.connect(lambda: self.cancel())
        PartWatch(self._connections, self._viewer, view_moved=self._view_moved, shapes_changed=self._shapes_changed)
        self._connections.connect(open_models(self._viewer).removed, self._forget_times)

    @property
    def model(self) -> OpenModel | None:
        """The chosen model."""
        return self._choice.model

    @property
    def running(self) -> bool:
        """Whether an export is under way."""
        return self._job is not None

    def part(self) -> Planes:
        """Return the part as chosen; raises as `PartChoice.part`."""
        return self._choice.part()

    def start(self) -> None:
        """Export as chosen, unless something is missing or the file may not be replaced."""
        target = self.view.target_form
        target.take_path()
        try:
            part, path, in_memory = self.part(), target.path, target.as_layer
            part.volume()
            check_room(part, path, in_memory=in_memory)
        except (ValueError, OutOfMemoryError, DiskSpaceError) as error:
            self._failed(error)
            return
        if path is not None and not may_replace(self.view, path):
            return
        self._refresh()
        job = ExportJob(part, path, in_memory=in_memory, progress=self._progress.request)
        self._job, self._model = job, self.model
        self.view.show_running(job.total)
        self._activity.open("Export isotropic", job.total)
        self._worker.submit_newest(
            lambda: job.run(lambda: self._worker.overtaken), done=self._finished, failed=self._failed
        )
        self._measuring = None  # overtaken, if it had not begun

    def cancel(self) -> None:
        """Stop the export after the plane in work."""
        if self._job is not None:
            self._job.cancel()
            self.view.show_cancelling()

    def _finished(self, exported: Exported) -> None:
        job, model, made = self._job, self._model, []
        self._end("")
        if exported.volume is not None and model is not None and job is not None:
            made.append(f"layer '{add_result(self._viewer, exported.volume, model, job.part)}'")
        if exported.path is not None:
            made.append(str(exported.path))
        self.view.status.setText(f"Made {' and '.join(made)} in {format_duration(exported.seconds)}.")
        self.view.exported.emit()

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, WriteCancelled):
            self._end("Cancelled; nothing was left behind.")
            return
        self._end(message_of(error))
        report(error)

    def _end(self, text: str) -> None:
        """Show that no export runs any more, and why."""
        self._job = self._model = None
        self._activity.close()
        self.view.show_idle(text, has_model=self.model is not None)
        self._later()

    def _show_progress(self) -> None:
        job = self._job
        if job is None:
            return
        self._activity.show(job.done)
        left_s = None if job.cancelled else job.seconds_left
        text = "" if left_s is None else f"Plane {job.done} of {job.total} · {format_duration(left_s)} left"
        self.view.show_progress(job.done, text)

    def _suggest(self) -> None:
        if self.model is not None:
            stack_path = getattr(getattr(self.model.source_layer, "source", None), "path", None)
            documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
            self.view.target_form.suggest(suggested(self.model.name, stack_path, documents))

    def _view_moved(self) -> None:
        if self.view.part_form.depends_on_view:
            self._later()

    def _shapes_changed(self) -> None:
        if self.view.part_form.depends_on_shapes:
            self._later()

    def _later(self) -> None:
        self._settle.start()

    def _refresh(self) -> None:
        """Say what will come, or what is missing."""
        if self.running:
            return
        target, ready, text = self.view.target_form, False, ""
        try:
            part, path = self.part(), target.path
            part.volume()
            ready = target.as_layer or path is not None
            text = self._promise(part, path) if ready else "Choose a layer, a file, or both."
            if ready:
                check_room(part, path, in_memory=target.as_layer)
        except (OutOfMemoryError, DiskSpaceError) as error:
            text = f"{text}\n{message_of(error)}"
        except ValueError as error:
            text = message_of(error)
        self.view.show_summary(text, ready=ready)

    def _promise(self, part: Planes, path: Path | None) -> str:
        """Return words like '551 × 512 × 512 voxels of 4 × 4 × 4 nm, 144 MB, about 20 s'."""
        shape = " × ".join(str(n) for n in part.shape)
        size = " × ".join(f"{v:g}" for v in part.voxel_size_nm)
        key = (part.source, part.region, part.voxel_size_nm[1:], part.dtype.name)
        if key in self._seconds:
            seconds = expected_seconds(part, self._seconds[key], path)
            took = about_duration(seconds)
        else:
            took = "measuring the time…"
            self._measure(key, part)
        return f"{shape} voxels of {size} nm, {format_bytes(part.nbytes)}, {took}"

    def _measure(self, key: Any, part: Planes) -> None:
        if key != self._measuring:
            self._measuring = key
            self._worker.submit_newest(
                part.seconds_per_plane, done=lambda s: self._measured(key, s), failed=self._not_measured
            )

    def _measured(self, key: Any, seconds: float) -> None:
        self._seconds[key] = seconds
        self._measuring = None
        self._refresh()

    def _forget_times(self, model: Any = None) -> None:
        self._seconds.clear()

    def _not_measured(self, error: BaseException) -> None:
        self._measuring = None
        self.view.summary.setText(message_of(error))
