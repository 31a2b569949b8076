import gc
import threading
import weakref

import numpy as np
import pytest
from napari.layers import Image

import napari_emgauss as eg
from napari_emgauss._napari.explore.drawing import draw
from napari_emgauss._napari.explore.scrub import RESTING_PX, Drawing, Scrubber, Visible
from napari_emgauss._napari.explore.widget import DELETED, HIDDEN, NO_MODEL, OTHER_VIEW, ExploreWidget
from napari_emgauss._napari.reconstruct.stack_form import StackForm
from napari_emgauss._napari.viewer.layers import LayerPlacement
from napari_emgauss._napari.viewer.models import OpenModel, open_models
from napari_emgauss._napari.workers.loading import Loader
from napari_emgauss.phantoms import phantom


@pytest.fixture
def model(viewer, stack_layer, trained):
    """``trained`` open in the viewer, at the place of its stack."""
    moved = np.array(stack_layer.translate) * 1000
    placed = eg.Reconstruction(**{**vars(trained), "origin_nm": tuple(moved)})
    return open_models(viewer).add(
        OpenModel("stack", placed, LayerPlacement.of(stack_layer), source=weakref.ref(stack_layer))
    )


@pytest.fixture
def explore(viewer, model):
    widget = ExploreWidget(viewer)
    viewer.window.add_dock_widget(widget)
    return widget


@pytest.fixture
def settle(qtbot):
    """Wait until a widget has drawn what it was asked for."""

    def wait(widget):
        qtbot.waitUntil(lambda: not widget.busy, timeout=10_000)

    return wait


def world_of(layer, index):
    return np.asarray(layer.data_to_world(index))


def test_without_a_model_it_says_what_to_do(viewer):
    widget = ExploreWidget(viewer)
    assert widget.status.text() == NO_MODEL
    assert not widget.controls.isEnabled()
    widget.go_to(1.5)
    assert widget.layer is None
    assert widget.show_volume() is None


def test_a_model_that_is_added_later_can_be_chosen(viewer, stack_layer, trained, settle):
    widget = ExploreWidget(viewer)
    first = open_models(viewer).add(OpenModel("a", trained))
    assert widget.model is first
    assert widget.controls.isEnabled()
    second = open_models(viewer).add(OpenModel("b", trained))
    assert widget.model is first
    widget.models.setCurrentIndex(1)
    assert widget.model is second
    widget.go_to(1)
    settle(widget)
    open_models(viewer).remove(second)
    open_models(viewer).remove(first)
    assert widget.status.text() == NO_MODEL


def test_random_depths_show_the_right_section_at_the_right_place(explore, viewer, model, stack_layer, qtbot):
    rec, rng = model.reconstruction, np.random.default_rng(0)
    qtbot.waitUntil(lambda: not explore.busy)
    for z in rng.uniform(0, 4, 200):
        explore.go_to(z)
        explore._rest.stop()
        explore._waiting = False
        explore._steer()
        explore._draw_sharp()
        qtbot.waitUntil(lambda: not explore.busy, timeout=5000)
        assert explore.layer.data[0] == pytest.approx(rec.render(z), abs=1e-3)
        depth = stack_layer.translate[0] + z * stack_layer.scale[0]
        assert world_of(explore.layer, (0, 5, 7)) == pytest.approx([depth, *world_of(stack_layer, (0, 5, 7))[1:]])
        assert viewer.dims.point[0] == pytest.approx(depth)
        assert np.array_equal(explore.layer._slice.image.raw, explore.layer.data[0])  # it is on the canvas, too


def test_scrubbing_and_resting_ends_at_the_sharp_section(explore, model, settle):
    for z in np.linspace(0, 3.3, 30):
        explore.go_to(z)
    settle(explore)
    assert explore.z == pytest.approx(3.3)
    assert explore.layer.data[0] == pytest.approx(model.reconstruction.render(3.3), abs=1e-3)


