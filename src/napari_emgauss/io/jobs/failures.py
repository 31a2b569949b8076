"""Blocks that failed: what went wrong, kept until they are tried again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_emgauss.io.atomic import replacing
from napari_emgauss.io.guard import json_object
from napari_emgauss.io.jobs.log import RETRIED, append_entry

FAILED = "failed"
"""Name of the file in a block's folder."""
MOST_CHARACTERS, MOST_DIGITS = 4000, 10


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A block that could not be trained."""

    block: int
    message: str
    worker: str = ""


def save_failure(folder: Path, failure: Failure) -> None:
    """Keep a failure in the folder of its block."""
    folder.mkdir(parents=True, exist_ok=True)
    values = {"message": failure.message[:MOST_CHARACTERS], "worker": failure.worker}
    content = json.dumps(values).encode()
    with replacing(folder / FAILED, overwrite=True, n_bytes=len(content)) as temporary:
        temporary.write_bytes(content)


def failures(job: Path) -> Iterator[Failure]:
    """Yield the failures in a job folder, by block."""
    for path in sorted(job.glob(f"block-[0-9]*/{FAILED}")):
        number = path.parent.name.removeprefix("block-")
        if not (number.isascii() and number.isdecimal() and len(number) < MOST_DIGITS):
            continue  # not of this program
        try:
            with path.open("rb") as file:
                values = json_object(json.loads(file.read(8 * MOST_CHARACTERS)))
        except (OSError, ValueError, RecursionError):  # damaged, or going away
            values = {}
        yield Failure(
            block=int(number),
            message=str(values.get("message", "it is not known what went wrong")),
            worker=str(values.get("worker", "")),
        )


def forget_failures(job: Path) -> None:
    """Forget all failures: the blocks are to be tried again."""
    paths = list(job.glob(f"block-[0-9]*/{FAILED}"))
    for path in paths:
        path.unlink(missing_ok=True)
    if paths:
        append_entry(job, RETRIED)
