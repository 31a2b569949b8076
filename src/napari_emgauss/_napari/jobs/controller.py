"""A job between its dock, the viewer, its folder and the process that works on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qtpy.QtCore import QStandardPaths

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.notify import message_of, report
from napari_emgauss._napari.controls.remembered import user_settings
from napari_emgauss._napari.jobs.closing import Closing, ask_how_to_close
from napari_emgauss._napari.jobs.draft_layer import DraftLayer
from napari_emgauss._napari.jobs.follower import JobFollower, JobNews
from napari_emgauss._napari.jobs.grid_layer import GridLayer
from napari_emgauss._napari.jobs.new_job import NewJob
from napari_emgauss._napari.jobs.starting import go_on
from napari_emgauss._napari.jobs.view import JobView
from napari_emgauss._napari.jobs.words import describe, describe_block
from napari_emgauss._napari.viewer.models import OpenModels
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.io.jobs import (
    BlockGrid,
    BlockState,
    JobProcess,
    JobState,
    JobStatus,
    Request,
    ask,
    forget_failures,
    process_in,
    withdraw,
)
from napari_emgauss.methods.emgauss import Draft, Reconstruction
from napari_emgauss.methods.emgauss.shared import open_draft
from napari_emgauss.methods.emgauss.shared.command import MODEL
from napari_emgauss.methods.registry import load
from napari_emgauss.volume import Volume

AT_REST = (JobState.INTERRUPTED, JobState.DONE)
REMEMBERED = "job/folder"
STARTING = "Starting: the program is loaded, and the stack is read…"
ENDED = "The process ended before it had described the job. Reconstruct can begin it again."
NOT_SHOWN = "Its blocks cannot be laid over the stack: {}"


class JobController:
    """One job: begun here or opened from its folder, followed, paused, stopped and gone on with.

    ::

        offer ─▶ start ──┐
                         ├─▶ open ─▶ (news) ─▶ draft and grid come, and get better ─▶ the model, when all is done
        a folder ────────┘

    Parameters
    ----------
    view
        The dock, whose destruction ends everything but the job.
    viewer
        The viewer itself, not a proxy.
    models
        Those of the viewer.
    """

    def __init__(self, view: JobView, viewer: Any, models: OpenModels) -> None:
        self.view = view
        self.folder: Path | None = None
        """Of the job that is shown."""
        self.process: JobProcess | None = None
        """That works on it, if it was begun here."""
        self.news: JobNews | None = None
        """What was found last."""
        self._viewer = viewer
        self._grid, self._draft = GridLayer(viewer, self._show_block), DraftLayer(viewer, models)
        self._block: int | None = None
        self._drawn = self._starting = False
        self._asked_for_model = False
        self._follower = JobFollower(view, self._on_news)
        self._opening = Worker(view, name="emgauss-job-opening")
        self.new_job = NewJob(view.new_job, self._begun)
        self._connections = Connections(view)
        self._connections.connect(viewer.dims.events.point, self._tell_on_screen)
        for signal, slot in (
            (view.opened, self._open_entered),
            (view.pause, self.pause),
            (view.resume, self.resume),
            (view.stop, self.stop),
            (view.retry, self.retry),
        ):
            signal.connect(slot)
        last = str(user_settings().value(REMEMBERED, ""))
        if last and Path(last).is_dir():
            view.suggest_folder(Path(last))

    @property
    def status(self) -> JobStatus | None:
        """Of the job, as it was found last."""
        return None if self.news is None else self.news.status

    def offer(self, layer: Any, volume: Volume, arguments: Mapping[str, Any]) -> None:
        """Ask how the stack of a layer is to be trained on as a job."""
        documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
        self.new_job.offer(layer, volume, arguments, Path(documents))

    def open(self, folder: Path) -> None:
        """Show the job in a folder instead of another one."""
        folder = folder.absolute()
        self._close_layers()
        self.folder, self.process, self.news = folder, process_in(folder), None
        self._starting = self.process is not None
        self.view.name_folder(folder)
        self.view.show_none("Opening…") if self.process is None else self.view.show_starting(STARTING)
        self._follower.follow(folder)

    def pause(self) -> None:
        """Ask everybody who works on the job to hold."""
        self._ask(lambda folder: ask(folder, Request.PAUSE))

    def resume(self) -> None:
        """End a pause; have a new process go on with a job that nobody works on."""
        self._ask(withdraw)
        if self.status is not None and self.status.state in AT_REST:
            self._go_on()

    def stop(self) -> None:
        """Ask everybody who works on the job to keep what was learned, and to end; a process of ours by a signal."""
        if self.process is not None and self.process.is_running:
            self.process.stop()
            if self.status is None:
                self.view.show_starting("Stopping…")
        self._ask(lambda folder: ask(folder, Request.STOP) if process_in(folder) is None else None)

    def retry(self) -> None:
        """Forget failures, and go on where nobody works on the job; a run that goes on does not see to them itself."""
        state = None if self.status is None else self.status.state
        self._ask(forget_failures)
        if state is JobState.INTERRUPTED:
            self._go_on()
        elif state is not None:
            from napari.utils.notifications import show_info

            show_info("What failed is to do again. The present run leaves it; 'Resume' goes on with it afterwards.")

    def may_end(self) -> bool:
        """Ask what becomes of a job that was begun here, before the dock or the window is closed."""
        if self.folder is None or self.process is None or not self.process.is_running:
            return True
        answer = ask_how_to_close(self.view, self.folder.name)
        if answer is Closing.STOP:
            self.stop()
        return answer is not Closing.STAY

    def leave(self) -> None:
        """Take away what makes no sense without the dock, which is being closed."""
        self._close_layers()

    def close(self) -> None:
        """Follow the job no more, which goes on; the dock is gone."""
        self._follower.end()
        self.new_job.close()
        self._connections.close()
        self._close_layers()

    def _open_entered(self) -> None:
        folder = self.view.folder.path
        if folder is not None:
            self.open(folder)

    def _begun(self, process: JobProcess) -> None:
        self.open(process.job)

    def _go_on(self) -> None:
        assert self.folder is not None
        try:
            self.process = go_on(self.folder, workers=self.view.workers.value())
        except (ValueError, OSError, RuntimeError) as error:
            report(error)
            return
        self._starting = True
        self.view.show_starting(STARTING)
        self._follower.look_now()

    def _ask(self, what: Callable[[Path], Any]) -> None:
        """Write into the job's folder, and look at once what comes of it."""
        if self.folder is None:
            return
        try:
            what(self.folder)
        except OSError as error:
            report(error)
        self._follower.look_now()

    def _on_news(self, news: JobNews) -> None:
        if news.folder != self.folder:
            return
        self.news, status = news, news.status
        ours = self.process is not None and self.process.is_running
        if status is None or (self._starting and ours and status.state in AT_REST):
            if not ours:
                self.view.show_none(news.error or (news.problem if self.process is None else ENDED))
            return
        user_settings().setValue(REMEMBERED, str(news.folder))
        self._starting, has_model = False, (news.folder / MODEL).exists()
        text = describe(status, error=news.error, has_model=has_model)
        self.view.show_job(status, text, ours=ours, has_model=has_model)
        if not status.states:
            return
        if not self._drawn:
            self._drawn = True
            self._draw(news.folder)
        self._grid.show(status.states)
        self._draft.train([i for i, state in enumerate(status.states) if state is BlockState.DONE])
        if self._block is not None:
            self._show_block(self._block)
        self._tell_on_screen()
        if status.state is JobState.DONE:
            self._open_model(news.folder)

    def _draw(self, folder: Path) -> None:
        """Open what can be drawn of the job, off the GUI thread."""
        self._opening.submit(
            lambda: open_draft(folder),
            done=lambda draft: self._show_draft(folder, draft),
            failed=lambda error: self.view.show_block(NOT_SHOWN.format(message_of(error))),
        )

    def _show_draft(self, folder: Path, draft: Draft) -> None:
        if folder != self.folder or self.news is None or self.news.watch is None or self.status is None:
            return
        spans = self.news.watch.description.spans
        placement = self._draft.open(folder.stem, draft, draft.trained_blocks)
        try:
            grid = BlockGrid.of(spans, draft.shape, draft.observed)
        except ValueError as error:
            self.view.show_block(NOT_SHOWN.format(error))
            return
        self._grid.open(f"{folder.stem} · blocks", grid, placement, draft.voxel_size_nm, draft.origin_nm)
        self._grid.show(self.status.states)
        layer = self._draft.layer
        if layer is not None:
            self._connections.connect(layer.events.set_data, self._tell_on_screen)
        self._tell_on_screen()

    def _open_model(self, folder: Path) -> None:
        """Open the finished model once, in the place of the draft."""
        path = folder / MODEL
        if self._asked_for_model or self._opening.busy or not path.exists():
            return
        self._asked_for_model = True
        self._opening.submit(lambda: load(path), done=lambda rec: self._show_model(folder, rec))

    def _show_model(self, folder: Path, reconstruction: Any) -> None:
        if folder == self.folder and isinstance(reconstruction, Reconstruction):
            self._draft.finish(folder.stem, reconstruction)
            self._tell_on_screen()

    def _show_block(self, block: int) -> None:
        """Say what is known of a block that was clicked."""
        status, watch = self.status, None if self.news is None else self.news.watch
        if status is None or watch is None or block >= len(status.states):
            return
        self._block = block
        message = next((failure.message for failure in status.failures if failure.block == block), "")
        self.view.show_block(describe_block(block, status.states[block], watch.latest(block), message))

    def _tell_on_screen(self, _event: Any = None) -> None:
        self.view.show_on_screen(self._draft.label())

    def _close_layers(self) -> None:
        """Take away the layers of a job that is no longer shown; its model stays."""
        self._opening.forget()
        layer = self._draft.layer
        if layer is not None:
            self._connections.disconnect(layer.events.set_data)
        self._grid.close()
        self._draft.close()
        self._block, self._drawn, self._asked_for_model = None, False, False
        self.view.show_block("")
