"""Steps of a reconstruction: conjugate gradients on the amplitudes, and after each round of them motion and weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_emgauss._types import FloatArray
from napari_emgauss.forward.cuts import Cuts
from napari_emgauss.forward.grid import draw_grid
from napari_emgauss.gaussians import SolidGaussians
from napari_emgauss.gaussians.lattice import OVERLAP, SCALE, Lattice
from napari_emgauss.methods.svr.config import SvrConfig
from napari_emgauss.methods.svr.fitting.amplitudes import AmplitudeFit
from napari_emgauss.methods.svr.fitting.bias import LEAST_BIAS, bias_change, bias_size, without_common
from napari_emgauss.methods.svr.fitting.edges import edge_weights
from napari_emgauss.methods.svr.fitting.evidence import BiasEvidence, HiddenSlices, MotionEvidence
from napari_emgauss.methods.svr.fitting.motion import moved_slices, with_gauge
from napari_emgauss.methods.svr.fitting.outliers import gains, pixel_weights, slice_weights
from napari_emgauss.methods.svr.fitting.search import found_again, with_doubted_tried
from napari_emgauss.methods.svr.measured import Measured
from napari_emgauss.methods.svr.model import SliceModel
from napari_emgauss.methods.svr.schedule import FINAL, JUDGE, Round

FINE = 1.25
"""Spacing of Gaussians by the pixel up to which ``smoothness`` is taken as it is."""
DRAWS_RIM = 2.0
"""Spacing up to which motion is found with a field that is fitted to what is near the masks, too.

