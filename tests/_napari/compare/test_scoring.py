"""Scores on held-out sections in Compare."""

import threading

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss._napari.compare.widget import CompareWidget
from napari_emgauss._napari.viewer.layers import LayerPlacement, camera_of, stack_of
from napari_emgauss._napari.viewer.models import OpenModel, open_models
from napari_emgauss.evaluation import HeldOut, Place, Places, score_held_out
from napari_emgauss.interpolation.plain import Baseline
from napari_emgauss.resampling.plain import PlainInterpolation

WAIT_MS = 60_000


def test_the_table_and_the_sentence_are_the_core_s(compare, open_model, trained_in_part, settled):
    settled(compare)
    expected = score_held_out(open_model.stack, trained_in_part)
    assert compare.view.scores.verdict.text() == expected.in_words()
    assert "dB" not in compare.view.scores.verdict.text()
    assert compare.view.scores.numbers.text() == expected.verdict()
    assert not compare.view.scores.details.isExpanded()
    table = compare.view.scores.table
    cells = [[table.item(i, k).text() for k in range(4)] for i in range(table.rowCount())]
    assert cells[0] == [
        "EMGauss",
        f"{expected.reconstruction.psnr_db:.2f}",
        f"{expected.reconstruction.ssim:.3f}",
        f"{expected.reconstruction.structure:.3f}",
    ]
    assert [row[0] for row in cells[-2:]] == ["Optical flow + blur 0.7", "Optical flow + blur 1"]
    assert len(cells) == len(expected.rows) == 7


def test_choosing_a_row_of_the_table_shows_that_interpolation(compare, open_model, settled):
    settled(compare)
    compare.view.scores.table.cellClicked.emit(2, 0)
    assert compare.view.form.baseline == Baseline(method="linear", blur_px=0.7)
    compare.view.scores.table.cellClicked.emit(0, 0)  # EMGauss itself
    assert compare.view.form.baseline == Baseline(method="linear", blur_px=0.7)


def test_a_place_is_shown_in_the_panes_and_by_the_viewer(compare, open_model, viewer, stack_layer, settled):
    settled(compare)
    place = Place(z=3.0, y=12, x=30, side_px=10, gain=1.0)
    compare.view.scores.places.offer(Places(best=(place,)))
    compare.view.scores.places.buttons[0].click()
    settled(compare)
    assert (compare._at.z, compare._at.y, compare._at.x) == (3, 12, 30)
    assert stack_layer.world_to_data(viewer.dims.point) == pytest.approx((3, 12, 30))
    centre = camera_of(viewer).center
    assert stack_layer.world_to_data((viewer.dims.point[0], *centre[-2:]))[1:] == pytest.approx((12, 30))


def test_a_model_without_held_out_sections_is_drawn_but_not_scored(viewer, compare, stack_layer, trained, settled):
    open_models(viewer).add(OpenModel("all", trained, LayerPlacement.of(stack_layer), stack_of(stack_layer)))
    settled(compare)
    assert compare.view.panes.image("xy", 0) is not None
    assert "on your 3 hidden sections" in compare.view.scores.verdict.text()
    assert "by hiding 3 sections in turn" in compare.view.scores.numbers.text()
    assert "'Hold out'" in compare.view.scores.verdict.text()
    assert compare.view.scores.table.isHidden()
    assert compare.view.held_out_button.isHidden()


def test_closing_the_viewer_while_scoring_ends_it(make_napari_viewer, stack, trained_in_part, qtbot, monkeypatch):
    begun, over = threading.Event(), threading.Event()

    def endless(volume, reconstruction, *, stop, progress):
        begun.set()
        progress(1, 7)
        while not stop():
            over.wait(0.01)
        over.set()

    monkeypatch.setattr("napari_emgauss._napari.compare.scoring.score_held_out", endless)
    viewer = make_napari_viewer()
    layer = viewer.add_image(np.asarray(stack.data), scale=(48, 8, 8), units=("nm",) * 3)
    open_models(viewer).add(OpenModel("m", trained_in_part, LayerPlacement.of(layer), stack_of(layer)))
    widget = CompareWidget(viewer)
    scores = widget.view.scores
    viewer.window.add_dock_widget(widget)
    qtbot.waitUntil(begun.is_set, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: scores.progress.maximum() == 7, timeout=WAIT_MS)
    viewer.window.remove_dock_widget(widget)
    widget.deleteLater()
    del widget, scores
    qtbot.waitUntil(over.is_set, timeout=WAIT_MS)


def test_a_reconstruction_that_pays_offers_no_interpolation(compare, open_model, settled, monkeypatch):
    monkeypatch.setattr(HeldOut, "pays", property(lambda self: True))
    compare.scoring.score(open_model.reconstruction, compare.volume())
    settled(compare)
    assert not compare.view.scores.instead.isVisibleTo(compare.view.scores)


def test_where_interpolation_is_better_it_is_offered_and_made(
    viewer, compare, open_model, stack_layer, settled, monkeypatch
):
    monkeypatch.setattr(HeldOut, "pays", property(lambda self: False))
    compare.scoring.score(open_model.reconstruction, compare.volume())
    settled(compare)
    assert compare.view.scores.instead.isVisibleTo(compare.view.scores)
    assert compare.view.scores.instead.text().startswith("Make a layer by ")
    compare.view.scores.instead.click()
    settled(compare)
    layer = viewer.layers[-1]
    method = compare.scoring.result.best_plain.method
    assert layer.metadata["napari-emgauss"]["interpolated"] == method
    whole = eg.Volume(stack_layer.data, open_model.reconstruction.voxel_size_nm)
    expected = PlainInterpolation(whole, range(5), method).section(1.5)
    np.testing.assert_allclose(layer.data[9], expected, atol=0.51)
    for index in (0, 4):
        np.testing.assert_allclose(layer.data_to_world((6 * index, 3, 5)), stack_layer.data_to_world((index, 3, 5)))
