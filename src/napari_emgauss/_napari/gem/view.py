"""The form of Particles to map: its parts from top to bottom."""

from __future__ import annotations

from napari_emgauss._napari.controls.elements import text_label, title
from napari_emgauss._napari.gem.particles.form import ParticlesForm
from napari_emgauss._napari.gem.particles.gallery import ParticleGallery
from napari_emgauss._napari.gem.result.fsc_plot import FscPlot
from napari_emgauss._napari.gem.result.view import MapResultView
from napari_emgauss._napari.gem.settings import MapSettingsForm
from napari_emgauss._napari.training.run_panel import RunPanel, TrainingWords
from napari_emgauss._napari.training.steps import Step, StepBar, StepWords
from napari_emgauss._napari.training.steps_view import StepsView

WORDS = TrainingWords(
    train="Reconstruct the map in the background; you can go on working.",
    preparing="Preparing: reading the particles once…",
    ending="Ending: the map is made of what was learned…",
    loss="",
)
STEPS = StepWords(
    names={Step.STACK: "Particles", Step.TRY: "Try small"},
    tips={
        Step.STACK: "Which particles, and whether averages of them show a molecule.",
        Step.TRY: "Images shrunk to the smallest box, to see what to expect.",
        Step.TRAIN: "Images as large as they are.",
        Step.LOOK: "The map, and how far it is resolved.",
        Step.EXPORT: "Keep the map as MRC, its Gaussians, or the model.",
    },
    to_open="Open particles: a .star or .cs file, or File › Open Sample › EMGauss › Particles of a molecule.",
    to_train="Do the averages show a molecule? Then try a small box, which is quick, or train at once.",
    learning="Learning. Look around meanwhile: the map gets better by itself.",
    to_export="Turn the map, and see below how far its halves agree. Then Export.",
    export="Export the map as MRC, with its half maps, or save the model.",
)


class ParticlesView(StepsView):
    """All parts from the particles to the result; they tell what the user does, and know no session."""

    def __init__(self) -> None:
        super().__init__(StepBar(STEPS.tips, names=STEPS.names, guide="particles-to-map.md"), RunPanel(WORDS))
        self.particles = ParticlesForm()
        self.gallery = ParticleGallery()
        self.settings = MapSettingsForm()
        self.problem = text_label()
        self.fsc = FscPlot()
        self.result = MapResultView()
        self.lay_out(
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
            parts={
                Step.STACK: self.particles,
                Step.TRY: self.settings,
                Step.TRAIN: self.settings,
                Step.LOOK: self.fsc,
                Step.EXPORT: self.result,
            },
            editable=(self.particles, self.settings, self.result),
        )
        self.gallery.grown.connect(self._keep_panel)
        self.show_problem("")

    def show_problem(self, text: str) -> None:
        """Say what has to be changed before a training; '' for nothing."""
        self.problem.setText(f"⚠ {text}" if text else "")
        self.problem.setVisible(bool(text))

    def _keep_panel(self) -> None:
        """Keep a training in sight that the gallery pushes down."""
        if self.panel.runs:
            self.reveal_panel()
