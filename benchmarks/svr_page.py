"""The scores of volumes from moving slices as a Markdown page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Row(Protocol):
    """What was measured."""

    table: str
    brain: str
    method: str


HEAD = """# Slices to volume: results

Written by one command:

```sh
python -m benchmarks.svr --tuning mni.nii.gz --report ch2.nii.gz --real cropped_for_tests --output docs/lab/svr.md
```

**Simulated stacks.** Two brains without skull, shrunk by half to the size of a fetus's at 1 mm: `mni` (the ICBM 152
average, on which settings were chosen) and `ch2` (Colin 27, only reported). Three orthogonal stacks of slices 4 mm
thick and 4 mm apart, pixels of 1 mm; noise of 2 % of the largest intensity; motion smooth in the order of acquisition
(even slices, then odd ones) with a root mean square angle of 3° and shift of 1.5 mm; `damaged`: 5 % of the slices have
lost most of their signal or are crossed by streaks; `much motion`: twice the motion, and damage; `uneven gain`: the
brightness of slices varies by 10 %; `coils`: each stack is multiplied by a smooth field of its own, as of a coil on
one side (15 %, the standard deviation of its logarithm in the mask). Scores are in the mask, after a rigid alignment
and one gain: PSNR with the range of the truth in the mask as its peak, SSIM with a Gaussian window of 11³ voxels, and
correlation. What the fields of all coils have in common cannot be told from the object: it stays in the volume, and
counts as an error. What is wrong with the motion is a root mean square over sound slices, without what all slices have
in common; *damaged ≤* is the largest weight of a damaged slice, *sound ≥* the smallest of a sound one.

`cg` is super-resolution on voxels by conjugate gradients, min ‖W (A x − y)‖² + λ ‖D x‖², with the very profile that
made the data (7 × 2 × 2 nodes), 30 iterations; `cg+stacks` after a rigid registration of whole stacks; `classical` is
six rounds of it in turns with a Levenberg–Marquardt registration of each slice with a gain of its own, and
weights of slices: what NiftyMIC and SVRTK do, with the same start.

**Real stacks.** Six stacks of a fetal brain (T2-weighted, 1.125 mm, 3 mm thick, 3.3 mm apart) moved by the fetus. The
second is left out; median correlation of its 17 slices with the prediction, at the places of the header, after a rigid
registration of the stack, and after one of each slice.

The rows of `svr` are of one state of the program. Their seconds are those of two idle cores before contours were
smoothed along themselves, which takes no longer. The rivals' rows are older, and their seconds those of a machine that
was busy with much else: the same minute's times of both are below.
"""

NOTES = """## What helped, and what did not

- **Less time for the same volume.** `ch2`, unknown motion, damaged, alone on two cores and one after the other, twice:
  `svr` 11.5 and 12.1 s, `classical` 16.2 and 15.5 s. Before, clean, `svr` took 15.2 s where `classical` took 10.3 s.
  Sums over slices and differences of neighbours are compiled. Round Gaussians are
  cut into ellipses along rows and columns, whose exponentials are products of two: slices are drawn 3.0 times as fast,
  summed up 2.6 times (1.5 million cuts, one core). Gaussians far from a plane are left out before the kernel looks at
  them, and rounds on one lattice with unmoved slices share their cuts. Kernels with tables of exponentials, or chunks
  of 8 pixels, were no faster than before: LLVM only vectorises loops of 16 pixels that write to one array.
- **Slices that fit badly are looked for where their neighbours are.** With much motion sound slices came to rest at
  wrong places; without weight they had no say, and never came back. `mni`, much motion: 25.89 dB, 1.90° and a least
  weight of sound slices of 0.00 before, 26.01 dB, 1.49° and 1.00 after; one small sagittal slice is still 10.6° wrong,
  borne out by the field it helped to fit (the next point mends it). `ch2`, reported only: 24.73 dB, 0.82°, 0.00
  before, 24.83 dB, 0.24°, 1.00 after. Where such slices may go anywhere, damaged ones find places, too: on a small
  phantom the motion was wrong by 2.3° instead of 1.1°. They are looked for within 4° and 3 mm of a neighbour, and have
  to fit 1.5 times as badly as others at most.
- **Slices far from their neighbours are tried on a field that they had no part in.** A slice is doubted that lies five
  times as far as is typical, and more than 4° or 3 mm, from half way between those acquired before and after it. The
  field that the sagittal slice above had helped to fit bore it out; in one fitted without it, it is off by .826 where
  it lay, and by .042 at its true place, to which all starts lead. `mni`, much motion: 1.49° and 1.33 mm wrong before,
  0.35° and 0.10 mm after, 26.01 and 26.02 dB; `ch2`, reported only: 0.24° and 24.83 dB before and after. A prior
  around the neighbours instead of around no motion changed nothing. Places are believed within 4° and 3 mm of a
  neighbour for each acquisition that lies between.
