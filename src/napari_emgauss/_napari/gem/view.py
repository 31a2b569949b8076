"""The form of Particles to map: its parts from top to bottom."""

from __future__ import annotations

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_emgauss._napari.controls.elements import text_label, timer, title
from napari_emgauss._napari.controls.scroll import VerticalScroll
from napari_emgauss._napari.gem.particles.form import ParticlesForm
from napari_emgauss._napari.gem.particles.gallery import ParticleGallery
from napari_emgauss._napari.gem.result.fsc_plot import FscPlot
from napari_emgauss._napari.gem.result.view import MapResultView
from napari_emgauss._napari.gem.settings import MapSettingsForm
from napari_emgauss._napari.training.run_panel import RunPanel, TrainingWords

REVEAL_MS = 100
"""Time that the layout takes to follow what is shown and hidden."""
WORDS = TrainingWords(
    train="Reconstruct the map in the background; you can go on working.",
    preparing="Preparing: reading the particles once…",
    ending="Ending: the map is made of what was learned…",
    loss="",
)


class ParticlesView(QWidget):
    """All parts from the particles to the result; they tell what the user does, and know no session."""

    def __init__(self) -> None:
        super().__init__()
        self.particles = ParticlesForm()
        self.gallery = ParticleGallery()
        self.settings = MapSettingsForm()
        self.problem = text_label()
        self.panel = RunPanel(WORDS)
        self.fsc = FscPlot()
        self.result = MapResultView()
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(9, 9, 9, 9)
        for widget in (
            title("Particles"),
            self.particles,
            self.gallery,
            title("Map"),
            self.settings,
            self.problem,
            self.panel,
            self.fsc,
            self.result,
            self.panel.curves,
        ):
            layout.addWidget(widget)
        layout.addStretch(1)
        self._scroll = VerticalScroll(inner)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._scroll)
        self._reveal = timer(self, REVEAL_MS, self._scroll.show_end, once=True)
        self.show_problem("")

    def show_editable(self, *, editable: bool) -> None:
        """Let everything be entered, or nothing while a training runs."""
        for widget in (self.particles, self.settings, self.result):
            widget.setEnabled(editable)

    def show_problem(self, text: str) -> None:
        """Say what has to be changed before a training; '' for nothing."""
        self.problem.setText(f"⚠ {text}" if text else "")
        self.problem.setVisible(bool(text))

    def reveal_panel(self) -> None:
        """Scroll to the run panel soon."""
        self._reveal.start()
