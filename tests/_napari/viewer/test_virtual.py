import threading
import weakref
from itertools import product

import napari
import numpy as np
import pytest
from napari.utils.notifications import notification_manager

import napari_emgauss as eg
from napari_emgauss._napari.explore.widget import ExploreWidget
from napari_emgauss._napari.hooks.writers import write_volume
from napari_emgauss._napari.viewer import virtual
from napari_emgauss._napari.viewer.layers import LayerPlacement
from napari_emgauss._napari.viewer.models import OpenModel, open_models
from napari_emgauss._napari.viewer.virtual import VirtualVolume, volume_for_layer
from napari_emgauss.io.store import JobMemory
from napari_emgauss.methods.emgauss import Draft
from napari_emgauss.methods.emgauss.setup import prepare
from napari_emgauss.resampling.scaling import Scaling


@pytest.fixture
def volume(trained):
    return VirtualVolume(trained)


@pytest.fixture(scope="module")
def whole(trained):
    return trained.resample().data


@pytest.fixture
def layer(viewer, trained):
    volume = volume_for_layer(trained, viewer)
    return viewer.add_image(volume, name="isotropic", scale=(8, 8, 8), contrast_limits=(0, 255))


@pytest.fixture
def drawn(qtbot):
    """Wait until a volume has drawn what its layers need, and return what the layer shows."""

    def wait(layer):
        qtbot.waitUntil(lambda: not layer.data.busy, timeout=60_000)
        return layer._slice.image.raw

    return wait


@pytest.mark.parametrize("key", [3, np.int64(7), -1, (slice(None), 5), (..., 9), (slice(2, 9, 3), 4), (1, 2, 3), ...])
def test_it_is_an_array_with_exact_values(volume, whole, key):
    assert (volume.shape, volume.dtype, volume.ndim) == (whole.shape, whole.dtype, 3)
    assert (len(volume), volume.size, volume.nbytes) == (len(whole), whole.size, whole.nbytes)
    for _ in range(2):  # drawn, then from the cache
        assert np.allclose(np.asarray(volume[key], float), whole[key], rtol=0, atol=1)


def test_what_is_read_can_be_changed_without_changing_the_volume(volume):
    plane = volume[3]
    before = plane.copy()
    plane[:] = 0
    assert np.array_equal(volume[3], before)


def test_saving_gets_everything(volume, whole, tmp_path):
    assert np.allclose(np.asarray(volume).astype(float), whole, rtol=0, atol=1)
    attributes = {"scale": (8, 8, 8), "units": ("nm",) * 3}
    write_volume(str(tmp_path / "v.tif"), volume, attributes)
    assert np.allclose(np.asarray(eg.read(tmp_path / "v.tif").data[:], float), whole, rtol=0, atol=1)


def test_planes_are_drawn_once(volume, monkeypatch):
    drawn = []
    render = eg.Reconstruction.render
    monkeypatch.setattr(eg.Reconstruction, "render", lambda self, z, **o: drawn.append(z) or render(self, z, **o))
    for _ in range(3):
        volume[4], volume[4:5]
    assert len(drawn) == 1


def test_the_cache_stays_within_its_memory(volume, monkeypatch):
    monkeypatch.setattr(virtual, "CACHE_BYTES", 16 * volume[0].nbytes)
    for k in range(25):
        volume[k]
    assert volume._cached_bytes <= 16 * volume[0].nbytes
    assert volume._cached_bytes == sum(block.nbytes for block in volume._cache.values())


def test_every_orientation_is_shown_exactly(viewer, layer, whole, drawn):
    for order, projection in product([(0, 1, 2), (1, 0, 2), (2, 0, 1)], ["mean", "none"]):
        layer.projection_mode = projection
        viewer.dims.order = order
        for k in (7, 8, 3):
            viewer.dims.set_current_step(order[0], k)
            assert np.allclose(drawn(layer).astype(float), whole.take(k, order[0]), rtol=0, atol=1), (order, projection)


def test_the_gui_thread_draws_nothing_for_the_canvas(viewer, trained, drawn, monkeypatch):
    threads = set()
    render = eg.Reconstruction.render

    def noted(self, z, **options):
        threads.add(threading.current_thread().name)
        return render(self, z, **options)

    monkeypatch.setattr(eg.Reconstruction, "render", noted)
    layer = viewer.add_image(volume_for_layer(trained, viewer), contrast_limits=(0, 255))
    drawn(layer)
    for k in (20, 2, 15):
        viewer.dims.set_current_step(0, k)
        drawn(layer)
    assert threads == {"emgauss-planes"}


def test_everybody_else_gets_exact_values_while_the_canvas_waits(viewer, layer, whole, drawn, monkeypatch):
    drawn(layer)
    volume, hold = layer.data, threading.Event()
    work = volume._work
    monkeypatch.setattr(volume, "_work", lambda ranges: lambda: hold.wait(60) and work(ranges)())
    before = layer._slice.image.raw
    viewer.dims.set_current_step(0, 21)
    busy, shown, exact = volume.busy, layer._slice.image.raw, layer.data[21]
    hold.set()
    assert busy
    assert np.array_equal(shown, before)
    assert np.array_equal(exact, whole[21])
    assert np.array_equal(drawn(layer), whole[21])


