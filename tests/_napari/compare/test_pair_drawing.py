"""Drawing off the GUI thread in Compare."""

import numpy as np

from napari_emgauss.evaluation import SideBySide
from napari_emgauss.interpolation.plain import Baseline

WAIT_MS = 60_000


def test_many_moves_end_at_the_last_place(compare, open_model, settled, qtbot):
    settled(compare)
    for i in range(30):
        compare.go_to(z=i / 10, y=i, x=39 - i)
        qtbot.wait(7)  # some are drawn meanwhile, some are overtaken
    settled(compare)
    pair = SideBySide(open_model.reconstruction, open_model.stack)
    np.testing.assert_array_equal(compare.view.panes.image("xy", 1), pair.grey(pair.section(2.9)).interpolation)
    np.testing.assert_array_equal(compare.view.panes.image("xz", 1), pair.grey(pair.cut(1, 29)).interpolation)
    np.testing.assert_array_equal(compare.view.panes.image("yz", 1), pair.grey(pair.cut(2, 10)).interpolation)


def test_what_goes_wrong_while_drawing_is_told(compare, open_model, settled, qtbot, monkeypatch):
    settled(compare)

    def fail(self, z):
        raise MemoryError("no memory")

    told = []
    monkeypatch.setattr("napari_emgauss._napari.compare.controller.report", told.append)
    monkeypatch.setattr(SideBySide, "section", fail)
    compare.go_to(z=0.5)
    qtbot.waitUntil(lambda: bool(told), timeout=WAIT_MS)
    assert "Out of memory" in compare.view.hint.text()


def test_after_a_failure_another_choice_tries_again(compare, open_model, settled):
    settled(compare)
    compare._fail(MemoryError("no memory"))
    assert compare.view.body.isHidden()
    compare.view.form.choose_baseline(Baseline(method="cubic"))
    settled(compare)
    assert compare.view.hint.isHidden()
    assert not compare.view.body.isHidden()
