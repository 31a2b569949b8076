"""A stack as far as it is known while it is being trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_emgauss._types import FloatArray, Region, Triple
from napari_emgauss.blocks import Block, Plan, observed_coordinate
from napari_emgauss.errors import ConfigError, FileFormatError, UncertaintyUnavailableError, VolumeError
from napari_emgauss.forward import SectionModel, View
from napari_emgauss.methods.emgauss.drawing.composite import compose
from napari_emgauss.methods.emgauss.drawing.cuts import cut
from napari_emgauss.methods.emgauss.model import model_from_state
from napari_emgauss.methods.emgauss.model.stored import StoredModels
from napari_emgauss.methods.emgauss.setup import Setup
from napari_emgauss.resampling.box import check_region, check_z
from napari_emgauss.resampling.interpolated import InterpolatedStack
from napari_emgauss.resampling.learned import LEARNED
from napari_emgauss.resampling.plain import in_words
from napari_emgauss.resampling.planes import Planes
from napari_emgauss.training import Store
from napari_emgauss.volume import Volume

PLAIN = "flow+blur0.7"
"""Best plain interpolation, where the prior is not wanted or has nothing to say."""
AT_ONCE_PX = 2**24
"""Sections of more pixels are first drawn by linear interpolation: optical flow takes more than a second on them."""
ALL_OF_IT = 1 - 1e-4
"""Weight of trained blocks from which nothing else is drawn."""
AT_FIRST, DRAFT, TRAINED = "first draft", "draft", "trained"
"""Beginnings of labels."""


class Draft:
    """A stack in training, drawn at any z: blocks that are trained by their Gaussians, the others by interpolation.

    It is `Renderable` from the first moment on and gets better in place: first when the sections were examined, then
    with every block. Any thread may draw it. It is no model: there is nothing to save.

    Parameters
    ----------
    setup
        The stack, not examined yet.
    store
        Where trained blocks are kept.
    """

    has_uncertainty = False

    def __init__(self, setup: Setup, store: Store) -> None:
        self._store = store
        self.dtype = setup.volume.dtype
        """The stack's, also where correcting it makes decimals."""
        self.is_examined = False
        """Whether its sections were examined: `volume` is then the corrected stack."""
        self._now = _Known.of(setup, store)

    def examined(self, setup: Setup) -> None:
        """Go over to the corrected stack."""
        self.is_examined = True
        self._now = _Known.of(setup, self._store)

    def planned(self, setup: Setup) -> None:
        """Go over to the blocks as they are trained, which the study chose; those in the store are drawn."""
        blocks = range(len(setup.plan.blocks))
        kept = [block for block in blocks if self._store.is_done(block) and not self._store.is_dropped(block)]
        self._now = _Known.of(setup, self._store, kept)

    def trained(self, *blocks: int) -> None:
        """Draw these blocks by their Gaussians from now on."""
        now, kept = self._now, [block for block in blocks if not self._store.is_dropped(block)]
        self._now = _Known.of(now.setup, self._store, [*now.plan.trained, *kept], now.interpolation)

    @property
    def trained_blocks(self) -> frozenset[int]:
        """Blocks that are drawn by their Gaussians."""
        return self._now.plan.trained

    @property
    def volume(self) -> Volume:
        """The stack, corrected once its sections were examined."""
        return self._now.setup.volume

    @property
    def shape(self) -> tuple[int, int, int]:
        """The stack's (sections, Y, X)."""
        return self._now.setup.volume.shape

    @property
    def voxel_size_nm(self) -> Triple:
        """The stack's (z, y, x)."""
        return self._now.setup.volume.voxel_size_nm

    @property
    def origin_nm(self) -> Triple:
        """Centre of the first voxel."""
        return self._now.setup.volume.origin_nm

    @property
    def z_range(self) -> tuple[float, float]:
        """First and last section coordinate."""
        return 0.0, float(self.shape[0] - 1)

    @property
    def observed(self) -> tuple[int, ...]:
        """Indices of the sections that it is drawn from."""
        return tuple(self._now.setup.observed)

    @property
    def held_out(self) -> tuple[int, ...]:
        """Sections that the user keeps from the training."""
        return self._now.setup.config.sections.hold_out

    @property
    def left_out(self) -> tuple[int, ...]:
        """Damaged sections."""
        return self._now.setup.config.sections.leave_out

    @property
    def display_range(self) -> tuple[float, float]:
        """Intensities between which nearly all of the stack's lie."""
        scaling = self._now.setup.scaling
        return scaling.low, scaling.high

    @property
    def record(self) -> Mapping[str, Any]:
        """How it is drawn, as plain JSON values."""
        now = self._now
        return {
            "draft": True,
            "interpolated": now.method,
            "observed": list(now.setup.observed),
            "blocks_trained": f"{len(now.plan.trained)} of {len(now.plan.blocks)}",
        }

    def render(self, z: float, *, region: Region | None = None, zoom: float = 1.0) -> FloatArray:
        """Draw the section at ``z``, or a region of it; as `Reconstruction.render`."""
        return self._now.section(check_z(z, self), check_region(region, self.shape[1:]), float(zoom))

    def sketch(
        self, z: float, *, region: Region | None = None, zoom: float = 1.0, sharp: float, known: dict[float, Any]
    ) -> FloatArray:
        """Draw what `render` does: nothing here is merged."""
        return self.render(z, region=region, zoom=zoom)

    def uncertainty(self, z: float, *, region: Region | None = None, zoom: float = 1.0) -> FloatArray:
        """Raise `UncertaintyUnavailableError`: it is measured when the training is over."""
        raise UncertaintyUnavailableError(
            "a draft has no map of its uncertainty: it is measured at the end of the training. Wait for that."
        )

    def lines(self, zs: Sequence[float], *, axis: int, index: int) -> FloatArray | None:
        """Draw row (``axis`` 1) or column (2) ``index`` of the sections ``zs``; None where they are drawn whole."""
        return self._now.lines([check_z(z, self) for z in zs], axis=axis, index=index)

    def planes(self, voxel_size_nm: Triple | None = None) -> Planes:
        """Return the stack on another grid, isotropic by default, as an array-like that is drawn on demand."""
        return Planes(self, voxel_size_nm)

    def lazy(self, voxel_size_nm: Triple | None = None) -> Volume:
        """Return what `planes` does as a volume."""
        return self.planes(voxel_size_nm).volume()

    @property
    def rough(self) -> InterpolatedStack:
        """The stack by plain interpolation: drawn in moments rather than as good as it can be."""
        rough = _interpolated(self._now.setup, self._quick)
        rough.dtype = self.dtype
        return rough

    @property
    def _quick(self) -> str:
        return PLAIN if self.shape[1] * self.shape[2] <= AT_ONCE_PX else "linear"

    def label(self, z: float, *, rough: bool = False) -> str:
        """Return in words what is drawn at ``z``, or what `rough` is."""
        return f"{AT_FIRST}: {in_words(self._quick)}" if rough else self._now.label(z)


