"""Long runs of the interface: what a process holds after many trainings, by ``python -m benchmarks.long_runs``.

First one viewer in which trainings are begun and ended in all ways, by the buttons, with the stack's layer and with the
dock; then, for ``--minutes``, two viewers that train at once while their sliders move. Threads, open files, Qt objects
and memory must level off.
"""

from __future__ import annotations

import gc
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from benchmarks.responsiveness import picture, wait
from napari_emgauss.phantoms import phantom

ENDS = {
    "finished": "finished",
    "stopped": "stopped and kept",
    "discarded": "discarded",
    "deleted": "ended with the stack's layer",
    "closed": "ended with the dock",
}
"""Ways in which a training ends, and their names in tables."""
ENDED_WITHIN_S = 3.0
SCRUB_EVERY_S = 0.05


@dataclass(frozen=True, kw_only=True)
class LongRuns:
    """See what is held after many trainings in one process."""

    cycles: int = 100
    """Trainings in one viewer, one after the other."""
    seed: int = 1
    """Of the ways in which they end, and when."""
    minutes: float = 60.0
    """How long two viewers train at once."""
    rows: int = 10
    """Of each table."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Markdown file for the tables, which grow as the runs go on."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """What the process holds at a moment."""

    after: str
    threads: int
    handles: int
    qt_objects: int
    layers: int
    memory_mib: float

    @classmethod
    def now(cls, after: str, viewers: list[Any]) -> Held:
        """Look once what can be collected is gone."""
        from napari._qt.dialogs.qt_notification import NapariQtNotification
        from qtpy.QtCore import QObject
        from qtpy.QtWidgets import QApplication

        for message in list(NapariQtNotification._instances):
            message.close()  # as it does by itself where a window is active; none is on a virtual screen
        _settle(1.0)
        gc.collect()
        _settle(0.2)
        windows = QApplication.topLevelWidgets()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            after=after,
            threads=threading.active_count(),
            handles=len(os.listdir("/proc/self/fd")),
            qt_objects=sum(len(window.findChildren(QObject)) for window in windows),
            layers=sum(len(viewer.layers) for viewer in viewers),
            memory_mib=pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        )


class Trainings:
    """A viewer with a small stack and Reconstruct beside it, which trains again and again."""

    def __init__(self, seed: int) -> None:
        import napari

        from napari_emgauss._napari.viewer.layers import to_layer
        from napari_emgauss._napari.viewer.models import open_models

        self.viewer = napari.Viewer(show_welcome_screen=False)
        self._data, self._attributes, _ = to_layer(phantom((19, 48, 48), seed=seed).every(6), "stack")
        self.models = open_models(self.viewer)
        self.open_stack()
        self.open_dock()
        self.n_begun = self.n_pictures = 0
        self._moved_at = 0.0

    def open_stack(self) -> None:
        """Add the stack's layer."""
        self.stack = self.viewer.add_image(self._data, **self._attributes)

    def open_dock(self) -> None:
        """Open Reconstruct."""
        from benchmarks.responsiveness import opening

        _, self.widget = opening(self.viewer)
        self.panel, self.controller = self.widget.view.panel, self.widget.controller
        self.widget.view.settings.preset.setCurrentText("fast")

    def begin(self) -> None:
        """Press Train, as soon as one can."""
        wait(self.panel.train_button.isEnabled)
        self.panel.train_button.click()
        self.n_begun += 1

    def end(self, how: str, after_s: float) -> None:
        """End the training in one of the `ENDS` after a while, and close what came of it."""
        _settle(after_s)
        button = {"stopped": self.panel.stop_button, "discarded": self.panel.discard_button}.get(how)
        if button is not None and self.controller.run is not None:
            button.click()
        if how == "deleted":
            self.viewer.layers.remove(self.stack)
        if how == "closed":
            run, dock = self.controller.run, self.widget.parent()
            dock.destroyOnClose()
            self.widget = self.panel = self.controller = dock = None  # nothing of it is to be kept from here
            wait(lambda: run is None or run.session.wait(0.01))
            _settle(0.1)
            self.open_dock()
        wait(lambda: self.controller.run is None)
        self.close_models()
        if how == "deleted":
            self.open_stack()

    def close_models(self) -> None:
        """Close all models, and their layers."""
        for model in self.models:
            self.models.remove(model)
        for layer in [layer for layer in self.viewer.layers if layer is not self.stack]:
            self.viewer.layers.remove(layer)

    def go_on(self) -> None:
        """Move the slider on where there is a picture; begin again where a training has ended."""
        if self.controller.run is None:
            self.close_models()
            self.begin()
        elif picture(self.controller) and time.monotonic() - self._moved_at > SCRUB_EVERY_S:
            self._moved_at = time.monotonic()
            self.n_pictures += 1
            self.viewer.dims.set_current_step(0, (self.viewer.dims.current_step[0] + 1) % self.viewer.dims.nsteps[0])


