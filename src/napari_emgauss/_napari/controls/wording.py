"""Numbers as a person reads them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Like 'under 1 s', '45 s', '3 min 20 s' or '2 h 5 min'."""
    s = round(seconds)
    if s < 1:
        return "under 1 s"
    if s < 60:
        return f"{s} s"
    if s < 3600:
        return f"{s // 60} min {s % 60} s" if s < 600 else f"{round(s / 60)} min"
    return f"{s // 3600} h {s % 3600 // 60} min"
