import numpy as np
import pytest

from napari_emgauss._napari.training import steps_controller as module
from napari_emgauss._napari.training.steps import Step
from napari_emgauss._napari.viewer.particles import map_model_of
from napari_emgauss.training import BlockTrainer

LONG = {"shape_iterations": 5000, "likelihood_iterations": 5000}


def results(viewer):
    return [layer for layer in viewer.layers if map_model_of(layer) is not None]


@pytest.fixture
def begun(widget, settings, until):
    """A training that would take long, whose map is on screen."""
    settings.update(LONG)
    widget.view.panel.train_button.click()
    until(lambda: "Map so far" in widget.controller._viewer.layers and "part" in widget.view.panel.status.text())
    return widget.controller.run.training.session


def test_a_training_gives_a_map_in_its_place_with_its_resolution(widget, viewer, layer, train, own_folders):
    bar, box = widget.view.bar, widget.view.settings.box
    bar.buttons[Step.TRY].click()
    assert box.item == min(box.items)
    bar.buttons[Step.TRAIN].click()
    assert box.item == max(box.items)
    train()
    assert bar.step is Step.LOOK
    (made,) = results(viewer)
    assert made.name == "few · map"
    assert made.data.shape == (24, 24, 24)
    assert tuple(made.scale) == (7, 7, 7)
    assert "angstrom" in {str(unit) for unit in made.units}
    assert (made.rendering, viewer.dims.ndisplay) == ("iso", 3)
    assert 0.1 * made.data.max() < made.iso_threshold < 0.9 * made.data.max()
    assert "Map so far" not in viewer.layers
    assert not layer.visible
    assert "Done" in widget.view.panel.status.text()
    assert "Å</b>. The cross-correlation" in widget.view.fsc.verdict.text()
    assert "no measure of resolution" in widget.view.fsc.warning.text()
    assert widget.view.gallery.rows["predicted"].isVisibleTo(widget)
    assert widget.view.result.isVisibleTo(widget)
    assert not list((own_folders / "cache").rglob("*.safetensors"))


def test_the_map_and_its_curves_are_shown_while_it_is_learned(begun, widget, viewer, until):
    live = viewer.layers["Map so far"]
    assert (live.rendering, viewer.dims.ndisplay) == ("iso", 3)
    until(
        lambda: "masked" in widget.view.fsc.legend.text() and widget.view.gallery.rows["predicted"].isVisibleTo(widget)
    )
    before = np.array(live.data)
    until(lambda: not np.array_equal(live.data, before))
    assert not widget.view.settings.isEnabled()
    widget.view.panel.discard_button.click()
    until(lambda: not widget.controller.busy)
    assert "Map so far" not in viewer.layers
    assert widget.view.panel.status.text() == "Discarded."
    assert not results(viewer)


def test_pause_holds_and_resume_goes_on(begun, widget, until, qtbot):
    widget.view.panel.pause_button.click()
    qtbot.wait(100)
    held_at = begun.status.progress.iteration
    qtbot.wait(200)
    assert begun.status.progress.iteration == held_at
    widget.view.panel.pause_button.click()
    until(lambda: begun.status.progress.iteration > held_at)
    widget.view.panel.discard_button.click()
    until(lambda: not widget.controller.busy)


def test_removing_the_map_so_far_ends_its_pictures_and_removing_the_particles_ends_the_training(
    begun, widget, viewer, layer, until, told
):
    reached = begun.status.progress.iteration
    viewer.layers.remove("Map so far")
    until(lambda: begun.status.progress.iteration > reached and not widget.controller._drawing.busy)
    assert "Map so far" not in viewer.layers
    viewer.layers.remove(layer)
    until(lambda: not widget.controller.busy)
    assert "stopped early" in widget.view.panel.status.text()
    assert len(results(viewer)) == 1
    assert any("was removed" in message for message in told())


def test_closing_the_dock_or_the_viewer_while_it_trains_leaves_nothing_behind(
    begun, widget, viewer, until, monkeypatch
):
    asked = []
    monkeypatch.setattr(module, "may_close", lambda view, name, again: asked.append(name) or True)
    assert widget.controller.may_end()
    assert asked == ["few · map"]
    viewer.window.remove_dock_widget(widget)
    until(lambda: begun.wait(0))
    assert "Map so far" not in viewer.layers


def test_a_failure_is_told_and_the_widget_goes_on(widget, viewer, train, told, monkeypatch):
    def no_memory(self):
        raise MemoryError("unable to allocate 40 GiB")

    with monkeypatch.context() as patch:
        patch.setattr(BlockTrainer, "step", no_memory)
        train()
    assert any("ut of memory" in message for message in told())
    assert not results(viewer)
    train()
    assert len(results(viewer)) == 1


def test_an_impossible_symmetry_is_said_before_the_training(widget):
    widget.view.settings.symmetry.setCurrentText("Z9")
    assert "symmetry must be" in widget.view.problem.text().lower()
    assert not widget.view.panel.train_button.isEnabled()
    widget.view.settings.symmetry.setCurrentText("c2")
    assert widget.view.problem.text() == ""
    assert widget.view.panel.train_button.isEnabled()


def test_a_smaller_box_is_trained_on_if_it_is_chosen(widget, viewer, layer):
    widget.view.settings.offer_boxes([(24, 14.0), (12, 28.0)])
    widget.view.settings.box.choose(12)
    chosen = widget.controller.particles()
    assert (chosen.box_px, chosen.box_pixel_size_angstrom) == (12, 14.0)
