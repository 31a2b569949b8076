import threading
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtWidgets import QWidget

from napari_emgauss._napari.reconstruct import draft_previews as module
from napari_emgauss._napari.reconstruct.draft_previews import DraftPreviews

WAIT_MS = 60_000


@pytest.fixture
def drawn(qtbot):
    """Previews of a draft that tells what it is asked for, and what is shown."""
    parent, shown = QWidget(), []
    qtbot.addWidget(parent)
    previews = DraftPreviews(parent, shown.append)

    def preview(z, at_once=False):
        assert threading.current_thread() is not threading.main_thread()
        return z, at_once

    draft = SimpleNamespace(preview=preview)

    def draw(z):
        previews.draw(draft, z)
        qtbot.waitUntil(lambda: not previews._worker.busy, timeout=WAIT_MS)

    draw.parent = parent  # nothing else keeps it
    return previews, draw, shown


def test_the_first_look_is_quick_and_then_good(drawn):
    _, draw, shown = drawn
    draw(1.5)
    draw(2.5)
    assert shown == [(1.5, True), (1.5, False), (2.5, False)]


def test_where_drawing_takes_long_every_look_is_quick_first(drawn, monkeypatch):
    _, draw, shown = drawn
    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    draw(1.5)
    draw(2.5)
    assert shown == [(1.5, True), (1.5, False), (2.5, True), (2.5, False)]


def test_what_is_forgotten_is_not_shown(drawn, qtbot):
    previews, _, shown = drawn
    previews.draw(SimpleNamespace(preview=lambda z, at_once=False: np.zeros(3)), 1.5)
    previews.forget()
    qtbot.wait(200)
    assert shown == []


def test_a_draft_that_cannot_be_drawn_is_left_to_the_training_to_tell(drawn, qtbot, caplog):
    previews, _, shown = drawn

    def fail(z, at_once=False):
        raise ValueError("no such section")

    previews.draw(SimpleNamespace(preview=fail), 1.5)
    qtbot.waitUntil(lambda: "no such section" in caplog.text, timeout=WAIT_MS)
    assert shown == []
