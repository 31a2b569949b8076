"""Teacher of pseudo-sections: a stronger one than the student's own average, predicting between two sections.

The teacher is a mixture of the prior (which has learned from other volumes), a lateral network (which learns from the
stack's own sections), optical flow and linear interpolation. Its shares are those that predict hidden sections best, so
a stack on which one of them fails does without it. The predictions become targets, and anchors of their own Gaussians,
at depths between the sections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_emgauss._types import FloatArray, Triple
from napari_emgauss.errors import FileFormatError, ModelFileError
from napari_emgauss.interpolation.lateral import LateralConfig, LateralNetwork, train_lateral
from napari_emgauss.interpolation.mixture import (
    Calibration,
    FusedInterpolator,
    Learned,
    MixtureEvidence,
    Stack,
    assumed_evidence,
    gather_evidence,
    joined,
)
from napari_emgauss.interpolation.mixture.calibration import COMPARED, GapMiddle
from napari_emgauss.interpolation.mixture.fusion import LATERAL, PLAIN, PRIOR
from napari_emgauss.interpolation.plain import Interpolator
from napari_emgauss.interpolation.prior import Contrast, load_prior
from napari_emgauss.methods.emgauss.setup import Setup
from napari_emgauss.runtime.threads import for_each
from napari_emgauss.runtime.torch_threads import use_one_torch_thread
from napari_emgauss.training import Watch

STAGE, HIDING, PREDICTING = "teacher", "evidence", "pseudo-sections"
LEVEL_DB = 0.05
"""Differences below this are none."""
GUESSES = "Structures thinner than a section, such as vesicles, are guesses."
THICK = " Sections look so thick that neighbours touch: shares are those that should be best at the distance itself."
LEAST_ERROR = 0.01
"""In normalised intensities: below it more confidence is no better."""
GAPS_AT_ONCE = 32
"""Gaps that networks on a GPU predict together, before the cores do the rest of them."""


class Taught(NamedTuple):
    """What a teacher predicts in the n gaps of a part of the stack, at k places each."""

    images: FloatArray
    """Predictions (n, k, Y, X)."""
    confidence: FloatArray
    """How much each pixel is to count (n, k, Y, X): the inverse of the error to expect, over its mean."""
    flows: npt.NDArray[np.float16]
    """Optical flow across the gap (n, 2: up, down; Y, X, 2: y, x) in px, which it was found with."""


@dataclass(frozen=True)
class MixtureTeacher:
    """Networks with the shares that the evidence gave them."""

    learned: Learned
    evidence: MixtureEvidence
    contrast: Contrast
    """Of the studied sections."""

    def between(self, stack: Stack, n_pseudo: int, watch: Watch | None = None) -> Taught:
        """Predict sections, evenly spaced in every gap of a part of the stack.

        After a stop the rest is interpolated linearly, which takes no time.
        """
        n_gaps, phases = len(stack.sections) - 1, [(k + 1) / (n_pseudo + 1) for k in range(n_pseudo)]
        out = np.empty((n_gaps, n_pseudo, *stack.sections.shape[1:]), np.float32)
        confidence, linear = np.ones_like(out), Interpolator(stack.sections, "linear")
        flows = np.zeros((n_gaps, 2, *stack.sections.shape[1:], 2), np.float16)
        # Where networks are on a GPU, the cores work on a gap each; otherwise they share the networks' work.
        on_a_gpu = self.learned.on_a_gpu
        at_once, source = GAPS_AT_ONCE if on_a_gpu else 1, self._source(stack)

        def predict(gap: int, learned: FloatArray | None = None) -> None:
            if on_a_gpu:
                use_one_torch_thread()
            own = self._source(stack) if on_a_gpu else source  # flows are kept of the gap in work only
            for k, phase in enumerate(phases):
                stopped = False
                if watch is not None:  # one thread alone waits, and tells
                    stopped = watch.stopped if on_a_gpu else watch.held()
                if stopped:
                    out[gap, k] = linear.section(gap + phase)
                    continue
                known = None if learned is None else learned[gap % at_once, k]
                out[gap, k], confidence[gap, k] = self._predicted(own, stack, gap + phase, known)
                flows[gap] = own.plain("flow").flows(gap)  # found already
                if watch is not None and not on_a_gpu:
                    watch.tell(PREDICTING, gap * n_pseudo + k + 1, n_gaps * n_pseudo)

        for first in range(0, n_gaps, at_once):
            gaps, learned = range(first, min(first + at_once, n_gaps)), None
            if on_a_gpu:
                stopped = watch is not None and watch.held()
                if watch is not None:
                    watch.tell(PREDICTING, first * n_pseudo + 1, n_gaps * n_pseudo)
                learned = None if stopped else source.learned_between(gaps, phases)
            for_each(partial(predict, learned=learned), gaps)
        return Taught(out, confidence, flows)

    def _source(self, stack: Stack) -> FusedInterpolator:
        whole = replace(stack, contrast=self.contrast)
        return FusedInterpolator(
            whole,
            self.evidence.shares,
            self.learned,
            sharpening=self.evidence.sharpening,
            learned_below_px=self.evidence.learned_below_px,
        )

    def _predicted(
        self, source: FusedInterpolator, stack: Stack, z: float, learned: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """Prediction at ``z``, and how much each of its pixels is to count."""
        gap, parts = int(z), source.candidates(z, learned)
        image = source.mixed(parts)
        plain = np.stack([parts[name] if name in parts else source.plain(name).section(z) for name in COMPARED])
        known = GapMiddle(prediction=image, plain=plain, sections=stack.sections[gap : gap + 2])
        inverse = 1 / (self.evidence.calibration.expected(known.differences()) + LEAST_ERROR)
        return image, inverse / inverse.mean()

    def record(self) -> dict[str, Any]:
        """Return what was found, as plain JSON values."""
        return {
            "shares": {name: round(share, 4) for name, share in self.evidence.shares.items()},
            "hidden_psnr_db": {name: round(psnr, 3) for name, psnr in self.evidence.psnr_db.items()},
            "n_hidden": self.evidence.n_hidden,
            "sharpening": round(self.evidence.sharpening, 3),
            "learned_below_px": self.evidence.learned_below_px,
            "thick": self.evidence.expected_mse is not None,
            "prior": self.learned.prior is not None,
        }

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON values of a checkpoint."""
        evidence = self.evidence
        return {} if self.learned.lateral is None else self.learned.lateral.state(), {
            "prior": self.learned.prior is not None,
            "views": self.learned.views,
            "contrast": list(self.contrast),
            "shares": evidence.shares,
            "psnr_db": evidence.psnr_db,
            "n_hidden": evidence.n_hidden,
            "sharpening": evidence.sharpening,
            "learned_below_px": evidence.learned_below_px,
            "expected_mse": evidence.expected_mse,
            "calibration": [evidence.calibration.base, *evidence.calibration.weights],
        }

    @classmethod
    def from_state(
        cls, tensors: Mapping[str, Tensor], values: Mapping[str, Any], device: torch.device | None = None
    ) -> MixtureTeacher:
        """Inverse of `state`, with networks on a device, by default the CPU; raises `FileFormatError` for others."""
        try:
            base, *weights = (float(v) for v in values["calibration"])
            expected_mse = values.get("expected_mse")
            evidence = MixtureEvidence(
                shares={str(k): float(v) for k, v in values["shares"].items()},
                psnr_db={str(k): float(v) for k, v in values["psnr_db"].items()},
                n_hidden=int(values["n_hidden"]),
                calibration=Calibration(base=base, weights=tuple(weights)),
                sharpening=float(values["sharpening"]),
                learned_below_px=float(values.get("learned_below_px", 0.0)),  # studies of before have none
                expected_mse=None if expected_mse is None else float(expected_mse),
            )
            learned = Learned(
                prior=load_prior(device) if values["prior"] else None,
                lateral=LateralNetwork.from_state(tensors, device) if tensors else None,
                views=int(values["views"]),
            )
            mean, std = (float(v) for v in values["contrast"])
            return cls(learned, evidence, Contrast(mean, std))
        except (KeyError, TypeError, ValueError, AttributeError, ModelFileError) as error:
            raise FileFormatError(
                f"the checkpoint of the teacher is not usable ({error}). Choose another folder to start anew."
            ) from error