Without that nothing tells where the object ends, and the last slices of a stack move outwards.
"""


class SliceSolver:
    """Maker of the steps; what it remembers between them is the solution on its way and the weights of pixels.

    Parameters
    ----------
    model
        Moved by the steps.
    measured
        The slices.
    config
        Settings.
    plan
        The rounds.
    unit_mm
        What spacings of Gaussians are counted in.
    """

    def __init__(
        self, model: SliceModel, measured: Measured, config: SvrConfig, plan: Sequence[Round], unit_mm: float
    ) -> None:
        self.model, self._uneven, self.config, self.unit_mm = model, measured, config, unit_mm
        self.measured = measured.evened(model.bias.numpy())
        self._rounds = plan
        self._weight = np.ones(measured.layout.size, np.float32)
        self._cuts: Cuts | None = None
        self._fit: AmplitudeFit | None = None
        self._saved: Mapping[str, Tensor] = {}
        self._loss = 0.0
        self.evidence: MotionEvidence | None = None
        self.bias_evidence: BiasEvidence | None = None

    def step(self, samples: Sequence[Any], iteration: int) -> Sequence[float]:
        """Make one conjugate gradient, or judge the motion; the loss is the root mean square of what is left."""
        own = next(one for one in self._rounds if one.first <= iteration < one.first + one.n)
        if own.stage == JUDGE:
            self._judge(own)
            return [self._loss]
        if iteration == own.first:
            self._place(own)
        if self._fit is None:
            self._fit = self._begun(own)
        self._fit.step()
        self.model.gaussians.amplitude.data = torch.from_numpy(self._fit.amplitude)
        self._loss = self._left(self._fit.drawn)
        if not math.isfinite(self._loss):
            raise FloatingPointError(f"the error became {self._loss} at iteration {iteration}; it must stay finite.")
        if iteration == own.first + own.n - 1:
            self._end(own, self._fit)
            self._fit = None
        return [self._loss]

    def state(self) -> dict[str, Tensor]:
        """Return the weights of pixels, and the solution on its way."""
        fit = {} if self._fit is None else {f"fit/{name}": value for name, value in self._fit.state().items()}
        held = {"weight": torch.from_numpy(self._weight), "loss": torch.tensor(self._loss, dtype=torch.float64)}
        if self.evidence is not None:
            held["evidence"] = torch.tensor([*self.evidence.to_json().values()], dtype=torch.float64)
        if self.bias_evidence is not None:
            held["bias_evidence"] = torch.tensor([*self.bias_evidence.to_json().values()], dtype=torch.float64)
        return fit | held

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up a `state`."""
        self._weight, self._loss = state["weight"].numpy().copy(), float(state["loss"])
        self._saved = {name.removeprefix("fit/"): value for name, value in state.items() if name.startswith("fit/")}
        if "evidence" in state:
            n, still, moved, seen = state["evidence"].tolist()
            self.evidence = MotionEvidence(n_hidden=int(n), still=still, moved=moved, seen=seen)
        if "bias_evidence" in state:
            uneven, evened = state["bias_evidence"].tolist()
            self.bias_evidence = BiasEvidence(uneven=uneven, evened=evened)

    def _place(self, own: Round) -> None:
        """Put Gaussians on the lattice of a round, with the amplitudes that the field has so far."""
        spacing = own.spacing * self.unit_mm
        if math.isclose(self.model.spacing_mm, spacing, rel_tol=1e-5):
            return
        points = self.measured.points(self.model.motion.numpy())
        lattice = Lattice.around(points, spacing, margin=max(self.measured.thickness_mm, 2 * spacing))
        amplitude = np.zeros(int(lattice.occupied.sum()), np.float32)
        before = self.model.gaussians
        if len(before):
            shape = lattice.occupied.shape
            old = before.amplitude.numpy()
            field = draw_grid(before.mean, before.covariance(), old, lattice.affine, (shape[0], shape[1], shape[2]))
            amplitude = field[lattice.occupied] / np.float32(OVERLAP)
        positions = torch.from_numpy(lattice.positions).float()
        self.model.gaussians = SolidGaussians.round(positions, SCALE * spacing, torch.from_numpy(amplitude))
        self.model.gaussians.requires_grad_(requires_grad=False)
        self._cuts = None

    def _begun(self, own: Round) -> AmplitudeFit:
        """The solution of a round at its start, or where a checkpoint left it."""
        model, layout = self.model, self.measured.layout
        gaussians = model.gaussians
        if self._cuts is None:
            planes = self.measured.planes(model.motion.numpy())
            self._cuts = Cuts(gaussians.mean, gaussians.covariance(), planes)
        lattice = Lattice.through(gaussians.mean.numpy(), own.spacing * self.unit_mm)
        fit = AmplitudeFit(
            self._cuts,
            self.measured.values,
            self._weight * self._counted(own) * layout.spread(model.slice_weight.numpy()),
            layout.spread(model.gain.numpy()),
            lattice.pairs(),
            smoothness=self._smoothness(own),
            pair_weight=edge_weights(gaussians.amplitude.numpy(), lattice) if own.edges else None,
            amplitude=gaussians.amplitude.numpy().copy(),
        )
        if self._saved:
            fit.restore(self._saved)
            self._saved = {}
        return fit

    def _end(self, own: Round, fit: AmplitudeFit) -> None:
        """Take from a solved round the gains, the weights and the motion."""
        model, measured = self.model, self.measured
        if self.config.gain:
            trust = model.slice_weight.numpy()
            model.gain.copy_(torch.from_numpy(gains(measured, fit.drawn, self._weight * measured.inside, trust)))
        if self.config.outliers:
            left = measured.values - measured.layout.spread(model.gain.numpy()) * fit.drawn
            model.slice_weight.copy_(torch.from_numpy(slice_weights(measured, left)))
            self._weight = pixel_weights(measured, left, self._counted(own))
        if own.evens:
            self._even_out(fit)
        if own.moves:
            weight = self._weight * measured.inside * measured.layout.spread(model.slice_weight.numpy())
            motion = moved_slices(
                measured,
                fit.cuts,
                fit.amplitude,
                model.motion.numpy(),
                weight,
                self.config,
                smooth=self.config.smooth_motion,
                relaxation=own.relaxation,
            )
            weights = model.slice_weight.numpy()
            motion = found_again(measured, model.gaussians, motion, weights, self.config)
            if own.spacing <= DRAWS_RIM and self.config.smooth_motion:
                how = {"spacing_mm": own.spacing * self.unit_mm, "smoothness": own.smoothness}
                motion = with_doubted_tried(measured, motion, weights, self.config, **how)
            model.motion.copy_(torch.from_numpy(with_gauge(measured, motion, weights)))
            self._cuts = None

    def _even_out(self, fit: AmplitudeFit) -> None:
        """Take from a solved round what it says of the stacks' fields of brightness."""
        model = self.model
        weight = self._weight * self.measured.inside * self.measured.layout.spread(model.slice_weight.numpy())
        change = bias_change(self.measured, fit.drawn, model.gain.numpy(), weight)
        bias = without_common(self.measured, model.bias.numpy() + change)
        if bias_size(self._uneven, bias) < LEAST_BIAS:
            bias = np.zeros_like(bias)
        model.bias.copy_(torch.from_numpy(bias))
        self.measured = self._uneven.evened(bias)

    def _counted(self, own: Round) -> FloatArray:
        """How much pixels count: a field too coarse to draw where the object ends is fitted to the masks alone."""
        fine = own.stage == FINAL or own.spacing <= DRAWS_RIM
        return self.measured.weight if fine else self.measured.inside

    def _smoothness(self, own: Round) -> float:
        """λ of a round: the setting is for `FINE` lattices, and the last one is smooth by itself if it is coarser."""
        coarser = own.spacing * self.unit_mm / (FINE * self.measured.pixel_mm)
        return own.smoothness * (min(1.0, coarser**-6) if own.stage == FINAL else 1.0)

    def _judge(self, own: Round) -> None:
        """Keep motion and fields of brightness if slices that a fit does not see are predicted better with them."""
        model, bias = self.model, self.model.bias.numpy()
        weights = model.slice_weight.numpy()
        hidden = HiddenSlices(self._uneven, weights, self.config, own.spacing * self.unit_mm, own.smoothness)
        if self.config.motion:
            self.evidence = hidden.judge_motion(model.motion.numpy(), bias)
            if not self.evidence.helps:
                model.motion.zero_()
                self._cuts = None
        if bias.any():
            self.bias_evidence = hidden.judge_bias(model.motion.numpy(), bias)
            if not self.bias_evidence.helps:
                bias[:] = 0
        self.measured = self._uneven.evened(bias)

    def _left(self, drawn: FloatArray) -> float:
        measured = self.measured
        weight = self._weight * measured.inside * measured.layout.spread(self.model.slice_weight.numpy())
        left = measured.values - measured.layout.spread(self.model.gain.numpy()) * drawn
        return math.sqrt(float(np.sum(weight * left * left, dtype=np.float64)) / max(float(weight.sum()), 1e-9))
