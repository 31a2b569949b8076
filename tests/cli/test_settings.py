import pytest

from napari_emgauss.cli.settings import parse_settings
from napari_emgauss.errors import ConfigError
from napari_emgauss.methods.emgauss.presets import preset


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("joint=40", 40),
        ("joint=40.0", 40),
        ("spacing_px=3", 3.0),
        ("rate_mean=1e-3", 1e-3),
        ("leave_out_damaged=false", False),
        ("leave_out_damaged=True", True),
        ("motion=none", "none"),
    ],
)
def test_a_setting_typed_as_text_becomes_its_value(pair, value):
    (name,) = settings = parse_settings([pair])
    assert preset(**settings).flat()[name] == value


@pytest.mark.parametrize("pair", ["joint=many", "joint=2.5", "joint=", "joint=(", "spacing_px=1e999", "uncertainty=1"])
def test_text_that_is_no_value_is_refused_by_the_setting(pair):
    with pytest.raises(ConfigError, match=f"^{pair.split('=')[0]} must be "):
        preset(**parse_settings([pair]))


def test_a_pair_without_a_value_or_with_an_option_of_the_command_is_refused():
    with pytest.raises(ConfigError, match="name=value"):
        parse_settings(["joint"])
    with pytest.raises(ConfigError, match="--hold-out"):
        parse_settings(["hold_out=1"])
