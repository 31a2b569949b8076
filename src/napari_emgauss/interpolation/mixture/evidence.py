"""Evidence for the best mixture of predictions, from sections that are hidden to weigh it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, product, repeat

import numpy as np
import numpy.typing as npt

from napari_emgauss._types import FloatArray
from napari_emgauss.errors import VolumeError
from napari_emgauss.interpolation.lateral.training import adapt
from napari_emgauss.interpolation.mixture.calibration import COMPARED, N_DIFFERENCES, Calibration, GapMiddle, calibrate
from napari_emgauss.interpolation.mixture.fusion import (
    NOTHING_LEARNED,
    PLAIN,
    PRIOR,
    FusedInterpolator,
    Learned,
    Stack,
    joined,
    learned_detail,
)
from napari_emgauss.interpolation.mixture.motion import SteadyMotion
from napari_emgauss.interpolation.mixture.rows import told_by_rows
from napari_emgauss.interpolation.mixture.shares import best_shares, error_products, evened, likely_mse, likely_shares
from napari_emgauss.interpolation.mixture.texture import Texture, fit_texture
from napari_emgauss.interpolation.mixture.transfer import Around, GapPlace, expected_products
from napari_emgauss.interpolation.prior import Contrast
from napari_emgauss.interpolation.prior.interpolator import LARGEST_FACTOR
from napari_emgauss.metrics import psnr_from_mse
from napari_emgauss.runtime.threads import for_each, get_threads
from napari_emgauss.runtime.torch_threads import use_one_torch_thread

N_EXAMPLES = 4
"""Hidden sections that are kept as examples."""
SHARPENING = 1.0
"""The most by which the learned part is sharpened: costs little PSNR and gains SSIM and FSIM (docs/lab/teacher.md)."""
TOLERATED_DB = 0.1
"""What sharpening may cost at hidden sections."""
SHARPENING_WITH_PRIOR, TOLERATED_WITH_PRIOR_DB = 0.5, 0.02
"""The same with a prior, which was trained for SSIM too and blurs less (docs/lab/prior.md)."""
LEARNED_BELOW_PX = 3.0
"""Detail finer than this is the prior's where hidden sections cannot tell (docs/lab/prior.md)."""
LEAST_SHARE = 0.25
"""Share of the prior from which it is trusted with detail."""
SAMPLE_PX = 256
"""Side of the part of every hidden section that the calibration looks at."""
ASSUMED_SHARE = 0.85
"""Share of the prior where there is no evidence."""
HIDDEN = 16
"""Most sections to hide."""
NEAR, NEAR_PX = 10, 128
"""Most gaps that are looked at as they are, to know what to expect in them; and the side of what is looked at."""
PHASES = (0.2, 0.5, 0.8)
"""Places in a gap that are looked at where nothing is known in its middle: there something may be, next to sections."""
FEWEST, MISFIT = 4, 0.5
"""Hidden sections that it takes to expect anything, and the largest `Texture.misfit`."""


@dataclass(frozen=True, eq=False)
class HiddenSection:
    """The middle of a hidden section: what the mixture made of it, and what it is; images (Y, X)."""

    prediction: FloatArray
    truth: FloatArray


@dataclass(frozen=True, kw_only=True)
class MixtureEvidence:
    """Shares, scores and expected errors that hidden sections of a stack tell."""

    shares: dict[str, float]
    """Share of each candidate, at least 0; they sum to 1: the mixture that fits hidden sections best, or that should
    be best at the distance itself."""
    psnr_db: dict[str, float]
    """Each candidate, and their mixture ``fused``, against the hidden sections, at twice the gap."""
    n_hidden: int
    """Sections that were hidden and scored."""
    calibration: Calibration
    """How wrong the mixture is, from how far it is from the plain candidates."""
    sharpening: float = 0.0
    """How much the learned part can be sharpened (see `FusedInterpolator`) without much harm at hidden sections."""
    learned_below_px: float = 0.0
    """Detail finer than this is the networks' alone (see `FusedInterpolator`), 0 for none: where the prior was not told
    how far hidden sections are apart, since it knows no such distance, they say nothing of its detail. Nor is it the
    networks' alone where motion is lost across that distance, or sections are thick: there plain candidates know."""
    expected_mse: float | None = None
    """Mean squared error to expect in the middle of a gap, if sections are thick; None if they are not."""
    examples: tuple[HiddenSection, ...] = field(default=(), compare=False, repr=False)
    """Some hidden sections, evenly chosen; not kept in files."""


