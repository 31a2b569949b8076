"""The presets: named settings."""

from __future__ import annotations

from typing import Any, Literal, cast, get_args

from napari_emgauss.errors import ConfigError
from napari_emgauss.methods.emgauss.config import EmgaussConfig, combined

PresetName = Literal["fast", "balanced", "best", "paper"]
PRESET_NOTES: dict[str, str] = {
    "fast": "A first look, in seconds; no map of the uncertainty.",
    "balanced": "The default: predicts what was not cut, as far as your own sections bear it out.",
    "best": "Also trains a network on your own sections: minutes more, for tissue unlike what was seen before.",
    "paper": "EMGauss as published: slow on a CPU, and not better.",
}
PRESETS: dict[PresetName, dict[str, Any]] = {
    # The published network, rates, rules and proportions of the stages, with what the paper leaves open or short
    # stacks need (docs/lab/ablation.md): bundles of three sections, each with a quarter of the iterations of a whole
    # stack, noise on z, a blur against noise, and a cap on the density of Gaussians.
    "paper": {
        "teacher": "ema",
        "field": "mlp",
        "compositing": "alpha",
        "spacing_px": 3.0,
        "max_gaussians": 60_000,
        "max_gaussians_per_px": 0.13,
        "denoise": "blur",
        "correct_sections": "none",
        "leave_out_damaged": False,
        "warmup": 500,
        "joint": 250,
        "bootstrap": 3750,
        "z_jitter_start": 0.5,
        "z_jitter_end": 0.5,
        "rate_mean": 1.6e-4,
        "rate_mean_end": 1.6e-6,
        "rate_scale": 5e-3,
        "rate_angle": 1e-3,
        "rate_opacity": 5e-2,
        "rate_intensity": 2.5e-3,
        "rate_field": 8e-4,
        "rate_field_end": 1.6e-6,
        "rate_decay": 1.0,
        "densify": True,
        "densify_start": 125,
        "densify_stop": 2250,
        "opacity_reset_every": 750,
        "bundle_sections": 3,
        "bundle_overlap": 1,
    },
    "fast": {"prior_views": 1, "lateral_steps": 0, "newton_steps": 3, "uncertainty": False},
    "balanced": {},
    "best": {"prior_views": 4, "lateral_steps": 3000, "newton_steps": 7, "spacing_px": 3.5},
}


def preset(name: str = "balanced", **overrides: Any) -> EmgaussConfig:
    """Configuration of a preset, with any setting overridden by keyword.

    Settings of the preset that cannot act with the overrides are dropped.

    Raises
    ------
    ConfigError
        Unknown preset or setting, a value out of range, or an override that cannot act with the others.
    """
    if name not in get_args(PresetName):
        raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, got {name!r}.")
    return combined(PRESETS[cast(PresetName, name)], overrides)
