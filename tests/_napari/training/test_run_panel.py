import pytest

from napari_emgauss._napari.training.progress import ProgressPoint
from napari_emgauss._napari.training.run_panel import RunPanel


@pytest.fixture
def panel(qtbot):
    made = RunPanel()
    qtbot.addWidget(made)
    yield made
    made.leave()


def point(iteration, loss):
    return ProgressPoint(iteration=iteration, n_iterations=10, text="Learning", loss=loss, held_out_psnr_db=None)


def test_curves_are_shown_once_there_is_something_to_see(panel):
    panel.show_running()
    panel.show_progress([point(0, None)])
    assert panel.curves.isHidden()
    panel.show_progress([point(1, 0.5)])
    assert not panel.curves.isHidden()


def test_naparis_activity_dock_is_told_in_a_moment_of_its_own_and_no_more_after_the_end(panel, qtbot):
    panel.show_running()
    panel.show_progress([point(1, 0.5)])
    assert panel._activity._entry is None
    qtbot.waitUntil(lambda: panel._activity._entry is not None, timeout=60_000)
    panel.show_progress([point(2, 0.5)])
    panel.show_idle("Done")
    assert panel._activity._entry is None
    assert not panel._activity_due.isActive()
