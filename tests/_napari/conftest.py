"""A real viewer for every test of the widgets, and nothing left behind after it."""

from __future__ import annotations

import gc
import os
import threading
import time
from functools import cache

import numpy as np
import platformdirs
import pytest

import napari_emgauss as eg

# napari would compile for the first layer of shapes in each process, for longer than all tests take to draw theirs.
os.environ.setdefault("NAPARI_TRIANGULATION_BACKEND", "pure python")

pytest.importorskip("napari")
pytest.importorskip("pytestqt")

from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QMessageBox


@pytest.fixture(scope="session", autouse=True)
def manifests_are_read_once():
    """Keep the manifests of all plugins, which are read again for every viewer: a third of the time that it takes."""
    from npe2 import PluginManifest

    read = cache(lambda paths: tuple(PluginManifest.discover(paths)))
    with pytest.MonkeyPatch.context() as patch:
        read(())
        patch.setattr(PluginManifest, "discover", lambda paths=(): read(tuple(paths)))
        yield


@pytest.fixture(autouse=True)
def nothing_is_left_behind(monkeypatch):
    """No thread of ours may outlive the test (the kernels' pool is for the process), nor keep the next one waiting.

    What is alive at the end, mostly libraries, is not looked through any more: napari collects garbage several times in
    a test.
    """
    monkeypatch.setattr("napari_emgauss._napari.workers.worker.IDLE_S", 0.02)
    yield
    gc.collect()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        left = [t.name for t in threading.enumerate() if t.name.startswith("emgauss-") and "kernel" not in t.name]
        if not left:
            gc.freeze()
            return
        time.sleep(0.02)
    pytest.fail(f"threads left behind: {left}")


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Settings, models and half-done trainings of a test stay in its folder."""
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / "cache")
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name: tmp_path / "data")
    return tmp_path


@pytest.fixture(autouse=True)
def every_question_is_agreed_to(monkeypatch):
    """No test may wait for a person."""
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)


@pytest.fixture(scope="session")
def trained(stack) -> eg.Reconstruction:
    """A quickly trained reconstruction of ``stack`` (5 × 48 × 40, 48 × 8 × 8 nm)."""
    return eg.reconstruct(stack, preset="fast", joint=5, bootstrap=0, uncertainty=True, adapt_spacing=False)


@pytest.fixture(scope="session")
def head():
    """Three orthogonal stacks of a small head, three voxels thick, with masks; a coronal slice lost its signal."""
    from napari_emgauss.phantoms import brain_phantom
    from napari_emgauss.slices import SliceStack

    truth, mask = brain_phantom((24, 24, 24))
    stacks = []
    for axis, name in enumerate(("axial", "coronal", "sagittal")):
        order = [axis, *sorted({0, 1, 2} - {axis})]
        images, inside = (values.transpose(order).reshape(8, 3, 24, 24).mean(1) for values in (truth.values, mask))
        affine = truth.affine[:, [*order, 3]]
        affine[:3, 3] += affine[:3, 0]
        affine[:3, 0] *= 3
        images[4] *= 0.1 if name == "coronal" else 1
        stacks.append(SliceStack(images, affine, 3.0, inside > 0.5, name))
    return tuple(stacks)


@pytest.fixture(scope="session")
def fitted(head):
    """A quick reconstruction of ``head``."""
    return eg.reconstruct_slices(head, voxel_size_mm=1.5, solve_steps=8, spacing=1.5, align_stacks=False, motion=False)


@pytest.fixture
def viewer(make_napari_viewer):
    """A napari viewer with a hidden window."""
    return make_napari_viewer()


@pytest.fixture
def stack_layer(viewer, stack):
    """``stack`` as a layer, somewhere else than at the origin and in micrometres."""
    return viewer.add_image(
        np.asarray(stack.data),
        name="stack",
        scale=np.array(stack.voxel_size_nm) / 1000,
        translate=(0.5, 1.25, -0.75),
        units=("um", "um", "um"),
    )
