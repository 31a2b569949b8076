"""Buttons, progress and curves of a training."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.activity import Activity
from napari_emgauss._napari.controls.elements import button, row, text_label, timer
from napari_emgauss._napari.training.curves import Curves
from napari_emgauss._napari.training.progress import REFINING, ProgressPoint

BAR_STEPS = 1000
ACTIVITY_EVERY_S = 2.0
"""Rarely: napari processes all events at every update."""
ACTIVITY_AFTER_MS = 40
"""Time in which the windows are painted before."""

STOP, STOP_TIP = "Stop and keep", "End now and keep what was learned; the rest is made in a short time."
END, END_TIP = "End at once", "Do not wait: what was not trained yet is kept as a rough sketch."


@dataclass(frozen=True, kw_only=True)
class TrainingWords:
    """What a training is called in its panel."""

    train: str = "Learn this stack in the background; you can go on working. (Ctrl+Enter)"
    """Tooltip of the button that begins it."""
    preparing: str = "Preparing: reading sections and estimating their motion…"
    ending: str = "Ending: what was not trained yet is made in short…"
    loss: str = "Loss on observed sections, by iteration"
    """Title of its curve; '' where there is something better to look at."""


class RunPanel(QWidget):
    """Controls of a training, which show it and ask for its pause and end; they know nothing of how it is done.

    Parameters
    ----------
    words
        What is said of it.
    beside
        Another way to begin, which stands beside the button that does.
    """

    train = Signal()
    pause = Signal()
    resume = Signal()
    stop = Signal()
    discard = Signal()

    def __init__(self, words: TrainingWords | None = None, *, beside: QPushButton | None = None) -> None:
        super().__init__()
        self._words = words = words or TrainingWords()
        self.train_button = button("Train", words.train)
        self.pause_button = button("Pause", "Hold after the present iteration; Resume goes on.")
        self.stop_button = button(STOP, STOP_TIP)
        self.discard_button = button("Discard", "End now and throw away what was learned.")
        self.bar = QProgressBar()
        self.status = text_label()
        self.on_screen = text_label()
        """What the preview shows, in words."""
        self._shown = ""
        self.curves = Curves(words.loss)
        """Placed by the owner."""
        self._activity = Activity()
        self._activity_at: float | None = None
        self._in_activity = (0, 0)
        # napari paints all windows at each update of its dock: what was changed here is painted before that.
        self._activity_due = timer(self, ACTIVITY_AFTER_MS, self._show_activity, once=True)
        self._paused = False
        self._begin = row(self.train_button, *([] if beside is None else [beside]))
        self._lay_out()
        self.train_button.clicked.connect(self.train)
        self.pause_button.clicked.connect(self._toggle_pause)
        self.stop_button.clicked.connect(self.stop)
        self.discard_button.clicked.connect(self.discard)
        self.show_idle("")

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._begin)
        layout.addWidget(row(self.pause_button, self.stop_button, self.discard_button))
        layout.addWidget(self.bar)
        layout.addWidget(self.on_screen)
        layout.addWidget(self.status)

    @property
    def runs(self) -> bool:
        """Whether it shows a training that runs."""
        return self.train_button.isHidden()

    def show_running(self) -> None:
        """Show that a training begins."""
        self._set_running(running=True)
        self.curves.clear()
        self.curves.hide()
        self.bar.reset()
        self.bar.setRange(0, 0)
        self._in_activity = (0, 0)
        self.status.setText(self._words.preparing)

    def show_idle(self, message: str, details: str = "") -> None:
        """Show that no training runs; ``message`` says how the last one ended, a tooltip the ``details``."""
        self._set_running(running=False)
        self.status.setText(message)
        self.status.setToolTip(f"<p>{details}</p>" if details else "")
        self.status.setVisible(bool(message))
        self._show_curves()
        self.curves.draw()
        self._activity_due.stop()
        self._activity.close()
        self._activity_at = None

    def show_ending(self) -> None:
        """Show that the training ends, and that it can end sooner."""
        self.status.setText(self._words.ending)
        self.stop_button.setText(END)
        self.stop_button.setToolTip(END_TIP)

    def show_on_screen(self, label: str) -> None:
        """Say in words what the preview shows; '' where there is none."""
        self._shown = label
        done, total = self._in_activity
        percent = f", {100 * done // total} %" if total > 0 else ""
        self.on_screen.setText(f"On screen · {label}{percent if label == REFINING else ''}" if label else "")
        self.on_screen.setVisible(bool(label))

    def leave(self) -> None:
        """Take away what makes no sense without the dock, which is being closed."""
        self._activity_due.stop()
        self._activity.end()

    def show_progress(self, points: Sequence[ProgressPoint]) -> None:
        """Show the newest progress, and the points of the curves since the last call."""
        latest = points[-1]
        self._in_activity = (latest.iteration, latest.n_iterations)
        if latest.share is None:
            self.bar.setRange(0, 0)
        else:
            self.bar.setRange(0, BAR_STEPS)
            self.bar.setValue(max(self.bar.value(), round(BAR_STEPS * latest.share)))  # time left may grow
        self.curves.add(points)
        self._show_curves()
        self.show_on_screen(self._shown)
        if not self._paused:
            self.status.setText(latest.text)
        if self._activity_at is None or time.monotonic() - self._activity_at > ACTIVITY_EVERY_S:
            self._activity_due.start()

    def _show_curves(self) -> None:
        """Show the curves where there is something to see, and nothing better."""
        self.curves.setVisible(self.curves.has_data and bool(self._words.loss))

    def _show_activity(self) -> None:
        """Tell napari's activity dock."""
        done, total = self._in_activity
        if self._activity_at is None:
            self._activity.open("EMGauss training", total)
        self._activity_at = time.monotonic()
        self._activity.show(done)

    def _set_running(self, *, running: bool) -> None:
        self._paused = False
        self.pause_button.setText("Pause")
        self.stop_button.setText(STOP)
        self.stop_button.setToolTip(STOP_TIP)
        self.show_on_screen("")
        for widget in (self._begin, self.train_button):
            widget.setVisible(not running)
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
