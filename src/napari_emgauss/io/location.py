"""Where a stack is: a path, or a URL."""

from __future__ import annotations

import os
import re
from pathlib import Path

_URL = re.compile(r"(https?|s3|gs|file):/+(.+)", re.DOTALL)


class Url(str):
    """Address of a stack on a server or in a bucket: http, https, s3 or gs, or file for a folder here."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Last part, as of a path."""
        return self.rstrip("/").rpartition("/")[2]


Place = Path | Url


def place_of(path: str | os.PathLike[str]) -> Place:
    """Return the URL or path that ``path`` is; a URL that became a `Path` on its way, and lost a slash, is one too."""
    text = path.as_posix() if isinstance(path, Path) else os.fspath(path)
    found = _URL.fullmatch(text)
    if found is None:
        return Path(path)
    return Url(f"{found[1]}://{'/' if found[1] == 'file' else ''}{found[2]}")
