"""Settings of the lateral network."""

import pytest

from napari_emgauss.errors import ConfigError
from napari_emgauss.interpolation.lateral import (
    LateralConfig,
)
from napari_emgauss.interpolation.lateral.config import gaps_px


@pytest.mark.parametrize(
    "setting",
    [{"steps": 0}, {"dilations": ()}, {"gap_low": 2.0}, {"rate": 0.0}, {"average": 1.0}, {"weight_decay": -1}],
)
def test_a_setting_out_of_range_is_refused(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        LateralConfig(**{"steps": 1, **setting})


def test_gaps_shrink_to_what_the_sections_hold():
    config = LateralConfig(steps=2000)
    assert gaps_px(6, 500, config) == (6, 7.5)
    assert gaps_px(10, 22, config) == (10, 11)
    assert gaps_px(1, 500, config)[0] == 2
    assert config.steps_for(400_000) == config.steps
    assert config.steps_for(10**9) == 4 * config.steps
