"""The evaluation itself: every method reconstructs a thinned stack and is scored on the sections withheld from it."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.errors import ConfigError, VolumeError, VoxelSizeError
from napari_emgauss.evaluation.results import Evaluation, MethodScore, SectionScore
from napari_emgauss.evaluation.scoring import PlaneBuffer, score_planes, score_section
from napari_emgauss.evaluation.sources import MethodChoice, MethodSpec, SectionSource, SourceFactory, resolve_methods
from napari_emgauss.evaluation.views import FigureView
from napari_emgauss.resampling.unit import IntensityScale
from napari_emgauss.runtime.memory import MemoryMeter, process_peak_mib
from napari_emgauss.volume import Volume

DEFAULT_METHODS = ("linear", "linear+blur", "flow+blur", "emgauss")
ISOTROPY_TOLERANCE = 0.05

MethodProgress = Callable[[str, int, int], None]
"""Called with (method, sections done, sections in all)."""


def evaluate(
    volume: Volume,
    factor: int,
    methods: str | Iterable[MethodChoice] | Mapping[str, SourceFactory] = DEFAULT_METHODS,
    *,
    preset: str = "balanced",
    seed: int = 0,
    device: str = "auto",
    n_planes: int = 32,
    with_fsim: bool = True,
    progress: MethodProgress | None = None,
    on_event: Callable[[Any], None] | None = None,
    **overrides: Any,
) -> Evaluation:
    """Score methods on sections that were withheld from them.

    Keeps every ``factor``-th section of an isotropic volume, gives only these to each method, and compares what it
    draws in between with the truth. docs/reference/scoring.md says what each number means.

    Parameters
    ----------
    volume
        Isotropic volume; what lies behind the last kept section is not used.
    factor
        Anisotropy to simulate, at least 2.
    methods
        Names: ``nearest``, ``linear``, ``cubic``, ``flow``, each with ``+blur<σ in px>`` or ``+blur`` (all published
        blurs); ``emgauss`` or ``emgauss:<preset>``. Or pairs (name, factory), or a mapping name → factory, where
        the factory takes the thinned `Volume` and returns z → image (Y, X).
    preset, seed, device, on_event, **overrides
        Passed to `napari_emgauss.reconstruct` for ``emgauss``.
    n_planes
        Number of xz and of yz planes that are scored, evenly spaced.
    with_fsim
        Whether to compute FSIM, the slowest of the scores.
    progress
        Called with (method, sections done, sections in all).

    Raises
    ------
    ConfigError
        A method is unknown or repeated, or ``factor`` or ``n_planes`` is out of range.
    VoxelSizeError
        The volume is not isotropic within 5 %.
    VolumeError
        The volume is too short, or a method returns an image of the wrong shape or with NaN.
    """
    factor = _check_factor(volume, factor)
    if n_planes < 1:
        raise ConfigError(f"n_planes must be at least 1, got {n_planes}. The default is 32.")
    options = {"seed": seed, "device": device, "on_event": on_event, **overrides}
    specs = resolve_methods(methods, preset=preset, **options)
    run = _ThinnedVolume(volume, factor, n_planes, with_fsim, progress)
    means: list[MethodScore] = []
    sections: list[SectionScore] = []
    views: list[FigureView] = []
    for spec in specs:
        mean, of_sections, view = run.score(spec)
        means.append(mean)
        sections.extend(of_sections)
        views.append(view)
    return Evaluation(
        factor=factor,
        shape=(run.n_z, *volume.shape[1:]),
        voxel_size_nm=volume.voxel_size_nm,
        methods=tuple(means),
        sections=tuple(sections),
        truth_view=run.truth_view,
        views=tuple(views),
    )


class _ThinnedVolume:
    """An isotropic volume: every ``factor``-th section is shown to the methods, the rest is withheld."""

    def __init__(
        self, volume: Volume, factor: int, n_planes: int, with_fsim: bool, progress: MethodProgress | None
    ) -> None:
        self.volume, self.factor, self.n_planes, self.with_fsim = volume, factor, n_planes, with_fsim
        self.progress = progress
        self.thinned = volume.every(factor)
        self.n_z = (self.thinned.n_sections - 1) * factor + 1
        self.withheld = np.arange(self.n_z) % factor != 0
        self.scale = IntensityScale.of(volume)
        self.truth = self._planes()
        for k in range(self.n_z):
            self.truth.put(k, self.true_section(k))
        self.view_z = (self.thinned.n_sections - 1) // 2 * factor + factor // 2
        self.truth_view = FigureView.of("truth", self.true_section(self.view_z), self.view_z, self.truth)

    def true_section(self, k: int) -> FloatArray:
        return self.scale.to_unit(self.volume.section(k))

    def score(self, spec: MethodSpec) -> tuple[MethodScore, list[SectionScore], FigureView]:
        planes, scores = self._planes(), []
        with MemoryMeter() as meter:
            timed = _TimedMethod(spec, self.thinned, meter)
            for k in range(self.n_z):
                image = self._checked(spec.name, timed.section(k / self.factor), k)
                planes.put(k, image)
                if k == self.view_z:
                    shown = image
                if self.withheld[k]:
                    score = score_section(image, self.true_section(k), with_fsim=self.with_fsim)
                    scores.append(SectionScore(spec.name, k, k % self.factor, score.psnr_db, score.ssim, score.fsim))
                if self.progress is not None:
                    self.progress(spec.name, k + 1, self.n_z)
        view = FigureView.of(spec.name, shown, self.view_z, planes)
        return self._mean(spec, scores, planes, timed, meter), scores, view

    def _mean(
        self, spec: MethodSpec, scores: list[SectionScore], planes: PlaneBuffer, timed: _TimedMethod, meter: MemoryMeter
    ) -> MethodScore:
        xz = score_planes(planes.xz, self.truth.xz, self.withheld)
        yz = score_planes(planes.yz, self.truth.yz, self.withheld)
        return MethodScore(
            method=spec.name,
            kind=spec.kind,
            psnr_db=float(np.mean([s.psnr_db for s in scores])),
            ssim=float(np.mean([s.ssim for s in scores])),
            fsim=float(np.mean([s.fsim for s in scores])),
            xz_psnr_db=xz.psnr_db,
            xz_ssim=xz.ssim,
            yz_psnr_db=yz.psnr_db,
            yz_ssim=yz.ssim,
            fit_seconds=timed.fit_seconds,
            render_seconds=timed.render_seconds,
            memory_mib=meter.peak_above_start_mib,
            process_peak_mib=process_peak_mib(),
        )

    def _planes(self) -> PlaneBuffer:
        return PlaneBuffer((self.n_z, *self.volume.shape[1:]), self.n_planes)

    def _checked(self, name: str, drawn: AnyArray, k: int) -> FloatArray:
        image = np.asarray(drawn)
        where = f"{name} at z = {k / self.factor:g}"
        if image.shape != self.volume.shape[1:]:
            raise VolumeError(
                f"{where} returned shape {image.shape}, a section is {self.volume.shape[1:]}. Fix the method."
            )
        if not np.isfinite(image).all():
            raise VolumeError(f"{where} returned NaN or infinite values, which cannot be scored. Fix the method.")
        return self.scale.to_unit(image)


class _TimedMethod:
    """A method whose fit and renders are timed; the meter sees both, but not the scoring."""

    def __init__(self, spec: MethodSpec, thinned: Volume, meter: MemoryMeter) -> None:
        self._meter = meter
        self.render_seconds = 0.0
        start = time.perf_counter()
        with meter.measuring():
            self._source: SectionSource = spec.factory(thinned)
        self.fit_seconds = time.perf_counter() - start

    def section(self, z: float) -> AnyArray:
        start = time.perf_counter()
        with self._meter.measuring():
            image = self._source(z)
        self.render_seconds += time.perf_counter() - start
        return image


def _check_factor(volume: Volume, factor: int) -> int:
    try:
        value = operator.index(factor)
    except TypeError:
        raise ConfigError(f"factor must be a whole number of at least 2, got {factor!r}.") from None
    if value < 2:
        raise ConfigError(f"factor must be at least 2, got {value}; at 1 nothing is withheld.")
    if volume.n_sections <= value:
        raise VolumeError(
            f"factor {value} needs at least {value + 1} sections, the volume has {volume.n_sections}. "
            "Use a smaller factor or a deeper volume."
        )
    smallest, largest = min(volume.voxel_size_nm), max(volume.voxel_size_nm)
    if largest > smallest * (1 + ISOTROPY_TOLERANCE):
        raise VoxelSizeError(
            f"evaluation needs an isotropic volume, got voxel_size_nm {volume.voxel_size_nm}: "
            "only there the withheld sections are known. Use an isotropic volume, or hold out sections of this one "
            "while reconstructing."
        )
    return value
