from napari_emgauss._napari.gem.settings import MapSettingsForm
from napari_emgauss.methods.gem import GemConfig


def test_settings_as_they_are_at_first_are_the_method_s_own(qtbot):
    form = MapSettingsForm()
    qtbot.addWidget(form)
    assert GemConfig().with_settings(**form.arguments()) == GemConfig()


def test_what_is_entered_is_what_is_trained_with(qtbot):
    form = MapSettingsForm()
    qtbot.addWidget(form)
    form.offer_boxes([(64, 8.0), (32, 16.0)])
    form.box.choose(32)
    form.mask_radius.setValue(70)
    form.symmetry.setCurrentText(" d2")
    form.whiten.setChecked(False)
    assert form.box_px == 32
    config = GemConfig().with_settings(**form.arguments())
    assert (config.mask_radius, config.symmetry, config.whiten) == (0.7, "D2", False)
