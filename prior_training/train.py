"""Training of the prior on an isotropic volume: ``python -m prior_training.train volume.tif --output w.safetensors``.

The defaults are the recipe of the weights that ship (``interpolation/prior/MODEL_CARD.md``). A training with the same
seed on the same CPU gives the same bits, also when it goes on from a checkpoint; on a GPU it gives such a network.
"""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from napari_emgauss.errors import ConfigError, FileFormatError, VolumeError
from napari_emgauss.interpolation.prior.network import PriorConfig, PriorNetwork
from napari_emgauss.interpolation.prior.weights import write_weights
from napari_emgauss.io import read
from napari_emgauss.io.atomic import replacing
from napari_emgauss.losses.window import C1, C2, WINDOW
from napari_emgauss.runtime.device import choose_device
from napari_emgauss.volume import Volume
from prior_training.batches import GROUPS, Examples, ExampleSource, IsotropicVolume

MOST_ANISOTROPY = 1.2
_QUANTILES = (0.0005, 0.9995)
RANGE = 7.5


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a prior is trained."""

    network: PriorConfig = field(default_factory=lambda: PriorConfig(motion=True))
    """Architecture."""
    steps: int = 10_526
    """Training steps."""
    batch: int = 192
    """Examples of a step."""
    side_px: int = 128
    """Side of an example."""
    n_phases: int = 3
    """Hidden planes of an example."""
    rate: float = 1.5e-3
    """Highest learning rate of AdamW; it rises for ``warmup`` steps, and falls linearly to zero."""
    warmup: int = 300
    """Steps in which the learning rate rises."""
    average: float = 0.999
    """Decay per step of the average of the weights, which is what is kept."""
    ssim_weight: float = 0.1
    """Weight of 1 - SSIM beside the squared error in standard deviations."""
    seed: int = 0
    """Of the first weights and of all examples."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "side_px", "n_phases", "warmup"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.batch % GROUPS:
            raise ConfigError(f"batch must be a multiple of {GROUPS}, got {self.batch}: so many groups share an axis.")
        if self.side_px % self.network.multiple_px:
            raise ConfigError(f"side_px must be a multiple of {self.network.multiple_px}, got {self.side_px}.")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Train the prior on an isotropic volume, and write its weights."""

    volume: Annotated[Path, tyro.conf.Positional]
    """Isotropic volume, of any format that the package reads."""
    output: Path = Path("weights.safetensors")
    """File of the weights."""
    planes: int = 316
    """Planes of the volume to train on; those behind them are kept for choosing."""
    device: str = "auto"
    """auto, cpu or cuda."""
    checkpoint: Path | None = None
    """File that keeps what a later run needs to go on, and that this run goes on from if it is there."""
    checkpoint_every: int = 500
    """Steps from one checkpoint to the next."""
    recipe: Annotated[Recipe, tyro.conf.arg(name="")] = Recipe()


class Trainer:
    """One training, which goes on until its steps are over."""

    def __init__(self, recipe: Recipe, data: IsotropicVolume) -> None:
        self.recipe, self.device = recipe, data.device
        with torch.random.fork_rng([]):
            torch.manual_seed(recipe.seed)
            network = PriorNetwork(recipe.network)
        self.network = network.to(data.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).requires_grad_(requires_grad=False)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), recipe.rate, weight_decay=1e-3)
        self.source = ExampleSource(
            data, reach=recipe.network.reach, batch=recipe.batch, side_px=recipe.side_px, n_phases=recipe.n_phases,
            seed=recipe.seed,
        )  # fmt: skip
        self.step = 0

    def run(self, *, until: int | None = None, tell: Callable[[int, float], None], every: int = 100) -> None:
        """Train until a step; ``tell`` gets the step and the mean squared error of the last ``every`` ones."""
        total = torch.zeros((), device=self.device)
        while self.step < (self.recipe.steps if until is None else until):
            total += self._step(self.source.draw())
            if self.step % every == 0:
                tell(self.step, float(total) / every)
                total.zero_()

    def _step(self, examples: Examples) -> Tensor:
        recipe = self.recipe
        rate = recipe.rate * min(1.0, (self.step + 1) / recipe.warmup) * (1 - self.step / recipe.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast(self.device.type, torch.bfloat16):
            coefficients, motion = self.network.analyse(
                examples.sections.contiguous(memory_format=torch.channels_last), examples.gaps_px
            )
        drawn = self.network.compose(examples.sections, coefficients.float(), motion, examples.gaps_px, examples.phases)
        loss = squared = functional.mse_loss(drawn, examples.hidden)
        if recipe.ssim_weight:
            loss = loss + recipe.ssim_weight * (1 - _ssim(drawn, examples.hidden))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0, foreach=True)
        self.optimiser.step()
        decay = min(recipe.average, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)
        self.step += 1
        return squared.detach()

    def save(self, path: Path) -> None:
        """Write all that a later run needs to go on, in the place of an earlier checkpoint."""
        tensors = {"noise": self.source.noise.get_state()}
        for name, module in (("network", self.network), ("average", self.average)):
            tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{key}": value for key, value in state.items()}
        tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        about = {"recipe": self.recipe, "step": self.step, "rng": self.source.rng.bit_generator.state}
        n_bytes = sum(value.numel() * value.element_size() for value in tensors.values())
        with replacing(path, overwrite=True, n_bytes=n_bytes) as temporary:
            save_file(tensors, temporary, metadata={"training": _as_text(about)})

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises
        ------
        FileFormatError
            It is of another recipe, or damaged.
        """
        try:
            with safe_open(path, framework="pt") as file:
                about = json.loads(file.metadata()["training"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            if about["recipe"] != json.loads(_as_text(self.recipe)):
                raise ValueError("it is of another recipe")
            self.network.load_state_dict(_within(tensors, "network"))
            self.average.load_state_dict(_within(tensors, "average"))
            states: dict[int, dict[str, Tensor]] = {}
            for name, value in _within(tensors, "optimiser").items():
                index, key = name.split(".")
                states.setdefault(int(index), {})[key] = value
            self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": states})
            self.source.noise.set_state(tensors["noise"])
            self.source.rng.bit_generator.state = about["rng"]
            self.step = int(about["step"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise FileFormatError(
                f"the checkpoint {path} is not usable ({error}). Name another file to start anew."
            ) from error


def _as_text(value: object) -> str:
    """Return JSON; settings within it as their values."""
    return json.dumps(value, default=asdict)


def _within(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the tensors under a name, without it."""
    return {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}


def eight_bits(volume: Volume, planes: int) -> NDArray[np.uint8]:
    """Return the first planes of an isotropic volume with 8 bits.

    Raises
    ------
    VolumeError
        The volume is not isotropic.
    """
    sizes = volume.voxel_size_nm
    if max(sizes) > MOST_ANISOTROPY * min(sizes):
        raise VolumeError(f"a prior learns from an isotropic volume, got voxels of {sizes} nm. Take one that is.")
    data = np.stack([volume.section(index) for index in range(min(planes, volume.n_sections))])
    if data.dtype == np.uint8:
        return data
    low, high = np.quantile(data[:: max(1, len(data) // 32)], _QUANTILES)
    return np.asarray(np.clip((data - low) * (255 / max(high - low, 1e-12)), 0, 255).round(), np.uint8)


def _ssim(first: Tensor, second: Tensor) -> Tensor:
    """Mean SSIM with a Gaussian window, for intensities in standard deviations, of which `RANGE` are the range."""
    taps = torch.tensor(WINDOW, device=first.device)

    def mean(images: Tensor) -> Tensor:
        flat = images.flatten(0, 1)[:, None]
        return functional.conv2d(functional.conv2d(flat, taps[None, None, :, None]), taps[None, None, None, :])

    c1, c2 = C1 * RANGE**2, C2 * RANGE**2
    mu1, mu2 = mean(first), mean(second)
    var1, var2 = mean(first**2) - mu1**2, mean(second**2) - mu2**2
    covariance = mean(first * second) - mu1 * mu2
    return ((2 * mu1 * mu2 + c1) * (2 * covariance + c2) / ((mu1**2 + mu2**2 + c1) * (var1 + var2 + c2))).mean()


def train(options: Options) -> None:
    """Train as the options say, from the checkpoint if there is one."""
    device = choose_device(options.device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    trainer = Trainer(options.recipe, IsotropicVolume(eight_bits(read(options.volume), options.planes), device))
    if options.checkpoint is not None and options.checkpoint.exists():
        trainer.restore(options.checkpoint)
    begun, first = time.monotonic(), trainer.step

    def tell(step: int, error: float) -> None:
        seconds = (time.monotonic() - begun) / max(step - first, 1)
        sys.stdout.write(
            f"step {step} of {options.recipe.steps}: squared error {error:.4f}, {1e3 * seconds:.0f} ms a step\n"
        )

    while trainer.step < options.recipe.steps:
        trainer.run(until=min(trainer.step + options.checkpoint_every, options.recipe.steps), tell=tell)
        if options.checkpoint is not None:
            trainer.save(options.checkpoint)
    write_weights(trainer.average, options.output)


if __name__ == "__main__":
    train(tyro.cli(Options, description=Options.__doc__))
