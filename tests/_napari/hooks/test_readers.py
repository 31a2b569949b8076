"""Models open without a wait; files that cannot be read end in a message, with the viewer as it was."""

import threading

import numpy as np
import pytest

import napari_emgauss as eg

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
