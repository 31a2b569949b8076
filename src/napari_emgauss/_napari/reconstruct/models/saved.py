"""Models that were saved by themselves, in a folder of the user's."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from napari_emgauss.io.atomic import replacing

SUFFIX = ".emgauss"


def models_folder() -> Path:
    """Return the user's folder of models, which no cleaner of caches touches."""
    return Path(platformdirs.user_data_path("napari-emgauss")) / "models"


@dataclass(frozen=True)
class SavedModel:
    """A model file in the folder."""

    path: Path
    name: str
    saved_at: float
    """Seconds since the epoch."""
    n_bytes: int


class SavedModels:
    """The models in a folder, newest first; nothing is deleted but by `remove`.

    Their names stand in a file of their own: a model that is open reads its file on demand, so that cannot be renamed.

    Parameters
    ----------
    folder
        Made when first needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __iter__(self) -> Iterator[SavedModel]:
        names, found = self._names(), []
        for path in self.folder.glob(f"*{SUFFIX}"):
            try:
                about = path.stat()
            except OSError:  # gone meanwhile
                continue
            found.append(SavedModel(path, names.get(path.name, path.stem), about.st_mtime, about.st_size))
        return iter(sorted(found, key=lambda model: model.saved_at, reverse=True))

    def new_path(self) -> Path:
        """Return a file that does not exist yet, in the folder, which does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stem, n = time.strftime("%Y-%m-%d-%H%M%S"), 1
        while (path := self.folder / f"{stem}-{n}{SUFFIX}").exists():
            n += 1
        return path

    def name(self, path: Path, name: str) -> None:
        """Give the model in ``path`` a name; a file elsewhere is left alone."""
        if path.parent == self.folder:
            self._write({**self._names(), path.name: name})

    def remove(self, path: Path) -> None:
        """Delete a model's file."""
        path.unlink(missing_ok=True)
        self._write({file: name for file, name in self._names().items() if file != path.name})

    def _names(self) -> dict[str, str]:
        """Return names by file name; a damaged list costs the names, not the models."""
        try:
            return {str(k): str(v) for k, v in json.loads((self.folder / "names.json").read_text("utf-8")).items()}
        except (OSError, ValueError, AttributeError, RecursionError):
            return {}

    def _write(self, names: dict[str, str]) -> None:
        content = json.dumps(names, indent=1, ensure_ascii=False).encode()
        with replacing(self.folder / "names.json", overwrite=True, n_bytes=len(content)) as temporary:
            temporary.write_bytes(content)
