"""The view of a job: which one, what is asked before a new one, how it goes on, its blocks."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QProgressBar, QSpinBox, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.elements import button, column, form_layout, row, text_label, title
from napari_emgauss._napari.controls.path_field import PathField
from napari_emgauss._napari.controls.scroll import VerticalScroll
from napari_emgauss._napari.jobs.legend import BlockLegend
from napari_emgauss.io.jobs import BlockState, JobState, JobStatus

CLICK = "Click a block in the viewer to see what is known of it."
NO_JOB = (
    "Open the folder of a job, wherever it runs: what 'Run as a job' in Reconstruct made, or what the command "
    "'reconstruct' was given as --checkpoint."
)
PAUSE, RESUME = "Pause", "Resume"
STOP, AT_ONCE = "Stop and keep", "End at once"
TIPS = {
    PAUSE: "Workers hold within seconds, and keep their memory.",
    RESUME: "Go on where it was left.",
    STOP: "End now: blocks in training are kept as they are, and Resume goes on from there. Its memory is free then.",
    AT_ONCE: "Do not wait: blocks in training go on from their last checkpoint, at most a minute old.",
}


class NewJobPanel(QWidget):
    """What is asked before a job begins."""

    start = Signal()
    cancel = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.heading = title("New job")
        self.folder = PathField("Folder of the new job; it is made.", hint="folder, like stack.job")
        self.workers = workers_box()
        self.about = text_label()
        self.start_button = button("Start", "Begin in the background; napari can be closed meanwhile.")
        self.cancel_button = button("Cancel", "Begin no job.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.heading)
        fields = QWidget()
        form = form_layout(fields)
        form.addRow("Folder", self.folder)
        form.addRow("Workers", self.workers)
        layout.addWidget(fields)
        layout.addWidget(self.about)
        layout.addWidget(row(self.start_button, self.cancel_button))
        self.start_button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.cancel)
        self.hide()

    def show_ready(self, text: str, *, ready: bool) -> None:
        """Say what will happen; it can be started once it is ``ready``."""
        self.about.setText(text)
        self.start_button.setEnabled(ready)

    def show_saving(self, text: str) -> None:
        """Show that the stack is being saved."""
        self.show_editable(editable=False)
        self.about.setText(text)

    def show_editable(self, *, editable: bool) -> None:
        """Let folder and workers be chosen, or not."""
        for widget in (self.folder, self.workers, self.start_button):
            widget.setEnabled(editable)


class JobView(QWidget):
    """Everything in the dock; it tells what the user does, and knows no folder and no process."""

    opened = Signal()
    """The job of `folder` is to be shown."""
    pause = Signal()
    resume = Signal()
    stop = Signal()
    retry = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.folder = PathField("Folder of a job.", hint="folder of a job")
        self.open_button = button("Open", "Show this job, wherever it runs.")
        self.new_job = NewJobPanel()
        self.status = text_label(NO_JOB)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.bar = QProgressBar()
        self.legend = BlockLegend()
        self.workers = workers_box()
        self.pause_button = button(PAUSE, TIPS[PAUSE])
        self.stop_button = button(STOP, TIPS[STOP])
        self.retry_button = button("Retry failed", "Forget what failed, so that these blocks are tried again.")
        self.block = text_label(CLICK)
        self.block.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.on_screen = text_label()
        self._named: Path | None = None
        self._lay_out()
        self.folder.changed.connect(self._folder_chosen)
        self.open_button.clicked.connect(self.opened)
        self.pause_button.clicked.connect(self._pause_or_resume)
        self.stop_button.clicked.connect(self.stop)
        self.retry_button.clicked.connect(self.retry)
        self.show_none(NO_JOB)

    def _lay_out(self) -> None:
        self._workers_row = QWidget()
        form_layout(self._workers_row).addRow("Workers", self.workers)
        self._buttons = row(self.pause_button, self.stop_button)
        self._blocks = column(title("Blocks"), self.legend, self.block, self.retry_button, self.on_screen)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        parts = (
            self.new_job,
            title("Job"),
            row(self.folder, self.open_button),
            self.status,
            self.bar,
            self._workers_row,
            self._buttons,
            self._blocks,
        )
        outer.addWidget(VerticalScroll(column(*parts, margin_px=9, stretch=True)))

    def suggest_folder(self, folder: Path) -> None:
        """Enter a folder that may be opened."""
        self.folder.edit.setText(str(folder))

    def name_folder(self, folder: Path) -> None:
        """Enter the folder that is open."""
        self._named = folder
        self.folder.set_path(folder)

    def show_none(self, text: str) -> None:
        """Show that there is no job, or none yet; ``text`` says why."""
        self.status.setText(text)
        for widget in (self.bar, self._workers_row, self._buttons, self._blocks):
            widget.hide()

    def show_starting(self, text: str) -> None:
        """Show that a process has begun that has not described its job yet."""
        self.show_none(text)
        self.bar.setRange(0, 0)
        self.bar.show()
        self._show_buttons(pause="", stop=STOP)

    def show_job(self, status: JobStatus, text: str, *, ours: bool, has_model: bool) -> None:
        """Show how a job goes on; ``ours`` tells that its process was begun here."""
        state, n = status.state, len(status.states)
        self.status.setText(text)
        self.bar.setRange(0, n)
        self.bar.setValue(status.count(BlockState.DONE))
        self.bar.setVisible(state is not JobState.DONE)
        can_begin = state is JobState.INTERRUPTED or (state is JobState.DONE and not has_model)
        self._workers_row.setVisible(can_begin)
        if state in (JobState.INTERRUPTED, JobState.DONE):
            self._show_buttons(pause=RESUME if can_begin else "", stop="")
        elif state is JobState.STOPPING:
            self._show_buttons(pause="", stop=AT_ONCE if ours else "")
        else:
            self._show_buttons(pause=RESUME if state is JobState.PAUSED else PAUSE, stop=STOP)
        self._blocks.setVisible(n > 0)
        self.legend.show_counts({each: status.count(each) for each in BlockState} if n else {})
        self.retry_button.setVisible(bool(status.failures))

    def show_block(self, text: str) -> None:
        """Show what is known of a block; '' where none is chosen."""
        self.block.setText(text or CLICK)

    def show_on_screen(self, label: str) -> None:
        """Say in words what the isotropic layer shows; '' where there is none."""
        self.on_screen.setText(f"On screen · {label}" if label else "")
        self.on_screen.setVisible(bool(label))

    def _show_buttons(self, *, pause: str, stop: str) -> None:
        for shown, text in ((self.pause_button, pause), (self.stop_button, stop)):
            shown.setVisible(bool(text))
            if text:
                shown.setText(text)
                shown.setToolTip(f"<p>{TIPS[text]}</p>")
        self._buttons.setVisible(bool(pause or stop))

    def _pause_or_resume(self) -> None:
        (self.pause if self.pause_button.text() == PAUSE else self.resume).emit()

    def _folder_chosen(self) -> None:
        """Open another folder that was entered; a field tells of its end whenever the focus leaves it."""
        path, before = self.folder.path, self._named
        self._named = path
        if path is not None and path != before:
            self.opened.emit()


def workers_box() -> QSpinBox:
    """Return a box for the number of processes."""
    box = QSpinBox()
    box.setRange(1, 256)
    box.setToolTip(
        "<p>Processes on this computer that share the blocks. One uses all cores already; more pay from about eight "
        "cores on, and each needs memory for its block.</p>"
    )
    return box
