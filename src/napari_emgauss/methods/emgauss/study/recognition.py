"""Recognition of a stack whose half-done training is continued: section by section, all that was read of it."""

from __future__ import annotations

import hashlib

from napari_emgauss.errors import FileFormatError
from napari_emgauss.training import Store, Watch
from napari_emgauss.volume import Volume

STAGE = "reading"
RECORD = "stack"
_NAMED = 5


def recognise(volume: Volume, store: Store, watch: Watch) -> None:
    """Compare every section with what ``store`` remembers of it, or let it remember the stack.

    The fingerprint that a half-done training is found by holds a sample of the stack; what was learned from a section
    that has changed since would go unnoticed into the model. A store that does not survive the process needs no memory.

    Raises
    ------
    FileFormatError
        Sections are not what they were.
    """
    if not store.durable:
        return
    found = []
    for index in range(volume.n_sections):
        if watch.held():
            return
        found.append(_digest(volume, index))
        watch.tell(STAGE, index + 1, volume.n_sections)
    saved = store.load_record(RECORD)
    if saved is None:
        store.save_record(RECORD, {"sections": found})
        return
    known = saved[1].get("sections")
    if not isinstance(known, list) or len(known) != len(found):
        raise FileFormatError("what is kept of the stack is damaged. Choose another folder to start anew.")
    changed = [index for index, (now, before) in enumerate(zip(found, known, strict=True)) if now != before]
    if changed:
        named = ", ".join(map(str, changed[:_NAMED])) + (", …" if changed[_NAMED:] else "")
        raise FileFormatError(
            f"{len(changed)} of {len(found)} sections ({named}) are not what they were when this training began. "
            "Bring back the stack as it was, or choose another folder to start anew."
        )


def _digest(volume: Volume, index: int) -> str:
    digest = hashlib.sha256()
    for band in volume.bands():
        digest.update(volume.recorded(index, band).tobytes())
    return digest.hexdigest()