@dataclass(frozen=True)
class _TrainedPart(Plan):
    """A plan of which only some blocks count."""

    trained: frozenset[int] = frozenset()

    def blocks_at(self, z: float | Sequence[float], region: Region | None = None) -> Iterator[tuple[int, Block]]:
        return (each for each in super().blocks_at(z, region) if each[0] in self.trained)


class _One:
    """A block that is 1 everywhere: composed, it is the weight of the blocks."""

    def render(self, z: float, view: View) -> Tensor:
        return torch.ones(view.shape)


@dataclass(frozen=True)
class _Known:
    """What a draft is drawn from, at one moment."""

    setup: Setup
    method: str
    interpolation: InterpolatedStack
    plan: _TrainedPart
    models: StoredModels = field(repr=False)

    @classmethod
    def of(cls, setup: Setup, store: Store, done: Iterable[int] = (), known: InterpolatedStack | None = None) -> _Known:
        plan, start, n = setup.plan, setup.start, len(setup.plan.blocks)
        trained = frozenset(done if start is None else range(n))

        def read(block: int) -> SectionModel:
            try:
                kept = store.load_done(block)
            except (FileFormatError, OSError) as error:  # the training has ended meanwhile and removed its folder
                raise LookupError from error
            if kept is not None:
                return model_from_state(setup.config, setup.block_shape(plan.blocks[block]), *kept)
            if start is not None:
                return start.models[block]
            raise LookupError  # given back to the training's end

        method = LEARNED if setup.n_pseudo and setup.config.teacher.prior else PLAIN
        with suppress(ConfigError, VolumeError):  # until they are left out, damaged sections can spoil it
            setup.scaling  # noqa: B018 - measured here, in the thread that trains
        part = _TrainedPart(plan.z, plan.y, plan.x, trained)
        interpolation = _interpolated(setup, method) if known is None else known
        return cls(setup, method, interpolation, part, StoredModels(read, [0] * n, []))

    def label(self, z: float) -> str:
        blocks = [number for number, _ in Plan.blocks_at(self.plan, self._position(z))]
        trained = sum(number in self.plan.trained for number in blocks)
        if trained == len(blocks):
            return TRAINED
        draft = f"{DRAFT}: {in_words(self.method)}"
        return f"{draft}, {trained} of {len(blocks)} parts {TRAINED}" if trained else draft

    def section(self, z: float, region: Region, zoom: float) -> FloatArray:
        if not self.plan.trained:
            return self.interpolation.render(z, region=region, zoom=zoom)
        view, position, scaling = View(region, zoom), self._position(z), self.setup.scaling
        weight = compose(self.plan, [_One()] * len(self.models), view, z, position)
        try:
            drawn = compose(self.plan, self.models, view, z, position)
        except LookupError:
            drawn, weight = np.zeros_like(weight), np.zeros_like(weight)
        if weight.min() > ALL_OF_IT:
            return scaling.restore(drawn)
        rest = self.interpolation.render(z, region=region, zoom=zoom)
        return scaling.restore(drawn + (1 - weight) * scaling.normalise(rest)) if weight.any() else rest

    def lines(self, zs: Sequence[float], *, axis: int, index: int) -> FloatArray | None:
        if not self.plan.trained:
            return self.interpolation.lines(zs, axis=axis, index=index)
        scaling, positions = self.setup.scaling, [self._position(z) for z in zs]
        _, height, width = self.setup.volume.shape
        line = (index, index + 1, 0, width) if axis == 1 else (0, height, index, index + 1)
        view, one = View(line), [_One()] * len(self.models)
        at = zip(zs, positions, strict=True)
        weight = np.stack([compose(self.plan, one, view, z, position).ravel() for z, position in at])
        try:
            drawn = cut(self.plan, self.models, zs, positions, axis=axis, index=index)
        except LookupError:
            drawn, weight = np.zeros_like(weight), np.zeros_like(weight)
        if drawn is not None and weight.min() > ALL_OF_IT:
            return scaling.restore(drawn)
        rest = self.interpolation.lines(zs, axis=axis, index=index)
        if drawn is None or rest is None:
            return None
        return scaling.restore(drawn + (1 - weight) * scaling.normalise(rest)) if weight.any() else rest

    def _position(self, z: float) -> float:
        return observed_coordinate(self.setup.observed, z)


def _interpolated(setup: Setup, method: str) -> InterpolatedStack:
    unseen = sorted(set(range(setup.volume.n_sections)) - set(setup.observed))
    return InterpolatedStack(setup.volume, method, leave_out=unseen)
