"""Buttons, progress and curves of a training."""

from __future__ import annotations

import time

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.activity import Activity
from napari_emgauss._napari.reconstruct.curves import Curves
from napari_emgauss.training import Progress
from napari_emgauss.units import format_duration

STAGE_NAMES = {
    "sections": "Checking your sections",
    "teacher": "Studying your sections",
    "pseudo-sections": "Predicting between them",
    "uncertainty": "Mapping the uncertainty",
    "warm-up": "Warm-up",
    "joint": "Learning",
    "bootstrap": "Refining",
}
ACTIVITY_EVERY_S = 2.0
"""Rarely: napari processes all events at every update."""


class RunPanel(QWidget):
    """Shows a training and asks for its pause and end; knows nothing about how it is done."""

    train = Signal()
    pause = Signal()
    resume = Signal()
    stop = Signal()
    discard = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.train_button = _button("Train", "Learn this stack in the background; you can go on working.")
        self.pause_button = _button("Pause", "Hold after the present iteration; Resume goes on.")
        self.stop_button = _button("Stop and keep", "End now and keep what was learned.")
        self.discard_button = _button("Discard", "End now and throw away what was learned.")
        self.bar = QProgressBar()
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.curves = Curves()
        """Placed by the owner."""
        self._activity = Activity()
        self._activity_at: float | None = None
        self._paused = False
        self._lay_out()
        self.train_button.clicked.connect(self.train)
        self.pause_button.clicked.connect(self._toggle_pause)
        self.stop_button.clicked.connect(self.stop)
        self.discard_button.clicked.connect(self.discard)
        self.show_idle("")

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        for button in (self.pause_button, self.stop_button, self.discard_button):
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.train_button)
        layout.addLayout(row)
        layout.addWidget(self.bar)
        layout.addWidget(self.status)

    def show_running(self) -> None:
        """A training begins."""
        self._set_running(running=True)
        self.curves.clear()
        self.curves.show()
        self.bar.setRange(0, 0)
        self.status.setText("Preparing: reading sections and estimating their motion…")

    def show_idle(self, message: str) -> None:
        """No training runs; ``message`` says how the last one ended."""
        self._set_running(running=False)
        self.status.setText(message)
        self.status.setVisible(bool(message))
        self.curves.setVisible(self.curves.has_data)
        self.curves.draw()
        self._activity.close()
        self._activity_at = None

    def leave(self) -> None:
        """The dock is closed."""
        self._activity.close()

    def show_progress(self, records: list[Progress]) -> None:
        """Newest progress and the points of the curves since the last call."""
        latest = records[-1]
        self.bar.setRange(0, latest.n_iterations)
        self.bar.setValue(latest.iteration)
        self.curves.add(records)
        if not self._paused:
            self.status.setText(describe(latest))
        now = time.monotonic()
        if self._activity_at is None:
            self._activity.open("EMGauss training", latest.n_iterations)
        if self._activity_at is None or now - self._activity_at > ACTIVITY_EVERY_S:
            self._activity_at = now
            self._activity.show(latest.iteration)

    def _set_running(self, *, running: bool) -> None:
        self._paused = False
        self.pause_button.setText("Pause")
        self.train_button.setVisible(not running)
        for widget in (self.pause_button, self.stop_button, self.discard_button, self.bar):
            widget.setVisible(running)
        self.status.setVisible(True)

    def _toggle_pause(self) -> None:
        self._paused = not self._paused
        self.pause_button.setText("Resume" if self._paused else "Pause")
        if self._paused:
            self.status.setText("Paused.")
            self.pause.emit()
        else:
            self.resume.emit()


def describe(progress: Progress) -> str:
    """One line on a training: stage, iteration, time left, Gaussians."""
    block = f" · part {progress.block + 1} of {progress.n_blocks}" if progress.n_blocks > 1 else ""
    stage = STAGE_NAMES.get(progress.stage, progress.stage)
    gaussians = f" · {progress.n_gaussians:,} Gaussians" if progress.n_gaussians else ""
    return (
        f"{stage}{block} · iteration {progress.iteration:,} of {progress.n_iterations:,} · "
        f"{format_duration(progress.seconds_left)} left{gaussians}"
    )


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
