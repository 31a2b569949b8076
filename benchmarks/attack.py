"""Attack: thousands of damaged files, each read by a process of its own with limits on time and memory.

``python -m benchmarks.attack --inputs 10000 --seed 1 --output docs/lab/reliability.md``

What comes of a file is success, or one plain line that names the file. Anything else is a finding: another exception, a
crash, a file that takes more than `LIMIT_S` or `LIMIT_BYTES`. What loads is used as a person would. Good files behind a
server that fails are tried, too: no value may be another than that of the file, and the file not be called damaged.
Seed and number make an input, so that ``--seed 1 --replay 17 4711`` tries two of them again.
"""

from __future__ import annotations

import json
import os
import re
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

import napari_emgauss as eg
from benchmarks.mutations import FAULTY, PARTICLES, SERVED, VOXEL_NM, make_files, mutated
from benchmarks.serving import FAULTS, HONEST, served
from napari_emgauss import errors
from napari_emgauss.runtime.torch_threads import use_one_torch_thread
from napari_emgauss.sections import inspect

LIMIT_S, LIMIT_BYTES = 60.0, 4 * 2**30
LOADED, REFUSED, FINDING = "used", "refused", "finding"
OURS = (
    errors.VolumeError, errors.ParticlesError, errors.FileFormatError, errors.ConfigError, errors.SectionRangeError,
    errors.OutOfMemoryError, errors.UncertaintyUnavailableError, OSError,
)  # fmt: skip
MOST_EXPORTED_BYTES = 2**24
TOLD_EVERY = 100
SILENCE_S = 2
"""Time without a byte after which a server is taken for silent; the program itself waits longer, and four times."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a damaged file."""

    number: int
    kind: str
    damage: str
    result: str
    told: str = ""


def use(path: Path, scratch: Path, address: str = "") -> None:
    """Do with a file what a person does: open, look, draw, export; what has an ``address``, by its URL below that."""
    if path.name.startswith(PARTICLES):
        _use_particles(path)
    elif path.suffix == ".emgauss":
        _use_model(path, scratch)
    elif path.name.endswith((".nii", ".nii.gz")):
        eg.read_stack(path, mask=path, thickness_mm=1.0).describe()
    elif path.name.startswith(FAULTY):
        _use_faulty(path, address)
    else:
        _use_stack(f"{address}/{path.parent.name}/{path.name}" if path.name.startswith(SERVED) else path)


