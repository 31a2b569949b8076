"""Methods by name, as functions that give the section at any z."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from napari_emgauss._types import AnyArray
from napari_emgauss.errors import ConfigError
from napari_emgauss.interpolation.plain import BLURS_PX, Baseline, Interpolator
from napari_emgauss.methods.emgauss import Reconstruction, reconstruct
from napari_emgauss.resampling.learned import LEARNED, LearnedInterpolation
from napari_emgauss.volume import Volume

SectionSource = Callable[[float], AnyArray]
"""z (section coordinate of the thinned stack) → image (Y, X) in the input's intensity units."""

SourceFactory = Callable[[Volume], SectionSource]
"""Thinned stack → its `SectionSource`; training happens here."""

RECONSTRUCTIONS: Mapping[str, Callable[..., Reconstruction]] = {"emgauss": reconstruct}
"""Methods that train, by the name they are scored under; they take the thinned stack, ``preset`` and options."""

MethodChoice = str | tuple[str, SourceFactory]
MethodKind = Literal["baseline", "reconstruction"]


@dataclass(frozen=True)
class MethodSpec:
    """One method to score."""

    name: str
    kind: MethodKind
    factory: SourceFactory


def resolve_methods(
    methods: str | Iterable[MethodChoice] | Mapping[str, SourceFactory], *, preset: str, **options: Any
) -> tuple[MethodSpec, ...]:
    """Return the methods in the order given; ``+blur`` without a number stands for one per published blur.

    Parameters
    ----------
    methods
        Names of baselines, ``emgauss`` or ``emgauss:<preset>``, and (name, factory) pairs.
    preset
        Preset of a plain ``emgauss``.
    **options
        Passed on to `napari_emgauss.reconstruct`.

    Raises
    ------
    ConfigError
        A name is unknown or given twice, or there is none.
    """
    if isinstance(methods, str):
        methods = (methods,)
    choices = methods.items() if isinstance(methods, Mapping) else methods
    specs = [spec for choice in choices for spec in _specs(choice, preset, options)]
    names = [spec.name for spec in specs]
    if not names:
        raise ConfigError("methods must name at least one method, got none. Try linear, flow+blur or emgauss.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ConfigError(f"methods must differ, got {', '.join(repeated)} more than once. Name each method once.")
    return tuple(specs)


def _specs(choice: MethodChoice, preset: str, options: Mapping[str, Any]) -> list[MethodSpec]:
    if not isinstance(choice, str):
        name, factory = choice
        return [MethodSpec(name, "reconstruction", factory)]
    method, colon, chosen = choice.partition(":")
    if method in RECONSTRUCTIONS:
        if colon and not chosen:
            raise ConfigError(f"the preset is missing in {choice!r}. Write {method}:fast, or {method} for {preset!r}.")
        return [MethodSpec(choice, "reconstruction", _reconstructing(method, chosen or preset, options))]
    if choice == LEARNED:
        return [MethodSpec(LEARNED, "reconstruction", _learned)]
    try:
        baseline = Baseline.parse(choice)
    except ConfigError as error:
        known = ", ".join(f"{name} and {name}:<preset>" for name in RECONSTRUCTIONS)
        raise ConfigError(f"{error} Reconstructions are {known}.") from None
    blurs = BLURS_PX if choice.endswith("+blur") else (baseline.blur_px,)
    return [_interpolating(Baseline(method=baseline.method, blur_px=blur)) for blur in blurs]


def _interpolating(baseline: Baseline) -> MethodSpec:
    return MethodSpec(baseline.name, "baseline", lambda stack: Interpolator(stack, baseline).section)


def _learned(stack: Volume) -> SectionSource:
    return LearnedInterpolation(stack, range(stack.n_sections)).section


def _reconstructing(method: str, preset: str, options: Mapping[str, Any]) -> SourceFactory:
    return lambda stack: RECONSTRUCTIONS[method](stack, preset=preset, **options).render