def describe_evidence(record: Mapping[str, Any]) -> str:
    """Return in words what hiding sections showed, from a reconstruction's record; empty without a teacher."""
    found = record.get("teacher")
    if not found:
        return ""
    scores, shares = found["hidden_psnr_db"], found["shares"]
    if not found["n_hidden"]:
        return "There were too few sections to hide one: how far to trust what was learned was assumed."
    plain = _best_plain(scores)
    parts = {
        "the prior, learned from other volumes,": shares.get(PRIOR, 0.0),
        "what was learned from your sections": sum(shares.get(name, 0.0) for name in LATERAL),
    }
    told = " and ".join(f"{name} has a share of {100 * share:.0f} %" for name, share in parts.items() if share > 0)
    alone = "" if found.get("prior", False) else " Nothing was taken from other volumes."
    return (
        f"On {found['n_hidden']} hidden sections, at twice the distance, the mixture that teaches predicts "
        f"{scores['fused']:.2f} dB, the best plain interpolation ({plain[1]}) {plain[0]:.2f} dB; "
        f"{told or 'nothing that was learned has a share'}.{alone}{THICK if found.get('thick', False) else ''}"
    )


def _best_plain(scores: Mapping[str, float]) -> tuple[float, str]:
    """Score and name of the best plain candidate; models of before have no cubic ones."""
    return max((scores[name], name) for name in PLAIN if name in scores)


