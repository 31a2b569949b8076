"""Self-test of a device: the CPU is the measure of what is right, the card's bandwidth of what is fast."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_emgauss._version import __version__
from napari_emgauss.errors import BackendUnavailableError
from napari_emgauss.evaluation.held_out import score_held_out
from napari_emgauss.evaluation.pace import Splats, Workload, conics_and_weights, random_gaussians, splat_pace
from napari_emgauss.losses import photometric_loss
from napari_emgauss.methods.emgauss import Reconstruction, reconstruct
from napari_emgauss.phantoms import phantom
from napari_emgauss.render import Mode, gauss_newton_step, splat
from napari_emgauss.runtime.device import repeatable
from napari_emgauss.runtime.gpu_parts import GpuPart, gpu_parts, kernel_parts
from napari_emgauss.training import Event, Progress
from napari_emgauss.volume import Volume

CPU = torch.device("cpu")
NO_GPU = ""
"""Name of the device where there is none."""
TOLERANCE = 1e-3
"""Largest difference from the CPU, as a share of the largest value: both round in float32, in another order."""
TOLERATED_DB = 0.02
"""Largest difference between the scores of trainings on both devices."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found, in words, and what to do if it failed."""

    subject: str
    passed: bool
    told: str
    remedy: str = ""

    def __str__(self) -> str:
        mark = "FAILED" if not self.passed else "note  " if self.remedy else "ok    "
        return " ".join(filter(None, (f"{mark} {self.subject}: {self.told}", self.remedy)))


@dataclass(frozen=True)
class SelfTest:
    """Findings on a device."""

    device: str
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return all(finding.passed for finding in self.findings)

    @property
    def verdict(self) -> str:
        """The result in a sentence."""
        failed = [finding.subject for finding in self.findings if not finding.passed]
        if not failed:
            return f"{self.device} works: it computes what the CPU does."
        if self.device == NO_GPU:
            return f"There is no GPU to compute on: {', '.join(failed)} not found. The CPU does all the same, slower."
        return f"{self.device} does not work as it should: {', '.join(failed)}. Use the CPU, and report this text."

    def __str__(self) -> str:
        head = (
            f"napari-emgauss {__version__}, torch {torch.__version__}, CUDA {torch.version.cuda}, "
            f"Python {platform.python_version()}, {platform.platform()}"
        )
        return "\n".join([head, *map(str, self.findings), self.verdict])


def self_test(tell: Callable[[Finding], None] = lambda finding: None) -> SelfTest:
    """Test the GPU, or say what is missing for one.

    Parameters
    ----------
    tell
        Gets every finding as soon as it is known.
    """
    parts = [_finding(part) for part in gpu_parts()]
    for finding in parts:
        tell(finding)
    if not torch.cuda.is_available():
        return SelfTest(NO_GPU, tuple(parts))
    optional = [_finding(part, required=False) for part in kernel_parts()]
    for finding in optional:
        tell(finding)
    tested = check_device(torch.device("cuda"), tell=tell)
    return SelfTest(tested.device, (*parts, *optional, *tested.findings))


def _finding(part: GpuPart, *, required: bool = True) -> Finding:
    return Finding(part.name, part.found or not required, part.detail, part.remedy)


def check_device(
    device: torch.device, *, work: Workload | None = None, tell: Callable[[Finding], None] = lambda finding: None
) -> SelfTest:
    """Test a device against the CPU; the CPU too can be tested.

    Parameters
    ----------
    device
        The device.
    work
        How much it gets to do.
    tell
        Gets every finding as soon as it is known.
    """
    work = work or Workload()
    found = []
    tests = (_kernels, _loss, _speed, _trainings, _compositing)
    with repeatable():
        for test in tests:
            try:
                for finding in test(device, work):
                    tell(finding)
                    found.append(finding)
            except (RuntimeError, ValueError, MemoryError) as error:
                subject = test.__name__.removeprefix("_")
                found.append(Finding(subject, False, f"{type(error).__name__}: {error}"))
                tell(found[-1])
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "The CPU"
    return SelfTest(name, tuple(found))


def drawn_with_gradients(
    arguments: Splats, side_px: int, device: torch.device, mode: Mode = "sum"
) -> dict[str, Tensor]:
    """Return an image and the gradients of its product with fixed noise, on ``device``."""
    means, conics, weights = leaves = [tensor.to(device, copy=True).requires_grad_() for tensor in arguments]
    opacities = torch.full_like(weights, 0.3) if mode == "alpha" else None
    image = splat(means, conics, weights, (side_px, side_px), mode=mode, opacities=opacities)
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(1)).to(device)
    torch.autograd.backward(image, noise)
    gradients = zip(("means", "conics", "weights"), (leaf.grad for leaf in leaves), strict=True)
    return {"image": image.detach()} | {name: gradient for name, gradient in gradients if gradient is not None}


def _compared(
    subject: str, ours: Mapping[str, Tensor], again: Mapping[str, Tensor], cpu: Mapping[str, Tensor]
) -> Finding:
    """Compare a device's results with the CPU's, and with its own of a second run."""
    worst = max(float((ours[n].cpu() - cpu[n]).abs().max() / cpu[n].abs().max().clamp(min=1e-30)) for n in cpu)
    same = all(torch.equal(ours[name], again[name]) for name in ours)
    told = f"differs from the CPU by {worst:.1e} of the largest value; two runs are {'alike' if same else 'NOT alike'}"
    return Finding(subject, worst <= TOLERANCE and same, told)


