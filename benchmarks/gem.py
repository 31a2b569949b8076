"""Maps of Gaussians beside the plain filtered back-projection.

``python -m benchmarks.gem DATA --output docs/lab/gem.md``, where DATA holds ``metadata/empiar10076_20k.npz`` (poses,
shifts, CTFs and noise spectrum), ``structures/8zpm.cif`` and ``relion_convention/rib64.mrc``, of which particles are
simulated, and ``real_particles/sample_particles_relion30.star``. Each result is kept in ``--cache`` under the state of
the code that it was measured with, so that a run that was broken off goes on where it was and a table is of one state;
``--only TABLE`` measures one of its tables, and ``--known`` writes the page of what is there.
"""

from __future__ import annotations

import hashlib
import json
import math
import resource
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import gemmi
import numpy as np
import tyro
from scipy.spatial.transform import Rotation

import napari_emgauss
from benchmarks.gem_page import NOTES, PAGE
from napari_emgauss.evaluation.particles import leave_one_out_correlation
from napari_emgauss.forward.simulation import projections_of, simulate_particles
from napari_emgauss.io.particles import read_particles
from napari_emgauss.io.particles.density_map import read_map
from napari_emgauss.methods.gem import GaussianMap, reconstruct_particles
from napari_emgauss.methods.gem.setup import prepare
from napari_emgauss.methods.gem.study import study
from napari_emgauss.metrics import fourier_shell_correlation
from napari_emgauss.particles import CtfParameters, Particles
from napari_emgauss.phantoms import Molecule

BOX, SMALL_BOX, PIXEL = 64, 40, 6.55
Table = Literal["reported", "tuned", "changes", "views", "real"]
TABLES: tuple[Table, ...] = get_args(Table)


