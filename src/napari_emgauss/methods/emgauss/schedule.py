"""The training of a block as its settings have it: stages, rates, and the rules of density."""

from __future__ import annotations

from napari_emgauss.gaussians import DensityConfig
from napari_emgauss.methods.emgauss.config import EmgaussConfig, MlpModelConfig
from napari_emgauss.training import Rate, Schedule

GPU_SECTIONS_PER_STEP = 4
"""A GPU waits for its next small task more than it works, so sections are drawn together; not measured on one."""


def schedule(config: EmgaussConfig, n_sections: int, extent_px: int, device: str = "cpu") -> Schedule:
    """Schedule of a block with ``n_sections`` observed and pseudo-sections whose larger side is ``extent_px``."""
    t, teacher = config.training, config.teacher
    unit_px = config.model.unit_px(extent_px)
    per = n_sections if config.model.iterations_per_section else 1
    warmup, joint, bootstrap = t.warmup * per, t.joint * per, t.bootstrap * per
    total = warmup + joint + bootstrap

    def falling(start: float) -> Rate:
        return Rate(start, start * t.rate_decay)

    return Schedule(
        warmup=warmup,
        joint=joint,
        bootstrap=bootstrap,
        rates={
            "gaussians.mean_px": Rate(t.rate_mean * unit_px, t.rate_mean_end * unit_px),
            "gaussians.log_scale": falling(t.rate_scale),
            "gaussians.angle_rad": falling(t.rate_angle),
            "gaussians.opacity_logit": falling(t.rate_opacity),
            "gaussians.intensity": falling(t.rate_intensity),
            "field": Rate(t.rate_field, t.rate_field_end),
        },
        ema_decay=teacher.ema_decay,
        use_teacher=teacher.averages_student,
        pseudo_share=(teacher.pseudo_share_start, teacher.pseudo_share_end),
        pseudo_weight=(teacher.pseudo_weight_start, teacher.pseudo_weight_end),
        pseudo_ramp=(round(teacher.pseudo_ramp_start * total), round(teacher.pseudo_ramp_end * total)),
        z_jitter=(t.z_jitter_start, t.z_jitter_end),
        lambda_dssim=t.lambda_dssim,
        sections_per_step=t.sections_per_step or (1 if device == "cpu" else GPU_SECTIONS_PER_STEP),
    )


def density_rules(config: EmgaussConfig, n_px: int) -> DensityConfig | None:
    """Rules of densification on a section of ``n_px`` pixels, or None."""
    model = config.model
    if not isinstance(model, MlpModelConfig) or not model.densify:
        return None
    return DensityConfig(
        start=model.densify_start,
        stop=model.densify_stop,
        reset_every=model.opacity_reset_every,
        max_gaussians=model.cap(n_px),
    )
