"""Finished models as whole numbers of steps: what they are rounded to when training ends, and what files hold.

Only anchored models are rounded. A Gaussian is shaped by the matrix log Σ / 2 = R diag(log s) Rᵀ: by the mean of its
log-scales, and by two numbers of stretch, δ cos 2θ and δ sin 2θ, with δ half the difference of the log-scales. There is
no angle among them, whose step would have to be the finer the longer a Gaussian is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from napari_emgauss._types import AnyArray
from napari_emgauss.errors import ModelFileError
from napari_emgauss.forward import SectionModel
from napari_emgauss.io.integers import IntArray
from napari_emgauss.methods.emgauss.config import AnchoredModelConfig, EmgaussConfig
from napari_emgauss.runtime.threads import for_each
from napari_emgauss.settings import Positive, settings

LARGEST_CODE = 2**22
"""Numbers that are more steps than that away from 0 have no place in a model; float32 still tells neighbours apart."""

ROWS_AT_ONCE = 2**16
"""Gaussians that a core rounds at a time."""


@settings
class Steps:
    """Distances between the values that a finished model's numbers can have (docs/lab/model-size.md)."""

    position: Positive
    """Of centres, in px: 1/56 of the spacing of Gaussians."""
    motion: Positive
    """Of the motion grid, in px: 1/14 of the spacing."""
    log_scale: Positive = 1 / 64
    """Of the mean log-scale."""
    stretch: Positive = 1 / 48
    """Of both numbers of stretch."""
    intensity: Positive = 1 / 256
    """Of amplitudes, in normalised intensities."""

    @classmethod
    def of(cls, config: AnchoredModelConfig) -> Steps:
        """Return the steps of models that are trained with these settings."""
        return cls(position=config.spacing_px / 56, motion=config.spacing_px / 14)

    def to_json(self) -> dict[str, float]:
        """Steps by name."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Codes:
    """The numbers of an anchored model of N Gaussians, counted in steps."""

    position: IntArray
    """Centres (N, 2)."""
    log_scale: IntArray
    """Mean log-scales (N,)."""
    stretch: IntArray
    """δ cos 2θ and δ sin 2θ (N, 2)."""
    intensity: IntArray
    """Amplitudes (N,)."""
    motion: IntArray
    """Motion (2: up, down; gaps, 2, gy, gx)."""

    @classmethod
    def of(cls, model: SectionModel, steps: Steps) -> Codes:
        """Return the nearest whole numbers of steps.

        Raises
        ------
        ModelFileError
            A number is not finite, or absurdly far from 0.
        """
        field = model.anchored
        assert field is not None
        every = {name: value.cpu().numpy() for name, value in model.gaussians.values().items()}
        n = len(every["intensity"])
        shapes = {"position": (n, 2), "log_scale": (n,), "stretch": (n, 2), "intensity": (n,)}
        codes = {name: np.empty(shape, np.int64) for name, shape in shapes.items()}

        def count(rows: slice) -> None:
            own = {name: value[rows].astype(np.float64) for name, value in every.items()}
            first, second = own["log_scale"].T
            half, twice = (first - second) / 2, 2 * own["angle_rad"]
            with np.errstate(invalid="ignore"):  # what is not finite is refused below
                stretch = np.stack([half * np.cos(twice), half * np.sin(twice)], -1)
            values = {
                "position": own["mean_px"],
                "log_scale": (first + second) / 2,
                "stretch": stretch,
                "intensity": own["intensity"],
            }
            for name, value in values.items():
                codes[name][rows] = _counted(name, value, getattr(steps, name))

        for_each(count, _parts(n))
        motion = torch.stack([field.up, field.down]).detach().cpu().numpy().astype(np.float64)
        return cls(**codes, motion=_counted("motion", motion, steps.motion))

    def check(self) -> None:
        """Raise `ModelFileError` if a code is absurdly far from 0."""
        for field in dataclasses.fields(self):
            values = getattr(self, field.name)
            if values.size and not -LARGEST_CODE <= values.min() <= values.max() <= LARGEST_CODE:
                raise ModelFileError(
                    f"{field.name} holds a number of {values.min()} or {values.max()} steps; at most {LARGEST_CODE} "
                    "are possible."
                )

    def tensors(self, steps: Steps) -> dict[str, Tensor]:
        """Return the model's tensors, by the names that they have in its state, but for the background."""
        n = len(self.intensity)
        mean_px, log_scale = np.empty((n, 2), np.float32), np.empty((n, 2), np.float32)
        angle_rad, intensity = np.empty(n, np.float32), np.empty(n, np.float32)

        def restore(rows: slice) -> None:
            # A tampered file can have any steps; what overflows is refused with all that is not finite.
            with np.errstate(over="ignore", invalid="ignore"):
                u, v = self.stretch[rows].T * steps.stretch
                mean, half = self.log_scale[rows] * steps.log_scale, np.hypot(u, v)
                mean_px[rows] = self.position[rows] * steps.position
                log_scale[rows] = np.stack([mean + half, mean - half], -1)
                angle_rad[rows] = np.arctan2(v, u) / 2
                intensity[rows] = self.intensity[rows] * steps.intensity

        for_each(restore, _parts(n))
        with np.errstate(over="ignore", invalid="ignore"):
            up, down = (torch.from_numpy((codes * steps.motion).astype(np.float32)) for codes in self.motion)
        return {
            "gaussians.mean_px": torch.from_numpy(mean_px),
            "gaussians.log_scale": torch.from_numpy(log_scale),
            "gaussians.angle_rad": torch.from_numpy(angle_rad),
            # Not drawn: anchored Gaussians fade with z.
            "gaussians.opacity_logit": torch.zeros(n),
            "gaussians.intensity": torch.from_numpy(intensity),
            "field.up": up,
            "field.down": down,
        }


def steps_of(config: EmgaussConfig) -> Steps | None:
    """Return the steps that models with these settings are rounded to; None if they are kept as they are."""
    return Steps.of(config.model) if isinstance(config.model, AnchoredModelConfig) else None


def rounded(model: SectionModel, config: EmgaussConfig) -> SectionModel:
    """Round a finished model on the CPU to what its file will hold, in place; return it."""
    if (steps := steps_of(config)) is not None:
        held: Mapping[str, Tensor] = Codes.of(model, steps).tensors(steps)
        model.load_state_dict({**held, "background": model.background})
    return model


def _counted(name: str, values: AnyArray, step: float) -> IntArray:
    with np.errstate(over="ignore", invalid="ignore"):
        counted = np.rint(values / step)
        usable = bool((np.abs(counted) <= LARGEST_CODE).all())
    if not usable:
        raise ModelFileError(
            f"the model holds a {name} that is not finite, or further than {LARGEST_CODE * step:g} from 0, and cannot "
            "be kept. Train it again, with smaller learning rates."
        )
    return counted.astype(np.int64)


def _parts(n: int) -> list[slice]:
    """Cut ``n`` Gaussians into parts for the cores."""
    return [slice(first, first + ROWS_AT_ONCE) for first in range(0, n, ROWS_AT_ONCE)]
