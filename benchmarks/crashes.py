"""Crashes: commands in a pseudo-terminal, ended at random moments in every way that a person or a machine ends them.

``python -m benchmarks.crashes --ends 200 --seed 1 --output docs/lab/crashes.md``

Each command runs once undisturbed, to know its time and its result. Then it is started and ended so many times. After
each end a file has its final name only if it is whole; a traceback, or a process that goes on for more than
`PATIENCE_S`, is a finding. The command is then given again: it must come to the result of the undisturbed run, to the
last bit. Every `FRESH_EVERY`-th end is that of a new process. The others are forked from one that has imported
everything, which takes longer than what they do, and write checkpoints every `CHECKPOINT_EVERY_S`.
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
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

import napari_emgauss as eg
from napari_emgauss.cli import main as main_of_program
from napari_emgauss.cli.terminal import on_signals, quit_at_once
from napari_emgauss.forward.simulation import phantom_particles
from napari_emgauss.io.particles import write_particles
from napari_emgauss.io.stacks import read_world_volume, write_stack
from napari_emgauss.io.stacks.world import write_mask
from napari_emgauss.phantoms import Acquisition, brain_phantom, phantom, simulate_stacks
from napari_emgauss.training import RunConfig

PATIENCE_S = 60.0
"""Longest that a process may take to end."""
FRESH_EVERY = 8
CHECKPOINT_EVERY_S = 0.3
"""Short, for the trainings are: at the usual interval of a minute, none would ever write one."""
MAIN = "import sys; from napari_emgauss.cli import main; sys.exit(main(sys.argv[1:]))"
ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_CTRL_C = b"\x03"


@dataclass(frozen=True)
class Work:
    """A command that writes something."""

    name: str
    arguments: tuple[str, ...]
    output: Path
    """What is compared."""
    keeps: Path | None = None
    """Folder from which it goes on when it is given again."""
    beside: tuple[str, ...] = ()
    """Names of what else it writes."""


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


def command(arguments: Sequence[str]) -> int:
    """Run a command in this process as the program does, but for `CHECKPOINT_EVERY_S`."""
    defaults = RunConfig.__init__.__kwdefaults__
    before = defaults["checkpoint_every_s"]
    defaults["checkpoint_every_s"] = CHECKPOINT_EVERY_S
    try:
        return main_of_program(arguments)
    finally:
        defaults["checkpoint_every_s"] = before


def _start(arguments: tuple[str, ...], *, fresh: bool) -> tuple[int, int]:
    """Start a command in a pseudo-terminal of its own, in a new process or a forked one; its process and terminal."""
    # A signal waits until the program can answer it: what is before is Python's, or ours.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    begun, tell = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads: none of them does anything
        process, terminal = pty.fork()
    if process != 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        os.close(tell)
        os.read(begun, 1)  # there is no process yet while its terminal is made
        os.close(begun)
    else:
        os.write(tell, b".")
        os.close(tell)
        if fresh:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
            os.execv(sys.executable, [sys.executable, "-c", MAIN, *arguments])
        code = 1
        try:
            with on_signals(quit_at_once):
                signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
                sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
                code = command(arguments)
        except BaseException:  # noqa: BLE001 - told as a new process would
            traceback.print_exc()
        finally:
            os._exit(code)
    return process, terminal


def run(arguments: tuple[str, ...], way: str | None = None, after_s: float = 0.0, *, fresh: bool = False) -> Run:
    """Give a command in a pseudo-terminal of its own, and end it ``after_s`` seconds later unless ``way`` is None."""
    start = time.monotonic()
    process, terminal = _start(arguments, fresh=fresh)
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
    if path.name.endswith(".nii.gz"):
        return read_world_volume(path).values
    if path.suffix != ".emgauss":
        return np.asarray(eg.read(path).data)
    model = eg.load(path)
    if isinstance(model, eg.SliceReconstruction):
        return np.concatenate([model.volume().values.ravel(), model.motion.ravel(), model.weights])
    if isinstance(model, eg.GaussianMap):
        return np.stack([model.map().values, *(half.values for half in model.half_maps())])
    return np.stack([model.render(z) for z in np.linspace(0.0, model.z_range[1], 5)])


def training(folder: Path, shape: tuple[int, int, int] = (19, 48, 72), settings: tuple[str, ...] = ()) -> Work:
    """Make a stack, and return a training of two blocks on it, which keeps checkpoints."""
    stack, output, kept = folder / "stack.tif", folder / "out" / "new.emgauss", folder / "kept"
    eg.write(phantom(shape, seed=1).every(6), stack)
    arguments = ("reconstruct", str(stack), "-o", str(output), "--checkpoint", str(kept), "--overwrite")
    tiles = (f"tile_px={shape[1]}", "tile_overlap_px=8")
    return Work("reconstruct", (*arguments, "--set", *tiles, *settings), output, kept)


def slices(folder: Path, settings: tuple[str, ...] = ("solve_steps=3", "spacing=3.0")) -> Work:
    """Make stacks of a head that moves, and return their reconstruction, which keeps checkpoints."""
    out, kept = folder / "out", folder / "kept-svr"
    stacks, masks = [], []
    for stack in simulate_stacks(*brain_phantom((24, 26, 24)), Acquisition(thickness_mm=3.0), seed=1).stacks:
        stacks.append(str(write_stack(stack, folder / f"{stack.name}.nii.gz")))
        masks.append(str(write_mask(stack, folder / f"{stack.name}_mask.nii.gz")))
    outputs = ("-o", str(out / "brain.nii.gz"), "--model", str(out / "brain.emgauss"), "--checkpoint", str(kept))
    arguments = ("svr", *stacks, "--masks", *masks, "--thickness-mm", "3", *outputs, "--overwrite")
    more = ("--set", *settings) if settings else ()
    return Work("svr", (*arguments, *more), out / "brain.emgauss", kept, ("brain.nii.gz",))


def particles(folder: Path, settings: tuple[str, ...] = ("n_gaussians=500",), n: int = 150) -> Work:
    """Make particles, and return the reconstruction of their map, which keeps checkpoints."""
    out, kept = folder / "out", folder / "kept-gem"
    table = write_particles(phantom_particles(n, box_px=32, pixel_size_angstrom=5.0, snr=0.2), folder / "p.star")
    outputs = ("-o", str(out / "map.mrc"), "--model", str(out / "map.emgauss"), "--checkpoint", str(kept))
    arguments = ("gem", str(table), *outputs, "--overwrite", "--set", *settings)
    return Work("gem", arguments, out / "map.emgauss", kept, ("map.mrc",))


def writing(folder: Path, stack: Path, models: Mapping[str, Path]) -> list[Work]:
    """Return an export of each method's model, and an interpolation."""
    out = folder / "out"
    names = {"reconstruct": "iso.ome.zarr", "svr": "finer.nii.gz", "gem": "again.mrc"}
    size = {"svr": ("--voxel-size-mm", "0.5")}
    interpolation = ("interpolate", str(stack), str(out / "iso.mrc"), "--method", "learned", "--overwrite")
    return [
        *(
            Work(
                f"export {name}",
                ("export", str(model), str(out / names[name]), *size.get(name, ()), "--overwrite"),
                out / names[name],
            )
            for name, model in models.items()
        ),
        Work("interpolate", interpolation, out / "iso.mrc"),
    ]


