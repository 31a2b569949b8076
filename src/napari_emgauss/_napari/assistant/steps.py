"""Which steps from a stack to its isotropic volume are open, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass

from napari_emgauss._napari.training.steps import Step

LOOK_AT_MODEL = "Look at the model that is open, or export it; to train another, open a stack."
OPEN_A_STACK = "Open a stack: drop a file on the viewer, or take File › Open Sample › EMGauss."


@dataclass(frozen=True, kw_only=True)
class Situation:
    """How far things are."""

    has_stack: bool = False
    problem: str = ""
    """What keeps the stack from being trained on, in words."""
    part_chosen: bool = False
    """Whether a part of it is to be trained on: then the problem may be with that alone."""
    training: bool = False
    n_models: int = 0
    """Models and drafts that are open."""
    exported: bool = False
    """Whether something was exported since there was a new model."""
    of_part: bool = False
    """Whether the newest model is of a part of a stack."""

    def opens(self, step: Step) -> bool:
        """Tell whether a step makes sense now."""
        if step in (Step.TRY, Step.TRAIN):
            return self.training or (self.has_stack and (self.part_chosen or not self.problem))
        return step is Step.STACK or self.n_models > 0

    def next_from(self, step: Step) -> str:
        """Say in a line what to do in a step, or after it."""
        if step in (Step.LOOK, Step.EXPORT):
            return self._after_training(step)
        if self.training:
            return "Learning. Look around meanwhile: the isotropic layer gets better by itself."
        if not self.has_stack:
            return LOOK_AT_MODEL if self.n_models else OPEN_A_STACK
        if self.problem:
            return self.problem
        if step is Step.STACK:
            return "Next: try a part, which takes moments, or train on the whole stack."
        if step is Step.TRY:
            return "Zoom to what matters to you, then press Train: only the part in view is learned."
        return "Press Train to learn the whole stack; you can go on working."

    def _after_training(self, step: Step) -> str:
        if step is Step.EXPORT and self.exported:
            return "Exported. Go on with the layer or the file, or export another part or size."
        if step is Step.EXPORT:
            return "Choose a layer, a file, or both, and press Export."
        if self.training:
            return "Still learning: what you see gets better. Press B for before and after."
        if self.of_part:
            return "Press B for before and after. If it convinces you: Train on the whole stack."
        return "Press B for before and after. Then Export, or go on with the isotropic layer."
