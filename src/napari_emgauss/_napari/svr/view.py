"""The form of Slices to volume: its parts from top to bottom."""

from __future__ import annotations

from napari_emgauss._napari.controls.elements import title
from napari_emgauss._napari.controls.pictures import Pictures
from napari_emgauss._napari.svr.result.view import PLANES_PX, ResultView
from napari_emgauss._napari.svr.settings import SliceSettingsForm
from napari_emgauss._napari.svr.stacks.form import StacksForm
from napari_emgauss._napari.training.run_panel import RunPanel, TrainingWords
from napari_emgauss._napari.training.steps import Step, StepBar, StepWords
from napari_emgauss._napari.training.steps_view import StepsView

WORDS = TrainingWords(
    train="Reconstruct the volume in the background; you can go on working.",
    preparing="Preparing: reading the slices and aligning the stacks…",
    ending="Ending: the volume is made of what was learned…",
    loss="What the volume leaves unexplained of the slices",
)
STEPS = StepWords(
    names={Step.STACK: "Stacks", Step.TRY: "Try coarse"},
    tips={
        Step.STACK: "Which stacks, where the object is in them, and how thick their slices are.",
        Step.TRY: "Voxels of twice the size, to see what to expect.",
        Step.TRAIN: "Voxels as fine as the pixels of the slices.",
        Step.LOOK: "The volume, and slices that do not fit it.",
        Step.EXPORT: "Keep the volume as NIfTI, or the model.",
    },
    to_open="Open stacks: drop NIfTI files on the viewer, or take File › Open Sample › EMGauss.",
    to_train="Next: try coarse voxels, which is quick, or train at once.",
    learning="Learning. Look around meanwhile: the volume gets better by itself.",
    to_export="Slices that fit worst are first in the list: choose one to see why. Then Export.",
    export="Export the volume as NIfTI, or save the model.",
)


class SlicesView(StepsView):
    """Steps, stacks, settings, run panel, planes and result; they tell what the user does, and know no session."""

    def __init__(self) -> None:
        super().__init__(StepBar(STEPS.tips, names=STEPS.names, guide="slices-to-volume.md"), RunPanel(WORDS))
        self.stacks = StacksForm()
        self.settings = SliceSettingsForm()
        self.planes = Pictures(
            3, height_px=PLANES_PX, tip="Three planes through the point that the viewer's sliders stand at."
        )
        self.result = ResultView()
        self.lay_out(
            title("Stacks"),
            self.stacks,
            title("Volume"),
            self.settings,
            self.panel,
            self.planes,
            self.result,
            self.panel.curves,
            parts={
                Step.STACK: self.stacks,
                Step.TRY: self.settings,
                Step.TRAIN: self.settings,
                Step.LOOK: self.planes,
                Step.EXPORT: self.result,
            },
            editable=(self.stacks, self.settings, self.result),
        )