def hidden_verdict(record: Mapping[str, Any], voxel_size_nm: Triple) -> str:
    """Return what the sections that the study hid for a moment tell of a model's teacher; empty where it hid none."""
    found = record.get("teacher")
    if not found or not found["n_hidden"]:
        return ""
    scores, dz = found["hidden_psnr_db"], voxel_size_nm[0]
    best_db, best = _best_plain(scores)
    gain_db = scores["fused"] - best_db
    n = found["n_hidden"]
    told = "level with" if abs(gain_db) < LEVEL_DB else f"{abs(gain_db):.1f} dB {'above' if gain_db > 0 else 'below'}"
    return (
        f"A harder test (gaps of {2 * dz:.0f} nm instead of {dz:.0f}), by hiding {n} "
        f"section{'s' * (n > 1)} in turn while your stack was studied: what the Gaussians learned from is {told} the "
        f"best plain interpolation ({best}) in PSNR."
    )


def hidden_in_words(record: Mapping[str, Any], voxel_size_nm: Triple) -> str:
    """Say what `hidden_verdict` does without a number that one would have to know; empty where none was hidden."""
    found = record.get("teacher")
    if not found or not found["n_hidden"]:
        return ""
    scores, dz, n = found["hidden_psnr_db"], voxel_size_nm[0], found["n_hidden"]
    gain_db = scores["fused"] - _best_plain(scores)[0]
    told = "as close to the truth as the best" if abs(gain_db) < LEVEL_DB else "closer to the truth than any"
    return (
        f"What the Gaussians learned from is {told if gain_db > -LEVEL_DB else 'no closer to the truth than'} "
        f"interpolation on your {n} hidden section{'s' * (n > 1)}, at a harder test "
        f"(gaps of {2 * dz:.0f} nm instead of {dz:.0f}). {GUESSES}"
    )


def train_teacher(stacks: Sequence[Stack], setup: Setup, watch: Watch) -> MixtureTeacher | None:
    """Train a lateral network where one is wanted, and gather the evidence; None when stopped.

    Parameters
    ----------
    stacks
        Normalised sections to study, of one place or several.
    setup
        What is wanted, and the seed of the network and its examples.
    watch
        Pause, stop and progress.
    """
    wanted, lateral = setup.config.teacher, None
    if setup.can_teach_lateral:
        lateral = train_lateral(
            joined(stacks),
            setup.volume.factor,
            config=LateralConfig(steps=wanted.lateral_steps),
            seed=setup.seed,
            device=setup.device,
            should_stop=watch.held,
            on_progress=lambda step, total, _: watch.tell_iterations(STAGE, step, total),
        )
    if watch.stopped:
        return None
    prior = load_prior(setup.device) if wanted.prior else None
    learned = Learned(prior=prior, lateral=lateral, views=wanted.prior_views)
    contrast = Contrast.of(joined(stacks))
    if setup.can_hide:
        evidence = gather_evidence(
            [replace(stack, contrast=contrast) for stack in stacks],
            learned,
            seed=setup.seed,
            should_stop=watch.held,
            on_progress=lambda done, total: watch.tell(HIDING, done, total),
        )
    else:
        evidence = assumed_evidence(learned)
    return None if watch.stopped else MixtureTeacher(learned, evidence, contrast)
