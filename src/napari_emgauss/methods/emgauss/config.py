"""Every setting of EMGauss."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from napari_emgauss.errors import ConfigError
from napari_emgauss.gaussians import DensityConfig
from napari_emgauss.training import Rate, Schedule

GPU_SECTIONS_PER_STEP = 4
"""A GPU waits for its next small task more than it works, so sections are drawn together; not measured on one."""


@dataclass(frozen=True, kw_only=True)
class EmgaussConfig:
    """Settings of a reconstruction. The defaults are those of the ``balanced`` preset."""

    field: Literal["anchored", "mlp"] = "anchored"
    """Deformation along z: 'anchored' (Gaussians drift between sections on a motion grid) or the published 'mlp'."""
    compositing: Literal["sum", "alpha"] = "sum"
    """How Gaussians make an image: a weighted 'sum', or front-to-back 'alpha' as published."""
    spacing_px: float = 3.5
    """Initial distance between Gaussians of one set; larger removes more noise and detail."""
    adapt_spacing: bool = True
    """Take a finer spacing where hidden sections are drawn better with it ('anchored' only)."""
    max_gaussians: int = 4_000_000
    """Cap on the number of Gaussians of a block; initial grids are widened to respect it."""
    max_gaussians_per_px: float = 1.0
    """The same cap relative to the pixels of a block's section, for each set of Gaussians."""
    motion: Literal["flow", "none"] = "flow"
    """Where the motion grid of the anchored field starts: optical flow between neighbouring sections, or no motion."""
    motion_grid_px: int = 4
    """Distance between nodes of the motion grid."""
    motion_blur_px: float = 2.0
    """Gaussian σ that smooths the optical flow before the motion grid samples it."""
    denoise: Literal["none", "light", "blur"] = "none"
    """Denoise the sections before training: 'light' (non-local means at the estimated noise level) or 'blur' (1 px)."""
    correct_sections: Literal["auto", "none"] = "auto"
    """'auto': even out brightness and small shifts (up to 4 px) between sections, each only if the stack's own hidden
    sections are predicted clearly better with it. The result is in the evened-out frame."""
    leave_out_damaged: bool = True
    """Look for torn, blank, blurred or misplaced sections and leave them out, as ``leave_out`` does; the first and last
    are always kept. What was left out is told and recorded."""

    warmup: int = 0
    """Iterations of the canonical warm-up, Φ frozen, per block."""
    joint: int = 30
    """Iterations of the joint stage per observed or pseudo-section of the block ('anchored') or per block ('mlp')."""
    bootstrap: int = 20
    """Iterations of the bootstrapping stage, counted as in ``joint``."""
    use_teacher: bool = True
    """Whether a teacher supervises unobserved depths."""
    teacher: Literal["lateral", "ema"] = "lateral"
    """'lateral': a network trained on the stack's own sections, mixed with plain interpolation by evidence, predicts
    pseudo-sections ('anchored' only). 'ema': the student's moving average while bootstrapping, as published."""
    lateral_steps: int = 3000
    """Training steps of the lateral network for 11 sections of 192 × 192; larger stacks get up to 4 times as many."""
    pseudo_sections: int = 2
    """Pseudo-sections in every gap."""
    ema_decay: float = 0.995
    """Decay of the teacher's moving average per iteration."""
    pseudo_share_start: float = 0.1
    """Share of teacher-supervised iterations when bootstrapping starts."""
    pseudo_share_end: float = 0.5
    """Share of teacher-supervised iterations when it ends."""
    pseudo_weight_start: float = 0.1
    """Weight of the teacher's loss before its ramp."""
    pseudo_weight_end: float = 1.0
    """Weight of the teacher's loss after its ramp."""
    pseudo_ramp_start: float = 1 / 6
    """Where the ramp starts, as a fraction of all iterations."""
    pseudo_ramp_end: float = 5 / 9
    """Where the ramp ends, as a fraction of all iterations."""
    z_jitter_start: float = 0.0
    """Noise on the coordinate of an observed section, in gaps, at the start: smooths the MLP along z (0: none)."""
    z_jitter_end: float = 0.0
    """The same at the end."""
    lambda_dssim: float = 0.2
    """Weight of 1 - SSIM in the loss; L1 has the rest."""
    sections_per_step: int = 0
    """Sections drawn in one pass, whose iterations share a step ('anchored' only); 0: 4 on a GPU, 1 on the CPU."""

    rate_mean: float = 0.08
    """Learning rate of the means per iteration drawing them: px ('anchored') or half-sections ('mlp', as in 3DGS)."""
    rate_mean_end: float = 0.008
    """The same at the end."""
    rate_scale: float = 0.02
    """Learning rate of the log-scales."""
    rate_angle: float = 0.02
    """Learning rate of the rotations."""
    rate_opacity: float = 0.0
    """Learning rate of the opacity logits."""
    rate_intensity: float = 0.04
    """Learning rate of the intensities."""
    rate_field: float = 0.02
    """Learning rate of the field: px per iteration for the motion grid, network weights for the MLP."""
    rate_field_end: float = 2e-3
    """The same at the end."""
    rate_decay: float = 0.1
    """Final over initial learning rate of scales, rotations, opacities and intensities."""

    mlp_depth: int = 8
    """Hidden layers of the MLP."""
    mlp_width: int = 256
    """Units of a hidden layer."""
    mlp_frequencies_mean: int = 10
    """Frequencies of the positional encoding of the mean."""
    mlp_frequencies_t: int = 10
    """Frequencies of the positional encoding of t."""
    opacity_varies: bool = True
    """Whether the MLP moves the opacity along z."""
    rotation_varies: bool = False
    """Whether the MLP moves the rotation along z (the paper: it should not)."""
    initial_opacity: float = 0.1
    """Opacity of new canonical Gaussians."""

    densify: bool = False
    """Clone, split and prune Gaussians while training, by the 3DGS rules."""
    densify_start: int = 500
    """First iteration of densification."""
    densify_stop: int = 9000
    """Last iteration of densification."""
    opacity_reset_every: int = 3000
    """Iterations between two opacity resets; 0 for none."""

    bundle_sections: int = 32
    """Most sections that share one set of Gaussians and one Φ."""
    bundle_overlap: int = 3
    """Sections by which neighbouring bundles overlap and cross-fade."""
    tile_px: int = 640
    """Largest side of a tile; wider sections are split."""
    tile_overlap_px: int = 32
    """Pixels by which neighbouring tiles overlap and cross-fade."""

    uncertainty: bool = True
    """After the last iteration, map the error to expect of the reconstruction."""

    hold_out: tuple[int, ...] = ()
    """Observed sections to keep from training and score as it goes."""
    leave_out: tuple[int, ...] = ()
    """Damaged sections to ignore altogether; they are reconstructed from their neighbours."""

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            object.__setattr__(self, f.name, _as_kind_of(f.default, f.name, getattr(self, f.name)))
        positive = (
            "spacing_px",
            "max_gaussians",
            "max_gaussians_per_px",
            "motion_grid_px",
            "lateral_steps",
            "mlp_depth",
            "mlp_width",
            "rate_decay",
        )
        for name in positive:
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}.")
        for name in (
            "warmup",
            "joint",
            "bootstrap",
            "motion_blur_px",
            "pseudo_sections",
            "sections_per_step",
            "z_jitter_start",
            "z_jitter_end",
            "densify_start",
            "densify_stop",
            "opacity_reset_every",
            "mlp_frequencies_mean",
            "mlp_frequencies_t",
            *(f.name for f in dataclasses.fields(self) if f.name.startswith("rate_")),
        ):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}.")
        for name in ("rate_mean", "rate_field"):
            if getattr(self, name) > 0 and not getattr(self, f"{name}_end") > 0:
                raise ConfigError(
                    f"{name}_end must be positive, got 0: rates fall log-linearly. Set {name}=0 too to train none."
                )
        self._check_overlaps()
        for name in ("ema_decay", "pseudo_share_start", "pseudo_share_end", "lambda_dssim"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must be within 0..1, got {getattr(self, name)}.")
        if not 0 < self.initial_opacity < 1:
            raise ConfigError(f"initial_opacity must be between 0 and 1, both excluded, got {self.initial_opacity}.")
        for name in ("pseudo_weight_start", "pseudo_weight_end", "pseudo_ramp_start", "pseudo_ramp_end"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}.")
        for name in _CHOICES:
            allowed = _CHOICES[name]
            if getattr(self, name) not in allowed:
                raise ConfigError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}.")
        if self.field == "anchored" and self.compositing != "sum":
            raise ConfigError(
                "field='anchored' needs compositing='sum': fading sections add up. Use field='mlp' for alpha."
            )
        if self.field != "anchored" and self.sections_per_step > 1:
            raise ConfigError(
                f"sections_per_step={self.sections_per_step} needs field='anchored': the Gaussians of a network take "
                "their steps one by one. Leave it at 0."
            )
        if self.field == "anchored" and self.densify:
            raise ConfigError(
                "field='anchored' needs densify=False: its Gaussians belong to their sections. Use field='mlp', or a "
                "smaller spacing_px for more Gaussians."
            )
        if self.warmup + self.joint + self.bootstrap == 0:
            raise ConfigError("warmup, joint and bootstrap are all 0; at least one must be positive.")

    def _check_overlaps(self) -> None:
        for length_name, overlap_name in (("bundle_sections", "bundle_overlap"), ("tile_px", "tile_overlap_px")):
            length, overlap = getattr(self, length_name), getattr(self, overlap_name)
            if overlap < 1:
                raise ConfigError(
                    f"{overlap_name} must be at least 1, got {overlap}: nothing would lie between blocks."
                )
            if length <= 2 * overlap:
                raise ConfigError(
                    f"{length_name} must be more than twice {overlap_name}, got {length} and {overlap}. "
                    f"Set {length_name}={2 * overlap + 1} or more."
                )

    @property
    def has_pseudo_sections(self) -> bool:
        """Whether a teacher predicts pseudo-sections, on a stack that allows it."""
        lateral = self.use_teacher and self.teacher == "lateral" and self.pseudo_sections > 0
        return lateral and self.field == "anchored"

    def schedule(self, n_sections: int, extent_px: int, device: str = "cpu") -> Schedule:
        """Schedule of a block with ``n_sections`` observed and pseudo-sections whose larger side is ``extent_px``."""
        unit_px = 1.0 if self.field == "anchored" else extent_px / 2
        per = n_sections if self.field == "anchored" else 1
        warmup, joint, bootstrap = self.warmup * per, self.joint * per, self.bootstrap * per
        total = warmup + joint + bootstrap

        def falling(start: float) -> Rate:
            return Rate(start, start * self.rate_decay)

        return Schedule(
            warmup=warmup,
            joint=joint,
            bootstrap=bootstrap,
            rates={
                "gaussians.mean_px": Rate(self.rate_mean * unit_px, self.rate_mean_end * unit_px),
                "gaussians.log_scale": falling(self.rate_scale),
                "gaussians.angle_rad": falling(self.rate_angle),
                "gaussians.opacity_logit": falling(self.rate_opacity),
                "gaussians.intensity": falling(self.rate_intensity),
                "field": Rate(self.rate_field, self.rate_field_end),
            },
            ema_decay=self.ema_decay,
            use_teacher=self.use_teacher and not self.has_pseudo_sections,
            pseudo_share=(self.pseudo_share_start, self.pseudo_share_end),
            pseudo_weight=(self.pseudo_weight_start, self.pseudo_weight_end),
            pseudo_ramp=(round(self.pseudo_ramp_start * total), round(self.pseudo_ramp_end * total)),
            z_jitter=(self.z_jitter_start, self.z_jitter_end),
            lambda_dssim=self.lambda_dssim,
            sections_per_step=self.sections_per_step or (1 if device == "cpu" else GPU_SECTIONS_PER_STEP),
        )

    def cap(self, n_px: int) -> int:
        """Most Gaussians of one set on a section of ``n_px`` pixels."""
        return max(1, min(self.max_gaussians, round(self.max_gaussians_per_px * n_px)))

    def density(self, n_px: int) -> DensityConfig | None:
        """Rules of densification on a section of ``n_px`` pixels, or None."""
        if not self.densify:
            return None
        return DensityConfig(
            start=self.densify_start,
            stop=self.densify_stop,
            reset_every=self.opacity_reset_every,
            max_gaussians=self.cap(n_px),
        )


