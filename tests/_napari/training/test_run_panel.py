import pytest

from napari_emgauss._napari.training.progress import ProgressPoint
from napari_emgauss._napari.training.run_panel import RunPanel


@pytest.fixture
def panel(qtbot):
    made = RunPanel()
    qtbot.addWidget(made)
    yield made
    made.leave()


def point(iteration, loss, share=None):
    return ProgressPoint(
        iteration=iteration, n_iterations=10, text="Learning", loss=loss, held_out_psnr_db=None, share=share
    )


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


def test_the_bar_waits_until_something_is_known_of_the_whole_and_never_goes_back(panel):
    panel.show_running()
    for share, shown in ((None, (0, 0)), (0.25, (250, 1000)), (0.2, (250, 1000)), (1.0, (1000, 1000))):
        panel.show_progress([point(0, None, share)])
        assert (max(panel.bar.value(), 0), panel.bar.maximum()) == shown
    panel.show_idle("Done")
    panel.show_running()
    panel.show_progress([point(1, None, 0.1)])
    assert panel.bar.value() == 100


def test_what_is_refined_is_told_in_iterations(panel):
    panel.show_running()
    panel.show_progress([point(4, None, 0.7)])
    panel.show_on_screen("refining")
    assert panel.on_screen.text() == "On screen · refining, 40 %"
