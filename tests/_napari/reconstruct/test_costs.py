import gc
from types import SimpleNamespace

import pytest

from napari_emgauss._napari.reconstruct import costs

WAIT_MS = 180_000


@pytest.mark.parametrize("studies", [False, True])
def test_time_and_memory_are_estimated_on_this_machine(widget, qtbot, studies):
    widget.view.settings._fields["teacher"].setChecked(studies)
    qtbot.waitUntil(lambda: "by a short trial" in widget.view.costs.text(), timeout=WAIT_MS)
    assert widget.view.costs.text().startswith("About ")


def test_an_impossible_setting_is_explained_before_training(widget, training, qtbot):
    training.set("tile_px", 3)
    qtbot.waitUntil(lambda: "'Tile size' must be" in widget.view.costs.text(), timeout=WAIT_MS)


def test_garbage_is_looked_for_once_and_not_when_an_estimate_was_overtaken(monkeypatch):
    an_estimate = SimpleNamespace(beside_a_viewer=lambda: "what it is in a viewer")
    looks, found = [], iter([None, an_estimate, an_estimate])
    monkeypatch.setattr(gc, "collect", lambda: looks.append(None))
    monkeypatch.setattr(costs, "estimate", lambda volume, **settings: next(found))
    costs._collect_garbage_once.cache_clear()
    counts, told = [], []
    for _ in range(3):
        told.append(costs._estimated(None, {}, lambda: False))
        counts.append(len(looks))
    assert counts == [0, 1, 1]
    assert told == [None, *["what it is in a viewer"] * 2]