def undisturbed(work: Work) -> tuple[np.ndarray, float]:
    """Return what comes of a command that nobody ends, and its seconds."""
    _clear(work)
    with redirect_stdout(StringIO()):  # here: imports and compiles what those that are forked will use
        command(work.arguments)
    _clear(work)
    whole = run(work.arguments)
    if whole.code != 0:
        raise RuntimeError(f"the undisturbed {work.name} failed: {whole.text}")
    return fingerprint(work.output), whole.seconds


def trial(work: Work, reference: np.ndarray, way: str, after_s: float, *, fresh: bool = False) -> Trial:
    """End a command once, look at what is left, and give it again."""
    _clear(work)
    ended = run(work.arguments, way, after_s, fresh=fresh)
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
    if names - {work.output.name, *work.beside}:
        return f"left {sorted(names)}"
    if work.output.name not in names:
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


def crash(n_ends: int, seed: int, folder: Path, told: Callable[[list[Trial]], object]) -> list[Trial]:
    """End commands ``n_ends`` times, at moments and in ways that follow from ``seed``; each is told, with those before.

    What is ended is a training of each method, an export of each model, and an interpolation.
    """
    rng = np.random.default_rng(seed)
    trainings = [training(folder), slices(folder), particles(folder)]
    results, models = {}, {}
    for train in trainings:
        results[train.name] = undisturbed(train)
        models[train.name] = Path(shutil.copy(train.output, folder / f"finished-{train.name}.emgauss"))
    start_s = max(run(trainings[0].arguments, fresh=True).seconds - results[trainings[0].name][1], 0.0)
    writings = writing(folder, folder / "stack.tif", models)
    results |= {work.name: undisturbed(work) for work in writings}
    everything = [*trainings, *trainings, *writings]  # trainings have most to lose
    trials = []
    for number in range(n_ends):
        work = everything[number % len(everything)]
        way = list(WAYS)[int(rng.integers(len(WAYS)))]
        reference, seconds = results[work.name]
        fresh = number % FRESH_EVERY == 0
        after_s = float(rng.uniform(0.0, 1.05 * (seconds + fresh * start_s)))
        trials.append(trial(work, reference, way, after_s, fresh=fresh))
        told(trials)
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
    """End trainings, exports and interpolations of all methods at random moments, and see what is left."""

    ends: int = 200
    """How often."""
    seed: int = 0
    """Seed of the moments and ways."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Markdown file for the table; it grows with every end."""


def main(arguments: Any = None) -> int:
    """Crash, print the table, and return 1 if there are findings."""
    options = tyro.cli(Crashes, args=arguments)
    start = time.monotonic()

    def report(trials: list[Trial]) -> str:
        minutes = (time.monotonic() - start) / 60
        text = f"{len(trials)} ends, seed {options.seed}, {minutes:.0f} minutes.\n\n{table(trials)}"
        if options.output is not None:
            options.output.write_text(text, encoding="utf-8")
        return text

    with tempfile.TemporaryDirectory() as folder:
        trials = crash(options.ends, options.seed, Path(folder), report)
    sys.stdout.write(report(trials))
    return int(any(t.finding for t in trials))


if __name__ == "__main__":
    sys.exit(main())
