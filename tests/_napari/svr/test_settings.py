import pytest

from napari_emgauss._napari.svr.settings import SliceSettingsForm
from napari_emgauss.methods.svr import SvrConfig


@pytest.fixture
def form(qtbot):
    form = SliceSettingsForm()
    qtbot.addWidget(form)
    return form


def test_the_form_starts_with_the_methods_own_settings(form):
    config = SvrConfig()
    arguments = form.arguments()
    del arguments["voxel_size_mm"]
    assert {name: getattr(config, name) for name in arguments} == arguments


def test_what_is_entered_is_what_the_method_gets(form):
    form.voxel_size.setValue(0.8)
    form.profile.choose("box")
    form.switches["gain"].setChecked(False)
    config = SvrConfig().with_settings(**form.arguments())
    assert (config.voxel_size_mm, config.profile, config.gain, config.motion) == (0.8, "box", False, True)


def test_a_suggestion_does_not_replace_what_was_entered(form):
    form.suggest(1.123)
    assert form.voxel_size.value() == 1.12
    form.voxel_size.setValue(0.7)
    form.suggest(2.0)
    assert form.voxel_size.value() == 0.7
