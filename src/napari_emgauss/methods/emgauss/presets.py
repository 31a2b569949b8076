"""The presets, and settings changed by name."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from typing import Any

from napari_emgauss.errors import ConfigError
from napari_emgauss.methods.emgauss.config import EmgaussConfig

PRESETS: dict[str, dict[str, Any]] = {
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
    "fast": {"teacher": "ema", "joint": 20, "bootstrap": 10},
    "balanced": {},
    "best": {"lateral_steps": 10_000},
}


def preset(name: str = "balanced", **overrides: Any) -> EmgaussConfig:
    """Configuration of a preset, with any field overridden by keyword.

    Raises
    ------
    ConfigError
        Unknown preset or field, or a value out of range.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, got {name!r}.")
    _check_names(overrides)
    values: dict[str, Any] = {**PRESETS[name], **overrides}
    return EmgaussConfig(**values)


def merged(config: EmgaussConfig, overrides: dict[str, Any]) -> EmgaussConfig:
    """``config`` with fields replaced; raises as `preset` does."""
    _check_names(overrides)
    return dataclasses.replace(config, **overrides)


def _check_names(names: Iterable[str]) -> None:
    known = [f.name for f in dataclasses.fields(EmgaussConfig)]
    for key in names:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f" Did you mean {near[0]}?" if near else f" Known settings: {', '.join(known)}."
            raise ConfigError(f"unknown setting {key!r}.{hint}")
