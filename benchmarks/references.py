"""Images of small trainings, to the last bit: recorded before a change of the code, compared after it.

``python -m benchmarks.references record FILE``, then ``python -m benchmarks.references compare FILE``. Bits belong to
one machine and one set of libraries, so a record is no test: make it from the code before, where the code after runs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter

import napari_emgauss as eg

SHORT_PAPER = {
    "preset": "paper",
    "warmup": 60,
    "joint": 60,
    "bootstrap": 260,
    "densify_start": 50,
    "densify_stop": 320,
    "opacity_reset_every": 200,
}


def drifting(n: int, height: int, width: int, *, seed: int = 0) -> eg.Volume:
    """A stack whose texture drifts sideways and changes, at ×6."""
    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.standard_normal((n + 2, height + 8 * n, width)), (0.8, 2.0, 2.0))
    sections = np.stack([noise[i + 1, 4 * i : 4 * i + height] for i in range(n)])
    sections += 0.01 * rng.standard_normal(sections.shape)
    data = np.clip(128 + 50 * sections / sections.std(), 0, 255).astype(np.uint8)
    return eg.Volume(data, (48.0, 8.0, 8.0))


def damaged(stack: eg.Volume) -> eg.Volume:
    """The same stack with a blank section, and others displaced and darkened."""
    data = np.array(stack.data)
    data[3] = data[3].mean()
    data[5] = np.roll(data[5], 2, axis=1)
    data[6] = (data[6] * 0.7).astype(np.uint8)
    return eg.Volume(data, stack.voxel_size_nm)


def cases(fib25: Path | None) -> Iterator[tuple[str, Callable[[], eg.Reconstruction]]]:
    """Trainings by name; the last are as shipped, on real tissue."""
    small, tall = drifting(6, 64, 56), drifting(9, 96, 80, seed=1)
    yield "fast", lambda: eg.reconstruct(small, preset="fast")
    yield "balanced, briefly taught", lambda: eg.reconstruct(small, lateral_steps=40, hold_out=(3,))
    yield (
        "balanced in blocks",
        lambda: eg.reconstruct(
            tall, lateral_steps=20, bundle_sections=5, bundle_overlap=1, tile_px=64, tile_overlap_px=16
        ),
    )
    yield "four sections per step", lambda: eg.reconstruct(small, preset="fast", sections_per_step=4)
    yield "damaged", lambda: eg.reconstruct(damaged(tall), preset="fast", denoise="light", hold_out=(2,))
    yield "EMA on the anchored field", lambda: eg.reconstruct(small, preset="fast", motion="none", spacing_px=3.0)
    yield "continued", lambda: eg.reconstruct(small, start=eg.reconstruct(small, preset="fast", joint=5), joint=5)
    yield "paper, briefly", lambda: eg.reconstruct(small, **SHORT_PAPER)
    if fib25 is not None:
        crop = eg.Volume(np.asarray(tifffile.imread(fib25))[:25:6, :96, :96], (48.0, 8.0, 8.0))
        yield "fast on FIB-25", lambda: eg.reconstruct(crop, preset="fast")
        yield "paper on FIB-25", lambda: eg.reconstruct(crop, **SHORT_PAPER)
        yield "balanced as shipped on FIB-25", lambda: eg.reconstruct(crop, preset="balanced")


def rendered(result: eg.Reconstruction) -> dict[str, np.ndarray]:
    """Sections, a box across z, a zoomed view, and the uncertainty."""
    end = result.z_range[1]
    drawn = {f"z{share}": result.render(share * end) for share in (0.0, 0.3, 0.71, 1.0)}
    drawn["zoomed"] = result.render(0.43 * end, region=(8, 40, 4, 44), zoom=0.6)
    drawn["row"] = np.asarray(result.planes()[:, 20, :])
    if result.has_uncertainty:
        drawn["uncertainty"] = result.uncertainty(0.4 * end)
    return drawn


def main() -> None:
    """Record or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("record", "compare"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--fib25", type=Path, help="fib25_sample2.tif")
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    options = parser.parse_args()
    known = dict(np.load(options.file)) if options.action == "compare" else {}
    found: dict[str, np.ndarray] = {}
    n_different = 0
    for name, train in cases(options.fib25):
        if options.only not in name:
            continue
        start = time.perf_counter()
        images = {f"{name}/{view}": image for view, image in rendered(train()).items()}
        found |= images
        different = [
            f"{key.split('/')[1]} (by up to {_distance(known[key], image):.3g})" if key in known else f"{key} is new"
            for key, image in images.items()
            if known and not (key in known and np.array_equal(known[key], image))
        ]
        n_different += len(different)
        verdict = "" if not known else ": " + (", ".join(different) or "the same to the bit")
        print(f"{name}, {time.perf_counter() - start:.1f} s{verdict}", flush=True)
    if options.action == "record":
        np.savez_compressed(options.file, **found)
    print(f"{len(found)} images, {n_different} different")
    raise SystemExit(n_different > 0)


def _distance(before: np.ndarray, after: np.ndarray) -> float:
    if before.shape != after.shape:
        return float("inf")
    return float(np.abs(before.astype(float) - after).max())


if __name__ == "__main__":
    main()
