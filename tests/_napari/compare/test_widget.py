"""The widget 'Compare' in a real viewer."""

import weakref

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss._napari.compare.panes import PLACES
from napari_emgauss._napari.compare.widget import CompareWidget
from napari_emgauss._napari.viewer.layers import LayerPlacement, stack_of
from napari_emgauss._napari.viewer.models import OpenModel, open_models
from napari_emgauss.evaluation import HeldOut, PlainInterpolation, SideBySide, score_held_out
from napari_emgauss.interpolation.plain import Baseline


@pytest.fixture(scope="session")
def trained_in_part(stack):
    """Trained where ``stack_layer`` lies."""
    placed = eg.Volume(stack.data, stack.voxel_size_nm, origin_nm=(500, 1250, -750))
    return eg.reconstruct(placed, preset="fast", joint=5, bootstrap=0, hold_out=(2,))


@pytest.fixture
def open_model(viewer, stack_layer, trained_in_part):
    """A model with a held-out section, as 'Reconstruct' leaves it."""
    model = OpenModel(
        "stack · fast", trained_in_part, LayerPlacement.of(stack_layer), stack_of(stack_layer), weakref.ref(stack_layer)
    )
    return open_models(viewer).add(model)


@pytest.fixture
def widget(viewer):
    widget = CompareWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Compare")
    return widget


def settled(widget, qtbot):
    """Wait until everything is drawn and scored."""
    qtbot.waitUntil(lambda: not widget.busy and not widget.scores.busy, timeout=30_000)


def shown(widget, place, column):
    return widget.panes.image(place, column)


def test_without_a_model_it_says_what_to_do(widget):
    assert "No model yet: train one in 'Reconstruct'" in widget.hint.text()
    assert not widget.hint.isHidden()
    assert widget.body.isHidden()
    assert widget.scores.isHidden()


def test_a_model_that_comes_is_drawn_and_scored_and_leaves_nothing_when_it_goes(viewer, widget, open_model, qtbot):
    settled(widget, qtbot)
    assert widget.hint.isHidden()
    assert widget.form.model is open_model
    assert all(shown(widget, place, 0) is not None for place in PLACES)
    assert widget.scores.result is not None
    open_models(viewer).remove(open_model)
    assert "No model yet" in widget.hint.text()
    assert widget.body.isHidden()


def test_the_table_and_the_sentence_are_the_core_s(widget, open_model, trained_in_part, qtbot):
    settled(widget, qtbot)
    expected = score_held_out(open_model.stack, trained_in_part)
    assert widget.scores.verdict.text() == expected.verdict()
    table = widget.scores.table
    cells = [[table.item(i, k).text() for k in range(3)] for i in range(table.rowCount())]
    assert cells[0] == [
        "EMGauss",
        f"{expected.reconstruction.psnr_db:.2f}",
        f"{expected.reconstruction.ssim:.3f}",
    ]
    assert [row[0] for row in cells[-2:]] == ["Optical flow + blur 0.7", "Optical flow + blur 1"]
    assert len(cells) == len(expected.rows) == 7


def test_the_first_place_shown_is_the_held_out_section(widget, open_model, qtbot):
    settled(widget, qtbot)
    assert widget.z.value() == 2
    assert "section 2, held out" in widget.where.text()
    widget.go_to(z=3.25)
    assert "between sections 3 and 4" in widget.where.text()
    widget.go_to_held_out()
    assert widget.z.value() == 2


def test_the_panes_show_what_the_core_draws(widget, open_model, trained_in_part, qtbot):
    settled(widget, qtbot)
    widget.form.choose_baseline(Baseline(method="flow", blur_px=0.7))
    widget.form.thirds.setCurrentText("Stack")
    widget.z.setValue(1.25)
    widget.go_to(y=11, x=30)
    settled(widget, qtbot)
    pair = SideBySide(trained_in_part, open_model.stack, "flow+blur0.7")
    low, high = pair.contrast
    expected = np.clip((trained_in_part.render(1.25) - low) / (high - low), 0, 1) * 255
    np.testing.assert_allclose(shown(widget, "xy", 0), expected, atol=0.6)
    plain = PlainInterpolation(open_model.stack, (0, 1, 3, 4), "flow+blur0.7")(1.25)
    np.testing.assert_allclose(shown(widget, "xy", 1), np.clip((plain - low) / (high - low), 0, 1) * 255, atol=0.6)
    for place, axis, index in (("xz", 1, 11), ("yz", 2, 30)):
        cut = pair.grey(pair.cut(axis, index))
        np.testing.assert_array_equal(shown(widget, place, 0), cut.reconstruction)
        np.testing.assert_array_equal(shown(widget, place, 1), cut.interpolation)
        np.testing.assert_array_equal(shown(widget, place, 2), cut.stack)
    assert [title.text() for title in widget.panes.titles] == ["EMGauss", "Optical flow + blur 0.7", "Stack"]


