"""Time and memory of the training that is entered."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import cache
from typing import Any

from qtpy.QtWidgets import QLabel

from napari_emgauss._napari.controls.elements import timer
from napari_emgauss._napari.controls.notify import EXPLAINED, message_of
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.errors import OutOfMemoryError
from napari_emgauss.methods.emgauss.estimate import Estimate, estimate
from napari_emgauss.units import format_bytes, format_duration
from napari_emgauss.volume import Volume

SETTLE_MS = 500
"""Rest after an edit before the costs are estimated."""
LONG_S = 30 * 60
LONG = " 'Run as a job' goes on when napari is closed."
NO_ROOM = " Or take 'Run as a job', whose workers hold one block at a time."


class CostEstimate:
    """Costs estimated by a short trial, once the user rests, and shown.

    Parameters
    ----------
    label
        Where they are shown.
    inputs
        Called for the stack and the settings that are entered.
    impossible
        Called where they cannot be trained with; the label says why.
    """

    def __init__(
        self,
        label: QLabel,
        inputs: Callable[[], tuple[Volume, dict[str, Any]]],
        *,
        impossible: Callable[[], None] = lambda: None,
    ) -> None:
        self._label, self._inputs, self._impossible = label, inputs, impossible
        self.found: Estimate | None = None
        """What is announced for what is entered, once it is known."""
        self._worker = Worker(label, name="emgauss-estimate")
        self._settled = timer(label, SETTLE_MS, self._estimate, once=True)

    def begin(self) -> None:
        """Estimate soon."""
        self.found = None
        self.cease("Estimating time and memory…")
        self._settled.start()

    def cease(self, text: str) -> None:
        """Estimate nothing, and show ``text`` instead."""
        self._worker.forget()
        self._settled.stop()
        self._label.setText(text)

    def _estimate(self) -> None:
        try:
            volume, arguments = self._inputs()
        except EXPLAINED as error:
            self.cease(message_of(error))
            return
        worker = self._worker
        worker.submit(
            lambda: _estimated(volume, arguments, lambda: worker.overtaken),
            done=self._show,
            failed=self._failed,
        )

    def _failed(self, error: BaseException) -> None:
        self._label.setText(message_of(error) + (NO_ROOM if isinstance(error, OutOfMemoryError) else ""))
        if isinstance(error, EXPLAINED):
            self._impossible()

    def _show(self, result: Estimate | None) -> None:
        if result is not None:
            self.found = result
            device = "CPU" if result.device == "cpu" else "GPU"
            self._label.setText(
                f"About {format_duration(result.seconds)} on this machine ({device}), by a short trial, and "
                f"{format_bytes(result.memory_bytes)} of memory." + (LONG if result.seconds > LONG_S else "")
            )


def _estimated(volume: Volume, arguments: dict[str, Any], stop: Callable[[], bool]) -> Estimate | None:
    found = estimate(volume, stop=stop, **arguments)
    if found is None:
        return None
    _collect_garbage_once()
    return found.beside_a_viewer()


@cache
def _collect_garbage_once() -> None:
    """Have Python look through all objects now that most are loaded, while nobody waits.

    It does so when there are a quarter more of them, and holds up everything for a quarter of a second: the next time
    would be when *Train* is pressed and a layer is made.
    """
    gc.collect()
