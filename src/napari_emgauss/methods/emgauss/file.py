"""Model files: safetensors (no pickle) with a JSON header; everything is checked before it is used."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_emgauss.blocks import Plan
from napari_emgauss.errors import ConfigError, ModelFileError, VolumeError
from napari_emgauss.forward import AnchoredField, MlpField, SectionModel
from napari_emgauss.forward.fields import DeformationField
from napari_emgauss.gaussians import Gaussians
from napari_emgauss.gaussians.planar import PARAMETER_NAMES
from napari_emgauss.interpolation.lateral import Calibration
from napari_emgauss.methods.emgauss.config import AnchoredModelConfig, EmgaussConfig, MlpModelConfig
from napari_emgauss.methods.emgauss.job import mlp_field, motion_grid_shape
from napari_emgauss.methods.emgauss.reconstruction import Reconstruction
from napari_emgauss.methods.emgauss.uncertainty import UncertaintyMap, grid_shape
from napari_emgauss.resampling.scaling import Scaling
from napari_emgauss.volume import SUPPORTED_DTYPES, check_stack_shape, check_voxel_size

KEY = "napari-emgauss"
VERSION = 3
OLDEST_VERSION = 1
"""Had no pseudo-sections: its anchors are the observed sections. Version 2 had no uncertainty."""
UNCERTAINTY = "uncertainty"
"""Name of the map's tensor; all others belong to blocks."""
MAX_HEADER_BYTES = 16 * 2**20
MAX_SIDE = 2**20
"""Largest plausible number of voxels along an axis."""
GAUSSIAN_COLUMNS = {"mean_px": (2,), "log_scale": (2,), "angle_rad": (), "opacity_logit": (), "intensity": ()}


