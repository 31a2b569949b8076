from types import SimpleNamespace

import napari.settings
import pytest
from npe2 import PluginManifest

import napari_emgauss as eg
from napari_emgauss._napari.controls.preferences import keeps_models


@pytest.mark.parametrize("keep", [True, False])
def test_models_are_kept_as_the_preferences_say(monkeypatch, keep):
    told = SimpleNamespace(models=SimpleNamespace(keep=keep))
    monkeypatch.setattr(napari.settings, "get_plugin_settings", lambda plugin: told)
    assert keeps_models() == keep


def test_they_are_kept_where_napari_does_not_know_the_plugin(monkeypatch):
    def unknown(plugin):
        raise KeyError(plugin)

    monkeypatch.setattr(napari.settings, "get_plugin_settings", unknown)
    assert keeps_models()


def test_the_manifest_has_this_preference_and_keeps_models_unless_told_otherwise():
    manifest = PluginManifest.from_file(next(iter(eg.__path__)) + "/napari.yaml")
    preference = manifest.contributions.configurations["models"].properties["keep"]
    assert preference.default is True
