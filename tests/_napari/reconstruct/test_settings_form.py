import pytest
from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel

from napari_emgauss._napari.reconstruct.settings_form import ADVANCED, SettingsForm
from napari_emgauss.methods.emgauss.config import FIELDS
from napari_emgauss.methods.emgauss.presets import PRESETS, preset


@pytest.fixture
def form(qtbot, tmp_path):
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path))
    form = SettingsForm()
    qtbot.addWidget(form)
    return form


def editor(form, name):
    return form.findChild(object, name)


@pytest.mark.parametrize("name", [*PRESETS])
def test_a_preset_as_it_is_passes_nothing_else(form, name):
    form.preset.setCurrentText(name)
    assert form.arguments() == {"preset": name, "device": "auto"}


def test_about_a_dozen_settings_are_shown_in_words_with_a_note(form):
    assert 8 <= len(ADVANCED) <= 14
    names = {label.text() for label in form.findChildren(QLabel)} | {b.text() for b in form.findChildren(QCheckBox)}
    for name, setting in ADVANCED.items():
        assert setting.label in names
        assert setting.note in editor(form, name).toolTip()
    assert not names & set(FIELDS)


@pytest.mark.parametrize("name", [name for name, setting in ADVANCED.items() if setting.unchecked is not None])
def test_every_switch_makes_an_acceptable_configuration(form, name):
    box = editor(form, name)
    box.setChecked(not box.isChecked())
    values = form.arguments()
    assert values[name] in (ADVANCED[name].checked, ADVANCED[name].unchecked)
    del values["device"]
    assert preset(values.pop("preset"), **values).flat()[name] == form.arguments()[name]


@pytest.mark.parametrize("name", [name for name in ADVANCED if FIELDS[name].annotation in (int, float)])
def test_numbers_stay_within_the_bounds_of_their_field(form, name):
    box = editor(form, name)
    for value in (box.minimum(), box.maximum()):
        box.setValue(value)
        assert form.arguments().get(name, preset().flat()[name]) == value
        preset(**{name: value, "tile_overlap_px": 1, "bundle_overlap": 1} if value > 2 else {})
    box.setValue(-1)
    assert box.value() == ADVANCED[name].least or box.value() > 0


def test_every_choice_of_denoising_is_offered(form):
    box = editor(form, "denoise")
    assert isinstance(box, QComboBox)
    chosen = set()
    for text in ADVANCED["denoise"].choices:
        box.setCurrentText(text)
        chosen.add(form.arguments().get("denoise", "none"))
    assert chosen == {"none", "light", "blur"}


def test_a_setting_that_cannot_act_is_disabled_and_not_passed(form):
    editor(form, "lateral_steps").setValue(50)
    assert form.arguments()["lateral_steps"] == 50
    editor(form, "teacher").setChecked(False)
    assert not editor(form, "lateral_steps").isEnabled()
    assert form.arguments() == {"preset": "balanced", "device": "auto", "teacher": "ema"}
    editor(form, "teacher").setChecked(True)
    assert editor(form, "lateral_steps").isEnabled()


def test_without_the_prior_a_study_of_the_stack_takes_its_place(form):
    prior, steps = editor(form, "prior"), editor(form, "lateral_steps")
    assert (prior.isChecked(), steps.value()) == (True, 0)
    prior.setChecked(False)
    assert steps.value() == preset(prior=False).teacher.lateral_steps > 0
    assert form.arguments() == {"preset": "balanced", "device": "auto", "prior": False}
    steps.setValue(0)
    assert form.arguments()["lateral_steps"] == 0
    prior.setChecked(True)
    assert form.arguments() == {"preset": "balanced", "device": "auto"}
    steps.setValue(70)
    prior.setChecked(False)
    assert form.arguments()["lateral_steps"] == 70


def test_the_published_network_offers_no_settings_of_the_other_field(form):
    form.preset.setCurrentText("paper")
    disabled = {name for name in ADVANCED if not editor(form, name).isEnabled()}
    assert disabled == {"teacher", "prior", "lateral_steps", "newton_steps", "adapt_spacing", "motion"}
    assert all("Not used" in editor(form, name).toolTip() for name in disabled)
    assert not any(editor(form, name).isChecked() for name in disabled - {"lateral_steps", "newton_steps"})
    form.preset.setCurrentText("balanced")
    assert editor(form, "motion").isChecked()
    assert "Not used" not in editor(form, "motion").toolTip()


def test_the_note_counts_what_was_changed_until_another_preset_is_taken(form, qtbot):
    with qtbot.waitSignal(form.changed):
        editor(form, "spacing_px").setValue(5)
    assert form.arguments()["spacing_px"] == 5.0
    assert "1 advanced setting changed" in form.note.text()
    form.preset.setCurrentText("fast")
    assert "changed" not in form.note.text()


def test_preset_and_device_are_remembered_but_not_the_advanced_settings(form, qtbot):
    form.preset.setCurrentText("fast")
    form.device.setCurrentText("CPU")
    editor(form, "newton_steps").setValue(3)
    form.remember()
    again = SettingsForm()
    qtbot.addWidget(again)
    assert again.arguments() == {"preset": "fast", "device": "cpu"}