def _as_kind_of(default: Any, name: str, value: Any) -> Any:
    """``value`` as a plain number, text or tuple of the default's type, so that it can be compared and written."""
    if isinstance(default, bool | str):
        if isinstance(value, type(default)):
            return value
    elif isinstance(default, tuple):
        if isinstance(value, Iterable) and not isinstance(value, str | bytes):
            items = list(value)
            if all(isinstance(item, numbers.Integral) and not isinstance(item, bool) for item in items):
                return tuple(int(item) for item in items)
    elif isinstance(value, numbers.Real) and not isinstance(value, bool):
        if isinstance(default, float) and math.isfinite(value):
            return float(value)
        if isinstance(default, int) and isinstance(value, numbers.Integral):
            return int(value)
    raise ConfigError(f"{name} must be {_KINDS[type(default)]}, got {value!r}.")


_KINDS = {
    bool: "True or False",
    str: "text",
    int: "a whole number",
    float: "a finite number",
    tuple: "a list of whole numbers, for example (3, 7)",
}

_CHOICES = {
    "field": ("anchored", "mlp"),
    "compositing": ("sum", "alpha"),
    "motion": ("flow", "none"),
    "denoise": ("none", "light", "blur"),
    "correct_sections": ("auto", "none"),
    "teacher": ("lateral", "ema"),
}
