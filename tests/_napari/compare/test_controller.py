"""Compare as it follows models, places and the viewer."""

import numpy as np
import pytest

from napari_emgauss._napari.compare.crossing import PANES
from napari_emgauss._napari.viewer.models import open_models
from napari_emgauss.evaluation import SideBySide
from napari_emgauss.interpolation.plain import Baseline
from napari_emgauss.resampling.plain import PlainInterpolation


def test_without_a_model_it_says_what_to_do(compare):
    assert "No model yet: train one in 'Reconstruct'" in compare.view.hint.text()
    assert not compare.view.hint.isHidden()
    assert compare.view.body.isHidden()
    assert compare.view.scores.isHidden()


def test_a_model_that_comes_is_drawn_and_scored_and_leaves_nothing_when_it_goes(viewer, compare, open_model, settled):
    settled(compare)
    assert compare.view.hint.isHidden()
    assert compare.model is open_model
    assert all(compare.view.panes.image(place, 0) is not None for place in PANES)
    assert compare.scoring.result is not None
    open_models(viewer).remove(open_model)
    assert "No model yet" in compare.view.hint.text()
    assert compare.view.body.isHidden()


def test_the_first_place_shown_is_the_held_out_section(compare, open_model, settled):
    settled(compare)
    assert compare.view.z.value() == 2
    assert "section 2, held out" in compare.view.where.text()
    compare.go_to(z=3.25)
    assert "between sections 3 and 4" in compare.view.where.text()
    compare.go_to_held_out()
    assert compare.view.z.value() == 2


def test_the_panes_show_what_the_core_draws(compare, open_model, trained_in_part, settled):
    settled(compare)
    compare.view.form.choose_baseline(Baseline(method="flow", blur_px=0.7))
    compare.view.form.thirds.setCurrentText("Stack")
    compare.view.z.setValue(1.25)
    compare.go_to(y=11, x=30)
    settled(compare)
    pair = SideBySide(trained_in_part, open_model.stack, "flow+blur0.7")
    low, high = pair.contrast
    expected = np.clip((trained_in_part.render(1.25) - low) / (high - low), 0, 1) * 255
    np.testing.assert_allclose(compare.view.panes.image("xy", 0), expected, atol=0.6)
    plain = PlainInterpolation(open_model.stack, (0, 1, 3, 4), "flow+blur0.7")(1.25)
    np.testing.assert_allclose(
        compare.view.panes.image("xy", 1), np.clip((plain - low) / (high - low), 0, 1) * 255, atol=0.6
    )
    for place, axis, index in (("xz", 1, 11), ("yz", 2, 30)):
        cut = pair.grey(pair.cut(axis, index))
        np.testing.assert_array_equal(compare.view.panes.image(place, 0), cut.reconstruction)
        np.testing.assert_array_equal(compare.view.panes.image(place, 1), cut.interpolation)
        np.testing.assert_array_equal(compare.view.panes.image(place, 2), cut.stack)
    assert [title.text() for title in compare.view.panes.titles] == ["EMGauss", "Optical flow + blur 0.7", "Stack"]


def test_dragging_a_line_moves_the_cut_and_the_section(compare, open_model, settled):
    settled(compare)
    before = compare.view.panes.image("xz", 0)
    compare.view.panes.moved.emit(1, 3.4)  # what a dragged line tells: rows of the section
    compare.view.panes.moved.emit(0, 9.0)  # rows of a cut, six to a section
    settled(compare)
    assert compare.view.z.value() == pytest.approx(1.5)
    assert not np.array_equal(compare.view.panes.image("xz", 0), before)
    pair = SideBySide(open_model.reconstruction, open_model.stack)
    np.testing.assert_array_equal(compare.view.panes.image("xz", 0), pair.grey(pair.cut(1, 3)).reconstruction)
    compare.view.panes.moved.emit(2, 1e9)
    settled(compare)
    np.testing.assert_array_equal(compare.view.panes.image("yz", 0), pair.grey(pair.cut(2, 39)).reconstruction)


def test_it_follows_the_viewer_s_slider(viewer, compare, open_model, stack_layer, settled):
    settled(compare)
    viewer.dims.set_point(0, stack_layer.translate[0] + 3 * stack_layer.scale[0])
    assert compare.view.z.value() == pytest.approx(3)
    viewer.dims.set_point(0, stack_layer.translate[0])
    assert compare.view.z.value() == pytest.approx(0)


def test_it_follows_the_slider_in_the_viewer_s_own_unit(viewer, compare, open_model, stack_layer, settled):
    settled(compare)
    depth_um = float(stack_layer.translate[0] + 3 * stack_layer.scale[0])
    viewer.add_image(np.zeros((3, 20, 20), np.uint8), scale=(50, 10, 10), units=("nm",) * 3)
    viewer.dims.set_point(0, 1000 * depth_um)  # napari goes to its nearest step
    assert compare.view.z.value() == pytest.approx((viewer.dims.point[0] - 500) / 48)
    assert compare.view.z.value() == pytest.approx(3, abs=0.5)
