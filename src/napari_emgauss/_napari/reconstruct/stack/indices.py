"""Indices of sections: as text, and spread over a stack."""

from __future__ import annotations

from collections.abc import Collection

from napari_emgauss.errors import ConfigError

LAST = 1_000_000
"""Beyond any stack."""


def parse_sections(text: str) -> tuple[int, ...]:
    """Return indices from text like ``3, 7-9``.

    Raises
    ------
    ConfigError
        Anything else.
    """
    indices: set[int] = set()
    for part in text.replace(";", ",").split(","):
        ends = [end.strip() for end in part.split("-")]
        if ends == [""]:
            continue
        if len(ends) > 2 or not all(end.isdigit() for end in ends) or int(ends[0]) > int(ends[-1]):
            raise ConfigError(f"sections to leave out must be like '3, 7-9', got {part.strip()!r}.")
        if int(ends[-1]) > LAST:
            raise ConfigError(f"section {ends[-1]} is beyond any stack. Sections are counted from 0.")
        indices.update(range(int(ends[0]), int(ends[-1]) + 1))
    return tuple(sorted(indices))


def format_sections(indices: Collection[int]) -> str:
    """Return the text of ``indices``, the inverse of `parse_sections`."""
    return ", ".join(str(i) for i in indices)


def spread(n: int, every: int, *, left_out: Collection[int]) -> tuple[int, ...]:
    """Return every k-th of ``n`` sections between the ends, none beside a section left out; none at all for 0."""
    chosen = range(every // 2, n - 1, every) if every else ()
    return tuple(i for i in chosen if not {i - 1, i, i + 1} & set(left_out))
