"""A new job between its panel and what it takes to begin it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from napari_emgauss._napari.controls.notify import message_of, report
from napari_emgauss._napari.jobs.starting import STACK, JobStart, WantedJob, check_workers_installed, file_of
from napari_emgauss._napari.jobs.view import NewJobPanel
from napari_emgauss._napari.workers.gui_call import GuiCall
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.errors import BackendUnavailableError
from napari_emgauss.io import SourceRef, WriteCancelled
from napari_emgauss.io.guard import array_bytes
from napari_emgauss.io.jobs import JobProcess
from napari_emgauss.methods.emgauss.shared.command import MODEL
from napari_emgauss.runtime.threads import usable_cores
from napari_emgauss.units import format_bytes
from napari_emgauss.volume import Volume

CORES_OF_A_WORKER = 8
LOOKING = "Looking whether a file holds this stack…"
TELL_EVERY_MS = 100


class NewJob:
    """Asks for folder and workers, saves the stack where no file holds it, and begins a job.

    Parameters
    ----------
    panel
        What the user sees; with its end this ends.
    begun
        Called in the GUI thread with the process.
    """

    def __init__(self, panel: NewJobPanel, begun: Callable[[JobProcess], None]) -> None:
        self._panel, self._begun = panel, begun
        self._wanted: WantedJob | None = None
        self._source: SourceRef | None = None
        self._start: JobStart | None = None
        self._worker = Worker(panel, name="emgauss-job-start", draws=False)
        self._progress = GuiCall(self._show_progress, every_ms=TELL_EVERY_MS)
        panel.destroyed.connect(self._progress.close)
        panel.start.connect(self.start)
        panel.cancel.connect(self.cancel)
        panel.workers.setValue(max(1, usable_cores() // CORES_OF_A_WORKER))

    def offer(self, layer: Any, volume: Volume, arguments: Mapping[str, Any], documents: Path) -> None:
        """Ask about a job on the stack of a layer, unless one is being begun."""
        panel = self._panel
        if self._start is not None:
            return
        path = getattr(layer.source, "path", None)
        wanted = WantedJob(
            name=layer.name, volume=volume, arguments=arguments, path=None if not path else Path(str(path))
        )
        self._wanted, self._source = wanted, None
        panel.heading.setText(f"New job: {layer.name}")
        panel.folder.set_path(wanted.suggested_folder(documents))
        panel.show_editable(editable=True)
        panel.show()
        try:
            check_workers_installed()
        except BackendUnavailableError as error:
            panel.show_ready(message_of(error), ready=False)
            return
        panel.show_ready(LOOKING, ready=False)
        self._worker.submit_newest(lambda: file_of(wanted), done=lambda source: self._found(wanted, source))

    def start(self) -> None:
        """Begin the job as it is entered."""
        folder, wanted = self._panel.folder.path, self._wanted
        if wanted is None or self._start is not None:
            return
        if folder is None:
            self._panel.about.setText("Enter a folder for the job first: it is made, and holds all that is learned.")
            return
        start = JobStart(
            wanted,
            self._source,
            folder.absolute(),
            workers=self._panel.workers.value(),
            progress=self._progress.request,
        )
        try:
            start.check()
        except (ValueError, OSError, RuntimeError) as error:
            self._panel.about.setText(message_of(error))
            return
        self._start = start
        self._panel.show_saving("Starting…" if self._source is not None else "Saving the stack…")
        self._worker.submit(
            lambda: start.run(lambda: self._worker.overtaken), done=self._has_begun, failed=self._failed
        )

    def cancel(self) -> None:
        """Begin no job."""
        if self._start is not None:
            self._start.cancel()
            return
        self._worker.forget()
        self._wanted = None
        self._panel.hide()

    def close(self) -> None:
        """End with the dock."""
        if self._start is not None:
            self._start.cancel()

    def _found(self, wanted: WantedJob, source: SourceRef | None) -> None:
        if wanted is not self._wanted:
            return
        self._source = source
        self._panel.show_ready(_promise(wanted, source), ready=True)

    def _has_begun(self, process: JobProcess) -> None:
        self._start = self._wanted = None
        self._panel.show_editable(editable=True)
        self._panel.hide()
        self._begun(process)

    def _failed(self, error: BaseException) -> None:
        self._start = None
        self._panel.show_editable(editable=True)
        if isinstance(error, WriteCancelled):
            self._panel.about.setText("Cancelled; no job was begun.")
            return
        self._panel.about.setText(message_of(error))
        report(error)

    def _show_progress(self) -> None:
        start = self._start
        if start is not None:
            self._panel.show_saving(f"Saving the stack: {start.done} of {start.total} sections…")


def _promise(wanted: WantedJob, source: SourceRef | None) -> str:
    """Return what will happen, in words."""
    volume = wanted.volume
    stack = (
        f"This stack is in no file by itself: it is saved in the folder first, as {STACK} "
        f"({format_bytes(array_bytes(volume.shape, volume.dtype.itemsize))}). "
        if source is None
        else f"Workers read the stack from {source.path}. "
    )
    return (
        f"{stack}The job runs in a process of its own, with the settings of Reconstruct, and goes on without napari if "
        f"you wish. Its model comes to {MODEL} in the folder."
    )
