"""The settings of EMGauss, a class per concern."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from napari_emgauss.errors import ConfigError
from napari_emgauss.settings import (
    ActsWith,
    Count,
    Flag,
    Indices,
    NonNegative,
    Number,
    Positive,
    PositiveCount,
    Share,
    Whole,
    check_names,
    fields_of,
    from_json,
    settings,
)


@settings
class ModelConfig:
    """Settings of any model of a block."""

    spacing_px: Positive = 4.0
    """Initial distance between Gaussians of one set; larger removes more noise and detail."""
    max_gaussians: PositiveCount = 4_000_000
    """Cap on the number of Gaussians of a block; initial grids are widened to respect it."""
    max_gaussians_per_px: Positive = 1.0
    """The same cap relative to the pixels of a block's section, for each set of Gaussians."""

    def cap(self, n_px: int) -> int:
        """Most Gaussians of one set on a section of ``n_px`` pixels."""
        return max(1, min(self.max_gaussians, round(self.max_gaussians_per_px * n_px)))

    def n_at_most(self, n_px: int) -> int:
        """Gaussians that one set comes to, on a section of ``n_px`` pixels."""
        return min(self.cap(n_px), round(n_px / self.spacing_px**2))

    @property
    def activations_per_gaussian(self) -> int:
        """Numbers that a network keeps of each Gaussian for the backward pass."""
        return 0


@settings
class AnchoredModelConfig(ModelConfig):
    """A set of Gaussians for every section, which drifts to the neighbouring sections on a motion grid."""

    field: Literal["anchored"] = "anchored"
    """The deformation along z."""
    adapt_spacing: Flag = True
    """Take a finer spacing where hidden sections are drawn better with it."""
    motion: Literal["flow", "none"] = "flow"
    """Where the motion grid starts: optical flow between neighbouring sections, or no motion."""
    motion_grid_px: PositiveCount = 8
    """Distance between nodes of the motion grid."""
    motion_blur_px: Annotated[NonNegative, ActsWith("motion", "flow")] = 2.0
    """Gaussian σ that smooths the optical flow before the motion grid samples it."""

    compositing: ClassVar[Literal["sum"]] = "sum"
    iterations_per_section: ClassVar[bool] = True
    """Whether iterations are counted for every section of a block, or for the block."""
    has_network: ClassVar[bool] = False

    def n_sets(self, n_sections: int) -> int:
        """Sets of Gaussians of a block with ``n_sections`` observed and pseudo-sections."""
        return n_sections

    def unit_px(self, extent_px: float) -> float:
        """Pixels in the unit of ``rate_mean``, on sections whose larger side is ``extent_px``."""
        return 1.0


@settings
class MlpModelConfig(ModelConfig):
    """One canonical set of Gaussians, deformed by a network as published."""

    field: Literal["mlp"] = "mlp"
    """The deformation along z."""
    compositing: Literal["sum", "alpha"] = "sum"
    """How Gaussians make an image: a weighted 'sum', or front-to-back 'alpha' as published."""
    mlp_depth: Annotated[Whole, Field(ge=1, le=64)] = 8
    """Hidden layers of the MLP."""
    mlp_width: Annotated[Whole, Field(ge=1, le=4096)] = 256
    """Units of a hidden layer."""
    mlp_frequencies_mean: Annotated[Whole, Field(ge=0, le=64)] = 10
    """Frequencies of the positional encoding of the mean."""
    mlp_frequencies_t: Annotated[Whole, Field(ge=0, le=64)] = 10
    """Frequencies of the positional encoding of t."""
    opacity_varies: Flag = True
    """Whether the MLP moves the opacity along z."""
    rotation_varies: Flag = False
    """Whether the MLP moves the rotation along z (the paper: it should not)."""
    initial_opacity: Annotated[Number, Field(gt=0, lt=1)] = 0.1
    """Opacity of new canonical Gaussians."""
    densify: Flag = False
    """Clone, split and prune Gaussians while training, by the 3DGS rules."""
    densify_start: Annotated[Count, ActsWith("densify", value=True)] = 500
    """First iteration of densification."""
    densify_stop: Annotated[Count, ActsWith("densify", value=True)] = 9000
    """Last iteration of densification."""
    opacity_reset_every: Annotated[Count, ActsWith("densify", value=True)] = 3000
    """Iterations between two opacity resets; 0 for none."""

    adapt_spacing: ClassVar[bool] = False
    iterations_per_section: ClassVar[bool] = False
    has_network: ClassVar[bool] = True

    def n_sets(self, n_sections: int) -> int:
        """Sets of Gaussians of a block with ``n_sections`` observed and pseudo-sections."""
        return 1

    def unit_px(self, extent_px: float) -> float:
        """Pixels in the unit of ``rate_mean``, on sections whose larger side is ``extent_px``."""
        return extent_px / 2

    def n_at_most(self, n_px: int) -> int:
        """Gaussians that one set comes to, on a section of ``n_px`` pixels."""
        return self.cap(n_px) if self.densify else super().n_at_most(n_px)

    @property
    def activations_per_gaussian(self) -> int:
        """Numbers that a network keeps of each Gaussian for the backward pass."""
        return 3 * self.mlp_depth * self.mlp_width


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
    teacher: Annotated[Literal["lateral", "ema"], ActsWith("use_teacher", value=True)] = "lateral"
    """'lateral': a network trained on the stack's own sections, mixed with plain interpolation by evidence, predicts
    pseudo-sections ('anchored' only). 'ema': the student's moving average while bootstrapping, as published."""
    lateral_steps: Annotated[PositiveCount, ActsWith("teacher", "lateral")] = 3000
    """Training steps of the lateral network for 11 sections of 192 × 192; larger stacks get up to 4 times as many."""
    pseudo_sections: Annotated[PositiveCount, ActsWith("teacher", "lateral")] = 2
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
        """Whether a lateral network predicts pseudo-sections, on a stack that allows it."""
        return self.use_teacher and self.teacher == "lateral"

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


