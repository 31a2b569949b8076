"""Settings whose types and bounds stand on their fields, and are refused in plain words."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import numbers
import reprlib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, cast, dataclass_transform, get_args, get_origin

from pydantic import BeforeValidator, ConfigDict, Field, Strict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic.fields import FieldInfo

from napari_emgauss.errors import ConfigError

T = TypeVar("T")


def _whole(value: Any) -> int:
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return int(value)
    raise ValueError("a whole number")


def _number(value: Any) -> float:
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        try:
            if math.isfinite(number := float(value)):
                return number
        except OverflowError:
            pass
    raise ValueError("a finite number")


def _indices(value: Any) -> tuple[int, ...]:
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        items = list(value)
        if all(isinstance(item, numbers.Integral) and not isinstance(item, bool) for item in items):
            return tuple(int(item) for item in items)
    raise ValueError("a list of whole numbers, for example (3, 7)")


Flag = Annotated[bool, Strict()]
Whole = Annotated[int, BeforeValidator(_whole)]
Number = Annotated[float, BeforeValidator(_number)]
Indices = Annotated[tuple[int, ...], BeforeValidator(_indices)]
Count = Annotated[Whole, Field(ge=0)]
PositiveCount = Annotated[Whole, Field(gt=0)]
NonNegative = Annotated[Number, Field(ge=0)]
Positive = Annotated[Number, Field(gt=0)]
Share = Annotated[Number, Field(ge=0, le=1)]


class ActsWith(NamedTuple):
    """The mark of a setting that acts only while another has a value; by default, while it is more than 0."""

    setting: str
    value: object = None

    def met(self, values: Mapping[str, Any]) -> bool:
        """Whether it acts among ``values``."""
        other = values[self.setting]
        if self.value is None:
            return not isinstance(other, int | float) or other > 0
        return bool(other == self.value)

    def __str__(self) -> str:
        return f"{self.setting} > 0" if self.value is None else f"{self.setting}={self.value!r}"


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def settings(cls: type[T]) -> type[T]:
    """Make a frozen keyword-only dataclass whose values are checked against its fields.

    A value of another type or out of bounds raises `ConfigError` with the value, the rule and the remedy.
    """
    made = pydantic_dataclass(cls, frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
    construct = made.__init__

    @functools.wraps(construct)
    def checked(self: Any, *args: Any, **values: Any) -> None:
        try:
            construct(self, *args, **values)
        except ValidationError as error:
            raise _refusal(error, made) from None

    made.__init__ = checked  # type: ignore[method-assign]
    return cast(type[T], made)


def from_json(cls: type[T], values: Any) -> T:
    """Make settings of the nested form that `dataclasses.asdict` gives, which need not be trusted.

    Raises
    ------
    ConfigError
        An unknown name, or a value of another type or out of bounds.
    """
    try:
        return TypeAdapter(cls).validate_python(values)
    except ValidationError as error:
        raise _refusal(error, cls) from None


def fields_of(cls: type[Any]) -> dict[str, FieldInfo]:
    """Return the fields of a settings class, those of settings within it included."""
    found: dict[str, FieldInfo] = {}
    for name, info in cls.__pydantic_fields__.items():
        kinds: list[Any] = [info.annotation, *get_args(info.annotation)]
        inner = [kind for kind in kinds if dataclasses.is_dataclass(kind)]
        for kind in inner:
            found |= {own: of for own, of in fields_of(cast(type[Any], kind)).items() if own not in found}
        if not inner:
            found[name] = info
    return found


def bounds(info: FieldInfo) -> tuple[float, float]:
    """Return the least and the greatest value of a field, infinite where it has none; they may be excluded."""
    return _bound(info, "ge", "gt", -math.inf)[0], _bound(info, "le", "lt", math.inf)[0]


def check_names(names: Iterable[str], known: Iterable[str]) -> None:
    """Raise `ConfigError` for the first unknown name, with the nearest known one."""
    known = list(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            hint = f" Did you mean {near[0]}?" if near else f" Known settings: {', '.join(known)}."
            raise ConfigError(f"unknown setting {name!r}.{hint}")


def _bound(info: FieldInfo, included: str, excluded: str, none: float) -> tuple[float, bool]:
    """A bound and whether it is excluded."""
    for rule in info.metadata:
        for attribute in (included, excluded):
            if (value := getattr(rule, attribute, None)) is not None:
                return value, attribute == excluded
    return none, False


def _refusal(error: ValidationError, cls: type[Any]) -> ConfigError:
    """The first of pydantic's errors in plain words."""
    first: Mapping[str, Any] = error.errors(include_url=False)[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, ConfigError):
        return cause
    known = fields_of(cls)
    name = next((str(part) for part in reversed(first["loc"]) if isinstance(part, str)), "settings")
    if first["type"] == "unexpected_keyword_argument":
        try:
            check_names([name], known)
        except ConfigError as unknown:
            return unknown
        return ConfigError(f"{name} does not stand at {'.'.join(map(str, first['loc'][:-1]))}. Leave it out.")
    if first["type"] == "missing":
        return ConfigError(f"{name} is missing.")
    rule = f"must be {cause}" if cause is not None else _rule(known[name]) if name in known else first["msg"]
    return ConfigError(f"{name} {rule}, got {reprlib.repr(first['input'])}.")


def _rule(info: FieldInfo) -> str:
    if get_origin(info.annotation) is Literal:
        return f"must be one of {', '.join(map(str, get_args(info.annotation)))}"
    if info.annotation is bool:
        return "must be True or False"
    (low, above), (high, below) = _bound(info, "ge", "gt", -math.inf), _bound(info, "le", "lt", math.inf)
    if math.isfinite(low) and math.isfinite(high):
        if above and below:
            return f"must be between {low} and {high}, both excluded"
        return f"must be within {low}..{high}" + (f", {low} excluded" if above else f", {high} excluded" * below)
    if math.isfinite(high):
        return f"must be {'below' if below else 'at most'} {high}"
    if low == 0:
        return "must be positive" if above else "must not be negative"
    return f"must be {'more than' if above else 'at least'} {low}"