def test_the_layer_looks_like_the_stack_and_disturbs_nothing(explore, viewer, stack_layer, settle):
    stack_layer.contrast_limits, stack_layer.colormap = (20, 180), "green"
    viewer.layers.selection = {stack_layer}
    viewer.scene.camera.zoom, viewer.scene.camera.center = 900, (0, 1.4, -0.6)
    explore.go_to(0.5)
    settle(explore)
    layer = explore.layer
    assert list(layer.contrast_limits) == [20, 180]
    assert layer.colormap.name == "green"
    assert viewer.layers.selection == {stack_layer}
    assert viewer.layers.selection.active is stack_layer
    assert viewer.scene.camera.zoom == 900
    assert viewer.scene.camera.center[1:] == pytest.approx((1.4, -0.6))
    layer.contrast_limits = (50, 60)
    explore.go_to(2.5)
    settle(explore)
    assert explore.layer is layer
    assert list(layer.contrast_limits) == [50, 60]
    assert [each.name for each in viewer.layers] == ["stack", "Explore z"]


def test_naparis_slider_moves_ours_and_ours_napari(explore, viewer, stack_layer, settle):
    viewer.dims.set_current_step(0, 3)
    assert explore.z == pytest.approx(3)
    settle(explore)
    explore.slider.setValue(1.37)
    settle(explore)
    assert viewer.dims.point[0] == pytest.approx(stack_layer.translate[0] + 1.37 * stack_layer.scale[0])
    assert explore.z == pytest.approx(1.37)  # napari's slider shows its nearest step, ours does not follow that
    viewer.dims.set_current_step(0, 0)
    settle(explore)
    assert explore.z == pytest.approx(0)
    assert explore.layer.translate[0] == pytest.approx(stack_layer.translate[0])


def test_steps_go_to_observed_sections_and_isotropic_planes(explore):
    explore.go_to(1.3)
    explore.next_section.click()
    assert explore.z == 2
    explore.previous_section.click()
    assert explore.z == 1
    explore.next_plane.click()
    assert explore.z == pytest.approx(1 + 1 / 6)
    explore.previous_plane.click()
    explore.previous_plane.click()
    assert explore.z == pytest.approx(1 - 1 / 6)
    assert explore.depth_label.text() == "Depth 40.0 nm: reconstructed"
    explore.marks.chosen.emit(2.0)
    assert explore.depth_label.text() == "Depth 96.0 nm: observed section"


def test_playing_goes_back_and_forth_until_stopped(explore, qtbot):
    seen = []
    explore.slider.valueChanged.connect(seen.append)
    explore.speed.setValue(40)
    explore.play.click()
    zs = []
    for _ in range(30):
        qtbot.wait(20)
        zs.append(explore.z)
    explore.play.click()
    steps = np.diff(zs)
    assert (steps > 0).any()
    assert (steps < 0).any()
    assert 0 <= min(zs) <= max(zs) <= 4
    assert not explore._player.isActive()
    assert seen == []


def test_a_deleted_layer_pauses_and_comes_back_on_the_next_move(explore, viewer, settle):
    explore.go_to(1.2)
    settle(explore)
    explore.play.click()
    viewer.layers.remove(explore.layer)
    assert explore.layer is None
    assert not explore.play.isChecked()
    assert explore.status.text() == DELETED
    settle(explore)
    assert explore.layer is None
    explore.go_to(1.3)
    settle(explore)
    assert explore.layer in viewer.layers
    assert explore.status.text() == ""


def test_deleting_the_stack_leaves_the_section(explore, viewer, model, stack_layer, settle):
    explore.go_to(1.2)
    viewer.layers.remove(stack_layer)
    explore.go_to(1.3)
    settle(explore)
    explore.go_to(2.6)
    settle(explore)
    assert explore.layer.data[0] == pytest.approx(model.reconstruction.render(2.6), abs=1e-3)
    assert viewer.dims.point[0] == pytest.approx(0.5 + 2.6 * 0.048)