@dataclass(frozen=True)
class GemCase:
    """Particles of a molecule, and settings to reconstruct them with."""

    molecule: str
    n_images: int
    snr: float
    width_angstrom: float = 6.0
    coloured: bool = True
    seed: int = 0
    pixel_size_angstrom: float = PIXEL
    box_px: int = BOX
    turned_deg: float = 0.0
    """Error of the poses, root mean square."""
    shifted_px: float = 0.0
    """Error of the shifts, root mean square."""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Name in the tables."""
        name = f"atoms, {self.width_angstrom:g} Å" if self.molecule == "atoms" else "70S"
        pixel = "" if self.pixel_size_angstrom == PIXEL else f", {self.pixel_size_angstrom:g} Å/px"
        return f"{name}{pixel}{'' if self.coloured else ', white'}{f', seed {self.seed}' if self.seed else ''}"


MAKES_MAPS = (
    *("methods/gem", "forward/backprojection", "gaussians", "render", "training", "evaluation/particles.py"),
    *("forward/projections.py", "forward/ctf.py", "forward/central_slices.py", "forward/simulation.py", "particles.py"),
    *("metrics/fourier.py", "metrics/maps.py", "phantoms/molecule.py"),
)
"""Folders and modules of the package that results depend on."""
TUNED = [
    GemCase(molecule, n_images, snr) for molecule in ("atoms", "70S") for n_images, snr in ((1000, 0.03), (2000, 0.1))
]
"""What settings were chosen on."""
REAL_BOX, N_RANDOM = 48, 5
"""Box that real particles are read in, and sets of random poses that they are compared at."""
REPORTED = [
    GemCase("atoms", 1000, 0.03, width_angstrom=3.5, seed=7),
    GemCase("atoms", 1000, 0.03, width_angstrom=10.0, seed=7),
    GemCase("70S", 1000, 0.03, seed=7),
    GemCase("atoms", 2000, 0.1, width_angstrom=3.5, seed=7),
    GemCase("70S", 2000, 0.1, seed=7),
]
"""What they were not chosen on."""
KNOWN: dict[GemCase, tuple[Particles, np.ndarray]] = {}
"""Particles that were simulated last."""
CHANGED = GemCase("atoms", 600, 0.05, seed=3, box_px=SMALL_BOX)
"""What one thing is changed on at a time."""
CHANGES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "start: no blur": {"start_smoothing_px": 0.0},
    "start: Gaussians twice as wide": {"start_px": 2.4},
    "no amplitude at the start": {"scale_start": False},
    "the other sign": {"amplitudes": "other"},
    "scales and rotations frozen": {"train_shapes": False},
    "batches of images instead of their sums": {"likelihood_iterations": 0, "image_passes": 1.0},
    "no whitening": {"whiten": False},
    "mask as wide as the box": {"mask_radius": 1.0},
    "no prior": {"prior_weight": 0.0},
    "Gaussians alone, no voxels": {"mix_voxels": False},
}
VIEWS = [
    GemCase("70S", 600, 0.1, seed=5, turned_deg=turned, shifted_px=shifted, settings={"refine": refine})
    for turned, shifted in ((3.0, 1.0), (0.0, 0.0))
    for refine in ("off", "auto")
]
"""Views that are wrong by a little, and right ones, with and without refinement."""


@dataclass(frozen=True)
class Options:
    """Resolution and correlation with the truth of simulated particles, as one Markdown page."""

    data: Annotated[Path, tyro.conf.Positional]
    """Folder with metadata, structures and maps."""
    output: Path | None = None
    """Page to write; printed if not given."""
    cache: Path = Path("benchmark_output/gem")
    """Folder of the single results."""
    only: tuple[Table, ...] = TABLES
    """Tables to measure: cases that settings were not chosen on, or were; one thing changed at a time; wrong views;
    real particles."""
    known: bool = False
    """Write the page of what the cache has, and measure nothing."""
    earlier: str = ""
    """With ``known``, a state of the code whose results are shown, and said to be its, in tables of which the present
    state has none."""


def particles_of(case: GemCase, data: Path) -> tuple[Particles, np.ndarray]:
    """Simulate particles; return them and the truth (z, y, x)."""
    table = np.load(data / "metadata/empiar10076_20k.npz")
    rng = np.random.default_rng(case.seed)
    chosen = rng.choice(len(table["ctf"]), case.n_images, replace=False)
    rows = table["ctf"][chosen].astype(np.float64)
    names = ("defocus_u_angstrom", "defocus_v_angstrom", "defocus_angle_deg", "voltage_kv", "cs_mm")
    parameters = CtfParameters(
        **{name: rows[:, 2 + i] for i, name in enumerate(names)},
        amplitude_contrast=rows[:, 7],
        phase_shift_deg=rows[:, 8],
        b_factor=np.zeros(len(rows)),
    )
    u, _, v = np.linalg.svd(table["rotation"][chosen].astype(np.float64))
    pixel = case.pixel_size_angstrom
    if case.molecule == "atoms":
        molecule = atoms(data / "structures/8zpm.cif", case.width_angstrom)
        truth = molecule.map(case.box_px, pixel)

        def project(rotations: np.ndarray) -> np.ndarray:
            return molecule.project(rotations, case.box_px, pixel)
    else:
        truth = read_map(data / "relion_convention/rib64.mrc").values
        truth = truth / truth.std()
        project = projections_of(truth)
    particles = simulate_particles(
        project,
        box_px=case.box_px,
        pixel_size_angstrom=pixel,
        rotations=u @ v,
        shifts_angstrom=table["translation_frac"][chosen].astype(np.float64) * BOX * PIXEL,
        parameters=parameters,
        snr=case.snr,
        rng=np.random.default_rng(case.seed + 1),
        noise_power=table["noise_psd_129"].astype(np.float64) if case.coloured else None,
    )
    return particles.with_changed_views(mistakes(case)), truth


def mistakes(case: GemCase) -> np.ndarray:
    """Return errors (n, 6) of the views."""
    rng, changes = np.random.default_rng(case.seed + 2), np.zeros((case.n_images, 6))
    changes[:, :3] = np.deg2rad(case.turned_deg) / np.sqrt(3) * rng.standard_normal((case.n_images, 3))
    changes[:, 3:5] = case.shifted_px / np.sqrt(2) * rng.standard_normal((case.n_images, 2))
    return changes


def atoms(path: Path, width_angstrom: float) -> Molecule:
    """Return the atoms of a structure, weighted by their atomic numbers."""
    model = gemmi.read_structure(str(path))[0]
    found = [(*site.atom.pos.tolist(), site.atom.element.atomic_number) for site in model.all()]
    table = np.array(found, np.float64)
    return Molecule(table[:, :3] - table[:, :3].mean(0), table[:, 3], width_angstrom)


def scores(density: np.ndarray, truth: np.ndarray, pixel: float) -> tuple[float, float]:
    """Return the resolution in Å at which a map's correlation with the truth falls to 0.5, and their correlation."""
    resolution = fourier_shell_correlation(density, truth).resolution(0.5) * pixel
    return resolution, float(np.corrcoef(density.ravel(), truth.ravel())[0, 1])


