import json
import subprocess
import sys
from typing import get_args

import pytest

from napari_emgauss.errors import ConfigError
from napari_emgauss.methods.emgauss.config import (
    FIELDS,
    AnchoredModelConfig,
    BlocksConfig,
    EmgaussConfig,
    MlpModelConfig,
    SectionsConfig,
    TeacherConfig,
    TrainingConfig,
    inert,
)
from napari_emgauss.methods.emgauss.config.whole import LATERAL_STEPS
from napari_emgauss.methods.emgauss.presets import PRESET_NOTES, PRESETS, PresetName, preset
from napari_emgauss.settings import fields_of


@pytest.mark.parametrize("name", [*PRESETS])
def test_every_preset_survives_its_flat_and_its_nested_form(name):
    config = preset(name)
    assert EmgaussConfig.from_flat(config.flat()) == config
    assert EmgaussConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_presets_are_named_once():
    assert list(get_args(PresetName)) == list(PRESET_NOTES)
    assert set(PRESETS) == set(PRESET_NOTES)
    with pytest.raises(ConfigError, match="preset must be one of"):
        preset("quick")
    with pytest.raises(ConfigError, match="preset must be one of"):
        preset([])


def test_no_two_concerns_have_a_setting_of_one_name():
    concerns = (TrainingConfig, TeacherConfig, SectionsConfig, BlocksConfig)
    names = [name for concern in concerns for name in fields_of(concern)]
    names += {*fields_of(AnchoredModelConfig), *fields_of(MlpModelConfig), "uncertainty"}
    assert sorted(names) == sorted(FIELDS)
    assert len(FIELDS) == 60


@pytest.mark.parametrize(
    ("chosen", "setting"),
    [
        ({}, {"mlp_depth": 3}),
        ({}, {"compositing": "alpha"}),
        ({}, {"densify": True}),
        ({}, {"ema_decay": 0.9}),
        ({}, {"z_jitter_end": 0.5}),
        ({"motion": "none"}, {"motion_blur_px": 3.0}),
        ({"teacher": "ema"}, {"lateral_steps": 5}),
        ({"teacher": "ema"}, {"pseudo_sections": 4}),
        ({"teacher": "ema"}, {"prior": False}),
        ({"prior": False}, {"prior_views": 4}),
        ({"use_teacher": False}, {"teacher": "ema"}),
        ({"use_teacher": False}, {"lateral_steps": 5}),
        ({"field": "mlp"}, {"prior": False}),
        ({"field": "mlp"}, {"lateral_steps": 5}),
        ({"field": "mlp"}, {"adapt_spacing": False}),
        ({"field": "mlp"}, {"motion": "none"}),
        ({"field": "mlp"}, {"sections_per_step": 4}),
        ({"field": "mlp"}, {"newton_steps": 2}),
        ({"field": "mlp"}, {"densify_start": 5}),
        ({"preset": "paper", "densify": False}, {"densify_start": 5}),
    ],
)
def test_a_setting_that_cannot_act_is_refused_with_what_it_takes(chosen, setting):
    (name,) = setting
    with pytest.raises(ConfigError, match=rf"^{name}=.* acts only with .* Leave it out, or set "):
        preset(
            name=chosen.get("preset", "balanced"),
            **{k: v for k, v in chosen.items() if k != "preset"},
            **setting,
        )


@pytest.mark.parametrize(
    "settings",
    [{"mlp_depth": 8}, {"densify": False}, {"compositing": "sum"}, {"use_teacher": False, "ema_decay": 0.995}],
)
def test_a_setting_that_cannot_act_may_repeat_its_default(settings):
    assert preset(**settings).model == EmgaussConfig().model


def test_what_a_preset_says_of_the_other_field_is_dropped():
    anchored = preset("paper", field="anchored")
    assert isinstance(anchored.model, AnchoredModelConfig)
    assert anchored.model.compositing == "sum"
    assert anchored.training.joint == preset("paper").training.joint
    assert preset("best", teacher="ema") == preset(teacher="ema", newton_steps=7, spacing_px=3.5)
    assert preset("paper", z_jitter_start=0.0).training.z_jitter_end == 0.0


def test_the_network_has_its_own_average_as_the_teacher_unless_told():
    assert preset(field="mlp").teacher.averages_student
    assert not preset(field="mlp", use_teacher=False).teacher.averages_student
    assert preset("paper").with_settings(use_teacher=False).with_settings(use_teacher=True).teacher.averages_student
    assert preset().teacher.predicts_sections


