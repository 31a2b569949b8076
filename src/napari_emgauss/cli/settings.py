"""Settings given as ``--set name=value``."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence
from typing import Any, get_args

from pydantic.fields import FieldInfo

from napari_emgauss.errors import ConfigError
from napari_emgauss.methods.emgauss.config import FIELDS

OPTIONS = ("hold_out", "leave_out", "preset", "device", "seed", "checkpoint")
"""Arguments of `reconstruct` that are options of the command, not settings."""


def parse_settings(
    pairs: Sequence[str], *, fields: Mapping[str, FieldInfo] = FIELDS, options: Collection[str] = OPTIONS
) -> dict[str, Any]:
    """Return overrides of ``name=value`` strings; unknown names and wrong values are the configuration's to refuse.

    Parameters
    ----------
    pairs
        As they were typed.
    fields
        The method's settings; those of `reconstruct` by default.
    options
        Names of what are options of the command, not settings.

    Raises
    ------
    ConfigError
        A pair without ``=``, or a setting that is an option of the command.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign:
            raise ConfigError(f"a setting is given as name=value, got {pair!r}. Example: --set {next(iter(fields))}=3.")
        if name in options:
            raise ConfigError(f"{name} has an option of its own: --{name.replace('_', '-')}.")
        values[name] = _value(text) if name in fields and _is_number(fields[name].annotation) else text
    return values


def _is_number(annotation: Any) -> bool:
    """Whether a setting is a number or a switch, or a choice among such."""
    return annotation in (bool, int, float) or any(not isinstance(choice, str) for choice in get_args(annotation))


def _value(text: str) -> Any:
    """Python's value of ``text``, or the text itself."""
    try:
        value = ast.literal_eval({"true": "True", "false": "False"}.get(text.lower(), text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
    return int(value) if isinstance(value, float) and value.is_integer() else value
