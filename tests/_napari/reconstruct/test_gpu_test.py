import pytest

from napari_emgauss._napari.reconstruct import gpu_test, settings_form
from napari_emgauss._napari.reconstruct.gpu_test import GpuTest
from napari_emgauss._napari.reconstruct.settings_form import SettingsForm
from napari_emgauss.evaluation.self_test import Finding, SelfTest

WORKS = SelfTest("A card", (Finding("speed", True, "fast"),))


@pytest.mark.parametrize(("has_gpu", "n"), [(True, 1), (False, 0)])
def test_the_test_is_offered_where_there_is_a_gpu(qtbot, monkeypatch, has_gpu, n):
    monkeypatch.setattr(settings_form, "has_gpu", lambda: has_gpu)
    form = SettingsForm()
    qtbot.addWidget(form)
    assert len(form.findChildren(GpuTest)) == n


def test_the_result_is_told_in_words_with_all_findings_at_hand(qtbot, monkeypatch):
    monkeypatch.setattr(gpu_test, "self_test", lambda: WORKS)
    widget = GpuTest()
    qtbot.addWidget(widget)
    widget.button.click()
    assert not widget.button.isEnabled()
    qtbot.waitUntil(widget.button.isEnabled)
    assert widget.result.text() == WORKS.verdict
    assert "speed: fast" in widget.result.toolTip()


def test_a_test_that_fails_says_why_and_can_be_repeated(qtbot, monkeypatch):
    def fail():
        raise RuntimeError("the driver is too old")

    monkeypatch.setattr(gpu_test, "self_test", fail)
    widget = GpuTest()
    qtbot.addWidget(widget)
    widget.button.click()
    qtbot.waitUntil(widget.button.isEnabled)
    assert "too old" in widget.result.text()