- **A box is drawn as two Gaussians** that are like it up to the fourth moment. Box data of `ch2`, motion known: 25.88
  dB, 25.71 with one Gaussian of the box's variance, 25.15 with one whose full width at half maximum is the thickness:
  0.73 and 0.56 dB above that. On `mni` one Gaussian of the box's variance is 0.64 dB above it. Two take a third more
  time.
- **Bias fields**: the logarithm of each stack's brightness as a quadratic polynomial in space, one Gauss-Newton step
  a round from Gaussians 2.5 pixels apart on; what all stacks have in common is taken off, fields that vary by less
  than 1 % are none, and slices that are hidden have to be predicted better with them. `mni`, coils: 17.62 dB and 3.9°
  wrong without, 21.25 dB and 1.2° with them; `ch2`, reported only: 18.85 dB and 3.8°, 21.79 dB and 1.0°, though one
  sound slice has a weight of .07. Where there are no fields, those that are found vary by .001 to .003 (`mni`) and
  .003 to .007 (small phantoms), so that all stays as it was; without the bound of 1 % they turned slices of small
  phantoms (1.4° wrong instead of 1.1°). On the real stacks hidden slices are off by .173 instead of .178 (three
  stacks) and by .158 instead of .163 (five), so that fields are taken there; the stack that was left out tells no
  difference: .947 and .945 with its slices registered, .948 and .946 without fields, .893 and .900 as a whole, .892
  and .898 without.
- **Whether motion helps is judged on Gaussians two pixels apart.** On six real stacks 17 hidden slices were off by
  .186 without motion and .187 with it where Gaussians were 2.5 pixels apart, so that it was not taken, and the rim of
  the head was jagged; by .168 and .160 at two pixels, .144 and .136 at 1.5. That density was chosen on these six
  stacks, which it is reported on, too. `mni` would not have told: with motion of 3°, of 0.5° and without any,
  Gaussians 2.5, 2 and 1.5 pixels apart all lead to the same decision (still slices are off by 1.38, 1.63 and 1.74
  times as much with 3°, by 1.010, 1.032 and 1.035 times with 0.5°, and by 0.999, 1.002 and 1.004 times without any;
  1.005 is asked for), and no score of the simulated brains moved by more than 0.02 dB; the margins speak for two
  pixels or less where there is motion, and for 1.5 or more where there is none.
