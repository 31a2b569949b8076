"""``--set name=value`` for every field of the configuration."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Sequence
from typing import Any

from napari_emgauss.errors import ConfigError
from napari_emgauss.methods.emgauss import EmgaussConfig

OPTIONS = ("hold_out", "leave_out", "preset", "device", "seed", "checkpoint")
"""Arguments of `reconstruct` that are options of the command, not settings."""


def parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Typed overrides from ``name=value`` strings; unknown names are left to the configuration to refuse.

    Raises
    ------
    ConfigError
        A pair without ``=``, or a value that is not of the field's type.
    """
    defaults = {f.name: f.default for f in dataclasses.fields(EmgaussConfig)}
    values: dict[str, Any] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign:
            raise ConfigError(f"a setting is given as name=value, got {pair!r}. Example: --set spacing_px=3 joint=40.")
        if name in OPTIONS:
            raise ConfigError(f"{name} has an option of its own: --{name.replace('_', '-')}.")
        values[name] = _typed(name, text, defaults.get(name, ""))
    return values


def _typed(name: str, text: str, default: object) -> object:
    if isinstance(default, str):
        return text
    try:
        value = ast.literal_eval({"true": "True", "false": "False"}.get(text.lower(), text))
        if isinstance(default, bool) != isinstance(value, bool):
            raise ValueError
        if isinstance(default, tuple):
            return tuple(int(v) for v in (value if isinstance(value, tuple) else (value,)))
        if isinstance(default, int) and value != int(value):
            raise ValueError
        return type(default)(value)  # type: ignore[call-arg]
    except (ValueError, SyntaxError, TypeError, OverflowError):
        raise ConfigError(f"{name} must be a {type(default).__name__} like {default!r}, got {text!r}.") from None