def test_a_hidden_layer_is_not_drawn_until_it_is_shown_again(explore, model, settle):
    explore.go_to(1)
    settle(explore)
    explore.layer.visible = False
    before = explore.layer.data.copy()
    explore.go_to(2.5)
    settle(explore)
    assert explore.status.text() == HIDDEN
    assert np.array_equal(explore.layer.data, before)
    explore.layer.visible = True
    settle(explore)
    assert explore.layer.data[0] == pytest.approx(model.reconstruction.render(2.5), abs=1e-3)


def test_other_views_are_explained_and_left_alone(explore, viewer, settle):
    for change, back in ((("ndisplay", 3), ("ndisplay", 2)), (("order", (1, 0, 2)), ("order", (0, 1, 2)))):
        setattr(viewer.dims, *change)
        assert explore.status.text() == OTHER_VIEW
        point = viewer.dims.point
        explore.go_to(3.1)
        settle(explore)
        assert viewer.dims.point == point
        setattr(viewer.dims, *back)
        assert explore.status.text() == ""


def test_the_viewer_can_be_closed_while_it_plays(explore, viewer, qtbot):
    explore.play.click()
    qtbot.wait(50)
    explore.go_to(2.2)
    viewer.close()
    qtbot.wait(50)


def test_the_dock_can_be_closed_while_it_plays(viewer, model, qtbot):
    widget = ExploreWidget(viewer)
    dock = viewer.window.add_dock_widget(widget)
    widget.play.click()
    qtbot.wait(60)
    viewer.window.remove_dock_widget(dock)
    widget.deleteLater()
    del widget, dock
    qtbot.wait(20)
    gc.collect()
    viewer.dims.set_current_step(0, 2)
    viewer.scene.camera.zoom *= 1.1


def test_the_last_of_many_positions_wins(explore, model, settle, monkeypatch):
    drawn = []
    rec = model.reconstruction
    render = type(rec).render

    def counted(self, z, **options):
        drawn.append(z)
        return render(self, z, **options)

    monkeypatch.setattr(type(rec), "render", counted)
    for z in np.linspace(0, 4, 300):
        explore.go_to(z)
    settle(explore)
    assert drawn[-1] == pytest.approx(4)
    assert len(drawn) < 20


SPOT_PX = 30, 25


@pytest.fixture(scope="module")
def spot():
    """A model of one bright spot at the same pixel of all sections, placed in micrometres."""
    y, x = SPOT_PX
    blob = np.exp(-((np.arange(48)[:, None] - y) ** 2 + (np.arange(40) - x) ** 2) / 8)
    data = np.repeat((40 + 200 * blob)[None], 3, axis=0).astype(np.uint8)
    volume = eg.Volume(data, (48, 8, 8), (500, 1250, -750))
    return OpenModel(
        "spot", eg.reconstruct(volume, joint=8, bootstrap=0, spacing_px=2.0), LayerPlacement(("um",) * 3, (1000.0,) * 3)
    )


@pytest.mark.parametrize(
    ("region", "zoom"),
    [
        ((0, 48, 0, 40), 1.0),
        ((4, 44, 3, 37), 1.0),
        ((0, 48, 0, 40), 0.5),
        ((3, 44, 2, 37), 0.7),
        ((20, 41, 11, 38), 0.9),
    ],
)
def test_a_point_is_at_the_same_world_coordinate_in_every_view(spot, region, zoom):
    drawing = Drawing(1.4, region, zoom)
    image = spot.reconstruction.render(1.4, region=region, zoom=zoom)
    layer = Image(image[None], **drawing.attributes(spot))
    weight, (rows, columns) = np.clip(image - 60, 0, None), np.indices(image.shape)
    found = world_of(layer, (0, (weight * rows).sum() / weight.sum(), (weight * columns).sum() / weight.sum()))
    expected = (0.5 + 1.4 * 0.048, 1.25 + SPOT_PX[0] * 0.008, -0.75 + SPOT_PX[1] * 0.008)
    assert found == pytest.approx(expected, abs=0.15 * 0.008)  # 0.15 px
    assert [str(unit) for unit in layer.units] == ["micrometer"] * 3