def measure(case: GemCase, data: Path, cache: Path, state: str = "") -> dict[str, Any]:
    """Return the scores of the rival and of the Gaussians, from the cache where it has them."""
    path = path_of(case, cache, state)
    if path.exists():
        known: dict[str, Any] = json.loads(path.read_text())
        return known
    plain = replace(case, settings=())
    if plain not in KNOWN:
        KNOWN.clear()
        KNOWN[plain] = particles_of(plain, data)
    particles, truth = KNOWN[plain]
    pixel = case.pixel_size_angstrom
    rival: dict[str, Any] = {}
    if not case.settings or case.turned_deg or "refine" in case.settings:
        found = study(prepare(particles))
        assert found is not None
        rival["plain"] = scores(found.wiener, truth, pixel)
        rival["clipped"] = scores(np.maximum(found.wiener, 0), truth, pixel)
    settings = dict(case.settings)
    if settings.get("amplitudes") == "other":
        settings["amplitudes"] = "signed" if case.molecule == "atoms" else "positive"
    began, busy = time.perf_counter(), time.process_time()
    result = reconstruct_particles(particles, **settings)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - busy
    made = {
        **rival,
        "gaussians": scores(result.map().values, truth, pixel),
        "claimed": result.resolution().angstrom,
        "views": result.record["views"],
        "halves_of_gaussians": result.resolution().at("gaussians", 0.143),
        "n_gaussians": result.n_gaussians,
        "sign": result.record["amplitudes"],
        "voxels": voxel_share(result),
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }
    cache.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"case": asdict(case), **made}))
    return made


def voxel_share(result: GaussianMap) -> float:
    """Return the mean share of voxels over the shells up to the resolution."""
    last = result.box_px * result.pixel_size_angstrom / result.resolution().angstrom
    n = int(min(last, result.box_px / 2)) if math.isfinite(last) else 1
    return float(result.share_of_voxels[1 : n + 1].mean())


def path_of(case: GemCase, cache: Path, state: str = "") -> Path:
    """Return where the result of a case is kept, of this state of the code or of another one."""
    text = json.dumps([asdict(case), state or state_of_code()], sort_keys=True)
    return cache / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def shown_state(cases: Sequence[GemCase], options: Options) -> str:
    """Return the state whose results a table shows: the earlier one, where only that has any, or this one ('')."""
    now, before = (any(path_of(case, options.cache, own).exists() for case in cases) for own in ("", options.earlier))
    return options.earlier if options.known and before and not now else ""


def said(state: str) -> list[str]:
    """Return what is said above a table of an earlier state."""
    return [f"Measured with an earlier state of the code, {state}.", ""] if state else []


@cache
def state_of_code() -> str:
    """Return a hash of the source that makes maps: results of different states are never mixed."""
    package, digest = Path(napari_emgauss.__file__).parent, hashlib.sha256()
    for part in MAKES_MAPS:
        for path in sorted((package / part).rglob("*.py")) or [package / part]:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def table(cases: Sequence[GemCase], options: Options) -> list[str]:
    """Return a table of cases: the rival, the Gaussians, and what is claimed."""
    state = shown_state(cases, options)
    left = [case for case in cases if options.known and not path_of(case, options.cache, state).exists()]
    lines = [
        *said(state),
        "| molecule | images, SNR | plain FSC₀.₅ / corr. | clipped | Gaussians | claimed | sign, number | voxels | s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for case in cases:
        if case in left:
            continue
        made = measure(case, options.data, options.cache, state)
        pairs = [f"{made[name][0]:.2f} / {made[name][1]:.4f}" for name in ("plain", "clipped", "gaussians")]
        lines.append(
            f"| {case.title} | {case.n_images}, {case.snr:g} | {pairs[0]} | {pairs[1]} | **{pairs[2]}** "
            f"| {made['claimed']:.2f} | {made['sign']}, {made['n_gaussians']} | {made['voxels']:.2f} "
            f"| {made['cpu_seconds']:.0f} |"
        )
    if len(left) == len(cases):
        lines = []
    if left:
        names = "; ".join(f"{case.title}, {case.n_images} at SNR {case.snr:g}" for case in left)
        lines += ["", *textwrap.wrap(f"Not measured with this state of the code: {names}.", 118)]
    return lines


def table_of_changes(options: Options) -> list[str]:
    """Return a table with one setting changed at a time."""
    state = shown_state([replace(CHANGED, settings=settings) for settings in CHANGES.values()], options)
    lines = [*said(state), "| changed | FSC₀.₅ / corr. | claimed | s |", "|---|---|---|---|"]
    for name, settings in CHANGES.items():
        case = replace(CHANGED, settings=settings)
        if options.known and not path_of(case, options.cache, state).exists():
            continue
        made = measure(case, options.data, options.cache, state)
        resolution, correlation = made["gaussians"]
        lines.append(
            f"| {name} | {resolution:.2f} / {correlation:.4f} | {made['claimed']:.2f} | {made['cpu_seconds']:.0f} |"
        )
    return lines


def table_of_real_particles(options: Options) -> list[str]:
    """Return how well each of seventeen real particles agrees with the map of the others, at several poses."""
    path = options.cache / f"real_{state_of_code()}.json"
    if not path.exists() and not options.known:
        own = read_particles(options.data / "real_particles/sample_particles_relion30.star", box_px=REAL_BOX)
        poses = {"those of the file": own.rotations, "the inverse ones": own.rotations.transpose(0, 2, 1)}
        poses |= {f"random ones, seed {s}": Rotation.random(len(own), rng=s).as_matrix() for s in range(N_RANDOM)}
        found = {
            name: leave_one_out_correlation(replace(own, rotations=rotations), lowest_angstrom=20.0).tolist()
            for name, rotations in poses.items()
        }
        options.cache.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found))
    if not path.exists():
        return ["Not measured with this state of the code."]
    lines = ["| poses | correlation | standard error |", "|---|---|---|"]
    for name, values in json.loads(path.read_text()).items():
        lines.append(f"| {name} | {np.mean(values):.3f} | {np.std(values) / len(values) ** 0.5:.3f} |")
    return lines


