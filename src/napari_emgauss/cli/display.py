"""The lines that a command shows, and its answer to Ctrl-C."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TextIO, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from napari_emgauss.cli.terminal import Output, on_signals, printable, quit_at_once
from napari_emgauss.training import Control, Event, Notice
from napari_emgauss.training import Progress as TrainingProgress
from napari_emgauss.units import format_duration

PLAIN_EVERY_S = 10.0


def plain_console() -> Console:
    """Return a console that prints text as it is, but for control characters."""
    return PlainConsole(file=cast("TextIO", Output("stdout")), highlight=False, soft_wrap=True, markup=False)


class PlainConsole(Console):
    """A console whose text does not steer the terminal."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, with the control characters of texts written out."""
        super().print(*(printable(o) if isinstance(o, str) else o for o in objects), **options)


class TrainingDisplay:
    """One live line on a terminal; a plain line every ten seconds where the output goes to a file."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._last_plain = 0.0

    def __enter__(self) -> TrainingDisplay:
        if self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:>3.0f} %"),
            )
            self._bar = Progress(*columns, TimeElapsedColumn(), console=self.console)
            self._task = self._bar.add_task("preparing", total=None)
            self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, event: Event) -> None:
        """Show an event of the training."""
        if isinstance(event, Notice):
            self.console.print(f"Note: {event.message}")
        if not isinstance(event, TrainingProgress):
            return
        text = describe(event)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=text, total=event.n_iterations, completed=event.iteration)
        elif time.monotonic() - self._last_plain >= PLAIN_EVERY_S or event.iteration == event.n_iterations:
            self._last_plain = time.monotonic()
            self.console.print(text)


def describe(event: TrainingProgress) -> str:
    """Return stage, iteration, loss, held-out score and time left in one line."""
    # What comes before the first iteration counts none of them.
    counted = [f"{event.iteration}/{event.n_iterations}"] if event.iteration else []
    parts = [event.stage, *counted]
    if not math.isnan(event.loss):
        parts.append(f"loss {event.loss:.4f}")
    if event.n_blocks > 1:
        parts.insert(0, f"block {event.block + 1}/{event.n_blocks}")
    if "held_out_psnr_db" in event.scores:
        parts.append(f"held-out {event.scores['held_out_psnr_db']:.2f} dB")
    parts.append(f"{format_duration(event.seconds_left)} left{' in this stage' if event.of_stage else ''}")
    return " · ".join(parts)


@contextmanager
def stop_on_interrupt(control: Control, console: Console) -> Iterator[None]:
    """Stop and keep what was learned at the first Ctrl-C, or when the process is asked to end; quit at the second."""

    def handle(signum: int, frame: FrameType | None) -> None:
        if control.stopped:
            quit_at_once(signum, frame)
        control.stop()
        console.print("Stopping after this iteration and keeping what was learned; Ctrl-C again quits without.")

    with on_signals(handle):
        yield
