"""Names of the files that an export writes."""

from __future__ import annotations

import re
from pathlib import Path

FORMATS = {"OME-TIFF": ".ome.tif", "OME-Zarr": ".ome.zarr", "MRC": ".mrc"}
KNOWN = (".ome.tiff", ".ome.tif", ".ome.zarr", ".tiff", ".tif", ".zarr", ".mrc")
"""Suffixes that are replaced when the format changes, longest first."""


def with_suffix(path: Path, suffix: str, *, keep: bool = False) -> Path:
    """Return ``path`` ending in ``suffix``; with ``keep`` a known one of the same kind stays."""
    known = next((s for s in KNOWN if path.name.lower().endswith(s)), "")
    same_kind = known.replace("tiff", "tif").rpartition(".")[2] == suffix.rpartition(".")[2]
    if keep and known and same_kind:
        return path
    stem = path.name[: len(path.name) - len(known)] if known else path.name
    return path.with_name((stem or "volume") + suffix)


def format_of(path: Path) -> str | None:
    """Return the format that the name asks for, None if it is not one of `FORMATS`."""
    suffix = path.suffix.lower().replace("tiff", "tif")
    return next((name for name, s in FORMATS.items() if suffix and s.endswith(suffix)), None)


def suggested(model_name: str, stack_path: str | None, documents: str) -> Path:
    """Return a file without suffix that is named after a model, beside its stack or else among the user's documents."""
    folder = Path(stack_path).parent if stack_path else Path(documents)
    folder = folder if folder.is_dir() else Path.home()
    name = re.sub(r"[^\w.+-]+", "-", model_name.split(" · ")[0]).strip("-.") or "reconstruction"
    return folder / f"{name}-isotropic"
