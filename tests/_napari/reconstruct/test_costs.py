import pytest

WAIT_MS = 180_000


@pytest.mark.parametrize("studies", [False, True])
def test_time_and_memory_are_estimated_on_this_machine(widget, qtbot, studies):
    widget.view.settings._fields["teacher"].setChecked(studies)
    qtbot.waitUntil(lambda: "by a short trial" in widget.view.costs.text(), timeout=WAIT_MS)
    assert widget.view.costs.text().startswith("About ")


def test_an_impossible_setting_is_explained_before_training(widget, training, qtbot):
    training.set("tile_px", 3)
    qtbot.waitUntil(lambda: "'Tile size' must be" in widget.view.costs.text(), timeout=WAIT_MS)
