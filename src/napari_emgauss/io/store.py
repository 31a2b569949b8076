"""Half-done trainings: a folder in which every file is written whole or not at all, or memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_emgauss.errors import FileFormatError
from napari_emgauss.io.atomic import replacing

VERSION = 2
KEY = "napari-emgauss-job"
_BLOCKS = ("block-[0-9]*/state", "block-[0-9]*/done")
_OLDER = ("current.safetensors", "teacher.safetensors", "block-*.safetensors")
"""Files of development versions that kept everything in one folder."""
_State = tuple[dict[str, Tensor], dict[str, Any]]


class JobFolder:
    """A job's folder: ``record/NAME.json``, ``block-00000/state`` and ``block-00000/done``.

    Every file is replaced whole, so that other processes can read and write blocks of their own at the same time.

    Parameters
    ----------
    folder
        Created when something is first saved.
    fingerprint
        Identity of input and settings; a folder of another fingerprint is refused.
    """

    durable = True

    def __init__(self, folder: str | Path, fingerprint: str) -> None:
        self.folder = Path(folder)
        self.fingerprint = fingerprint
        if next((p for pattern in _OLDER for p in self.folder.glob(pattern)), None) is not None:
            raise FileFormatError(
                f"{folder} holds a half-done training of an earlier version of the program, which this one cannot "
                "continue. Choose another folder, or delete it to start anew."
            )

    def exists(self) -> bool:
        """Whether there is anything to resume from that took time to learn: a block, or tensors of a record."""
        return any(True for pattern in (*_BLOCKS, "record/*.safetensors") for _ in self.folder.glob(pattern))

    def save_record(self, name: str, values: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None) -> None:
        """Keep a finding of the whole job: plain JSON values, with tensors if it has any."""
        if tensors:
            self._write(self._record(name, "safetensors"), dict(tensors), {})
        text = json.dumps({"version": VERSION, "fingerprint": self.fingerprint, "values": dict(values)}, indent=1)
        path = self._record(name, "json")
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, overwrite=True, n_bytes=len(text)) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def load_record(self, name: str) -> _State | None:
        """Return tensors and values of a finding, or None."""
        path, tensors = self._record(name, "json"), self._record(name, "safetensors")
        if not path.exists():
            return None
        try:
            header = json.loads(path.read_text(encoding="utf-8"))
            values = dict(header["values"])
        except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise self._unusable(path, error) from error
        self._check(path, header)
        return (self._read(tensors)[0] if tensors.exists() else {}), values

    def save_state(self, block: int, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Replace the checkpoint of a block in training."""
        self._write(self._block(block) / "state", tensors, values)

    def load_state(self, block: int) -> _State | None:
        """Return the checkpoint of a block in training, or None."""
        path = self._block(block) / "state"
        return self._read(path) if path.exists() else None

    def save_done(self, block: int, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Keep the model of a finished block, and drop its checkpoint."""
        self._write(self._block(block) / "done", tensors, values)
        (self._block(block) / "state").unlink(missing_ok=True)

    def load_done(self, block: int) -> _State | None:
        """Return the model of a finished block, or None."""
        path = self._block(block) / "done"
        return self._read(path) if path.exists() else None

    def release(self, block: int) -> None:
        """Do nothing: blocks are on the disk."""

    def is_done(self, block: int) -> bool:
        """Whether a block is finished; raises as `load_done`, but reads no tensors."""
        path = self._block(block) / "done"
        if not path.exists():
            return False
        with self._opened(path):
            return True

    def clear(self) -> None:
        """Remove what was saved, and the folders if nothing else is in them."""
        for pattern in (*_BLOCKS, "record/*.json", "record/*.safetensors"):
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)
        for folder in (*self.folder.glob("block-[0-9]*"), self.folder / "record", self.folder):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _record(self, name: str, suffix: str) -> Path:
        return self.folder / "record" / f"{name}.{suffix}"

    def _block(self, block: int) -> Path:
        return self.folder / f"block-{block:05d}"

    def _write(self, path: Path, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        header = {"version": VERSION, "fingerprint": self.fingerprint, "values": values}
        own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        n_bytes = sum(tensor.numel() * tensor.element_size() for tensor in own.values())
        with replacing(path, overwrite=True, n_bytes=n_bytes) as temporary:
            save_file(own, temporary, metadata={KEY: json.dumps(header)})

    def _read(self, path: Path) -> _State:
        with self._opened(path) as (file, values):
            return {name: file.get_tensor(name) for name in file.keys()}, values  # noqa: SIM118

    @contextmanager
    def _opened(self, path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Open a file of this job and read its values; its tensors are read on demand."""
        try:
            with safe_open(path, framework="pt") as file:
                header = dict(json.loads((file.metadata() or {})[KEY]))
                values = dict(header["values"])
                self._check(path, header)
                yield file, values
        except FileFormatError:
            raise
        except (SafetensorError, KeyError, TypeError, ValueError, OSError, RecursionError) as error:
            raise self._unusable(path, error) from error

    def _unusable(self, path: Path, error: Exception) -> FileFormatError:
        return FileFormatError(
            f"{path} is not a usable checkpoint ({error}). Delete the folder {self.folder} to start anew."
        )

    def _check(self, path: Path, header: Mapping[str, Any]) -> None:
        if header.get("version") != VERSION or header.get("fingerprint") != self.fingerprint:
            raise FileFormatError(
                f"{path} belongs to another stack or other settings. Resume with the same ones, "
                "or choose another folder."
            )


class JobMemory:
    """What `JobFolder` keeps, in memory: for a training without checkpoints."""

    durable = False

    def __init__(self) -> None:
        self._records: dict[str, _State] = {}
        self._states: dict[int, _State] = {}
        self._done: dict[int, _State] = {}

    def exists(self) -> bool:
        """Whether there is anything to resume from."""
        return bool(self._states or self._done)

    def save_record(self, name: str, values: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None) -> None:
        """Keep a finding of the whole job."""
        self._records[name] = dict(tensors or {}), dict(values)

    def load_record(self, name: str) -> _State | None:
        """Return tensors and values of a finding, or None."""
        return self._records.get(name)

    def save_state(self, block: int, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Keep a block in training."""
        self._states[block] = tensors, values

    def load_state(self, block: int) -> _State | None:
        """Return a block in training, or None."""
        return self._states.get(block)

    def save_done(self, block: int, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Keep the model of a finished block."""
        self._states.pop(block, None)
        self._done[block] = tensors, values

    def load_done(self, block: int) -> _State | None:
        """Return the model of a finished block, or None."""
        return self._done.get(block)

    def release(self, block: int) -> None:
        """Forget a block."""
        self._done.pop(block, None)
        self._states.pop(block, None)

    def is_done(self, block: int) -> bool:
        """Whether a block is finished."""
        return block in self._done

    def clear(self) -> None:
        """Forget everything."""
        for kept in (self._records, self._states, self._done):
            kept.clear()
