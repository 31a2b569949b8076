"""The widget 'Job' in a real viewer, over jobs that run in other processes."""

import numpy as np
import pytest
from tests._napari.jobs.conftest import HOLD, TINY

import napari_emgauss as eg
from napari_emgauss._napari.jobs import controller as module
from napari_emgauss._napari.jobs.closing import Closing
from napari_emgauss._napari.jobs.starting import STACK
from napari_emgauss._napari.jobs.widget import JobWidget
from napari_emgauss._napari.viewer.docked import show_widget
from napari_emgauss._napari.viewer.models import open_models
from napari_emgauss.io.jobs import BlockState, JobProcess, JobState, Request, is_asked
from napari_emgauss.io.jobs.grid import LABELS
from napari_emgauss.io.store import JobFolder
from napari_emgauss.methods.emgauss import reconstruct
from napari_emgauss.methods.emgauss.shared.command import MODEL


def open_job(widget, folder):
    widget.view.folder.set_path(folder)
    return widget.controller


def layer(viewer, name):
    return next((each for each in viewer.layers if each.name == name), None)


def click(viewer, at):
    """Press and release at a place of the world, as napari tells of it."""

    class Event:
        pos, position, type, modifiers = (50, 60), at, "mouse_press", ()

    told = [callback(viewer, Event) for callback in viewer.mouse_drag_callbacks]
    for each in told:
        next(each, None)
    Event.type = "mouse_release"
    for each in told:
        next(each, None)


