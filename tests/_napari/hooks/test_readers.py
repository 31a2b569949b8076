"""Models open without a wait; files that cannot be read end in a message, with the viewer as it was."""

import threading

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss._napari.viewer.slice_results import model_of
from napari_emgauss._napari.viewer.space import LayerInSpace
from napari_emgauss.io.stacks import write_stack

PLUGIN = "napari-emgauss"


@pytest.fixture
def viewer(make_napari_viewer):
    import npe2

    npe2.PluginManager.instance().discover()
    return make_napari_viewer()


def truncated(path, trained):
    whole = trained.save(path.with_name("whole.emgauss")).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def foreign(path, trained):
    path.write_bytes(b"not a model at all" * 100)


def empty(path, trained):
    path.write_bytes(b"")


def test_the_gui_thread_draws_nothing_of_a_model_that_is_opened(viewer, trained, tmp_path, qtbot, monkeypatch):
    path = trained.save(tmp_path / "model.emgauss")
    threads = set()
    render = eg.Reconstruction.render

    def noted(self, z, **options):
        threads.add(threading.current_thread().name)
        return render(self, z, **options)

    monkeypatch.setattr(eg.Reconstruction, "render", noted)
    (layer,) = viewer.open(path, plugin=PLUGIN)
    qtbot.waitUntil(lambda: not layer.data.busy, timeout=60_000)
    assert threads == {"emgauss-planes"}
    assert np.array_equal(layer._slice.image.raw, layer.data[viewer.dims.current_step[0]])


@pytest.mark.parametrize("damage", [truncated, foreign, empty])
def test_a_damaged_model_is_a_clear_error(viewer, trained, tmp_path, damage):
    path = tmp_path / "model.emgauss"
    damage(path, trained)
    with pytest.raises(ValueError, match="model"):
        viewer.open(path, plugin=PLUGIN)
    assert len(viewer.layers) == 0
    viewer.add_image(np.zeros((3, 20, 20)))


@pytest.mark.parametrize("suffix", [".mrc", ".ome.zarr"])
def test_a_damaged_volume_is_a_clear_error(viewer, tmp_path, suffix):
    path = tmp_path / f"volume{suffix}"
    if suffix == ".mrc":
        path.write_bytes(b"\0" * 100)
    else:
        path.mkdir()
    with pytest.raises((ValueError, OSError), match="volume"):
        viewer.open(path, plugin=PLUGIN)
    assert len(viewer.layers) == 0


def test_a_model_of_slices_opens_as_its_volume_and_brings_the_model(viewer, fitted, tmp_path):
    path = fitted.save(tmp_path / "brain.emgauss")
    (layer,) = viewer.open(path, plugin=PLUGIN)
    assert layer.name == "brain"
    assert np.array_equal(layer.data, fitted.volume().values)
    assert np.array_equal(model_of(layer).motion, fitted.motion)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_nifti_file_opens_in_its_place(viewer, head, tmp_path, suffix):
    path = write_stack(head[1], tmp_path / f"coronal{suffix}")
    (layer,) = viewer.open(path, plugin=PLUGIN)
    assert layer.name == "coronal"
    stack = LayerInSpace.of(layer).stack(3.0)
    assert np.array_equal(stack.images, head[1].images)
    assert np.allclose(stack.affine, head[1].affine, atol=1e-4)


def test_a_damaged_nifti_file_is_a_clear_error(viewer, tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"a\.nii\.gz"):
        viewer.open(tmp_path / "a.nii.gz", plugin=PLUGIN)
