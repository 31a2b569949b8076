"""All settings of EMGauss together, and the rules between them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field

from napari_emgauss.errors import ConfigError
from napari_emgauss.methods.emgauss.config.groups import BlocksConfig, SectionsConfig, TeacherConfig, TrainingConfig
from napari_emgauss.methods.emgauss.config.model import AnchoredModelConfig, MlpModelConfig
from napari_emgauss.settings import ActsWith, Flag, check_names, fields_of, from_json, settings


@settings
class EmgaussConfig:
    """Settings of a reconstruction; the defaults are those of the ``balanced`` preset.

    Every setting has a name of its own in all classes, so that it can be given flat: `preset`, `with_settings`. A
    setting that cannot act with the others is refused unless it has its default.
    """

    model: Annotated[AnchoredModelConfig | MlpModelConfig, Field(discriminator="field")] = AnchoredModelConfig()
    training: TrainingConfig = TrainingConfig()
    teacher: TeacherConfig = TeacherConfig()
    sections: SectionsConfig = SectionsConfig()
    blocks: BlocksConfig = BlocksConfig()
    uncertainty: Flag = True
    """After the last iteration, map the error to expect of the reconstruction."""

    def __post_init__(self) -> None:
        flat = self.flat()
        for name, reason in inert(flat).items():
            if name in flat and flat[name] != _DEFAULTS[name]:
                raise ConfigError(reason)
        if self.model.has_network and self.teacher.predicts_sections:
            raise ConfigError(_reason("teacher", "mixture", ActsWith("field", "anchored"), self.model.field))
        t = self.training
        if self.model.has_network and not any((t.warmup, t.joint, t.bootstrap)):
            raise ConfigError("warmup, joint and bootstrap are all 0; at least one must be positive with field='mlp'.")

    def flat(self) -> dict[str, Any]:
        """Settings by name, without those of the other deformation."""
        values: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            inner = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
            values |= {f.name: getattr(value, f.name) for f in inner} if inner else {field.name: value}
        return values

    def with_settings(self, **changes: Any) -> EmgaussConfig:
        """The same settings but for ``changes``; others that can no longer act go back to their defaults.

        Raises
        ------
        ConfigError
            Unknown setting, a value out of range, or one that cannot act with the others.
        """
        return combined(self.flat(), changes)

    @classmethod
    def from_flat(cls, values: Mapping[str, Any]) -> EmgaussConfig:
        """Settings of models of format versions 1 to 3, which hold all of them, also those that could not act.

        Raises
        ------
        ConfigError
            An unknown name, or a value of another type or out of bounds.
        """
        if not isinstance(values, Mapping):
            raise ConfigError(f"settings must be names and their values, got {values!r}.")
        return combined(_of_before_priors(values), {})

    def to_json(self) -> dict[str, Any]:
        """Nested settings as JSON has them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """Inverse of `to_json`, also of before there were priors; ``values`` need not be trusted."""
        teacher = values.get("teacher") if isinstance(values, Mapping) else None
        if isinstance(teacher, Mapping):
            values = {**values, "teacher": _of_before_priors(teacher)}
        return from_json(cls, values)


PSEUDO_SECTIONS_BEFORE_PRIORS = 2
"""In every gap, where settings do not say."""
LATERAL_STEPS = 3000
"""Training steps of the lateral network where it stands in for the prior."""
MODELS = {"anchored": AnchoredModelConfig, "mlp": MlpModelConfig}
OF_THE_NETWORK = {"teacher": "ema", "joint": 30, "bootstrap": 20}
"""Defaults where the deformation is a network's: it is descended to, and has no pseudo-sections."""
FIELDS = fields_of(EmgaussConfig)
"""Every setting by its name."""
_DEFAULTS = {name: info.default for name, info in FIELDS.items()}
_NEEDS = {name: rule for name, info in FIELDS.items() for rule in info.metadata if isinstance(rule, ActsWith)}
for _field, _model in MODELS.items():
    _others = [name for other in MODELS.values() if other is not _model for name in fields_of(other)]
    for _name in fields_of(_model):
        if _name not in _others:
            _NEEDS.setdefault(_name, ActsWith("field", _field))


def combined(base: Mapping[str, Any], given: Mapping[str, Any]) -> EmgaussConfig:
    """Settings ``given`` by a caller on top of others, by name; of the latter those that cannot act are dropped.

    Raises
    ------
    ConfigError
        Unknown setting, a value out of range, or one given that cannot act with the others.
    """
    check_names([*base, *given], FIELDS)
    values = {**base, **given}
    field = values.get("field", "anchored")
    if field not in [*MODELS]:
        raise ConfigError(f"field must be one of {', '.join(MODELS)}, got {field!r}.")
    if field == "mlp":
        own = {"teacher"} if base.get("field") == "mlp" else {*OF_THE_NETWORK}
        values |= {name: OF_THE_NETWORK[name] for name in own - {*given}}
    if values.get("prior") is False and "lateral_steps" not in values and values.get("teacher", "mixture") == "mixture":
        values["lateral_steps"] = LATERAL_STEPS
    for name, reason in inert(values).items():
        if name in given and given[name] != _DEFAULTS[name]:
            raise ConfigError(reason)
        values.pop(name, None)
    made: dict[str, Any] = {"training": TrainingConfig, "teacher": TeacherConfig, "sections": SectionsConfig}
    made |= {"model": MODELS[field], "blocks": BlocksConfig}
    for group, cls in made.items():
        made[group] = cls(**{name: values.pop(name) for name in fields_of(cls) if name in values})
    return EmgaussConfig(**made, **values)


def _of_before_priors(teacher: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of a teacher by the names of today: a lateral network taught, or the student's average."""
    if "prior" in teacher:
        return teacher
    values = {name: value for name, value in teacher.items() if name not in ("lateral_steps", "pseudo_sections")}
    if teacher.get("teacher", "lateral") != "lateral":
        return values
    n_pseudo = teacher.get("pseudo_sections", PSEUDO_SECTIONS_BEFORE_PRIORS)
    if n_pseudo == 0:
        return {**values, "teacher": "ema"}
    values["teacher"] = "mixture"
    if teacher.get("use_teacher", True):
        steps = teacher.get("lateral_steps", LATERAL_STEPS)
        values |= {"prior": False, "lateral_steps": steps, "pseudo_sections": n_pseudo}
    return values


def inert(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that cannot act with the others of ``values``, and for each what it takes."""
    complete = {**_DEFAULTS, **(OF_THE_NETWORK if values.get("field") == "mlp" else {}), **values}
    found = {}
    for name in _NEEDS:
        need = _NEEDS.get(name)
        while need is not None:
            if not need.met(complete):
                found[name] = _reason(name, complete[name], need, complete[need.setting])
            need = _NEEDS.get(need.setting)
    return found


def _reason(name: str, value: object, need: ActsWith, present: object) -> str:
    return f"{name}={value!r} acts only with {need}, got {need.setting}={present!r}. Leave it out, or set {need}."