def middle(grid, block):
    """The place of a block's middle in the world: two by two of them share the sections."""
    n_z, n_y, n_x = grid.data.shape
    return grid.data_to_world((n_z // 2, (0.25 + block // 2 / 2) * n_y, (0.25 + block % 2 / 2) * n_x))


def test_a_job_is_followed_while_a_worker_is_killed_and_the_other_does_its_block(
    viewer, widget, job, start, stack_file, stack_layer, until
):
    controller, view = open_job(widget, job), widget.view
    until(lambda: layer(viewer, "cells · blocks"))
    assert controller.status.state is JobState.INTERRUPTED
    assert "Nobody works on it" in view.status.text()
    controller.pause()
    workers = [start(job), start(job)]
    until(lambda: controller.status.count(BlockState.RUNNING) == 2)
    assert (controller.status.state, view.pause_button.text()) == (JobState.PAUSED, "Resume")
    grid = layer(viewer, "cells · blocks")
    assert (grid.data == LABELS[BlockState.RUNNING]).any()
    latest = [controller.news.watch.latest(block) for block in range(4)]
    held = next(i for i in range(4) if latest[i] and latest[i].worker.endswith(f":{workers[0].pid}"))
    click(viewer, middle(grid, held))
    assert view.block.text().startswith(f"Block {held + 1}: running, begun ")
    workers[0].kill()
    until(lambda: controller.status.states[held] is BlockState.WAITING)
    assert "who is gone; another goes on" in view.block.text()
    isotropic, draft = layer(viewer, "cells · isotropic"), open_models(viewer).newest
    assert draft.is_draft
    before = np.asarray(isotropic.data[3])
    view.pause_button.click()
    until(lambda: controller.status.state is JobState.DONE)
    assert workers[1].wait(60) == 0
    assert view.legend.counts[BlockState.DONE].text() == "4"
    assert set(np.unique(grid.data)) == {0, LABELS[BlockState.DONE]}
    assert not np.array_equal(isotropic.data[3], before)
    assert "The folder has no model yet" in view.status.text()
    assert view.block.text().startswith(f"Block {held + 1}: done ")
    # What 'Resume' would have another process do.
    model = reconstruct(eg.read(stack_file), checkpoint=job, **TINY)
    model.save(job / MODEL)
    until(lambda: not open_models(viewer).newest.is_draft)
    assert np.array_equal(layer(viewer, "cells · isotropic").data[3], model.resample().data[3])
    assert view.status.text() == "Done: all 4 blocks."
    assert not view.pause_button.isVisibleTo(view)


def test_the_blocks_lie_where_the_stack_does_whatever_the_units(viewer, widget, job, stack_layer, until):
    stack_layer.translate = (0, 0, 0)
    open_job(widget, job)
    until(lambda: layer(viewer, "cells · blocks"))
    assert np.allclose(layer(viewer, "cells · blocks").extent.world, stack_layer.extent.world, atol=1e-6)


def test_a_failure_is_shown_with_its_message_and_tried_again(viewer, widget, job, start, until, monkeypatch):
    again = []
    monkeypatch.setattr(module, "go_on", lambda folder, *, workers: again.append((folder, workers)) or Ended(folder))
    store = JobFolder(job, "")
    store.save_failure(3, "no room for block 4. Use smaller tiles.", "node:7")
    store.log("failed", block=3, message="no room")
    holder = start(job, 0, code=HOLD)
    controller, view = open_job(widget, job), widget.view
    until(lambda: layer(viewer, "cells · blocks") and controller.status.states[0] is BlockState.RUNNING)
    grid = layer(viewer, "cells · blocks")
    click(viewer, middle(grid, 3))
    assert "failed" in view.block.text()
    assert view.block.text().endswith("No room for block 4. Use smaller tiles.")
    assert view.retry_button.isVisibleTo(view)
    view.retry_button.click()
    until(lambda: not controller.status.failures)
    assert not again, "somebody works on it"
    assert not view.retry_button.isVisibleTo(view)
    holder.kill()
    until(lambda: controller.status.state is JobState.INTERRUPTED)
    view.workers.setValue(3)
    view.pause_button.click()
    assert again == [(job, 3)]


class Ended:
    """A process that has ended."""

    is_running = False

    def __init__(self, job):
        self.job = job


def test_a_job_elsewhere_is_stopped_by_its_folder(widget, job, start, until):
    holder = start(job, 2, code=HOLD)
    controller, view = open_job(widget, job), widget.view
    until(lambda: controller.status is not None and controller.status.state is JobState.RUNNING)
    assert widget.may_end(), "it is not ours to ask about"
    view.stop_button.click()
    until(lambda: controller.status.state is JobState.STOPPING)
    assert is_asked(job, Request.STOP)
    holder.kill()
    until(lambda: controller.status.state is JobState.INTERRUPTED)


def test_the_last_job_is_suggested_and_opened_by_a_click(viewer, widget, job, until):
    open_job(widget, job)
    until(lambda: layer(viewer, "cells · blocks"))
    again = JobWidget(viewer)
    viewer.window.add_dock_widget(again, name="again")
    assert (again.view.folder.path, again.controller.folder) == (job, None)
    again.view.open_button.click()
    until(lambda: again.controller.status is not None)


def test_what_is_no_job_is_said_to_be_none(widget, tmp_path, until):
    open_job(widget, tmp_path)
    until(lambda: "no job folder" in widget.view.status.text())


def test_a_stack_that_is_gone_leaves_the_numbers(viewer, widget, job, stack_file, until, monkeypatch):
    stack_file.rename(stack_file.with_name("elsewhere.ome.zarr"))
    try:
        open_job(widget, job)
        until(lambda: "cannot be laid over the stack" in widget.view.block.text())
    finally:
        stack_file.with_name("elsewhere.ome.zarr").rename(stack_file)
    assert widget.view.legend.counts[BlockState.WAITING].text() == "4"
    assert not viewer.layers


@pytest.mark.parametrize("closing", ["dock", "viewer"])
def test_closing_ends_the_following_and_takes_the_layers_away(viewer, widget, job, closing, until, qtbot):
    open_job(widget, job)
    until(lambda: layer(viewer, "cells · blocks"))
    listening = len(viewer.mouse_drag_callbacks)
    if closing == "viewer":
        viewer.close()
        return
    with qtbot.waitSignal(widget.destroyed, timeout=60_000):
        widget.parent().destroyOnClose()
    assert not viewer.layers
    assert not len(open_models(viewer))
    assert len(viewer.mouse_drag_callbacks) == listening - 1


def test_a_layer_in_memory_is_saved_and_trained_on_in_a_process_that_closing_asks_about(
    viewer, stack_layer, until, tmp_path, monkeypatch
):
    """A real process, from Reconstruct's button to the end; it is stopped while the stack is studied."""
    reconstruct_widget = show_widget(viewer, "Reconstruct")
    reconstruct_widget.view.settings._fields["tile_px"].setValue(40)
    reconstruct_widget.view.job_button.click()
    widget = show_widget(viewer, "Job")
    view, panel = widget.view, widget.view.new_job
    until(panel.start_button.isEnabled)
    assert "saved in the folder first" in panel.about.text()
    panel.folder.set_path(tmp_path / "cells.job")
    panel.start_button.click()
    assert "'Tile size' must be more than twice tile_overlap_px, got 40" in panel.about.text()
    assert not (tmp_path / "cells.job").exists()
    reconstruct_widget.view.settings._fields["tile_px"].setValue(512)
    reconstruct_widget.view.job_button.click()
    until(panel.start_button.isEnabled)
    panel.folder.set_path(tmp_path / "cells.job")
    panel.start_button.click()
    until(lambda: widget.controller.process is not None)
    process = widget.controller.process
    assert isinstance(process, JobProcess)
    assert np.array_equal(eg.read(tmp_path / "cells.job" / STACK).data, stack_layer.data)
    answers = iter([Closing.STAY, Closing.GO_ON, Closing.STOP])
    monkeypatch.setattr(module, "ask_how_to_close", lambda *_: next(answers))
    assert [widget.may_end(), widget.may_end(), process.is_running] == [False, True, True]
    until(lambda: widget.controller.status is not None)
    assert "on this computer" in view.status.text()
    assert widget.may_end()
    assert process.wait(120) == 130
    until(lambda: "Nobody works on it" in view.status.text())
    assert widget.may_end(), "there is nothing to ask about"
