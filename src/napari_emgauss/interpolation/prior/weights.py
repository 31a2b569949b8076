"""The weights that come with the package."""

from __future__ import annotations

import copy
import json
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from napari_emgauss.errors import ModelFileError
from napari_emgauss.interpolation.prior.network import PriorConfig, PriorNetwork

FILE = "prior.safetensors"


def load_prior(device: torch.device | None = None) -> PriorNetwork:
    """Return the network with the weights of the package, on a device, by default the CPU; the same at every call.

    Raises
    ------
    ModelFileError
        The file is missing, damaged or of something else.
    """
    return _on_cpu() if device is None or device.type == "cpu" else _on(str(device))


@lru_cache(maxsize=1)
def _on_cpu() -> PriorNetwork:
    with as_file(files("napari_emgauss.interpolation.prior") / FILE) as path:
        return read_weights(path)


@lru_cache(maxsize=1)
def _on(device: str) -> PriorNetwork:
    return copy.deepcopy(_on_cpu()).to(device)


def read_weights(path: Path) -> PriorNetwork:
    """Return the network of a file that `write_weights` wrote.

    Raises
    ------
    ModelFileError
        The file is missing, damaged or of something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            config = PriorConfig.from_json(json.loads(file.metadata()["config"]))
            with torch.device("meta"):
                network = PriorNetwork(config)
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 (no mapping)
            network.load_state_dict(state, assign=True)
        if not all(bool(value.isfinite().all()) for value in state.values()):
            raise ValueError("some weights are no numbers")
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelFileError(
            f"the prior's weights {path.name} are not usable ({error}). Install the package anew."
        ) from error
    return network.eval().requires_grad_(requires_grad=False)


def write_weights(network: PriorNetwork, path: Path) -> None:
    """Write the weights as float16 with the architecture."""
    tensors = {name: value.detach().cpu().half().contiguous() for name, value in network.state_dict().items()}
    save_file(tensors, path, metadata={"config": json.dumps(network.config.to_json())})
