"""Half-done trainings: a folder in which every file is written whole or not at all, or memory."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from napari_emgauss.errors import DiskSpaceError, FileFormatError, FolderInUseError
from napari_emgauss.io.atomic import locked_file, replacing
from napari_emgauss.io.guard import check_fits_memory
from napari_emgauss.io.jobs.claims import LOCK, claimed, worker_name
from napari_emgauss.io.jobs.description import NAME, JobDescription, read_description
from napari_emgauss.io.jobs.failures import Failure, failures, forget_failures, save_failure
from napari_emgauss.io.jobs.headers import DIGEST, SMALLER, JobIdentity, check_digest, explained, read_header
from napari_emgauss.io.jobs.log import LOG, append_entry
from napari_emgauss.io.jobs.memory import JobMemory
from napari_emgauss.io.jobs.own_files import OUTPUT, check_own_files
from napari_emgauss.io.jobs.requests import withdraw
from napari_emgauss.io.jobs.status import block_folder

LOGGER = logging.getLogger(__name__)
ABOUT = "about"
"""Name of the record that tells a person what the job is."""
INPUT = "stack"
"""Name of the record that knows the input to the last value, where a method keeps one."""
KEY = "napari-emgauss-job"
DROPPED = "dropped"
"""Mark of a block whose model is no longer kept."""
_BLOCKS = ("block-[0-9]*/state", "block-[0-9]*/done")
_OLDER = ("current.safetensors", "teacher.safetensors", "block-*.safetensors")
"""Files of development versions that kept everything in one folder."""
_OF_THE_WORK = (
    NAME,
    LOG,
    OUTPUT,
    LOCK,
    "stop",
    "pause",
    *(f"block-[0-9]*/{name}" for name in ("claim", "failed", DROPPED)),
)
_LEFT_OVER = ("block-[0-9]*/.*.part", "record/.*.part", ".*.part")
"""Files in writing when a process was killed."""
_State = tuple[dict[str, Tensor], dict[str, Any]]


class JobFolder:
    """A job's folder: ``job.json``, ``record/NAME.json``, ``block-00000/state`` and ``block-00000/done``.

    Any number of processes may work in it, each on blocks that it has claimed. Every file is replaced whole, says what
    it is of and where it belongs, and carries a digest of what is in it; none may be a link. What cannot be written,
    because the disk is full or gone, is kept in memory instead: a training does not fail for want of its checkpoints.
    Where other processes need it, it does.

    Parameters
    ----------
    folder
        Created when something is first saved.
    fingerprint
        Identity of input and settings; a folder of another fingerprint is refused.
    warn
        Told, once, that the folder cannot be written.
    keeps_unwritten
        Whether this process keeps in memory what others would need and cannot be written: what the job is of, findings,
        finished blocks; else that is a `DiskSpaceError`.
    """

    durable = True

    def __init__(
        self,
        folder: str | Path,
        fingerprint: str,
        warn: Callable[[str], object] = LOGGER.warning,
        *,
        keeps_unwritten: bool = True,
    ) -> None:
        self.folder = Path(folder)
        self.fingerprint = fingerprint
        self._warn, self._keeps_unwritten = warn, keeps_unwritten
        self._unwritten = JobMemory()
        self._warned = False
        self._known_input = ""
        check_own_files(self.folder)
        if next((p for pattern in _OLDER for p in self.folder.glob(pattern)), None) is not None:
            raise FileFormatError(
                f"{folder} holds a half-done training of an earlier version of the program, which this one cannot "
                "continue. Choose another folder, or delete it to start anew."
            )

    def exists(self) -> bool:
        """Whether there is anything to resume from that took time to learn: a block, or tensors of a record."""
        return any(True for pattern in (*_BLOCKS, "record/*.safetensors") for _ in self.folder.glob(pattern))

    def has_blocks(self) -> bool:
        """Whether a block was begun."""
        return any(True for pattern in _BLOCKS for _ in self.folder.glob(pattern))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out of the folder.

        Raises
        ------
        FolderInUseError
            Another training is at work in it.
        """
        with locked_file(self.folder / LOCK, about=f"{worker_name()}\n") as own:
            if not own:
                raise FolderInUseError(
                    f"another training is at work in {self.folder}. Wait for its end, or choose another folder for "
                    "checkpoints."
                )
            yield

    def describe(self, description: JobDescription) -> None:
        """Say what the job is of, so that other processes can work on it.

        Raises
        ------
        FileFormatError
            The folder is that of another job, or of another version of the program.
        """
        with self._keeping(lambda memory: memory.describe(description), needed=not self._keeps_unwritten):
            description.save(self.folder)

    @property
    def description(self) -> JobDescription | None:
        """What the job is of, if that was said."""
        return read_description(self.folder)

    @contextmanager
    def claimed(self, block: int) -> Iterator[bool]:
        """Claim a block while it is worked on; yields False where another does."""
        with claimed(self._block(block)) as own:
            yield own

    def log(self, what: str, *, block: int | None = None, **values: Any) -> None:
        """Append a line to the log; see `LogEntry`."""
        append_entry(self.folder, what, block=block, **values)

    def save_failure(self, block: int, message: str, worker: str = "") -> None:
        """Keep what went wrong with a block, until it is tried again."""
        with suppress(OSError):
            save_failure(self._block(block), Failure(block=block, message=message, worker=worker))

    def failures(self) -> list[Failure]:
        """Return the blocks that failed and were not trained since."""
        return [failure for failure in failures(self.folder) if not self.is_done(failure.block)]

    def begin_anew(self) -> None:
        """Forget failures, and requests to stop: the blocks that are left are to be trained now."""
        forget_failures(self.folder)
        withdraw(self.folder)

    def save_record(self, name: str, values: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None) -> None:
        """Keep a finding of the whole job: plain JSON values, with tensors if it has any."""
        keep = self._keeping(lambda memory: memory.save_record(name, values, tensors), needed=not self._keeps_unwritten)
        with keep:
            if tensors:
                self._write(self._record(name, "safetensors"), dict(tensors), {})
            path = self._record(name, "json")
            _replace(path, json.dumps(self._identity.header(path, values, {}), indent=1).encode())
            self._unwritten.forget_record(name)

    def load_record(self, name: str) -> _State | None:
        """Return tensors and values of a finding, or None."""
        if (kept := self._unwritten.load_record(name)) is not None:
            return kept
        path, tensors = self._record(name, "json"), self._record(name, "safetensors")
        if not path.exists():
            return None
        with explained(path, self.folder):
            header = read_header(path)
            values = self._identity.values(path, header)
            check_digest({}, values, header)
        return (self._read(tensors)[0] if tensors.exists() else {}), values

    def save_state(self, block: int, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Replace the checkpoint of a block in training."""
        with self._keeping(lambda memory: memory.save_state(block, tensors, values)):
            self._write(self._block(block) / "state", tensors, values)
            self._unwritten.release(block)

    def load_state(self, block: int) -> _State | None:
        """Return the checkpoint of a block in training, or None."""
        path = self._block(block) / "state"
        return self._unwritten.load_state(block) or (self._read(path) if path.exists() else None)

    def save_done(self, block: int, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Keep the model of a finished block, and drop its checkpoint."""
        with self._keeping(lambda memory: memory.save_done(block, tensors, values), needed=not self._keeps_unwritten):
            self._write(self._block(block) / "done", tensors, values)
            (self._block(block) / "state").unlink(missing_ok=True)
            self._unwritten.release(block)

    def drop(self, block: int) -> None:
        """Remove the model of a finished block, which is drawn wherever it shows; the block stays finished.

        One that cannot be marked stays.
        """
        with suppress(OSError):
            (self._block(block) / DROPPED).touch()
            (self._block(block) / "done").unlink(missing_ok=True)

    def is_dropped(self, block: int) -> bool:
        """Whether a block is finished and its model gone."""
        return (self._block(block) / DROPPED).exists()

    def load_done(self, block: int) -> _State | None:
        """Return the model of a finished block, or None."""
        path = self._block(block) / "done"
        if self.is_dropped(block):
            raise FileFormatError(f"the model of block {block + 1} was dropped from {self.folder} after it was drawn.")
        return self._unwritten.load_done(block) or (self._read(path) if path.exists() else None)

    def release(self, block: int) -> None:
        """Give back the memory of a block that could not be written; the others are on the disk."""
        self._unwritten.release(block)

    def is_done(self, block: int) -> bool:
        """Whether a block is finished; raises as `load_done`, but reads no tensors."""
        path = self._block(block) / "done"
        if self._unwritten.is_done(block) or self.is_dropped(block):
            return True
        if not path.exists():
            return False
        with self._opened(path):
            return True

    def clear(self) -> None:
        """Remove what was saved, and the folders if nothing else is in them."""
        self._unwritten.clear()
        for pattern in (*_BLOCKS, *_OF_THE_WORK, "record/*.json", "record/*.safetensors", *_LEFT_OVER):
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)
        for folder in (*self.folder.glob("block-[0-9]*"), self.folder / "record", self.folder):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _record(self, name: str, suffix: str) -> Path:
        return self.folder / "record" / f"{name}.{suffix}"

    def _block(self, block: int) -> Path:
        return block_folder(self.folder, block)

    @contextmanager
    def _keeping(self, instead: Callable[[JobMemory], object], *, needed: bool = False) -> Iterator[None]:
        """Keep in memory what fails to be written; raise `DiskSpaceError` where it is needed on the disk."""
        try:
            yield
        except OSError as error:
            if needed:
                raise DiskSpaceError(
                    f"nothing more can be written to {self.folder} ({error.strerror or error}). What is done is kept: "
                    "when there is room, the same command goes on."
                ) from error
            instead(self._unwritten)
            self._warn_once(error)

    def _warn_once(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            end = "its end depends on this process" if self._keeps_unwritten else "blocks whose process dies begin anew"
            self._warn(
                f"checkpoints cannot be written to {self.folder} ({error.strerror or error}): the training goes on "
                f"without, and {end}. Make room, or stop and choose another folder."
            )

    @property
    def _identity(self) -> JobIdentity:
        return JobIdentity(fingerprint=self.fingerprint, input=self._input)

    @property
    def _input(self) -> str:
        """Digest of the record of the input; '' before there is one."""
        path = self._record(INPUT, "json")
        if not self._known_input and path.exists():
            with explained(path, self.folder):
                self._known_input = str(read_header(path)[DIGEST])
        return self._known_input

    def _write(self, path: Path, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        _replace(path, save(own, metadata={KEY: json.dumps(self._identity.header(path, values, own))}))

    def _read(self, path: Path) -> _State:
        check_fits_memory(path, path.stat().st_size, what="what it holds", remedy=SMALLER)
        with self._opened(path) as (file, header):
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            check_digest(tensors, header["values"], header)
            return tensors, header["values"]

    @contextmanager
    def _opened(self, path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Open a file of this job and read its header; its tensors are read on demand."""
        # Opened by both: of what may not be read, safetensors says that it is not there.
        with explained(path, self.folder), path.open("rb"), safe_open(path, framework="pt") as file:
            header = dict(json.loads((file.metadata() or {})[KEY]))
            header["values"] = self._identity.values(path, header)
            yield file, header


def jobs_in(folder: Path) -> Iterator[tuple[Path, float, dict[str, Any]]]:
    """Yield each job folder in ``folder`` that took time to learn, when it last changed, and its record ``about``."""
    for about in folder.glob(f"*/record/{ABOUT}.json"):
        job = about.parent.parent
        try:
            exists = JobFolder(job, "").exists()
            values = read_header(about)["values"]
            changed_at = max(path.stat().st_mtime for path in job.rglob("*"))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):  # damaged, or going away
            continue
        if exists and isinstance(values, dict):
            yield job, changed_at, values


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, overwrite=True, n_bytes=len(content)) as temporary:
        temporary.write_bytes(content)


def check_folder(folder: str | Path) -> None:
    """Raise ``NotADirectoryError`` where checkpoints cannot be kept in ``folder`` because it is a file."""
    if Path(folder).exists() and not Path(folder).is_dir():
        raise NotADirectoryError(f"{folder} is a file; checkpoints are kept in a folder. Give one, which may be new.")


@contextmanager
def opened_store(
    folder: str | Path | None,
    fingerprint: Callable[[], str],
    *,
    warn: Callable[[str], None],
    keeps_unwritten: bool = True,
) -> Iterator[JobFolder | JobMemory]:
    """The store of a job: its folder, for this process alone, or memory if there is none.

    Parameters
    ----------
    folder
        Where checkpoints are kept; None: nowhere.
    fingerprint
        Says what the job is of; asked for where there is a folder only, for it may read all of the input.
    warn
        Told what goes wrong without ending the job.
    keeps_unwritten
        See `JobFolder`.

    Raises
    ------
    FolderInUseError
        Another process works in the folder.
    NotADirectoryError
        It is a file.
    """
    if folder is None:
        yield JobMemory()
        return
    check_folder(folder)
    store = JobFolder(folder, fingerprint(), warn=warn, keeps_unwritten=keeps_unwritten)
    with store.locked():
        withdraw(store.folder)  # what was asked of the run before
        yield store