def test_a_zoomed_in_large_section_is_drawn_in_part_and_sharpened(trained):
    class Large:
        shape, voxel_size_nm, origin_nm = (5, 4096, 4096), (48, 8, 8), (0, 0, 0)
        z_range, observed = (0.0, 4.0), (0, 1, 2, 3, 4)

    scrub = Scrubber(OpenModel("large", Large()), 1.5)
    whole = scrub.visible((2048, 2048), (4096, 4096), 0.2)
    assert scrub.moving(whole) == Drawing(1.5, (0, 4096, 0, 4096), 0.2)
    assert scrub.resting(whole).zoom == pytest.approx(np.sqrt(RESTING_PX) / 4096)
    part = scrub.visible((1000, 1000), (400, 500), 2.0)
    assert scrub.moving(part) == Drawing(1.5, part.region, 1.0)
    assert part.region == (800, 1201, 750, 1251)
    assert scrub.resting(part).region == (699, 1302, 624, 1377)
    assert scrub.resting(part).zoom == 1
    assert scrub.visible((-900, 0), (400, 500), 2.0) is None


def test_slow_sections_are_drawn_coarser_while_they_move_and_sharp_at_rest(trained):
    scrub = Scrubber(OpenModel("a", trained), 0.5)
    view = Visible((0, 48, 0, 40), 1.0)
    for _ in range(20):
        scrub.took(scrub.moving(view), 0.2)
    assert scrub.moving(view).zoom == 0.5
    assert scrub.resting(view).zoom == 1
    for _ in range(20):
        scrub.took(scrub.moving(view), 0.001)
    assert scrub.moving(view).zoom == 1


def test_moving_sections_are_merged_at_one_of_two_resolutions():
    """Merging takes longer than drawing, and the resolution that keeps up is found in many small steps."""
    rec = eg.reconstruct(phantom((13, 160, 176), seed=1).every(6), preset="fast", joint=2, bootstrap=0)
    merged = {}
    for detail in (1, 0.9, 0.8, 0.64, 0.5, 0.7, 1):
        picture = Drawing(0.5, (0, 160, 0, 176), 0.25 * detail, moving=True)
        draw(rec, picture, density=0.25, merged=merged, with_error=False)
    fine, coarse = sorted(merged)
    assert coarse == pytest.approx(2 * fine)


def test_playing_turns_at_both_ends():
    class Rec:
        z_range = (0.0, 4.0)

    scrub = Scrubber(OpenModel("a", Rec()), 3.5)
    assert scrub.after(1, speed=1) == pytest.approx(3.5)
    assert scrub.direction == -1
    scrub.z = 0.25
    assert scrub.after(1, speed=1) == pytest.approx(0.75)
    assert scrub.direction == 1


def uncertainty_layers(viewer):
    return [layer for layer in viewer.layers if "uncertainty" in layer.name]


@pytest.fixture
def uncertain(viewer, explore, settle):
    """Explore z at 1.5 with its uncertainty shown."""
    explore.go_to(1.5)
    settle(explore)
    explore.uncertainty.setChecked(True)
    settle(explore)
    return explore


def test_the_uncertainty_lies_exactly_over_the_section(viewer, uncertain, model):
    (layer,) = uncertainty_layers(viewer)
    assert layer.name == "stack · uncertainty"
    assert viewer.layers[-1] is layer
    assert layer.data.shape == uncertain.layer.data.shape
    for name in ("scale", "translate", "units", "axis_labels"):
        np.testing.assert_array_equal(getattr(layer, name), getattr(uncertain.layer, name))
    np.testing.assert_array_equal(layer.data[0], model.reconstruction.uncertainty(1.5))
    assert np.array_equal(layer._slice.image.raw, layer.data[0])  # it is on the canvas, too
    assert (layer.colormap.name, layer.blending) == ("error to expect", "multiplicative")
    middles = [model.reconstruction.uncertainty(i + 0.5).mean() for i in range(4)]
    assert list(layer.contrast_limits) == pytest.approx([0, 2 * np.mean(middles)], rel=0.1)