def table_of_views(options: Options) -> list[str]:
    """Return a table of views that are wrong and right, refined or not."""
    state = shown_state(VIEWS, options)
    lines = [
        *said(state),
        "| error of the views | refine | plain FSC₀.₅ / corr. | Gaussians | refined by | hidden images gain | s |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in VIEWS:
        if options.known and not path_of(case, options.cache, state).exists():
            continue
        made = measure(case, options.data, options.cache, state)
        plain, gaussians = (f"{made[name][0]:.2f} / {made[name][1]:.4f}" for name in ("plain", "gaussians"))
        views = made["views"]
        taken, gain = views.get("taken"), views.get("gain_of_hidden_images")
        sizes = f"{views['turned_deg']:.1f}°, {views['shifted_angstrom']:.1f} Å" if taken else "–"
        lines.append(
            f"| {case.turned_deg:g}°, {case.shifted_px:g} px | {case.settings['refine']} | {plain} | {gaussians} "
            f"| {sizes} | {'–' if gain is None else f'{gain[0]:.2f} ± {gain[1]:.2f}'} | {made['cpu_seconds']:.0f} |"
        )
    return lines


OF_CHANGES = f"""{CHANGED.n_images} images of {CHANGED.box_px}² px of atoms, 6 Å, at SNR {CHANGED.snr:g}.
"""
OF_VIEWS = f"""{VIEWS[0].n_images} images of the 70S at SNR {VIEWS[0].snr:g}, with poses and shifts changed at random by
as much as is said (root mean square). *Plain* is the map with the views as they are given.
"""
OF_REAL = f"""Seventeen particles in a box of {REAL_BOX} px, down to 20 Å: the correlation of each with the projection
of a map of all the others, without what rings about the centre have in common.
"""


def page(options: Options) -> str:
    """Return the page."""
    made: dict[Table, Callable[[], list[str]]] = {
        "reported": lambda: ["## Cases that settings were not chosen on\n", *table(REPORTED, options)],
        "tuned": lambda: ["## Cases that settings were chosen on\n", *table(TUNED, options)],
        "changes": lambda: ["## One thing changed at a time\n", OF_CHANGES, *table_of_changes(options)],
        "views": lambda: ["## Views that are wrong\n", OF_VIEWS, *table_of_views(options)],
        "real": lambda: ["## Real particles\n", OF_REAL, *table_of_real_particles(options)],
    }
    parts = [PAGE.replace("STATE", state_of_code())]
    for name in options.only:
        parts += [*made[name](), ""]
    parts.append(NOTES)
    return "\n".join(parts)


def main() -> None:
    options = tyro.cli(Options)
    text = page(options)
    if options.output is None:
        print(text)
    else:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
