"""The table of what the workers of a job have done."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from napari_emgauss.cli.display import PLAIN_EVERY_S
from napari_emgauss.errors import FileFormatError
from napari_emgauss.io.jobs import BlockState, JobStatus, JobWatch
from napari_emgauss.training import Event, Notice, Progress
from napari_emgauss.units import format_duration

LOOK_EVERY_S = 1.0
"""How often the job's folder is looked at."""


class JobDisplay:
    """A table of a job's blocks, kept up to date on a terminal; a plain line every ten seconds otherwise.

    What comes before the blocks is shown by ``before``.
    """

    def __init__(self, console: Console, folder: Path) -> None:
        self._console, self._folder = console, folder
        self._watch: JobWatch | None = None
        self._live: Live | None = None
        self._looked = self._told = 0.0

    def __enter__(self) -> JobDisplay:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Show an event, and the table if the blocks are being trained."""
        if isinstance(event, Notice):
            self._console.print(f"Note: {event.message}")
        if not isinstance(event, Progress):
            return
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY_S and event.iteration < event.n_iterations:
            return
        self._looked = now
        status = self._status()
        if status is None or not status.states:
            self._say(f"{event.stage} · {format_duration(event.seconds_left)} left in this stage", now)
        elif self._console.is_terminal:
            self._show(table(status))
        else:
            self._say(line(status), now, last=event.iteration == event.n_iterations)

    def _status(self) -> JobStatus | None:
        try:
            self._watch = self._watch or JobWatch(self._folder)
            return self._watch.look()
        except FileFormatError:  # not described yet
            return None

    def _show(self, shown: Table) -> None:
        if self._live is None:
            self._live = Live(shown, console=self._console, refresh_per_second=2, transient=True)
            self._live.start()
        self._live.update(shown)

    def _say(self, text: str, now: float, *, last: bool = False) -> None:
        if now - self._told >= PLAIN_EVERY_S or last:
            self._told = now
            self._console.print(text)


def table(status: JobStatus) -> Table:
    """Return the state of a job as a table of one row."""
    shown = Table(box=None, pad_edge=False)
    for heading in _columns(status):
        shown.add_column(heading, justify="right")
    shown.add_row(*_columns(status).values())
    return shown


def line(status: JobStatus) -> str:
    """Return the state of a job in one line."""
    return " · ".join(f"{heading} {value}" for heading, value in _columns(status).items())


def _columns(status: JobStatus) -> dict[str, str]:
    rate, left = status.pixels_per_s, status.seconds_left
    return {
        "blocks done": f"{status.count(BlockState.DONE)}/{len(status.states)}",
        "running": str(status.count(BlockState.RUNNING)),
        "failed": str(status.count(BlockState.FAILED)),
        "speed": "–" if rate is None else f"{rate / 1e6:.3g} Mpx/s" if rate > 1e5 else f"{rate / 1e3:.3g} kpx/s",
        "time left": "–" if not left else format_duration(left),
    }


def summary(status: JobStatus) -> list[str]:
    """Return what to say of a job at its end: how much is done, and what went wrong."""
    lines = [f"{status.count(BlockState.DONE)} of {len(status.states)} blocks are done."]
    lines += [f"Block {failure.block + 1} failed: {failure.message}" for failure in status.failures]
    return lines