def save(reconstruction: Reconstruction, path: str | Path) -> Path:
    """Write ``reconstruction`` to ``path``, whole or not at all."""
    target = Path(path)
    r = reconstruction
    header = {
        "version": VERSION,
        "shape": list(r.shape),
        "voxel_size_nm": list(r.voxel_size_nm),
        "origin_nm": list(r.origin_nm),
        "dtype": r.dtype.name,
        "scaling": dataclasses.asdict(r.scaling),
        "config": r.config.flat(),
        "observed": list(r.observed),
        "offsets": [m.field.offsets if isinstance(m.field, AnchoredField) else None for m in r.models],
        "anchors": [m.field.z_anchors if isinstance(m.field, AnchoredField) else None for m in r.models],
        "record": dict(r.record),
        UNCERTAINTY: None if r.uncertainty_map is None else _uncertainty_header(r.uncertainty_map),
    }
    tensors = {
        f"{i}/{name}": tensor.detach().cpu().contiguous()
        for i, model in enumerate(r.models)
        for name, tensor in model.state_dict().items()
    }
    if r.uncertainty_map is not None:
        tensors[UNCERTAINTY] = torch.from_numpy(np.ascontiguousarray(r.uncertainty_map.middle))
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".partial")
    try:
        save_file(tensors, temporary, metadata={KEY: json.dumps(header)})
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def load(path: str | Path) -> Reconstruction:
    """Read a model file.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ModelFileError
        The file is truncated, foreign, oversized or inconsistent; a ``ValueError``.
    """
    source = Path(path)
    if not source.is_file():
        raise FileNotFoundError(f"{source} does not exist or is not a file. Give the path of an .emgauss model.")
    try:
        _check_header_size(source)
        with safe_open(source, framework="pt") as file:
            metadata = (file.metadata() or {}).get(KEY)
            if metadata is None:
                raise ModelFileError(f"{source} is a safetensors file but no napari-emgauss model.")
            return _parse(json.loads(metadata), {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except ModelFileError:
        raise
    except (SafetensorError, ConfigError, VolumeError) as error:
        raise ModelFileError(f"{source} is not a usable model: {error}") from error
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, RuntimeError, RecursionError) as error:
        raise ModelFileError(f"{source} is not a usable model: its header is inconsistent ({error!r}).") from error


def _check_header_size(path: Path) -> None:
    """Refuse a file whose declared header is larger than a header can be, before anything is allocated."""
    with path.open("rb") as file:
        start = file.read(8)
    if len(start) < 8:
        raise ModelFileError(f"{path} is truncated: {len(start)} bytes; a model has at least a header.")
    (n_bytes,) = struct.unpack("<Q", start)
    if n_bytes > min(MAX_HEADER_BYTES, path.stat().st_size - 8):
        raise ModelFileError(
            f"{path} is no model, or truncated: it declares a header of {n_bytes} bytes; at most "
            f"{MAX_HEADER_BYTES} and the file's own size are possible."
        )


def _parse(header: dict[str, Any], tensors: dict[str, Tensor]) -> Reconstruction:
    if header["version"] not in range(OLDEST_VERSION, VERSION + 1):
        raise ModelFileError(
            f"the model has format version {header['version']}; this program reads up to version {VERSION}. "
            "Update napari-emgauss."
        )
    shape = _shape(header["shape"])
    dtype = np.dtype(_one_of(SUPPORTED_DTYPES, header["dtype"]))
    check_stack_shape(shape, dtype)
    config = EmgaussConfig.from_flat(header["config"])
    observed = [int(v) for v in header["observed"]]
    if len(observed) < 2 or observed[0] != 0 or observed[-1] != shape[0] - 1 or sorted(set(observed)) != observed:
        raise ModelFileError("the model's list of observed sections is inconsistent with its shape.")
    plan = Plan.of(
        (len(observed), *shape[1:]),
        bundle_sections=config.blocks.bundle_sections,
        bundle_overlap=config.blocks.bundle_overlap,
        tile_px=config.blocks.tile_px,
        tile_overlap_px=config.blocks.tile_overlap_px,
    )
    # Counted before they are listed: a tampered header can ask for billions.
    n_blocks = len(plan.z) * len(plan.y) * len(plan.x)
    if len(header["offsets"]) != n_blocks:
        raise ModelFileError(f"the model has {len(header['offsets'])} blocks; its shape and settings need {n_blocks}.")
    uncertainty = _uncertainty(
        header.get(UNCERTAINTY), tensors.pop(UNCERTAINTY, None), len(observed) - 1, (shape[1], shape[2])
    )
    states = _states(tensors, n_blocks)
    models = []
    for i, block in enumerate(plan.blocks):
        y0, y1, x0, x1 = plan.region(block)
        z = [float(v) for v in observed[slice(*plan.z[block.z])]]
        if isinstance(config.model, AnchoredModelConfig) and header["version"] > OLDEST_VERSION:
            z = _anchors(header["anchors"][i], z)
        models.append(_model(config, z, (y1 - y0, x1 - x0), header["offsets"][i], states[i]))
    scaling = Scaling(_finite(header["scaling"]["low"]), _finite(header["scaling"]["high"]))
    origin = tuple(_finite(v) for v in header["origin_nm"])
    return Reconstruction(
        shape=shape,
        voxel_size_nm=check_voxel_size(header["voxel_size_nm"]),
        origin_nm=(origin[0], origin[1], origin[2]),
        dtype=dtype,
        config=config,
        scaling=scaling,
        observed=tuple(observed),
        plan=plan,
        models=tuple(models),
        record=dict(header["record"]),
        uncertainty_map=uncertainty,
    )


def _uncertainty_header(uncertainty: UncertaintyMap) -> dict[str, Any]:
    return {
        "at_sections": uncertainty.at_sections,
        "base": uncertainty.calibration.base,
        "weights": list(uncertainty.calibration.weights),
    }


def _uncertainty(
    values: dict[str, Any] | None, middle: Tensor | None, n_gaps: int, shape: tuple[int, int]
) -> UncertaintyMap | None:
    """The map, if the model has one."""
    if values is None and middle is None:
        return None
    if values is None or middle is None:
        raise ModelFileError("the model holds one half of its uncertainty, the map or how it is read.")
    expected = (n_gaps, *grid_shape(shape))
    if middle.shape != expected or middle.dtype != torch.float16:
        raise ModelFileError(f"the uncertainty is {middle.dtype} {tuple(middle.shape)}; expected float16 {expected}.")
    array = middle.numpy()
    at_sections = _finite(values["at_sections"])
    if not (np.isfinite(array).all() and (array >= 0).all() and at_sections >= 0):
        raise ModelFileError("the uncertainty must hold finite numbers of at least 0.")
    calibration = Calibration(base=_finite(values["base"]), weights=tuple(_finite(v) for v in values["weights"]))
    return UncertaintyMap(array, at_sections, calibration)


def _states(tensors: dict[str, Tensor], n_blocks: int) -> list[dict[str, Tensor]]:
    """Tensors of every block, by the names they have in its model."""
    states: list[dict[str, Tensor]] = [{} for _ in range(n_blocks)]
    for name, tensor in tensors.items():
        block, _, own_name = name.partition("/")
        if not block.isdecimal() or int(block) >= n_blocks:
            raise ModelFileError(f"the model holds a tensor {name!r} that belongs to no block.")
        states[int(block)][own_name] = tensor
    return states


def _model(
    config: EmgaussConfig, z: list[float], shape: tuple[int, int], offsets: list[int] | None, state: dict[str, Tensor]
) -> SectionModel:
    """One block's model, with every tensor's type, shape and values checked."""
    n = len(state["gaussians.mean_px"])
    values = {}
    for name in PARAMETER_NAMES:
        tensor = state[f"gaussians.{name}"]
        if tensor.shape != (n, *GAUSSIAN_COLUMNS[name]):
            raise ModelFileError(f"{name} has shape {tuple(tensor.shape)}; expected {(n, *GAUSSIAN_COLUMNS[name])}.")
        values[name] = tensor
    for name, tensor in state.items():
        if tensor.dtype != torch.float32 or not bool(torch.isfinite(tensor).all()):
            raise ModelFileError(f"tensor {name} must hold finite float32 numbers.")
    field: DeformationField
    if isinstance(config.model, AnchoredModelConfig):
        field = _anchored_field(config.model, z, shape, offsets, n, state)
    else:
        field = _mlp_field(config.model, z, shape, state)
    model = SectionModel(Gaussians(values), field, shape, mode=config.model.compositing)
    model.load_state_dict(state, strict=True)
    return model.requires_grad_(requires_grad=False)


def _mlp_field(config: MlpModelConfig, z: list[float], shape: tuple[int, int], state: dict[str, Tensor]) -> MlpField:
    """The network; allocated only once the file is known to hold its weights."""
    rng = np.random.default_rng(0)
    with torch.device("meta"):
        declared = mlp_field(config, (z[0], z[-1]), shape, rng).state_dict()
    for name, weights in declared.items():
        held = state[f"field.{name}"].shape
        if held != weights.shape:
            raise ModelFileError(f"{name} has shape {tuple(held)}; the settings need {tuple(weights.shape)}.")
    return mlp_field(config, (z[0], z[-1]), shape, rng)


def _anchored_field(
    config: AnchoredModelConfig,
    z: list[float],
    shape: tuple[int, int],
    offsets: list[int] | None,
    n: int,
    state: dict[str, Tensor],
) -> AnchoredField:
    counts = [int(v) for v in offsets or []]
    if len(counts) != len(z) + 1 or counts[0] != 0 or counts[-1] != n or sorted(counts) != counts:
        raise ModelFileError("the model's assignment of Gaussians to sections is inconsistent.")
    up, down = state["field.up"], state["field.down"]
    expected = (len(z) - 1, 2, *motion_grid_shape(config, shape))
    for grid in (up, down):
        if grid.shape != expected:
            raise ModelFileError(f"a motion grid has shape {tuple(grid.shape)}; expected {expected}.")
    return AnchoredField(z, counts, shape, up, down)


def _anchors(values: list[Any], observed: list[float]) -> list[float]:
    """Coordinates of a block's sets of Gaussians: its sections, and pseudo-sections between them."""
    z = [_finite(v) for v in values]
    if z[0] != observed[0] or z[-1] != observed[-1] or any(above <= below for below, above in pairwise(z)):
        raise ModelFileError("the model's anchors do not rise from a block's first section to its last.")
    return z


def _one_of(allowed: tuple[str, ...], value: Any) -> str:
    if value not in allowed:
        raise ModelFileError(f"the model's header holds {value!r} where one of {', '.join(allowed)} is needed.")
    return str(value)


def _shape(values: Any) -> tuple[int, int, int]:
    z, y, x = (int(v) for v in values)
    if not all(0 < v <= MAX_SIDE for v in (z, y, x)):
        raise ModelFileError(f"the model declares an impossible shape {values}.")
    return z, y, x


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ModelFileError(f"the model's header holds {value!r} where a finite number is needed.")
    return number