def gather_evidence(
    stacks: Stack | Sequence[Stack],
    learned: Learned = NOTHING_LEARNED,
    *,
    seed: int = 0,
    should_stop: Callable[[], bool] | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> MixtureEvidence:
    """Hide every other section, predict it from the rest and fit the shares of the candidates to it.

    The prior is told the doubled gap; the lateral network is first adapted to it, in a copy. Where tissue does not
    continue as a network thinks, it fits the hidden sections badly and loses its share. The lateral network has seen
    the hidden sections themselves, but only their rows: nothing of what lies above or below.

    What is best at twice the distance may be bad at the distance itself. Flow may lose a motion across twice the
    distance that it follows across the distance itself: then shares are mended (`SteadyMotion`). And the texture of
    the stack, if one fits, tells what is to be expected there (`expected_products`): shares are those that should be
    best there if the others are worse than a plain candidate; if sections are so thick that neighbours touch, which
    those at twice the distance do not; or if the mixture is no better at hidden sections than a constant. In that
    case nothing learned is trusted where no texture fits, and rows of the sections may tell which plain candidates to
    use (`told_by_rows`).

    Parameters
    ----------
    stacks
        At least three sections, as the lateral network was trained on; or several such parts of a volume, equally wide,
        which share the number of sections that are hidden.
    learned
        The networks to weigh beside the plain candidates.
    seed
        Seed of the adaptation.
    should_stop
        Asked between hidden sections; what was scored so far then decides.
    on_progress
        Called with the number of hidden sections that were scored, and of all.

    Raises
    ------
    VolumeError
        There are fewer than three sections, or they are too small to hide rows at twice the gap.
    """
    stacks = [stacks] if isinstance(stacks, Stack) else list(stacks)
    lateral, wanted = learned.lateral, HIDDEN
    if (fewest := min(len(stack.sections) for stack in stacks)) < 3:
        raise VolumeError(f"it takes at least 3 sections to hide one, got {fewest}. Trust no evidence of fewer.")
    names, nearby = learned.candidates, learned
    if lateral is not None:
        doubled = adapt(lateral, joined(stacks), 2 * lateral.factor, seed=seed, should_stop=should_stop)
        learned, wanted = replace(learned, lateral=doubled), lateral.config.evidence_sections
    hidden = [_hidden(stack, math.ceil(wanted / len(stacks))) for stack in stacks]
    total = sum(map(len, hidden))
    gram, variance, far = np.zeros((len(names), len(names))), 0.0, list[npt.NDArray[np.float64]]()
    samples: list[tuple[FloatArray, FloatArray]] = []
    motion = SteadyMotion(names)
    for stack, index, parts in chain.from_iterable(map(_predicted, stacks, hidden, repeat(learned))):
        around = stack.sections[index - 1 : index + 2]
        gram += error_products([parts[name] for name in names], around[1])
        variance += float(around[1].var())
        samples.append((_centre(np.stack([parts[name] for name in names])), _centre(around)))
        motion.see(replace(stack, sections=_centre(stack.sections)), index, samples[-1][0])
        start, gap = _half(index)
        neighbours = Around.of(Stack(_centre(stack.sections[start::2]), stack.factor), gap)
        far.append(neighbours.against_linear([*samples[-1][0], samples[-1][1][1]]))
        on_progress(len(samples), total)
        if should_stop is not None and should_stop():
            break
    gram, variance = gram / len(samples), variance / len(samples)
    shares = best_shares(gram)
    known = bool(shares @ gram @ shares < variance)
    if not known:
        # No better than a constant: nothing is to be known at twice the distance, nor who knows it at the distance,
        # unless a texture tells.
        plain = [name in PLAIN for name in names]
        shares = np.zeros(len(names))
        shares[plain] = best_shares(gram[np.ix_(plain, plain)])
    if lateral is not None:
        shares = evened(shares, gram, names)
    shares = motion.mended(shares)
    expected_mse = None
    if len(far) >= FEWEST and not (should_stop is not None and should_stop()):
        texture = fit_texture(stacks)
        if texture is not None and texture.misfit <= MISFIT:
            shares, expected_mse = _at_the_distance(stacks, nearby, np.mean(far, 0), shares, texture, known=known)
        elif not motion.lost:
            shares = told_by_rows(stacks, names, shares, gram, variance)
    psnr_db = {name: psnr_from_mse(gram[i, i]) for i, name in enumerate(names)}
    psnr_db["fused"] = psnr_from_mse(float(shares @ gram @ shares))
    known_of = [(_known(parts, around, shares, names), around[1]) for parts, around in samples]
    kept = np.unique(np.linspace(0, len(known_of) - 1, min(len(known_of), N_EXAMPLES)).round().astype(int))
    return MixtureEvidence(
        shares=dict(zip(names, shares.tolist(), strict=True)),
        psnr_db=psnr_db,
        n_hidden=len(samples),
        calibration=calibrate(known_of),
        sharpening=_harmless_sharpening(samples, shares, names),
        learned_below_px=0.0
        if motion.lost or expected_mse is not None
        else _learned_below_px(2 * stacks[0].factor, shares[names.index(PRIOR)] if PRIOR in names else 0.0),
        expected_mse=expected_mse,
        examples=tuple(HiddenSection(known_of[i][0].prediction, known_of[i][1]) for i in kept),
    )


def _at_the_distance(
    stacks: Sequence[Stack],
    learned: Learned,
    far: npt.NDArray[np.float64],
    shares: npt.NDArray[np.float64],
    texture: Texture,
    *,
    known: bool,
) -> tuple[npt.NDArray[np.float64], float | None]:
    """Return the shares that should be best at the distance itself, if those of the hidden sections may fail there.

    If sections are thick, also their mean squared error: nothing that hidden sections say of detail is then true. Where
    nothing is ``known`` at twice the distance, the texture alone decides, of all places in a gap.
    """
    near = _nearby(stacks, learned, PHASES[1:2] if known else PHASES)
    alternatives = expected_products(near, far, texture)
    thick = texture.probability_thick > 0.5
    # Of those without flow, the texture alone tells what to expect.
    still = [name in PLAIN and "flow" not in name for name in learned.candidates]
    best_plain_mse = min(likely_mse(alone, alternatives) for alone in np.eye(len(still))[still])
    if known and not thick and likely_mse(shares, alternatives) <= best_plain_mse:
        return shares, None
    shares = likely_shares(alternatives)
    return shares, likely_mse(shares, alternatives) if thick else None


def _nearby(
    stacks: Sequence[Stack], learned: Learned, phases: Sequence[float]
) -> list[tuple[npt.NDArray[np.float64], list[GapPlace]]]:
    """Return of each phase the mean products of what candidates predict (see `Around.against_linear`), and where."""
    products: list[list[npt.NDArray[np.float64]]] = [[] for _ in phases]
    places: list[list[GapPlace]] = [[] for _ in phases]
    everything, few = dict.fromkeys(learned.candidates, 1 / len(learned.candidates)), math.ceil(NEAR / len(stacks))
    for stack in stacks:
        contrast = Contrast.of(stack.sections) if stack.contrast is None else stack.contrast
        part = replace(stack, sections=_centre(stack.sections, NEAR_PX), contrast=contrast)
        source, last = FusedInterpolator(part, everything, learned), len(part.sections) - 2
        # Gaps at the ends have a section less around them: they are to count no more than they do in the stack.
        gaps = np.arange(last + 1) if last < few else np.unique(np.linspace(1, last - 1, few).round().astype(int))
        for gap, (k, phase) in product(gaps.tolist(), enumerate(phases)):
            around, parts = Around.of(part, gap, phase), source.candidates(gap + phase)
            products[k].append(around.against_linear([parts[name] for name in learned.candidates]))
            places[k].append(around.place)
    return [(np.asarray(np.mean(p, 0), np.float64), at) for p, at in zip(products, places, strict=True)]


def _hidden(stack: Stack, at_most: int) -> list[int]:
    """Return the sections to hide, evenly spread; the ends have no neighbours."""
    n = len(stack.sections) - 2
    return [int(index) for index in np.unique(np.linspace(1, n, min(n, at_most)).round().astype(int))]


def _predicted(
    stack: Stack, chosen: Sequence[int], learned: Learned
) -> Iterator[tuple[Stack, int, dict[str, FloatArray]]]:
    """Yield each of the sections ``chosen`` of a stack, and the candidates (Y, X) for it, made of every other one."""
    everything = dict.fromkeys(learned.candidates, 1 / len(learned.candidates))
    halves = {
        start: FusedInterpolator(stack.every_other(start), everything, learned)
        for start in (0, 1)[: len(stack.sections) - 2]
    }
    # Beside a GPU the cores work on a section each; otherwise they share the networks' work on one.
    at_once = get_threads() if learned.on_a_gpu else 1
    seen = _learned_at(chosen, halves) if learned.on_a_gpu else {}
    found: dict[int, dict[str, FloatArray]] = {}

    def predict(hidden: int) -> None:
        if at_once > 1:
            use_one_torch_thread()
        start, gap = _half(hidden)
        found[hidden] = halves[start].candidates(gap + 0.5, seen.pop(hidden, None))

    for k, hidden in enumerate(chosen):
        if k % at_once == 0:
            for_each(predict, chosen[k : k + at_once])
        yield stack, hidden, found.pop(hidden)


def _half(hidden: int) -> tuple[int, int]:
    """Return which half of the stack section ``hidden`` is hidden from, in whose middle of which gap."""
    start = (hidden + 1) % 2
    return start, (hidden - start) // 2


def _learned_at(chosen: Sequence[int], halves: dict[int, FusedInterpolator]) -> dict[int, FloatArray]:
    """Return what the prior predicts of the hidden sections (Y, X), found together."""
    seen: dict[int, FloatArray] = {}
    for start, half in halves.items():
        own = [hidden for hidden in chosen if _half(hidden)[0] == start]
        images = half.learned_between([_half(hidden)[1] for hidden in own], [0.5]) if own else None
        if images is not None:
            seen |= zip(own, images[:, 0], strict=True)
    return seen


def assumed_evidence(learned: Learned) -> MixtureEvidence:
    """Return what is assumed of a stack with too few sections to hide one: mostly the prior, or flow without one."""
    shares = dict.fromkeys(learned.candidates, 0.0)
    if learned.prior is None:
        shares["flow+blur0.7"] = 1.0
    else:
        shares |= {PRIOR: ASSUMED_SHARE, "flow+blur0.7": 1 - ASSUMED_SHARE}
    calibration = Calibration(base=1.0, weights=(0.0,) * N_DIFFERENCES)
    return MixtureEvidence(shares=shares, psnr_db={}, n_hidden=0, calibration=calibration)


def _known(parts: FloatArray, around: FloatArray, shares: npt.NDArray[np.float64], names: tuple[str, ...]) -> GapMiddle:
    """Mix the candidates (k, Y, X) for the middle one of three sections."""
    return GapMiddle(
        prediction=np.tensordot(shares.astype(np.float32), parts, 1),
        plain=parts[[names.index(name) for name in COMPARED]],
        sections=around[::2],
    )


def _harmless_sharpening(
    samples: Sequence[tuple[FloatArray, FloatArray]], shares: npt.NDArray[np.float64], names: tuple[str, ...]
) -> float:
    """Return the strongest sharpening, within the limits above, that costs no more than tolerated at hidden sections.

    With errors e of the mixture and detail d, the squared error ⟨e²⟩ + 2s⟨ed⟩ + s²⟨d²⟩ is a parabola of the strength s.
    """
    squared, common, detail = 0.0, 0.0, 0.0
    share_of = dict(zip(names, shares.tolist(), strict=True))
    for parts, around in samples:
        error = np.tensordot(shares.astype(np.float32), parts, 1) - around[1]
        finer = learned_detail(dict(zip(names, parts, strict=True)), share_of)
        squared += float(np.mean(error**2))
        common += float(np.mean(error * finer))
        detail += float(np.mean(finer**2))
    if detail == 0:
        return 0.0
    most, tolerated_db = SHARPENING, TOLERATED_DB
    if PRIOR in names:
        most, tolerated_db = SHARPENING_WITH_PRIOR, TOLERATED_WITH_PRIOR_DB
    allowed = squared * (10 ** (tolerated_db / 10) - 1)
    return min(most, (math.sqrt(common**2 + detail * allowed) - common) / detail)


def _learned_below_px(distance_px: float, share: float) -> float:
    """Return below which size detail is the networks' alone, with hidden sections ``distance_px`` apart."""
    return 0.0 if distance_px <= LARGEST_FACTOR or share < LEAST_SHARE else LEARNED_BELOW_PX


def _centre(images: FloatArray, side_px: int = SAMPLE_PX) -> FloatArray:
    """Return the middle of images (..., Y, X), small enough to keep for every hidden section."""
    y, x = (max(0, (side - side_px) // 2) for side in images.shape[-2:])
    return np.array(images[..., y : y + side_px, x : x + side_px])
