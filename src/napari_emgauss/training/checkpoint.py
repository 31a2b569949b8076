"""Half-done trainings on disk: one folder, every file written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_emgauss.errors import FileFormatError

VERSION = 1
FINDINGS = ("sections", "spacing")
"""What is found once, before the training."""


class CheckpointStore:
    """A folder with the finished blocks and the state of the one in training.

    Parameters
    ----------
    folder
        Created when the first checkpoint is written.
    fingerprint
        Identifies stack and settings; a checkpoint of another fingerprint is refused.
    """

    def __init__(self, folder: str | Path, fingerprint: str) -> None:
        self.folder = Path(folder)
        self.fingerprint = fingerprint

    def exists(self) -> bool:
        """Whether there is anything to resume from."""
        return self._current.exists() or self._teacher.exists() or any(self.folder.glob("block-*.safetensors"))

    def save_current(self, block: int, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Replace the state of the block in training."""
        self._write(self._current, tensors, {"block": block, "values": values})

    def save_finished(self, block: int, tensors: dict[str, Tensor]) -> None:
        """Keep the model of a finished block."""
        self._write(self._finished(block), tensors, {"block": block})

    def load_finished(self, block: int) -> dict[str, Tensor] | None:
        """Model of a finished block, or None."""
        path = self._finished(block)
        return self._read(path)[0] if path.exists() else None

    def load_current(self, block: int) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """State of ``block`` if it is the one in training, or None."""
        if not self._current.exists():
            return None
        tensors, header = self._read(self._current)
        return (tensors, header.get("values", {})) if header.get("block") == block else None

    def save_teacher(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Keep a teacher that was trained before the blocks."""
        self._write(self._teacher, tensors, {"values": values})

    def load_teacher(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The teacher, or None."""
        if not self._teacher.exists():
            return None
        tensors, header = self._read(self._teacher)
        return tensors, header.get("values", {})

    def save_findings(self, name: str, values: dict[str, Any]) -> None:
        """Keep what was found before anything was trained, under one of `FINDINGS`; no training by itself."""
        self._write(self._found(name), {}, {"values": values})

    def load_findings(self, name: str) -> dict[str, Any] | None:
        """What was found, or None."""
        path = self._found(name)
        return dict(self._read(path)[1].get("values", {})) if path.exists() else None

    def clear(self) -> None:
        """Remove the checkpoints, and the folder if nothing else is in it."""
        for path in [
            self._current,
            self._teacher,
            *map(self._found, FINDINGS),
            *self.folder.glob("block-*.safetensors"),
        ]:
            path.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    @property
    def _current(self) -> Path:
        return self.folder / "current.safetensors"

    @property
    def _teacher(self) -> Path:
        return self.folder / "teacher.safetensors"

    def _found(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def _finished(self, block: int) -> Path:
        return self.folder / f"block-{block:05d}.safetensors"

    def _write(self, path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        header = {"version": VERSION, "fingerprint": self.fingerprint, **header}
        temporary = path.with_name(path.name + ".partial")
        try:
            save_file(tensors, temporary, metadata={"napari-emgauss-checkpoint": json.dumps(header)})
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def _read(self, path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
        try:
            with safe_open(path, framework="pt") as file:
                header = json.loads((file.metadata() or {})["napari-emgauss-checkpoint"])
                if not isinstance(header, dict):
                    raise ValueError("its header is no object")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, KeyError, ValueError, OSError) as error:
            raise FileFormatError(
                f"{path} is not a usable checkpoint ({error}). Delete the folder {self.folder} to start anew."
            ) from error
        if header.get("version") != VERSION or header.get("fingerprint") != self.fingerprint:
            raise FileFormatError(
                f"{path} belongs to another stack or other settings. Resume with the same ones, "
                "or choose another folder."
            )
        return tensors, header