- **Six real stacks, looked at in three planes**: no doubled contours and no rings. Within the masks, on a grid of
  0.8 mm, after alignment and for a standard deviation of 1, the mean square of the gradient is 0.53 (six stacks), 0.49
  (runs 1, 3, 5) and 0.26 (the set's own result); shares of the power between 1/5 and 1/3.3 per mm .243, .210 and .079,
  between 1/3.3 and 1/2.25 per mm .028, .020 and .013. Three stacks take 7 s of a processor, six at 0.8 mm 12 s; with
  18 processes on two cores they took 35 s and 52 s, the first preview came after 0.7 s and 1.6 s, and at most 556 MiB
  of memory were in use.
- **Less smoothness, now that contours are kept**: .0015 for .003, chosen on `mni` (motion known: 26.84 dB at .001
  and .0015, 26.25 at .006; damaged: 26.48, 26.49, 26.35 at .003). `ch2`, reported only: damaged 24.90 before, 25.22.
- **Pixels around the masks.** A mask cuts the tails of the profile: all methods are fitted to what lies within a
  slice's thickness of the mask, too, and compare slices in the masks alone. 3D Gaussians count it by 0.3: with motion
  known, `mni` gains 0.1 to 0.2 dB (26.41 to 26.50 after about as many steps). Where only the last solution is fitted
  to it, small slices at the ends of stacks no longer fit (a sound one of `ch2` had a weight of 0.04): they had been
  placed by a field that nothing told where the object ends. Motion is therefore found with it, too, from Gaussians
  two pixels apart on. Coarser fields cannot draw the rim, and are fitted to the masks alone.
- **Contours are kept** by smoothing pairs of neighbouring Gaussians by 8 / (1 + d²), with d their differences from
  their own neighbours by what is typical (Cauchy's penalty, reweighted twice), on `mni` with motion known 26.50 dB
  without, 26.70 by each pair's own difference, 26.81 by the nodes'. Half that strength 26.68. Weights by the
  similarity of patches of 3³ over 5³ neighbours cost four times the time, and gave 26.23 in the only setting that was
  tried.
- **Along a contour is smoothed like flat tissue**: d is of the nodes' differences along the pair's own axis alone.
  Motion known, `mni` 26.84 dB and SSIM .9451 with those along all axes, 26.88 and .9461 with those along one; `ch2`,
  reported only, 25.58 and .9332, 25.64 and .9352. No time more. With the mean of both 26.88 and .9457; averaged over
  what is beside the pair, σ of 0.4, 0.6 and 1 nodes, 26.90, 26.89 and 26.80. Four reweighted solutions instead of
  three 26.90; with the old weights, penalties (d²)^0.7 and (d²)^1.4 26.66 and 26.83, weights smoothed over half a node
  26.79, second differences instead of first ones 26.69. A smoothness of .001 gives 26.86, of .00125 26.88.
- Both together in the last solution, on a phantom (48 × 56 × 48 voxels, 3 mm slices, unknown motion, damage): 28.69 dB
  and SSIM .956 before, 29.66 dB and .977 after.
- **The smoothness is for lattices of 1.25 pixels.** Coarser ones are smooth by themselves: on a small phantom with
  Gaussians 1.6 pixels apart the same strength loses .005 of correlation, a fifth of it gains .015.
- **Stacks are aligned by what is inside their masks**, without the mean and blurred within the mask. With zeros around
  them, and means, the outlines decide: the real stack that was left out was registered wrongly (.23 instead of .95).
- **Residuals in the brightness of the volume.** In its own brightness a slice that has lost its signal has small
  residuals, and kept most of its weight.
- **Interpolation takes noise away**, most of it between voxels: a noisy volume that is aligned to the truth as it is
  goes there, and loses .3 dB. Both are blurred by a voxel for the alignment.
- **A density that follows structure** loses to an even one of as many Gaussians. `mni`, motion known: 170,138
  Gaussians 1.25 pixels apart give 26.88 dB, 119,792 of them 1.4 apart 26.51. Where the field so far is flat, Gaussians
  of twice the size instead, the roughness counted on the fine lattice that they are sums of: with 86 % of the
  Gaussians 26.43 (of 26.84 at that state of the program), with 73 % 26.06; where it is flat in the *finished* field
  26.47 and, with 77 %, 26.22. Twice and three times as many conjugate gradients gave 26.48 and 26.50 for 26.43. Coarse
  Gaussians first, and fine ones where what they leave asks for them (the slope of the misfit, averaged over
  neighbours): 26.44 with 87 %, 25.92 with 79 %, 25.81 with 75 %. Choosing takes time, too: 86 % of the Gaussians took
  6.4 s of processors for the last solution, all of them 5.5 s. Without those whose neighbourhood had nothing before
  the last solution: 26.85 with 92 %, 26.88 with 98 %. A brain of this size has no flat tissue that a lattice of 2.5
  pixels draws. Gaussians everywhere as fine as pixels give 26.74
  (of 26.84). Contours are followed by the smoothness instead (above).
- **Body-centred lattices** draw more with as many Gaussians: 118,670 give 26.70 dB where 119,792 on a cubic lattice
  give 26.56; 146,079 give 26.79, where 170,138 cubic ones gave 26.84, in five sixths of the time. That is less time for
  less quality, as wider spacing is.
- **Masks of a few pixels** (1, 2 × 2 and 4 × 4 in four slices of each of three stacks, and a head of 16 voxels) give a
  volume in less than a second, and it is said that they hardly tell how slices moved.
- Slices that would move by more than 20° or 12 mm at once stay where they are. Before, damaged slices and those at the
  ends drifted off: a root mean square of 8.7° over all slices, where they had moved by 5°.
"""

SIMULATED = (
    ("psnr_db", "PSNR (dB)", 2),
    ("ssim", "SSIM", 4),
    ("correlation", "correlation", 4),
    ("motion_deg", "° wrong", 2),
    ("motion_mm", "mm wrong", 2),
    ("weight_of_damaged", "damaged ≤", 2),
    ("weight_of_sound", "sound ≥", 2),
    ("seconds", "s", 0),
)
LEFT_OUT = (
    ("as_they_lie", "as they lie", 3),
    ("stack_registered", "stack registered", 3),
    ("slices_registered", "slices registered", 4),
    ("seconds", "s", 0),
)


def page(rows: Sequence[tuple[Row, Mapping[str, Any] | None]]) -> str:
    """Return the whole page.

    Parameters
    ----------
    rows
        Every measurement with its result, None where it is not known.
    """
    lines = [HEAD]
    for table in dict.fromkeys(row.table for row, _ in rows):
        lines += ["", f"## {table[0].upper()}{table[1:]}", ""]
        known = [(row, result) for row, result in rows if row.table == table and result is not None]
        if not known:
            lines.append("Not measured.")
            continue
        columns = SIMULATED if "psnr_db" in known[0][1] else LEFT_OUT
        lines.append("| brain | method | " + " | ".join(title for _, title, _ in columns) + " |")
        lines.append("|---|---|" + "---:|" * len(columns))
        for row, result in known:
            cells = [_number(result.get(key), digits) for key, _, digits in columns]
            lines.append(f"| {row.brain} | {row.method} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", NOTES])


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"