def test_a_volume_that_did_not_become_a_layer_gives_exact_values(viewer, trained, whole, qtbot):
    volume = volume_for_layer(trained, viewer)
    qtbot.waitUntil(lambda: volume._slicing_in is None, timeout=60_000)
    assert np.array_equal(volume[4], whole[4])


def test_a_copy_of_the_layer_is_served_too(viewer, layer, whole, drawn):
    copy = viewer.add_layer(napari.layers.Layer.create(*layer.as_layer_data_tuple()))
    assert copy.data is layer.data
    viewer.dims.set_current_step(0, 6)
    assert np.array_equal(drawn(layer), whole[6])
    assert np.array_equal(drawn(copy), whole[6])


def test_neighbours_in_the_direction_of_travel_are_drawn_ahead(viewer, layer, drawn):
    for k in (10, 9, 8):
        viewer.dims.set_current_step(0, k)
        drawn(layer)
    cached = {ranges[0].start for ranges in layer.data._cache}
    assert {7, 6, 5} <= cached


def test_the_3d_view_gets_a_coarse_volume(viewer, layer, whole, drawn, monkeypatch):
    monkeypatch.setattr(virtual, "SOLID_SAMPLES", 13)
    viewer.dims.ndisplay = 3
    shown = drawn(layer)
    assert shown.shape == whole.shape
    assert np.corrcoef(shown.ravel(), whole.ravel())[0, 1] > 0.7
    assert len(np.unique(shown[0], axis=0)) < 24
    assert np.allclose(np.asarray(layer.data[...], float), whole, rtol=0, atol=1)  # nobody else gets the coarse one


def test_a_volume_too_large_for_3d_is_refused_and_2d_goes_on(viewer, layer, whole, drawn, monkeypatch):
    drawn(layer)
    monkeypatch.setattr(virtual, "SOLID_BYTES", 1000)
    viewer.dims.ndisplay = 3
    assert drawn(layer).size == 1
    assert "too large to show in 3D" in notification_manager.records[-1].message
    viewer.dims.ndisplay = 2
    viewer.dims.set_current_step(0, 4)
    assert np.array_equal(drawn(layer), whole[4])


def test_deleting_the_layer_while_it_is_drawn_is_no_problem(viewer, layer, qtbot):
    viewer.dims.set_current_step(0, 20)
    volume = layer.data
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: not volume.busy, timeout=60_000)


def test_explore_adds_it_where_the_stack_is(viewer, stack_layer, trained, drawn):
    placed = eg.Reconstruction(**{**vars(trained), "origin_nm": tuple(np.array(stack_layer.translate) * 1000)})
    models = open_models(viewer)
    models.add(OpenModel("stack", placed, LayerPlacement.of(stack_layer), source=weakref.ref(stack_layer)))
    stack_layer.contrast_limits = (30, 190)
    widget = ExploreWidget(viewer)
    viewer.window.add_dock_widget(widget)
    layer = widget.controller.show_volume()
    drawn(layer)
    assert len(models) == 1  # it is not adopted as another model
    assert list(layer.contrast_limits) == [30, 190]
    for section, y, x in ((0, 0, 0), (3, 17, 5)):
        ours, theirs = layer.data_to_world((6 * section, y, x)), stack_layer.data_to_world((section, y, x))
        assert ours == pytest.approx(theirs)
    spot = np.asarray(layer.data[18]).astype(float)
    assert np.corrcoef(spot.ravel(), np.asarray(stack_layer.data[3]).ravel())[0, 1] > 0.8


def test_a_volume_is_drawn_anew_from_what_takes_the_place_of_its_model(viewer, layer, drawn, trained, whole):
    viewer.dims.set_current_step(0, 0)
    assert np.array_equal(drawn(layer), whole[0])
    other = eg.Reconstruction(**{**vars(trained), "scaling": Scaling(trained.scaling.low - 40, trained.scaling.high)})
    virtual.redraw_volumes(viewer, other, trained)
    assert layer.data.reconstruction is trained
    virtual.redraw_volumes(viewer, trained, other)
    assert layer.data.reconstruction is other
    assert np.array_equal(drawn(layer), other.resample().data[0])
    assert not np.array_equal(layer.data[0], whole[0])


def test_a_draft_that_takes_long_is_drawn_roughly_until_the_view_rests(viewer, stack, qtbot, monkeypatch):
    draft = Draft(prepare(stack, preset="balanced", device="cpu"), JobMemory())
    render, rested = Draft.render, threading.Event()
    monkeypatch.setattr(Draft, "render", lambda self, z, **o: rested.wait(60) and render(self, z, **o))
    layer = viewer.add_image(volume_for_layer(draft, viewer), contrast_limits=(0, 255))

    def shows(expected):
        return np.allclose(layer._slice.image.raw.astype(float), expected, atol=1)

    for k in (8, 9):
        viewer.dims.set_current_step(0, k)
        qtbot.waitUntil(lambda k=k: shows(draft.rough.render(k / 6)), timeout=60_000)
        assert layer.data.is_rough
    rested.set()
    qtbot.waitUntil(lambda: not layer.data.busy, timeout=60_000)
    assert shows(draft.render(1.5))
    assert not layer.data.is_rough