def _kernels(device: torch.device, work: Workload) -> Iterator[Finding]:
    """Sums of Gaussians with gradients, and a Gauss-Newton step."""
    side = min(work.side_px, 160)
    gaussians = random_gaussians(min(work.gaussians, 4000), side, work.px_per_gaussian)
    arguments = conics_and_weights(gaussians)
    ours, again, cpu = (drawn_with_gradients(arguments, side, where) for where in (device, device, CPU))
    yield _compared("sum of Gaussians and its gradients", ours, again, cpu)

    def step(where: torch.device) -> dict[str, Tensor]:
        own = {name: values.to(where) for name, values in gaussians.items()}
        target = torch.randn(side, side, generator=torch.Generator().manual_seed(2)).to(where)
        return gauss_newton_step(own, target, torch.ones_like(target), iterations=4)

    ours, again, cpu = step(device), step(device), step(CPU)
    del ours["angle_rad"], cpu["angle_rad"]  # of a round Gaussian any angle is right
    yield _compared("Gauss-Newton step", ours, again, cpu)


def _loss(device: torch.device, work: Workload) -> Iterator[Finding]:
    """L1 and D-SSIM with their gradient."""
    g = torch.Generator().manual_seed(3)
    pred, target = (torch.rand(work.side_px, work.side_px, generator=g) for _ in range(2))

    def measured(where: torch.device) -> dict[str, Tensor]:
        moving = pred.to(where, copy=True).requires_grad_()
        loss = photometric_loss(moving, target.to(where))
        (gradient,) = torch.autograd.grad(loss, moving)
        return {"loss": loss.detach(), "gradient": gradient}

    yield _compared("loss and its gradient", measured(device), measured(device), measured(CPU))


def _speed(device: torch.device, work: Workload) -> Iterator[Finding]:
    """Time of the sum of Gaussians."""
    pace = splat_pace(device, work)
    told = (
        f"{work.gaussians} Gaussians of {work.px_per_gaussian:g} px on {work.side_px}² px take "
        f"{1e3 * pace.forward_s:.3f} ms forward and {1e3 * pace.backward_s:.3f} ms backward"
    )
    if math.isfinite(pace.graph_s):
        told += f", {1e3 * pace.graph_s:.3f} ms together as a CUDA graph"
    told += f"; at least {1e3 * pace.bandwidth_bound_s:.4f} ms at the {pace.copied / 1e9:.0f} GB/s of a copy"
    if math.isfinite(pace.arithmetic_bound_s):
        told += f", and {1e3 * pace.arithmetic_bound_s:.4f} ms at {pace.peak / 1e12:.0f} TFLOP/s"
    yield Finding("speed", True, told)


def _trainings(device: torch.device, work: Workload) -> Iterator[Finding]:
    """A short training on both devices, and once more on this one."""
    isotropic = phantom(work.stack, seed=3)
    stack = isotropic.every(6)
    hold_out = tuple(range(1, stack.n_sections - 1, 4))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    results, rates = [], []
    for where in (device, device, CPU):
        events: list[Event] = []
        results.append(reconstruct(stack, preset="fast", device=str(where), hold_out=hold_out, on_event=events.append))
        rates.append(_seconds_per_iteration(events))
    ours, again, cpu = results
    scores = [_score(stack, result) for result in (ours, cpu)]
    apart = abs(scores[0] - scores[1])
    told = f"{scores[0]:.3f} dB on sections held out, on the CPU {scores[1]:.3f} dB"
    yield Finding("training", apart <= TOLERATED_DB, told)
    same = _alike(ours, again)
    yield Finding("repeatability", same, f"two trainings are {'alike' if same else 'NOT alike'}, bit for bit")
    yield Finding("pace", True, f"{1e3 * rates[1]:.2f} ms per iteration, on the CPU {1e3 * rates[2]:.2f} ms")
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
        yield Finding("memory", True, f"{peak / 2**20:.0f} MiB of the GPU at the peak of the training")


def _score(stack: Volume, result: Reconstruction) -> float:
    held_out = score_held_out(stack, result)
    assert held_out is not None
    return held_out.reconstruction.psnr_db


def _seconds_per_iteration(events: list[Event]) -> float:
    """Return the seconds between iterations within blocks, from a run's progress."""
    told = [event for event in events if isinstance(event, Progress) and event.losses]
    made = told[-1].iteration - told[0].iteration if told else 0
    if made == 0:
        return told[-1].seconds / max(told[-1].iteration, 1) if told else math.nan
    return (told[-1].seconds - told[0].seconds) / made


def _alike(first: Reconstruction, second: Reconstruction) -> bool:
    pairs = zip(first.models, second.models, strict=True)
    states = ((one.state_dict(), other.state_dict()) for one, other in pairs)
    return all(torch.equal(one[name], other[name]) for one, other in states for name in one)


def _compositing(device: torch.device, work: Workload) -> Iterator[Finding]:
    """Alpha compositing, which only the preset 'paper' needs: it may be missing."""
    side = min(work.side_px, 160)
    arguments = conics_and_weights(random_gaussians(min(work.gaussians, 2000), side, work.px_per_gaussian))
    subject = "compositing (preset 'paper')"
    try:
        ours = drawn_with_gradients(arguments, side, device, "alpha")
    except BackendUnavailableError as error:
        yield Finding(subject, True, "not available.", str(error))
        return
    cpu = drawn_with_gradients(arguments, side, CPU, "alpha")
    # Its gradients are summed in another order in every run.
    yield _compared(subject, ours, ours, cpu)