def test_the_uncertainty_follows_z_also_by_less_than_a_section(viewer, uncertain, model, settle):
    (layer,) = uncertainty_layers(viewer)
    limits = list(layer.contrast_limits)
    for z in (1.6, 3.25, 0):
        uncertain.go_to(z)
        settle(uncertain)
        np.testing.assert_array_equal(layer.data[0], model.reconstruction.uncertainty(z))
        np.testing.assert_array_equal(layer.translate, uncertain.layer.translate)
        assert np.array_equal(layer._slice.image.raw, layer.data[0])
    assert list(layer.contrast_limits) == limits


def test_the_uncertainty_disturbs_neither_selection_nor_camera(viewer, explore, stack_layer, settle):
    viewer.layers.selection = {stack_layer}
    viewer.scene.camera.zoom, viewer.scene.camera.center = 900, (0, 1.4, -0.6)
    for shown in (True, False):
        explore.uncertainty.setChecked(shown)
        settle(explore)
        assert len(uncertainty_layers(viewer)) == shown
        assert viewer.layers.selection == {stack_layer}
        assert viewer.layers.selection.active is stack_layer
        assert viewer.scene.camera.zoom == 900
        assert viewer.scene.camera.center[1:] == pytest.approx((1.4, -0.6))


def test_uncertainty_that_is_switched_off_while_it_is_drawn_stays_off(viewer, explore, settle):
    for shown in (True, False, True, False):
        explore.uncertainty.setChecked(shown)
    settle(explore)
    assert [layer.name for layer in viewer.layers] == ["stack", "Explore z"]


def test_a_deleted_uncertainty_layer_is_not_forced_back(viewer, uncertain, settle):
    viewer.layers.remove(uncertainty_layers(viewer)[0])
    assert not uncertain.uncertainty.isChecked()
    uncertain.go_to(1.25)
    settle(uncertain)
    assert not uncertainty_layers(viewer)


def test_the_uncertainty_stays_on_top_of_a_section_that_was_deleted_and_came_back(viewer, uncertain, settle):
    viewer.layers.remove(uncertain.layer)
    uncertain.go_to(2.5)
    settle(uncertain)
    assert [layer.name for layer in viewer.layers] == ["stack", "Explore z", "stack · uncertainty"]


def test_the_uncertainty_goes_with_its_model(viewer, uncertain, model, settle):
    rec, place = model.reconstruction, model.placement
    other = open_models(viewer).add(OpenModel("other", rec, place))
    uncertain.models.setCurrentIndex(1)
    settle(uncertain)
    (layer,) = uncertainty_layers(viewer)
    assert layer.name == "other · uncertainty"
    np.testing.assert_array_equal(layer.translate, uncertain.layer.translate)
    without = eg.Reconstruction(**{**vars(rec), "uncertainty_map": None})
    bare = open_models(viewer).add(OpenModel("bare", without, place))
    uncertain.models.setCurrentIndex(2)
    assert not uncertainty_layers(viewer)
    uncertain.models.setCurrentIndex(0)
    uncertain.uncertainty.setChecked(True)
    settle(uncertain)
    for each in (bare, other, model):
        assert len(uncertainty_layers(viewer)) == 1
        open_models(viewer).remove(each)
        settle(uncertain)
    assert not uncertainty_layers(viewer)


def test_uncertainty_that_was_asked_for_in_another_view_comes_with_the_sections(viewer, explore, settle):
    viewer.dims.ndisplay = 3
    explore.uncertainty.setChecked(True)
    settle(explore)
    assert not uncertainty_layers(viewer)
    viewer.dims.ndisplay = 2
    settle(explore)
    assert len(uncertainty_layers(viewer)) == 1


