"""Lengths, sizes of data and durations: units understood from files and layers, numbers as a person reads them."""

from __future__ import annotations

import math
from typing import Any

_NM: dict[str, float] = {}
for _names, _value in (
    ("pm picometer picometers picometre picometres", 1e-3),
    ("å angstrom angstroms angstroem ångström ångströms ångstrom a", 0.1),
    ("nm nanometer nanometers nanometre nanometres", 1.0),
    ("μm um μ micron microns micrometer micrometers micrometre micrometres", 1e3),
    ("mm millimeter millimeters millimetre millimetres", 1e6),
    ("cm centimeter centimeters centimetre centimetres", 1e7),
    ('in inch inches "', 2.54e7),
    ("m meter meters metre metres", 1e9),
):
    _NM.update(dict.fromkeys(_names.split(), _value))


def nm_per_unit(unit: Any) -> float | None:
    r"""Return the nanometres in one ``unit``, or None for an unknown one.

    Both code points of μ and of Å are understood, and ImageJ's escaped ``\u00B5m``.
    """
    if not isinstance(unit, str):
        return None
    for escaped, sign in (("\\u00b5", "μ"), ("\\u03bc", "μ"), ("\\u00c5", "å"), ("\\u212b", "å")):
        unit = unit.replace(escaped, sign).replace(escaped.upper().replace("\\U", "\\u"), sign)
    # U+00B5 MICRO SIGN and U+212B ANGSTROM SIGN look like the Greek and Swedish letters but differ from them.
    return _NM.get(unit.strip().lower().replace("\u00b5", "\u03bc").replace("\u212b", "å"))


def length_nm(value: Any, unit: Any) -> float | None:
    """Return ``value`` in ``unit`` as nanometres; None unless both are known and the length is positive and finite."""
    scale = nm_per_unit(unit)
    try:
        length = float(value) * scale if scale is not None else math.nan
    except (TypeError, ValueError, OverflowError):
        return None
    return length if math.isfinite(length) and length > 0 else None


def format_bytes(n: float) -> str:
    """Return ``n`` bytes with three digits, like '144 MB' or '3.2 GB'."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= 0.9995 * size:
            return f"{n / size:.3g} {unit}"
    return f"{n:.0f} bytes"


def format_duration(seconds: float) -> str:
    """Return a time like 'under 1 s', '45 s', '3 min 20 s', '12 min' or '2 h 5 min'."""
    s = round(seconds)
    if s < 1:
        return "under 1 s"
    if s < 60:
        return f"{s} s"
    if s < 600:
        return f"{s // 60} min {s % 60} s"
    minutes = round(s / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def about_duration(seconds: float) -> str:
    """Return an estimate like 'under 1 s', or 'about 45 s'."""
    text = format_duration(seconds)
    return text if text.startswith("under") else f"about {text}"