def _use_stack(place: str | Path) -> list[np.ndarray]:
    volume = eg.read(place, voxel_size_nm=VOXEL_NM)
    volume.describe()
    inspect(volume, stop=lambda: False)
    return [volume.section(index) for index in (0, volume.n_sections // 2, volume.n_sections - 1)]


def _use_faulty(path: Path, address: str) -> None:
    """Read good files from a server that fails; what it sends as they are is neither read otherwise nor damaged."""
    fault = re.search(r"/~(\w+)-", address)
    is_honest = fault is None or fault[1] in HONEST
    try:
        sections = _use_stack(f"{address}/{path.parent.name}/{path.name}")
    except errors.FileFormatError as error:
        if is_honest:
            raise AssertionError(f"the server is taken for damage: {error}") from error
        raise
    if is_honest and not np.array_equal(sections, _use_stack(path)):
        raise AssertionError("what was read is not what the file holds")


def _use_particles(folder: Path) -> None:
    kind = folder.name.removeprefix(PARTICLES)
    beside = {"poses": folder / "poses.pkl", "ctf": folder / "ctf.pkl"} if kind == "mrcs" else {}
    particles = eg.read_particles(folder / f"p.{kind}", **beside)
    particles.describe()
    particles.images.read(range(len(particles)))


def _use_model(path: Path, scratch: Path) -> None:
    model = eg.load(path)
    json.dumps(dict(model.record))
    if isinstance(model, eg.SliceReconstruction):
        model.describe()
        model.volume()
        model.simulated(0)
    elif isinstance(model, eg.GaussianMap):
        model.map()
        model.half_maps()
        model.resolution()
        model.gaussian_table()
    else:
        _use_sections(model, scratch)


def _use_sections(model: eg.Reconstruction, scratch: Path) -> None:
    last = model.z_range[1]
    for z in (0.0, 0.37 * last, last):
        model.render(z, zoom=min(1.0, 256 / max(model.shape[1:])))
    if model.has_uncertainty:
        model.uncertainty(0.5 * last, zoom=min(1.0, 256 / max(model.shape[1:])))
    planes = model.planes()
    planes[len(planes) // 2]
    if planes.nbytes < MOST_EXPORTED_BYTES:
        eg.write(model.lazy(), scratch / "out.ome.tif")


def judge(path: Path, error: BaseException) -> tuple[str, str]:
    """Return whether an error is one plain line that names the file or the section, and that line."""
    text = str(error)
    named = path.name in text or path.stem in text or "section" in text
    plain = isinstance(error, OURS) and named and "\n" not in text and len(text) < 1000
    return (REFUSED if plain else FINDING), f"{type(error).__name__}: {text[:300]}"


def attempt(path: Path, scratch: Path, address: str = "") -> tuple[str, str]:
    """Use a file in a child process with limits; what came of it, and what was told."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads: none of them does anything
        child = os.fork()
    if child == 0:
        _in_child(path, scratch, address, writing)
    os.close(writing)
    answer = _answer(reading, child)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    if answer is None:
        return FINDING, f"took more than {LIMIT_S:g} s"
    if os.WIFSIGNALED(status):
        return FINDING, f"died of signal {signal.Signals(os.WTERMSIG(status)).name}"
    result, told = json.loads(answer) if answer else (FINDING, "ended without a word")
    return str(result), str(told)


def _in_child(path: Path, scratch: Path, address: str, writing: int) -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + LIMIT_BYTES, used + LIMIT_BYTES))
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    warnings.simplefilter("ignore")
    try:
        use(path, scratch, address)
        outcome = (LOADED, "")
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is judged
        outcome = judge(path, error)
    os.write(writing, json.dumps(outcome).encode()[:60000])
    os._exit(0)


def _answer(reading: int, child: int) -> bytes | None:
    """Return what the child wrote; None if it took too long and was ended."""
    deadline, answer = time.monotonic() + LIMIT_S, b""
    while True:
        ready, _, _ = select.select([reading], [], [], max(deadline - time.monotonic(), 0))
        if not ready:
            os.kill(child, signal.SIGKILL)
            return None
        if not (part := os.read(reading, 2**16)):
            return answer
        answer += part


def attack(
    numbers: Iterable[int],
    seed: int,
    folder: Path,
    only: tuple[str, ...] = (),
    told: Callable[[list[Outcome]], object] = len,
) -> list[Outcome]:
    """Damage and use files: kinds take turns, and a number's damage follows from it and the seed.

    Parameters
    ----------
    numbers
        Which inputs; numbers of kinds that are not in ``only`` are passed over.
    folder
        Empty; what is in it is served, too.
    told
        Called with the outcomes so far now and then, and at every finding.
    """
    use_one_torch_thread()  # a process that is forked waits without end for helpers that it does not have
    good = folder / "good"
    good.mkdir()
    files = make_files(good)
    outcomes, names = [], list(files)
    with served(folder) as address:
        _warm([path for name, path in files.items() if not only or name in only], folder, address)
        for number in numbers:
            name = names[number % len(names)]
            if only and name not in only:
                continue
            work = folder / "work"
            work.mkdir()
            rng = np.random.default_rng([seed, number])
            if name.startswith(FAULTY):
                path, damage = Path(shutil.copytree(files[name], work / name)), f"{rng.choice(list(FAULTS))}-{number}"
                result, words = attempt(path, work, f"{address}/~{damage}")
            else:
                path, damage = mutated(files[name], work, rng)
                result, words = attempt(path, work, address)
            outcomes.append(Outcome(number=number, kind=name, damage=damage, result=result, told=words))
            shutil.rmtree(work)
            if len(outcomes) % TOLD_EVERY == 0 or result == FINDING:
                told(outcomes)
    return outcomes


def _warm(files: list[Path], folder: Path, address: str) -> None:
    """Compile what will be needed, and make sure that the files are good."""
    for path in files:
        if path.name.startswith((SERVED, FAULTY)) or path.suffix == ".n5":
            # Not in this process: TensorStore's threads do not survive a fork.
            result, words = attempt(path, folder, address)
            if result != LOADED:
                raise RuntimeError(f"{path.name} should be good: {words}")
        else:
            use(path, folder)
        (folder / "out.ome.tif").unlink(missing_ok=True)


def table(outcomes: list[Outcome]) -> str:
    """Return the counts as a Markdown table, and the findings below it."""
    counts = Counter((o.kind, o.result) for o in outcomes)
    lines = ["| file | inputs | used | refused | findings |", "|---|---|---|---|---|"]
    for kind in sorted({o.kind for o in outcomes}):
        numbers = [counts[kind, result] for result in (LOADED, REFUSED, FINDING)]
        lines.append(f"| `{kind}` | {sum(numbers)} | {' | '.join(map(str, numbers))} |")
    totals = [sum(o.result == result for o in outcomes) for result in (LOADED, REFUSED, FINDING)]
    lines.append(f"| all | {sum(totals)} | {' | '.join(map(str, totals))} |")
    findings = [f"- {o.number}, `{o.damage}`: {o.told}" for o in outcomes if o.result == FINDING]
    return "\n".join([*lines, "", *findings[:100]]) + "\n"


@dataclass(frozen=True, kw_only=True)
class Attack:
    """Damage files of every format and read them, each in a process with limits."""

    inputs: int = 10_000
    """Damaged files."""
    seed: int = 0
    """Seed of the damage."""
    replay: tuple[int, ...] = ()
    """Numbers of the inputs to try again, instead of all."""
    only: tuple[str, ...] = ()
    """Names of files, as the table has them; all if there are none."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Markdown file for the table; it grows with the inputs."""


def main(arguments: Any = None) -> int:
    """Attack, print the table, and return 1 if there are findings."""
    options = tyro.cli(Attack, args=arguments)
    os.environ["TENSORSTORE_CURL_LOW_SPEED_TIME_SECONDS"] = str(SILENCE_S)
    start = time.monotonic()

    def report(outcomes: list[Outcome]) -> str:
        minutes = (time.monotonic() - start) / 60
        text = (
            f"{len(outcomes)} damaged files, seed {options.seed}, {minutes:.0f} minutes; each had {LIMIT_S:g} s and "
            f"{LIMIT_BYTES / 2**30:g} GiB beyond what the program itself takes.\n\n{table(outcomes)}"
        )
        if options.output is not None:
            options.output.write_text(text, encoding="utf-8")
        return text

    with tempfile.TemporaryDirectory() as folder:
        numbers = options.replay or range(options.inputs)
        outcomes = attack(numbers, options.seed, Path(folder), options.only, report)
    sys.stdout.write(report(outcomes))
    return int(any(o.result == FINDING for o in outcomes))


if __name__ == "__main__":
    sys.exit(main())