def test_closing_the_dock_takes_the_uncertainty_away(viewer, model, qtbot):
    dock, widget = viewer.window.add_plugin_dock_widget("napari-emgauss", "Explore z")
    widget.uncertainty.setChecked(True)
    qtbot.waitUntil(lambda: not widget.busy)
    assert uncertainty_layers(viewer)
    widget.go_to(2.2)  # the dock is closed while this is drawn
    with qtbot.waitSignal(widget.destroyed, timeout=5000):
        dock.destroyOnClose()
    assert not uncertainty_layers(viewer)


def test_the_viewer_can_be_closed_with_the_uncertainty_shown(viewer, uncertain, qtbot):
    uncertain.go_to(2.2)
    viewer.close()
    qtbot.wait(50)


def test_a_model_without_uncertainty_says_so(viewer, stack_layer, trained):
    bare = eg.Reconstruction(**{**vars(trained), "uncertainty_map": None})
    open_models(viewer).add(OpenModel("bare", bare, LayerPlacement.of(stack_layer)))
    widget = ExploreWidget(viewer)
    assert not widget.uncertainty.isEnabled()
    assert "no map" in widget.uncertainty.toolTip()


def test_closing_the_dock_ends_the_widget(viewer, model, qtbot):
    dock, widget = viewer.window.add_plugin_dock_widget("napari-emgauss", "Explore z")
    with qtbot.waitSignal(widget.destroyed, timeout=5000):
        dock.destroyOnClose()


def test_a_transposed_view_shows_the_same_part(viewer, explore, model):
    camera = explore._stage.camera
    centre = camera.center
    explore.go_to(1.5)
    zoom = camera.zoom = 5 * camera.zoom
    camera.center = (centre[0], centre[1] + 0.1, centre[2] - 0.05)
    before = explore._stage.visible(explore._scrub)
    viewer.dims.order = (0, 2, 1)
    camera.zoom, camera.center = zoom, (centre[0], centre[2] - 0.05, centre[1] + 0.1)
    after = explore._stage.visible(explore._scrub)
    rows, columns = (viewer.canvas.size[k] for k in (0, 1))
    assert after.density == pytest.approx(before.density)
    for axis, extent in ((0, columns / rows), (2, rows / columns)):
        middles = [sum(view.region[axis : axis + 2]) / 2 for view in (before, after)]
        lengths = [view.region[axis + 1] - view.region[axis] for view in (before, after)]
        assert middles[1] == pytest.approx(middles[0], abs=1)
        assert lengths[1] == pytest.approx(lengths[0] * extent, abs=2)


def test_the_section_is_no_stack_to_train_on(explore, viewer, stack_layer, settle, qtbot):
    form = StackForm(viewer)
    qtbot.addWidget(form)
    explore.go_to(1.5)
    settle(explore)
    assert explore.layer in viewer.layers
    assert [form.layers.itemData(i) for i in range(form.layers.count())] == [stack_layer]


def test_a_section_deleted_while_it_is_drawn_does_not_come_back(explore, viewer, settle, monkeypatch):
    explore.go_to(1.5)
    settle(explore)
    begun, hold = threading.Event(), threading.Event()

    def slow(*arguments, **options):
        begun.set()
        hold.wait(5)
        return draw(*arguments, **options)

    monkeypatch.setattr("napari_emgauss._napari.explore.widget.draw", slow)
    explore.go_to(2.5)
    begun.wait(5)
    viewer.layers.remove(explore.layer)
    hold.set()
    settle(explore)
    assert explore.layer is None
    assert not any(layer.name == "Explore z" for layer in viewer.layers)


def test_the_thread_that_loads_planes_does_not_keep_their_timer(qtbot):
    loader, begun, hold = Loader(lambda key, block: None), threading.Event(), threading.Event()
    loader.request([("a", lambda: begun.set() or (hold.wait(5) and np.zeros(1)))])
    begun.wait(5)
    itself = weakref.ref(loader)
    del loader
    gc.collect()
    assert itself() is None
    hold.set()
