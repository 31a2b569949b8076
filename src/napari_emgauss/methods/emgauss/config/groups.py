"""Settings of the training, its teacher, the sections and the blocks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_emgauss.errors import ConfigError
from napari_emgauss.settings import (
    ActsWith,
    Count,
    Flag,
    Indices,
    NonNegative,
    Positive,
    PositiveCount,
    Share,
    Whole,
    settings,
)


@settings
class TrainingConfig:
    """Stages, loss and learning rates."""

    newton_steps: Annotated[Count, ActsWith("field", "anchored")] = 5
    """Gauss-Newton steps of every observed or pseudo-section, before stages that descend along gradients."""
    warmup: Count = 0
    """Iterations of the canonical warm-up, Φ frozen, per block."""
    joint: Count = 0
    """Iterations of the joint stage per observed or pseudo-section of the block ('anchored') or per block ('mlp')."""
    bootstrap: Count = 0
    """Iterations of the bootstrapping stage, counted as in ``joint``."""
    z_jitter_start: NonNegative = 0.0
    """Noise on the coordinate of an observed section, in gaps, at the start: smooths the MLP along z (0: none)."""
    z_jitter_end: Annotated[NonNegative, ActsWith("z_jitter_start")] = 0.0
    """The same at the end."""
    lambda_dssim: Share = 0.2
    """Weight of 1 - SSIM in the loss; L1 has the rest."""
    sections_per_step: Annotated[Count, ActsWith("field", "anchored")] = 0
    """Sections drawn in one pass, whose iterations share a step; 0: 4 on a GPU, 1 on the CPU."""
    rate_mean: NonNegative = 0.08
    """Learning rate of the means per iteration drawing them: px ('anchored') or half-sections ('mlp', as in 3DGS)."""
    rate_mean_end: NonNegative = 0.008
    """The same at the end."""
    rate_scale: NonNegative = 0.02
    """Learning rate of the log-scales."""
    rate_angle: NonNegative = 0.02
    """Learning rate of the rotations."""
    rate_opacity: NonNegative = 0.0
    """Learning rate of the opacity logits."""
    rate_intensity: NonNegative = 0.04
    """Learning rate of the intensities."""
    rate_field: NonNegative = 0.02
    """Learning rate of the field: px per iteration for the motion grid, network weights for the MLP."""
    rate_field_end: NonNegative = 2e-3
    """The same at the end."""
    rate_decay: Positive = 0.1
    """Final over initial learning rate of scales, rotations, opacities and intensities."""

    def __post_init__(self) -> None:
        if not any((self.newton_steps, self.warmup, self.joint, self.bootstrap)):
            raise ConfigError("newton_steps, warmup, joint and bootstrap are all 0; at least one must be positive.")
        for name in ("rate_mean", "rate_field"):
            if getattr(self, name) > 0 and not getattr(self, f"{name}_end") > 0:
                raise ConfigError(
                    f"{name}_end must be positive, got 0: rates fall log-linearly. Set {name}=0 too to train none."
                )


@settings
class TeacherConfig:
    """The supervision of unobserved depths."""

    use_teacher: Flag = True
    """Whether a teacher supervises unobserved depths."""
    teacher: Annotated[Literal["mixture", "ema"], ActsWith("use_teacher", value=True)] = "mixture"
    """'mixture': networks and plain interpolation, mixed as hidden sections tell, predict pseudo-sections ('anchored'
    only). 'ema': the student's moving average while bootstrapping, as published."""
    prior: Annotated[Flag, ActsWith("teacher", "mixture")] = True
    """Whether the network that has learned from other volumes may teach; without it everything comes from the stack."""
    prior_views: Annotated[Literal[1, 2, 4], ActsWith("prior", value=True)] = 2
    """Predictions of the prior that are averaged, from the sections as they are and turned round."""
    lateral_steps: Annotated[Count, ActsWith("teacher", "mixture")] = 0
    """Training steps of a network that learns from the stack itself, for 11 sections of 192 × 192; larger stacks get up
    to 4 times as many. 0: no such network."""
    pseudo_sections: Annotated[PositiveCount, ActsWith("teacher", "mixture")] = 3
    """Pseudo-sections in every gap."""
    ema_decay: Annotated[Share, ActsWith("teacher", "ema")] = 0.995
    """Decay of the teacher's moving average per iteration."""
    pseudo_share_start: Annotated[Share, ActsWith("teacher", "ema")] = 0.1
    """Share of teacher-supervised iterations when bootstrapping starts."""
    pseudo_share_end: Annotated[Share, ActsWith("teacher", "ema")] = 0.5
    """Share of teacher-supervised iterations when it ends."""
    pseudo_weight_start: Annotated[NonNegative, ActsWith("teacher", "ema")] = 0.1
    """Weight of the teacher's loss before its ramp."""
    pseudo_weight_end: Annotated[NonNegative, ActsWith("teacher", "ema")] = 1.0
    """Weight of the teacher's loss after its ramp."""
    pseudo_ramp_start: Annotated[NonNegative, ActsWith("teacher", "ema")] = 1 / 6
    """Where the ramp starts, as a fraction of all iterations."""
    pseudo_ramp_end: Annotated[NonNegative, ActsWith("teacher", "ema")] = 5 / 9
    """Where the ramp ends, as a fraction of all iterations."""

    @property
    def predicts_sections(self) -> bool:
        """Whether pseudo-sections are predicted, on a stack that allows it."""
        return self.use_teacher and self.teacher == "mixture"

    @property
    def averages_student(self) -> bool:
        """Whether the student's moving average is the teacher."""
        return self.use_teacher and self.teacher == "ema"


@settings
class SectionsConfig:
    """What is done about single sections before the training."""

    denoise: Literal["none", "light", "blur"] = "none"
    """Denoise the sections before training: 'light' (non-local means at the estimated noise level) or 'blur' (1 px)."""
    correct_sections: Literal["auto", "none"] = "auto"
    """'auto': even out brightness and small shifts (up to 4 px) between sections, each only if the stack's own hidden
    sections are predicted clearly better with it. The result is in the evened-out frame."""
    leave_out_damaged: Flag = True
    """Look for torn, blank, blurred or misplaced sections and leave them out, as ``leave_out`` does; the first and last
    are always kept. The model's record names those that were left out."""
    hold_out: Indices = ()
    """Observed sections to keep from training and score as it goes."""
    leave_out: Indices = ()
    """Damaged sections to ignore altogether; they are reconstructed from their neighbours."""


@settings
class BlocksConfig:
    """The size of what is trained at once."""

    bundle_sections: PositiveCount = 32
    """Most sections that share one set of Gaussians and one Φ."""
    bundle_overlap: Annotated[Whole, Field(ge=1)] = 3
    """Sections by which neighbouring bundles overlap and cross-fade."""
    tile_px: PositiveCount = 640
    """Largest side of a tile; wider sections are split."""
    tile_overlap_px: Annotated[Whole, Field(ge=1)] = 32
    """Pixels by which neighbouring tiles overlap and cross-fade."""

    def __post_init__(self) -> None:
        for length_name, overlap_name in (("bundle_sections", "bundle_overlap"), ("tile_px", "tile_overlap_px")):
            length, overlap = getattr(self, length_name), getattr(self, overlap_name)
            if length <= 2 * overlap:
                raise ConfigError(
                    f"{length_name} must be more than twice {overlap_name}, got {length} and {overlap}. "
                    f"Set {length_name}={2 * overlap + 1} or more."
                )