@settings
class EmgaussConfig:
    """Settings of a reconstruction; the defaults are those of the ``balanced`` preset.

    Every setting has a name of its own in all classes, so that it can be given flat: `preset`, `with_settings`. A
    setting that cannot act with the others is refused unless it has its default.
    """

    model: Annotated[AnchoredModelConfig | MlpModelConfig, Field(discriminator="field")] = AnchoredModelConfig()
    training: TrainingConfig = TrainingConfig()
    teacher: TeacherConfig = TeacherConfig()
    sections: SectionsConfig = SectionsConfig()
    blocks: BlocksConfig = BlocksConfig()
    uncertainty: Flag = True
    """After the last iteration, map the error to expect of the reconstruction."""

    def __post_init__(self) -> None:
        flat = self.flat()
        for name, reason in inert(flat).items():
            if name in flat and flat[name] != _DEFAULTS[name]:
                raise ConfigError(reason)
        if self.model.has_network and self.teacher.predicts_sections:
            raise ConfigError(_reason("teacher", "lateral", ActsWith("field", "anchored"), self.model.field))
        t = self.training
        if self.model.has_network and not any((t.warmup, t.joint, t.bootstrap)):
            raise ConfigError("warmup, joint and bootstrap are all 0; at least one must be positive with field='mlp'.")

    def flat(self) -> dict[str, Any]:
        """Settings by name, without those of the other deformation."""
        values: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            inner = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
            values |= {f.name: getattr(value, f.name) for f in inner} if inner else {field.name: value}
        return values

    def with_settings(self, **changes: Any) -> EmgaussConfig:
        """The same settings but for ``changes``; others that can no longer act go back to their defaults.

        Raises
        ------
        ConfigError
            Unknown setting, a value out of range, or one that cannot act with the others.
        """
        return combined(self.flat(), changes)

    @classmethod
    def from_flat(cls, values: Mapping[str, Any]) -> EmgaussConfig:
        """Settings of models of format versions 1 to 3, which hold all of them, also those that could not act.

        Raises
        ------
        ConfigError
            An unknown name, or a value of another type or out of bounds.
        """
        if not isinstance(values, Mapping):
            raise ConfigError(f"settings must be names and their values, got {values!r}.")
        never_predicted = values.get("pseudo_sections") == 0 and values.get("teacher", "lateral") == "lateral"
        return combined({**values, "teacher": "ema"} if never_predicted else values, {})

    def to_json(self) -> dict[str, Any]:
        """Nested settings as JSON has them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """Inverse of `to_json`; ``values`` need not be trusted."""
        return from_json(cls, values)


MODELS = {"anchored": AnchoredModelConfig, "mlp": MlpModelConfig}
OF_THE_NETWORK = {"teacher": "ema", "joint": 30, "bootstrap": 20}
"""Defaults where the deformation is a network's: it is descended to, and has no pseudo-sections."""
FIELDS = fields_of(EmgaussConfig)
"""Every setting by its name."""
_DEFAULTS = {name: info.default for name, info in FIELDS.items()}
_NEEDS = {name: rule for name, info in FIELDS.items() for rule in info.metadata if isinstance(rule, ActsWith)}
for _field, _model in MODELS.items():
    _others = [name for other in MODELS.values() if other is not _model for name in fields_of(other)]
    for _name in fields_of(_model):
        if _name not in _others:
            _NEEDS.setdefault(_name, ActsWith("field", _field))


def combined(base: Mapping[str, Any], given: Mapping[str, Any]) -> EmgaussConfig:
    """Settings ``given`` by a caller on top of others, by name; of the latter those that cannot act are dropped.

    Raises
    ------
    ConfigError
        Unknown setting, a value out of range, or one given that cannot act with the others.
    """
    check_names([*base, *given], FIELDS)
    values = {**base, **given}
    field = values.get("field", "anchored")
    if field not in [*MODELS]:
        raise ConfigError(f"field must be one of {', '.join(MODELS)}, got {field!r}.")
    if field == "mlp":
        own = {"teacher"} if base.get("field") == "mlp" else {*OF_THE_NETWORK}
        values |= {name: OF_THE_NETWORK[name] for name in own - {*given}}
    for name, reason in inert(values).items():
        if name in given and given[name] != _DEFAULTS[name]:
            raise ConfigError(reason)
        values.pop(name, None)
    made: dict[str, Any] = {"training": TrainingConfig, "teacher": TeacherConfig, "sections": SectionsConfig}
    made |= {"model": MODELS[field], "blocks": BlocksConfig}
    for group, cls in made.items():
        made[group] = cls(**{name: values.pop(name) for name in fields_of(cls) if name in values})
    return EmgaussConfig(**made, **values)


def inert(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that cannot act with the others of ``values``, and for each what it takes."""
    complete = {**_DEFAULTS, **(OF_THE_NETWORK if values.get("field") == "mlp" else {}), **values}
    found = {}
    for name in _NEEDS:
        need = _NEEDS.get(name)
        while need is not None:
            if not need.met(complete):
                found[name] = _reason(name, complete[name], need, complete[need.setting])
            need = _NEEDS.get(need.setting)
    return found


def _reason(name: str, value: object, need: ActsWith, present: object) -> str:
    return f"{name}={value!r} acts only with {need}, got {need.setting}={present!r}. Leave it out, or set {need}."