def test_nested_settings_are_held_to_the_same_rules():
    with pytest.raises(ConfigError, match="teacher='mixture' acts only with field='anchored'"):
        EmgaussConfig(model=MlpModelConfig())
    with pytest.raises(ConfigError, match="at least one must be positive with field='mlp'"):
        EmgaussConfig(model=MlpModelConfig(), teacher=TeacherConfig(teacher="ema"))
    with pytest.raises(ConfigError, match="lateral_steps=5 acts only with teacher='mixture'"):
        EmgaussConfig(teacher=TeacherConfig(teacher="ema", lateral_steps=5))
    with pytest.raises(ConfigError, match="mlp_depth does not stand at model"):
        EmgaussConfig.from_json({"model": {"field": "anchored", "mlp_depth": 3}})
    with pytest.raises(ConfigError, match="unknown setting 'spacing'"):
        EmgaussConfig.from_json({"model": {"field": "anchored", "spacing": 3}})
    with pytest.raises(ConfigError, match="mlp_width must be within"):
        EmgaussConfig.from_json({"model": {"field": "mlp", "mlp_width": 10**6}, "teacher": {"teacher": "ema"}})


@pytest.mark.parametrize(
    "values", [None, [], 3, {"model": []}, {"model": {"field": "x"}}, {"training": None}, {"model": {}}]
)
def test_any_other_nested_form_is_refused(values):
    with pytest.raises(ConfigError):
        EmgaussConfig.from_json(values)


def test_settings_of_an_old_model_that_could_not_act_are_dropped():
    everything = {name: info.default for name, info in FIELDS.items()}
    old = {**everything, "mlp_depth": 500, "ema_decay": 7, "densify_start": -3, "compositing": "alpha"}
    assert EmgaussConfig.from_flat(old) == EmgaussConfig()
    stages = {"joint": 30, "bootstrap": 20}
    network = EmgaussConfig.from_flat({**everything, **stages, "field": "mlp", "teacher": "ema", "motion_grid_px": 0})
    assert network == preset(field="mlp")
    with pytest.raises(ConfigError, match="unknown setting"):
        EmgaussConfig.from_flat({**everything, "other": 1})
    with pytest.raises(ConfigError, match="tile_px must be positive"):
        EmgaussConfig.from_flat({**everything, "tile_px": 0})


def flat_of_before_priors(**changes):
    values = {name: info.default for name, info in FIELDS.items() if not name.startswith("prior")}
    return {**values, "teacher": "lateral", "lateral_steps": 3000, **changes}


def test_a_lateral_teacher_of_before_there_were_priors_is_a_mixture_without_one():
    assert EmgaussConfig.from_flat(flat_of_before_priors()) == preset(prior=False)
    best = EmgaussConfig.from_flat(flat_of_before_priors(lateral_steps=10_000))
    assert (best.teacher.prior, best.teacher.lateral_steps) == (False, 10_000)
    assert EmgaussConfig.from_flat(flat_of_before_priors(pseudo_sections=0)).teacher.averages_student
    assert EmgaussConfig.from_flat(flat_of_before_priors(use_teacher=False)) == preset(use_teacher=False)
    assert EmgaussConfig.from_flat(flat_of_before_priors(teacher="ema")) == preset(teacher="ema")
    nested = preset(prior=False).to_json()
    nested["teacher"] = {n: v for n, v in nested["teacher"].items() if not n.startswith("prior")}
    nested["teacher"]["teacher"] = "lateral"
    assert EmgaussConfig.from_json(nested) == preset(prior=False)
    del nested["teacher"]["lateral_steps"]
    assert EmgaussConfig.from_json(nested) == preset(prior=False)


def test_without_the_prior_a_network_learns_from_the_stack_unless_told_otherwise():
    assert preset().teacher.lateral_steps == 0
    assert preset(prior=False).teacher.lateral_steps == LATERAL_STEPS
    assert preset(prior=False, lateral_steps=0).teacher.lateral_steps == 0
    assert preset("best", prior=False).teacher.lateral_steps == 3000
    assert preset("fast", prior=False).teacher.lateral_steps == 0


def test_changed_settings_leave_the_others():
    config = preset("fast", joint=5, motion_blur_px=3.0)
    still = config.with_settings(motion="none", tile_px=64, tile_overlap_px=8)
    assert (still.training.joint, still.blocks.tile_px, still.teacher) == (5, 64, config.teacher)
    assert config.model.motion_blur_px == 3.0
    with pytest.raises(ConfigError, match="Did you mean tile_px"):
        config.with_settings(tile_pix=3)


def test_what_cannot_act_is_named_with_its_reason():
    reasons = inert(preset(teacher="ema").flat())
    assert "acts only with teacher='mixture'" in reasons["lateral_steps"]
    assert "ema_decay" not in reasons
    assert "acts only with field='anchored'" in inert({"field": "mlp"})["motion"]


def test_settings_need_no_torch():
    code = (
        "import sys; import napari_emgauss; assert 'pydantic' not in sys.modules; import napari_emgauss.cli.dispatch; "
        "from napari_emgauss.methods.emgauss import preset; preset('paper'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