def test_dragging_a_line_moves_the_cut_and_the_section(widget, open_model, qtbot):
    settled(widget, qtbot)
    before = shown(widget, "xz", 0)
    widget.panes.moved.emit(1, 3.4)  # what a dragged line tells: rows of the section
    widget.panes.moved.emit(0, 9.0)  # rows of a cut, six to a section
    settled(widget, qtbot)
    assert widget.z.value() == pytest.approx(1.5)
    assert not np.array_equal(shown(widget, "xz", 0), before)
    pair = SideBySide(open_model.reconstruction, open_model.stack)
    np.testing.assert_array_equal(shown(widget, "xz", 0), pair.grey(pair.cut(1, 3)).reconstruction)
    widget.panes.moved.emit(2, 1e9)
    settled(widget, qtbot)
    np.testing.assert_array_equal(shown(widget, "yz", 0), pair.grey(pair.cut(2, 39)).reconstruction)


def test_it_follows_the_viewer_s_slider(viewer, widget, open_model, stack_layer, qtbot):
    settled(widget, qtbot)
    viewer.dims.set_point(0, stack_layer.translate[0] + 3 * stack_layer.scale[0])
    assert widget.z.value() == pytest.approx(3)
    viewer.dims.set_point(0, stack_layer.translate[0])
    assert widget.z.value() == pytest.approx(0)


def test_zooming_one_pane_zooms_the_others(widget, open_model, qtbot):
    settled(widget, qtbot)
    boxes = [widget.panes._boxes["xy", column] for column in (0, 1)]
    boxes[0].setRange(xRange=(40, 120), yRange=(40, 120), padding=0)
    qtbot.wait(50)
    first, second = (box.viewRect() for box in boxes)
    assert (first.center() - second.center()).manhattanLength() < 4
    assert first.width() == pytest.approx(second.width(), rel=0.05)


def test_choosing_a_row_of_the_table_shows_that_interpolation(widget, open_model, qtbot):
    settled(widget, qtbot)
    widget.scores.table.cellClicked.emit(2, 0)
    assert widget.form.baseline == Baseline(method="linear", blur_px=0.7)
    widget.scores.table.cellClicked.emit(0, 0)  # EMGauss itself
    assert widget.form.baseline == Baseline(method="linear", blur_px=0.7)


def test_a_model_without_held_out_sections_is_drawn_but_not_scored(viewer, widget, stack_layer, trained, qtbot):
    open_models(viewer).add(OpenModel("all", trained, LayerPlacement.of(stack_layer), stack_of(stack_layer)))
    settled(widget, qtbot)
    assert shown(widget, "xy", 0) is not None
    assert "No sections were held out" in widget.scores.verdict.text()
    assert "'Hold out'" in widget.scores.verdict.text()
    assert widget.scores.table.isHidden()
    assert widget.held_out_button.isHidden()


def test_the_stack_of_an_opened_model_is_found_among_the_layers(
    viewer, widget, stack, stack_layer, trained_in_part, qtbot
):
    viewer.layers.remove(stack_layer)
    open_models(viewer).add(OpenModel("opened", trained_in_part))
    assert "Open the stack that 'opened' was trained on: 5 sections of 48 × 40 px" in widget.hint.text()
    layer = viewer.add_image(np.asarray(stack.data), name="again", scale=(48, 8, 8), units=("nm",) * 3)
    settled(widget, qtbot)
    assert widget.hint.isHidden()
    assert widget.form.layers.currentText() == "again"
    layer.name = "renamed"
    assert widget.form.layers.currentText() == "renamed"
    assert widget.scores.result is not None
    viewer.layers.remove(layer)
    qtbot.wait(20)
    assert "Open the stack" in widget.hint.text()
    assert widget.body.isHidden()


def test_deleting_the_stack_of_a_trained_model_changes_nothing(viewer, widget, open_model, stack_layer, qtbot):
    settled(widget, qtbot)
    viewer.layers.remove(stack_layer)
    widget.go_to(z=0.5)
    settled(widget, qtbot)
    assert widget.hint.isHidden()
    assert shown(widget, "xy", 1) is not None


def test_what_goes_wrong_while_drawing_is_told(widget, open_model, qtbot, monkeypatch):
    settled(widget, qtbot)

    def fail(self, z):
        raise MemoryError("no memory")

    told = []
    monkeypatch.setattr("napari_emgauss._napari.compare.widget.report", told.append)
    monkeypatch.setattr(SideBySide, "section", fail)
    widget.go_to(z=0.5)
    qtbot.waitUntil(lambda: bool(told), timeout=5000)
    assert "Out of memory" in widget.hint.text()


def test_the_images_fit_a_window_of_their_own_and_come_back(widget, open_model, qtbot):
    settled(widget, qtbot)
    widget.enlarge()
    assert widget.panes.window() is not widget.window()
    widget.go_to(z=0.5)
    settled(widget, qtbot)
    widget.panes.window().close()
    assert widget.panes.window() is widget.window()
    assert not widget.enlarge_button.isHidden()


