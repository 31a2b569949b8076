"""The whole reconstruction as one layer; only what is looked at is drawn."""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from qtpy.QtCore import QTimer

from napari_emgauss._napari.viewer.rough import RoughPictures
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss._types import AnyArray, Triple
from napari_emgauss.methods.emgauss import Draft, Reconstruction
from napari_emgauss.resampling.box import Ranges, box_of
from napari_emgauss.resampling.planes import Planes

CACHE_BYTES = 256 * 2**20
"""Memory for planes that were drawn before."""
SOLID_BYTES = 512 * 2**20
"""Largest volume shown in 3D: the graphics card needs all of it."""
SOLID_SAMPLES = 128
"""A coarse volume has about so many samples along each axis."""
PREFETCHED = 3
"""Neighbours drawn ahead in the direction of the last step."""
COARSE = "coarse"
PATIENCE_S = 0.1
"""Boxes of a draft that take longer are drawn roughly first, and well once the view rests."""
REST_MS = 150
SAME_Z = 1e-3
"""Section coordinates that differ by less are the same."""
Work = Callable[[], tuple[AnyArray, float]]
"""Returns what was drawn, and how many seconds it took."""


class VirtualVolume:
    """An isotropic volume that behaves like an array and is rendered on demand.

    Indexing gives exact values to everybody, but to napari while it slices a layer of `show_in` for its canvas. A box
    that is not at hand is then drawn off the GUI thread, the previous picture stays until it is ready, and the layer is
    refreshed. The 3D view, which asks for everything, gets a coarse volume.

    Parameters
    ----------
    reconstruction
        What is rendered.
    voxel_size_nm
        Grid spacing (z, y, x); isotropic by default.
    """

    ndim = 3

    def __init__(self, reconstruction: Reconstruction | Draft, voxel_size_nm: Triple | None = None) -> None:
        self._take(reconstruction, voxel_size_nm)
        self._lock = threading.Lock()
        self._cache: OrderedDict[Hashable, AnyArray] = OrderedDict()
        self._cached_bytes = 0
        self._missed: Hashable | None = None
        self._refused = False
        self._shown: dict[tuple[bool, ...], tuple[tuple[int, ...], AnyArray]] = {}
        self._layers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._slicing_in: threading.Thread | None = None
        self._worker = Worker(None, name="emgauss-planes")
        self.has_picture = False
        """Whether the canvas shows the place that is looked at."""
        self.is_rough = True
        """Whether it shows that roughly, or not at all."""

    def _take(self, reconstruction: Reconstruction | Draft, voxel_size_nm: Triple | None) -> None:
        self._reconstruction = reconstruction
        self._planes = reconstruction.planes(voxel_size_nm)
        self._rough = RoughPictures(reconstruction, self._planes) if isinstance(reconstruction, Draft) else None
        self._seconds = math.inf
        """That the last box took."""

    @property
    def reconstruction(self) -> Reconstruction | Draft:
        """What is rendered."""
        return self._reconstruction

    @property
    def voxel_size_nm(self) -> Triple:
        """Grid spacing (z, y, x)."""
        return self._planes.voxel_size_nm

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels (z, y, x)."""
        return self._planes.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values: the stack's."""
        return self._planes.dtype

    @property
    def size(self) -> int:
        """Number of voxels."""
        return self._planes.size

    @property
    def nbytes(self) -> int:
        """Memory it would take if all of it were drawn."""
        return self._planes.nbytes

    @property
    def busy(self) -> bool:
        """Whether something is being drawn for the canvas."""
        return self._worker.busy or (self._rough is not None and (self._rough.busy or self._missed is not None))

    def __len__(self) -> int:
        return len(self._planes)

    def __getitem__(self, key: Any) -> Any:
        ranges, dropped = box_of(key, self.shape)
        for_canvas = self._slicing_in is threading.current_thread()
        block = self._live(ranges) if for_canvas else self._exact(ranges)
        return block[tuple(0 if drop else slice(None) for drop in dropped)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        """Draw everything: for saving, never for showing."""
        whole = np.asarray(self._planes[...])
        return whole if dtype is None else whole.astype(dtype)

    def draw_from(self, reconstruction: Reconstruction | Draft) -> None:
        """Render something else of the same shape, or the same anew that is better now; layers follow."""
        self._worker.forget()
        if self._rough is not None:
            self._rough.forget()
        seconds = self._seconds if reconstruction is self._reconstruction else math.inf
        self._take(reconstruction, self.voxel_size_nm)
        self._seconds = seconds
        with self._lock:
            self._cache.clear()
            self._cached_bytes = 0
        self._missed = None
        self._refresh()

    def section_near(self, z: float) -> float:
        """Return the section coordinate of the plane nearest to ``z``."""
        k = round(z * self._reconstruction.voxel_size_nm[0] / self.voxel_size_nm[0])
        return self._planes.section_coordinate(min(max(k, 0), len(self) - 1))

    def put(self, z: float, image: AnyArray, corner: tuple[int, int] = (0, 0)) -> bool:
        """Put a newer picture of a section, or of a part of it, into its plane, until all is drawn anew.

        Parameters
        ----------
        z
            Section coordinate.
        image
            In the stack's intensities and pixels.
        corner
            Pixel (y, x) of its first one.

        Returns
        -------
        Whether there is such a plane, and the rest of it is at hand.
        """
        if self.voxel_size_nm[1:] != self._reconstruction.voxel_size_nm[1:] or abs(self.section_near(z) - z) > SAME_Z:
            return False
        k = round(z * self._reconstruction.voxel_size_nm[0] / self.voxel_size_nm[0])
        (y, x), (height, width) = corner, image.shape
        key = (range(k, k + 1), range(self.shape[1]), range(self.shape[2]))
        plane = self._recall(key)
        if plane is None and self._rough is not None:
            plane = self._rough.recall(key)
        if plane is None and image.shape != self.shape[1:]:
            return False
        plane = np.empty((1, *self.shape[1:]), self.dtype) if plane is None else plane.copy()
        plane[0, y : y + height, x : x + width] = self._planes.conversion.apply(image)
        self._forget(key)
        self._remember(key, plane)
        if key == self._missed:
            self._missed = None
        self._refresh()
        return True

    def show_in(self, layer: Any) -> None:
        """Give ``layer``, whose data this is, what can be shown at once, and refresh it when the rest is ready.

        napari enters a context whenever it slices a layer, made for dask arrays; it is what tells its reading from
        anybody else's.
        """
        self._expect_nothing()
        if layer not in self._layers:
            self._layers.add(layer)
            getattr(layer, "_slicing_state", layer).dask_optimized_slicing = self._sliced

    @contextmanager
    def _sliced(self) -> Iterator[None]:
        """Take what is read in here, in the GUI thread, for what is about to be shown and must not wait."""
        here, before = threading.current_thread(), self._slicing_in
        self._slicing_in = here if here is threading.main_thread() else before
        try:
            yield
        finally:
            self._slicing_in = before

    def _expect_nothing(self) -> None:
        self._slicing_in = None

    def _exact(self, ranges: Ranges) -> AnyArray:
        block = self._recall(ranges)
        if block is None:
            block = self._planes[_slices(ranges)]
            # Whoever reads the volume in large pieces must not push out what is looked at.
            if block.nbytes <= CACHE_BYTES // 16:
                self._remember(ranges, block)
        return block.copy()

    def _live(self, ranges: Ranges) -> AnyArray:
        """Return what can be shown now; the rest follows."""
        orientation, place = _orientation(ranges, self.shape)
        if all(orientation) and self.nbytes > SOLID_BYTES:
            self._refuse_solid()
            return self._nothing((1, 1, 1))
        key = COARSE if all(orientation) else ranges
        block = self._recall(key)
        self._missed = None if block is not None else key
        self._worker.drop_waiting()
        is_same = orientation in self._shown and self._shown[orientation][0] == place
        rough = self._rough if block is None and key != COARSE else None
        if rough is not None and rough.has(ranges):  # a good one comes when the view rests
            block, self.is_rough = rough.recall(ranges), True
        elif rough is not None and not is_same and self._seconds > PATIENCE_S:
            self._draw_roughly(ranges, rough)
            self.is_rough = True
        else:
            self._submit(([(key, self._work(ranges))] if block is None else []) + self._ahead(ranges))
            self.is_rough = block is None and (self.is_rough or not is_same)
        self.has_picture = block is not None or is_same
        if block is not None:
            self._shown[orientation] = (place, block)
            return block
        size = tuple(len(r) for r in ranges)
        shown = self._shown.get(orientation)
        return shown[1] if shown is not None and shown[1].shape == size else self._nothing(size)

    def _draw_roughly(self, ranges: Ranges, rough: RoughPictures) -> None:
        """Have a rough picture drawn, and a good one once the view rests."""
        alive = weakref.ref(self)
        rough.draw(ranges, partial(_drawn_roughly, alive, ranges))
        QTimer.singleShot(REST_MS, partial(_rested, alive, ranges))

    def _submit(self, wanted: list[tuple[Hashable, Work]]) -> None:
        for key, work in wanted:
            self._worker.submit(work, key=key, done=partial(_loaded, weakref.ref(self), key))

    def _refuse_solid(self) -> None:
        """Say once why the 3D view shows nothing of this layer; it goes on showing the others."""
        if not self._refused:
            from napari.utils.notifications import show_info

            self._refused = True
            show_info(
                f"The isotropic volume of {' × '.join(map(str, self.shape))} voxels is too large to show in 3D. "
                "Look at it in 2D, or export a part of it with 'Export isotropic' and show that."
            )

    def _nothing(self, size: tuple[int, ...]) -> AnyArray:
        """Return a constant that takes no memory."""
        low = np.asarray(self.reconstruction.display_range[0]).astype(self.dtype)
        return np.broadcast_to(low, size)

    def _work(self, ranges: Ranges) -> Work:
        """Return what the worker calls; it does not keep this object alive."""
        if all(_orientation(ranges, self.shape)[0]):
            return partial(_timed, partial(Planes.coarse, self._planes, SOLID_SAMPLES))
        return partial(_timed, partial(Planes.__getitem__, self._planes, _slices(ranges)))

    def _ahead(self, ranges: Ranges) -> list[tuple[Hashable, Work]]:
        """Return the next planes in the direction of the last step that are not at hand, nearest first."""
        orientation, place = _orientation(ranges, self.shape)
        if sum(orientation) != 2 or len(ranges[orientation.index(False)]) != 1:
            return []
        axis = orientation.index(False)
        last = self._shown[orientation][0] if orientation in self._shown else place
        direction = -1 if place[axis] < last[axis] else 1
        ahead: list[tuple[Hashable, Work]] = []
        for k in (place[axis] + direction * n for n in range(1, PREFETCHED + 1)):
            z, y, x = (range(k, k + 1) if i == axis else r for i, r in enumerate(ranges))
            if 0 <= k < self.shape[axis] and self._recall((z, y, x)) is None:
                ahead.append(((z, y, x), self._work((z, y, x))))
        return ahead

    def _recall(self, key: Hashable) -> AnyArray | None:
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
            return self._cache.get(key)

    def _remember(self, key: Hashable, block: AnyArray) -> None:
        with self._lock:
            if key in self._cache:
                return
            self._cache[key] = block
            self._cached_bytes += block.nbytes
            while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
                self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes

    def _forget(self, key: Hashable) -> None:
        with self._lock:
            if key in self._cache:
                self._cached_bytes -= self._cache.pop(key).nbytes

    def _on_loaded(self, key: Hashable, block: AnyArray, seconds: float) -> None:
        if key != COARSE:
            self._seconds = seconds
        self._remember(key, block)
        if key == self._missed:
            self._missed = None
            self._refresh()

    def _refresh(self) -> None:
        for layer in self._layers:
            layer.refresh(extent=False)


_ATTENDED: weakref.WeakSet[Any] = weakref.WeakSet()


def redraw_volumes(viewer: Any, drawn: Reconstruction | Draft, new: Reconstruction | Draft) -> None:
    """Have all virtual volumes of ``drawn`` in a viewer drawn from ``new``, which may be the same and better now."""
    for layer in viewer.layers:
        if isinstance(layer.data, VirtualVolume) and layer.data.reconstruction is drawn:
            layer.data.draw_from(new)


def volume_for_layer(reconstruction: Reconstruction | Draft, viewer: Any | None) -> VirtualVolume:
    """Return a volume that is about to become the data of a layer, before the event loop goes on.

    Until it is one, what the GUI thread reads is taken for the canvas: napari slices a layer already while it makes it.

    Parameters
    ----------
    reconstruction
        What is rendered.
    viewer
        The viewer that gets the layer, not a proxy; None if there is none.
    """
    volume = VirtualVolume(reconstruction)
    if viewer is not None and threading.current_thread() is threading.main_thread():
        volume._slicing_in = threading.main_thread()
        QTimer.singleShot(0, volume._expect_nothing)
        if viewer not in _ATTENDED:
            _ATTENDED.add(viewer)
            viewer.layers.events.inserted.connect(lambda event: _attend_to(event.value))
    return volume


def _attend_to(layer: Any) -> None:
    if isinstance(getattr(layer, "data", None), VirtualVolume):
        layer.data.show_in(layer)


def _timed(work: Callable[[], AnyArray]) -> tuple[AnyArray, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def _loaded(volume: weakref.ref[VirtualVolume], key: Hashable, drawn: tuple[AnyArray, float]) -> None:
    alive = volume()
    if alive is not None:
        alive._on_loaded(key, *drawn)


def _drawn_roughly(volume: weakref.ref[VirtualVolume], ranges: Ranges) -> None:
    alive = volume()
    if alive is not None and alive._missed == ranges:
        alive._refresh()


def _rested(volume: weakref.ref[VirtualVolume], ranges: Ranges) -> None:
    """Draw well what is still looked at."""
    alive = volume()
    if alive is not None and alive._missed == ranges:
        alive._submit([(ranges, alive._work(ranges))])


def _orientation(ranges: Ranges, shape: tuple[int, int, int]) -> tuple[tuple[bool, ...], tuple[int, ...]]:
    """Return which axes are asked for entirely, and where the box begins."""
    return (
        tuple(r == range(n) for r, n in zip(ranges, shape, strict=True)),
        tuple(r.start for r in ranges),
    )


def _slices(ranges: Ranges) -> tuple[slice, slice, slice]:
    """Return a key for these indices."""
    z, y, x = (slice(r.start, r.stop if r.stop >= 0 else None, r.step) for r in ranges)
    return z, y, x
