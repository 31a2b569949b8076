"""Teacher of pseudo-sections: a stronger one than the student's own average, predicting between two sections.

The teacher is a mixture of a lateral network (trained on the stack's own sections), optical flow and linear
interpolation. Its shares are those that predict hidden sections best, so a stack on which one of them fails does
without it. The predictions become targets, and anchors of their own Gaussians, at depths between the sections.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from napari_emgauss._types import FloatArray
from napari_emgauss.errors import FileFormatError, ModelFileError
from napari_emgauss.interpolation.lateral import (
    Calibration,
    FusedInterpolator,
    LateralConfig,
    LateralNetwork,
    MixtureEvidence,
    gather_evidence,
    train_lateral,
)
from napari_emgauss.interpolation.lateral.calibration import COMPARED, GapMiddle
from napari_emgauss.interpolation.lateral.fusion import LATERAL
from napari_emgauss.interpolation.plain import Interpolator
from napari_emgauss.training import Watch

STAGE, PREDICTING = "teacher", "pseudo-sections"
LEAST_ERROR = 0.01
"""In normalised intensities: below it more confidence is no better."""


@dataclass(frozen=True)
class MixtureTeacher:
    """A trained lateral network with the shares that the evidence gave it."""

    network: LateralNetwork
    evidence: MixtureEvidence

    def between(self, sections: FloatArray, n_pseudo: int, watch: Watch | None = None) -> tuple[FloatArray, FloatArray]:
        """Predictions, evenly spaced in every gap of ``sections`` (n, Y, X), and their confidence.

        After a stop the rest is interpolated linearly, which takes no time.

        Returns
        -------
        images, and how much each pixel is to count: the inverse of the error to expect, over its mean; both
        (n - 1, n_pseudo, Y, X).
        """
        source = FusedInterpolator(self.network, sections, self.evidence.shares, sharpening=self.evidence.sharpening)
        linear, compared = Interpolator(sections, "linear"), [Interpolator(sections, name) for name in COMPARED]
        out = np.empty((len(sections) - 1, n_pseudo, *sections.shape[1:]), np.float32)
        confidence = np.ones_like(out)
        for n, (gap, k) in enumerate(np.ndindex(*out.shape[:2])):
            z = gap + (k + 1) / (n_pseudo + 1)
            if watch is not None and watch.held():
                out[gap, k] = linear.section(z)
                continue
            out[gap, k] = source.section(z)
            plain = np.stack([method.section(z) for method in compared])
            known = GapMiddle(prediction=out[gap, k], plain=plain, sections=sections[gap : gap + 2])
            inverse = 1 / (self.evidence.calibration.expected(known.differences()) + LEAST_ERROR)
            confidence[gap, k] = inverse / inverse.mean()
            if watch is not None:
                watch.tell(PREDICTING, n + 1, out.shape[0] * n_pseudo)
        return out, confidence

    def record(self) -> dict[str, Any]:
        """Return what was found, as plain JSON values."""
        return {
            "shares": {name: round(share, 4) for name, share in self.evidence.shares.items()},
            "hidden_psnr_db": {name: round(psnr, 3) for name, psnr in self.evidence.psnr_db.items()},
            "n_hidden": self.evidence.n_hidden,
            "sharpening": round(self.evidence.sharpening, 3),
        }

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON values of a checkpoint."""
        evidence = self.evidence
        return self.network.state(), {
            "shares": evidence.shares,
            "psnr_db": evidence.psnr_db,
            "n_hidden": evidence.n_hidden,
            "sharpening": evidence.sharpening,
            "calibration": [evidence.calibration.base, *evidence.calibration.weights],
        }

    @classmethod
    def from_state(cls, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> MixtureTeacher:
        """Inverse of `state`; raises `FileFormatError` for anything else."""
        try:
            base, *weights = (float(v) for v in values["calibration"])
            evidence = MixtureEvidence(
                shares={str(k): float(v) for k, v in values["shares"].items()},
                psnr_db={str(k): float(v) for k, v in values["psnr_db"].items()},
                n_hidden=int(values["n_hidden"]),
                calibration=Calibration(base=base, weights=tuple(weights)),
                sharpening=float(values["sharpening"]),
            )
            return cls(LateralNetwork.from_state(tensors), evidence)
        except (KeyError, TypeError, ValueError, AttributeError, ModelFileError) as error:
            raise FileFormatError(
                f"the checkpoint of the teacher is not usable ({error}). Choose another folder to start anew."
            ) from error


def describe_evidence(record: Mapping[str, Any]) -> str:
    """Return one sentence on what hiding sections showed, from a reconstruction's record; empty without a teacher."""
    found = record.get("teacher")
    if not found:
        return ""
    scores = found["hidden_psnr_db"]
    plain = max((psnr, name) for name, psnr in scores.items() if name not in (*LATERAL, "fused"))
    lateral = sum(found["shares"][name] for name in LATERAL)
    return (
        f"On {found['n_hidden']} hidden sections, at twice the distance, what was learned from your sections predicts "
        f"{scores['fused']:.2f} dB, the best plain interpolation ({plain[1]}) {plain[0]:.2f} dB; "
        f"the learned part has a share of {100 * lateral:.0f} %."
    )


def train_teacher(sections: FloatArray, factor: float, *, steps: int, seed: int, watch: Watch) -> MixtureTeacher | None:
    """Train the network and gather the evidence; None when stopped.

    Parameters
    ----------
    sections
        Normalised sections (n, Y, X) to study.
    factor
        Anisotropy dz / dx.
    steps
        Training steps for a stack of the reference size; see `LateralConfig`.
    seed
        Seed of the network and its examples.
    watch
        Pause, stop and progress.
    """
    network = train_lateral(
        sections,
        factor,
        config=LateralConfig(steps=steps),
        seed=seed,
        should_stop=watch.held,
        on_progress=lambda step, total, _: watch.tell_iterations(STAGE, step, total),
    )
    evidence = None if watch.stopped else gather_evidence(sections, network, seed=seed, should_stop=watch.held)
    return None if evidence is None or watch.stopped else MixtureTeacher(network, evidence)
