"""Crashes: commands in a pseudo-terminal, ended at random moments in every way that a person or a machine ends them.

``python -m benchmarks.crashes --ends 200 --seed 1 --output docs/lab/crashes.md``

Each command runs once undisturbed, to know its time and its result. Then it is started and ended so many times. After
each end a file has its final name only if it is whole; a traceback, or a process that goes on for more than
`PATIENCE_S`, is a finding. The command is then given again: it must come to the result of the undisturbed run, to the
last bit.
"""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

import napari_emgauss as eg
from napari_emgauss.phantoms import phantom

PATIENCE_S = 60.0
"""Longest that a process may take to end."""
MAIN = "import sys; from napari_emgauss.cli import main; sys.exit(main(sys.argv[1:]))"
_CTRL_C = b"\x03"


@dataclass(frozen=True)
class Work:
    """A command that writes something."""

    name: str
    arguments: tuple[str, ...]
    output: Path
    keeps: Path | None = None
    """Folder from which it goes on when it is given again."""


@dataclass(frozen=True)
class Run:
    """How a command ended."""

    code: int
    """Exit code, or minus the signal that ended it."""
    text: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of one end."""

    work: str
    way: str
    after_s: float
    finding: str = ""


WAYS: dict[str, Callable[[int, int], None]] = {
    "kill -9": lambda process, terminal: os.kill(process, signal.SIGKILL),
    "SIGTERM": lambda process, terminal: os.kill(process, signal.SIGTERM),
    "Ctrl-C": lambda process, terminal: _press(terminal),
    "Ctrl-C twice": lambda process, terminal: (_press(terminal), time.sleep(0.2), _press(terminal))[0],
    "terminal closed": lambda process, terminal: os.close(terminal),
}


def _press(terminal: int) -> None:
    os.write(terminal, _CTRL_C)


def run(arguments: tuple[str, ...], way: str | None = None, after_s: float = 0.0) -> Run:
    """Give a command in a pseudo-terminal of its own, and end it ``after_s`` seconds later unless ``way`` is None."""
    start = time.monotonic()
    process, terminal = pty.fork()
    if process == 0:
        os.execv(sys.executable, [sys.executable, "-c", MAIN, *arguments])
    text, open_, limit_s = b"", True, 20 * PATIENCE_S
    pending = way
    while True:
        if pending is not None and time.monotonic() - start >= after_s:
            WAYS[pending](process, terminal)
            open_, limit_s, pending = pending != "terminal closed", after_s + PATIENCE_S, None
        if open_ and select.select([terminal], [], [], 0.02)[0]:
            try:
                text += os.read(terminal, 2**16)
            except OSError:  # the other side is closed
                open_ = False
        elif not open_:
            time.sleep(0.02)
        ended, status = os.waitpid(process, os.WNOHANG)
        if not ended and time.monotonic() - start > limit_s:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            ended, status = process, -1
            text += b"\nDid not end."
        if ended:
            if way != "terminal closed" or pending is not None:
                os.close(terminal)
            code = os.waitstatus_to_exitcode(status) if status >= 0 else -signal.SIGKILL
            return Run(code=code, text=text.decode(errors="replace"), seconds=time.monotonic() - start)


def fingerprint(path: Path) -> np.ndarray:
    """Return what a result holds, without times, which differ from run to run; raises if it is broken."""
    if path.suffix == ".emgauss":
        model = eg.load(path)
        return np.stack([model.render(z) for z in np.linspace(0.0, model.z_range[1], 5)])
    return np.asarray(eg.read(path).data)


def training(folder: Path) -> Work:
    """Make a stack, and return a training of two blocks on it, which keeps checkpoints."""
    stack, output, kept = folder / "stack.tif", folder / "out" / "new.emgauss", folder / "kept"
    eg.write(phantom((37, 96, 128), seed=1).every(6), stack)
    arguments = ("reconstruct", str(stack), "-o", str(output), "--checkpoint", str(kept), "--overwrite")
    return Work("reconstruct", (*arguments, "--set", "tile_px=96"), output, kept)


def writing(folder: Path, stack: Path, model: Path) -> list[Work]:
    """Return an export and an interpolation."""
    zarr, mrc = folder / "out" / "iso.ome.zarr", folder / "out" / "iso.mrc"
    return [
        Work("export", ("export", str(model), str(zarr), "--overwrite"), zarr),
        Work("interpolate", ("interpolate", str(stack), str(mrc), "--method", "learned", "--overwrite"), mrc),
    ]


def undisturbed(work: Work) -> tuple[np.ndarray, float]:
    """Return what comes of a command that nobody ends, and its seconds."""
    _clear(work)
    whole = run(work.arguments)
    if whole.code != 0:
        raise RuntimeError(f"the undisturbed {work.name} failed: {whole.text}")
    return fingerprint(work.output), whole.seconds


def trial(work: Work, reference: np.ndarray, way: str, after_s: float) -> Trial:
    """End a command once, look at what is left, and give it again."""
    _clear(work)
    ended = run(work.arguments, way, after_s)
    finding = after_the_end(work, ended, reference) or _given_again(work, reference)
    return Trial(work=work.name, way=way, after_s=after_s, finding=finding)


def _clear(work: Work) -> None:
    shutil.rmtree(work.output.parent, ignore_errors=True)
    work.output.parent.mkdir()
    if work.keeps is not None:
        shutil.rmtree(work.keeps, ignore_errors=True)


def after_the_end(work: Work, ended: Run, reference: np.ndarray) -> str:
    """Return what is wrong with what an ended command has left; nothing if all is well."""
    if "Traceback" in ended.text or "Did not end" in ended.text:
        return ended.text[-800:]
    if ended.code not in (0, 130, -signal.SIGKILL, -signal.SIGHUP, -signal.SIGINT, -signal.SIGTERM):
        return f"ended with {ended.code}: {ended.text[-800:]}"
    names = {path.name for path in work.output.parent.iterdir() if not path.name.startswith(".")}
    if names - {work.output.name}:
        return f"left {sorted(names)}"
    if not names:
        return "done, and no output" if ended.code == 0 else ""
    try:
        found = fingerprint(work.output)
    except Exception as error:  # noqa: BLE001 - whatever it is, the file has its final name and is not whole
        return f"a broken output: {error}"
    whole = work.keeps is None or ended.code == 0
    if whole and not np.array_equal(found, reference):
        return "an output that differs from the undisturbed one"
    return ""


def _given_again(work: Work, reference: np.ndarray) -> str:
    again = run(work.arguments)
    if again.code != 0:
        return f"given again: ended with {again.code}: {again.text[-800:]}"
    if not np.array_equal(fingerprint(work.output), reference):
        return "given again: a result that differs from the undisturbed one"
    return ""


def crash(n_ends: int, seed: int, folder: Path) -> list[Trial]:
    """End commands ``n_ends`` times, at moments and in ways that follow from ``seed``."""
    rng = np.random.default_rng(seed)
    train = training(folder)
    results = {train.name: undisturbed(train)}
    model = Path(shutil.copy(train.output, folder / "finished.emgauss"))
    everything = [train, *writing(folder, folder / "stack.tif", model)]
    results |= {work.name: undisturbed(work) for work in everything[1:]}
    trials = []
    for number in range(n_ends):
        work = everything[(0, 0, 1, 2)[number % 4]]  # trainings have most to lose
        way = list(WAYS)[int(rng.integers(len(WAYS)))]
        reference, seconds = results[work.name]
        trials.append(trial(work, reference, way, float(rng.uniform(0.0, 1.05 * seconds))))
    return trials


def table(trials: list[Trial]) -> str:
    """Return the counts as a Markdown table, and the findings below it."""
    counts = Counter((t.work, t.way) for t in trials)
    lines = [f"| command | {' | '.join(WAYS)} | findings |", "|---|" + "---|" * (len(WAYS) + 1)]
    for name in dict.fromkeys(t.work for t in trials):
        found = sum(bool(t.finding) for t in trials if t.work == name)
        lines.append(f"| `{name}` | {' | '.join(str(counts[name, way]) for way in WAYS)} | {found} |")
    findings = [f"- {t.work}, {t.way} after {t.after_s:.2f} s: {t.finding}" for t in trials if t.finding]
    return "\n".join([*lines, "", *findings]) + "\n"


@dataclass(frozen=True, kw_only=True)
class Crashes:
    """End trainings, exports and interpolations at random moments, and see what is left."""

    ends: int = 200
    """How often."""
    seed: int = 0
    """Seed of the moments and ways."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Markdown file for the table."""


def main(arguments: Any = None) -> int:
    """Crash, print the table, and return 1 if there are findings."""
    options = tyro.cli(Crashes, args=arguments)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        trials = crash(options.ends, options.seed, Path(folder))
    minutes = (time.monotonic() - start) / 60
    text = f"{options.ends} ends, seed {options.seed}, {minutes:.0f} minutes.\n\n{table(trials)}"
    sys.stdout.write(text)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    return int(any(t.finding for t in trials))


if __name__ == "__main__":
    sys.exit(main())