def test_after_a_failure_another_choice_tries_again(widget, open_model, qtbot):
    settled(widget, qtbot)
    widget._fail(MemoryError("no memory"))
    assert widget.body.isHidden()
    widget.form.choose_baseline(Baseline(method="cubic"))
    settled(widget, qtbot)
    assert widget.hint.isHidden()
    assert not widget.body.isHidden()


def test_many_moves_end_at_the_last_place(widget, open_model, qtbot):
    settled(widget, qtbot)
    for i in range(30):
        widget.go_to(z=i / 10, y=i, x=39 - i)
        qtbot.wait(7)
    settled(widget, qtbot)
    pair = SideBySide(open_model.reconstruction, open_model.stack)
    np.testing.assert_array_equal(shown(widget, "xy", 1), pair.grey(pair.section(2.9)).interpolation)
    np.testing.assert_array_equal(shown(widget, "xz", 1), pair.grey(pair.cut(1, 29)).interpolation)
    np.testing.assert_array_equal(shown(widget, "yz", 1), pair.grey(pair.cut(2, 10)).interpolation)


def test_it_opens_from_the_menu_and_closes_with_its_window(viewer, open_model, qtbot):
    _, widget = viewer.window.add_plugin_dock_widget("napari-emgauss", "Compare")
    settled(widget, qtbot)
    viewer.theme = "light"
    widget.enlarge()
    widget.go_to(z=0.25, y=3)  # the viewer closes while this is drawn


def test_closing_the_viewer_while_scoring_ends_it(make_napari_viewer, stack, trained_in_part, qtbot, monkeypatch):
    import threading

    begun, over = threading.Event(), threading.Event()

    def endless(volume, reconstruction, *, stop, progress):
        begun.set()
        progress(1, 7)
        while not stop():
            over.wait(0.01)
        over.set()

    monkeypatch.setattr("napari_emgauss._napari.compare.scores.score_held_out", endless)
    viewer = make_napari_viewer()
    layer = viewer.add_image(np.asarray(stack.data), scale=(48, 8, 8), units=("nm",) * 3)
    open_models(viewer).add(OpenModel("m", trained_in_part, LayerPlacement.of(layer), stack_of(layer)))
    widget = CompareWidget(viewer)
    viewer.window.add_dock_widget(widget)
    qtbot.waitUntil(begun.is_set, timeout=5000)
    qtbot.waitUntil(lambda: widget.scores.progress.maximum() == 7, timeout=5000)
    viewer.window.remove_dock_widget(widget)
    widget.deleteLater()
    del widget
    qtbot.waitUntil(over.is_set, timeout=5000)


def test_where_interpolation_is_better_it_is_offered_and_made(
    viewer, widget, open_model, stack_layer, qtbot, monkeypatch
):
    monkeypatch.setattr(HeldOut, "pays", property(lambda self: False))
    widget.scores.score(open_model.reconstruction, widget.form.volume())
    settled(widget, qtbot)
    assert widget.scores.instead.isVisibleTo(widget.scores)
    assert widget.scores.instead.text().startswith("Make a layer by ")
    widget.scores.instead.click()
    settled(widget, qtbot)
    layer = viewer.layers[-1]
    method = widget.scores.result.best_plain.method
    assert layer.metadata["napari-emgauss"]["interpolated"] == method
    whole = eg.Volume(stack_layer.data, open_model.reconstruction.voxel_size_nm)
    expected = PlainInterpolation(whole, range(5), method).section(1.5)
    np.testing.assert_allclose(layer.data[9], expected, atol=0.51)
    for index in (0, 4):
        np.testing.assert_allclose(layer.data_to_world((6 * index, 3, 5)), stack_layer.data_to_world((index, 3, 5)))


def test_a_reconstruction_that_pays_offers_no_interpolation(widget, open_model, qtbot, monkeypatch):
    monkeypatch.setattr(HeldOut, "pays", property(lambda self: True))
    widget.scores.score(open_model.reconstruction, widget.form.volume())
    settled(widget, qtbot)
    assert not widget.scores.instead.isVisibleTo(widget.scores)


def test_closing_the_dock_ends_the_widget(viewer, open_model, qtbot):
    dock, widget = viewer.window.add_plugin_dock_widget("napari-emgauss", "Compare")
    settled(widget, qtbot)
    with qtbot.waitSignal(widget.destroyed, timeout=5000):
        dock.destroyOnClose()


def test_it_follows_the_slider_in_the_viewer_s_own_unit(viewer, widget, open_model, stack_layer, qtbot):
    settled(widget, qtbot)
    depth_um = float(stack_layer.translate[0] + 3 * stack_layer.scale[0])
    viewer.add_image(np.zeros((3, 20, 20), np.uint8), scale=(50, 10, 10), units=("nm",) * 3)
    viewer.dims.set_point(0, 1000 * depth_um)  # napari goes to its nearest step
    assert widget.z.value() == pytest.approx((viewer.dims.point[0] - 500) / 48)
    assert widget.z.value() == pytest.approx(3, abs=0.5)