def cycles(n: int, n_rows: int, seed: int) -> Iterator[Held]:
    """Begin ``n`` trainings in one viewer and end them in all ways; yields what is held now and then."""
    one, rng = Trainings(seed=1), np.random.default_rng(seed)
    ends = dict.fromkeys(ENDS, 0)
    for number in range(n):
        one.begin()
        how = str(rng.choice(list(ENDS)))
        ends[how] += 1
        one.end(how, float(rng.uniform(0, ENDED_WITHIN_S)))
        if number == 0 or (number + 1) % max(n // n_rows, 1) == 0:
            yield Held.now(f"{number + 1} training{'s' if number else ''}", [one.viewer])
    print(", ".join(f"{count} {ENDS[how]}" for how, count in ends.items()))
    one.viewer.close()


def together(minutes: float, n_rows: int) -> Iterator[Held]:
    """Train in two viewers at once with moving sliders; yields what is held now and then."""
    both, start, told = [Trainings(seed=seed) for seed in (1, 2)], time.monotonic(), 0
    while told < n_rows:
        for one in both:
            one.go_on()
        _settle(0.01)
        if time.monotonic() - start > (told + 1) / n_rows * 60 * minutes:
            told += 1
            begun, moved = sum(one.n_begun for one in both), sum(one.n_pictures for one in both)
            text = f"{(time.monotonic() - start) / 60:.0f} min, {begun} trainings, {moved} moves"
            yield Held.now(text, [one.viewer for one in both])
    for one in both:
        one.controller.discard()
        wait(lambda one=one: one.controller.run is None)  # type: ignore[misc]
        one.viewer.close()


def table(rows: list[Held]) -> str:
    """Return a Markdown table."""
    lines = ["| after | threads | open files | Qt objects | layers | memory MiB |", "|---|---|---|---|---|---|"]
    for row in rows:
        cells = (row.after, row.threads, row.handles, row.qt_objects, row.layers, f"{row.memory_mib:.0f}")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def _settle(seconds: float) -> None:
    """Let Qt do what waits, also what is to be deleted."""
    from qtpy.QtCore import QCoreApplication, QEvent
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        time.sleep(0.002)


def _keep_to(folder: Path) -> None:
    """Have settings, models and half-done trainings in a folder, and every question agreed to."""
    import platformdirs
    from qtpy.QtCore import QSettings
    from qtpy.QtWidgets import QMessageBox

    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(folder / "settings"))
    platformdirs.user_cache_path = lambda *_, **__: folder / "cache"  # type: ignore[assignment]
    platformdirs.user_data_path = lambda *_, **__: folder / "data"  # type: ignore[assignment]
    QMessageBox.question = lambda *_, **__: QMessageBox.StandardButton.Yes  # type: ignore[assignment,method-assign]


def main(options: LongRuns) -> None:
    """Run, and print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        _keep_to(Path(folder))
        runs: dict[str, list[Held]] = {"One viewer": [], "Two viewers at once": []}
        for (name, rows), held in zip(
            runs.items(),
            (cycles(options.cycles, options.rows, options.seed), together(options.minutes, options.rows)),
            strict=True,
        ):
            for row in held:
                rows.append(row)
                text = "\n".join(f"{each}:\n\n{table(found)}" for each, found in runs.items() if found)
                if options.output is not None:
                    options.output.write_text(text, encoding="utf-8")
            print(f"{name}:\n\n{table(rows)}")


if __name__ == "__main__":
    main(tyro.cli(LongRuns))
