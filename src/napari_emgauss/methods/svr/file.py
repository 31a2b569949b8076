"""Models of slices in files; everything in them is checked before it is used."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from napari_emgauss._types import AnyArray
from napari_emgauss.errors import ConfigError, ModelFileError, VolumeError
from napari_emgauss.gaussians import SolidGaussians
from napari_emgauss.gaussians.solid import LARGEST, SOLID_COLUMNS, are_plausible
from napari_emgauss.io.container import Container
from napari_emgauss.methods.svr.config import SvrConfig
from napari_emgauss.methods.svr.reconstruction import BIAS, PER_SLICE_COLUMNS, SliceReconstruction, StackShape
from napari_emgauss.slices import WorldGrid, WorldVolume
from napari_emgauss.slices.affine import check_affine
from napari_emgauss.slices.bias import N_BIAS_TERMS

MAX_SIDE = 2**20
"""Largest plausible number of slices, rows, columns or voxels along an axis."""
MAX_STACKS = 1000


def load(container: Container) -> SliceReconstruction:
    """Return the reconstruction in a model file.

    Raises
    ------
    ModelFileError
        The file is inconsistent; a ``ValueError``.
    """
    try:
        return _parse(container)
    except (ConfigError, VolumeError, ModelFileError) as error:
        raise ModelFileError(f"{container.path} is not a usable model: {error}") from error
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, RuntimeError, RecursionError) as error:
        raise ModelFileError(
            f"{container.path} is not a usable model: its header is inconsistent ({error!r})."
        ) from error


def _parse(container: Container) -> SliceReconstruction:
    header = container.header
    held = header["stacks"]
    if not isinstance(held, list) or not 0 < len(held) <= MAX_STACKS:
        raise ModelFileError(f"the model must be of 1..{MAX_STACKS} stacks.")
    stacks = tuple(_stack(values) for values in held)
    n_slices, n_gaussians = sum(stack.shape[0] for stack in stacks), (*container.shape("mean"), 0)[0]
    expected = {name: ("F32", (n_gaussians, *own)) for name, own in SOLID_COLUMNS.items()}
    expected |= {name: ("F64", (n_slices, *own)) for name, own in PER_SLICE_COLUMNS.items()}
    if knows_bias := BIAS in container.names:  # files of before do not
        expected[BIAS] = ("F64", (len(stacks), N_BIAS_TERMS))
        _check_placements(header["record"]["placements"], len(stacks))
    for name, (dtype, shape) in expected.items():
        found = container.dtype(name), container.shape(name)
        if found != (dtype, shape):
            raise ModelFileError(f"{name} must be {dtype} of shape {shape}, got {found[0]} of shape {found[1]}.")
    gaussians = SolidGaussians({name: _plausible(container, name) for name in SOLID_COLUMNS})
    grid = WorldGrid(_shape(header["grid"]["shape"]), _affine(header["grid"]["affine"]))
    return SliceReconstruction(
        gaussians=gaussians.requires_grad_(requires_grad=False),
        frame=_affine(header["frame"]),
        grid=grid,
        stacks=stacks,
        **{name: _plausible(container, name).numpy() for name in PER_SLICE_COLUMNS},
        bias=_plausible(container, BIAS).numpy() if knows_bias else np.zeros((len(stacks), N_BIAS_TERMS)),
        intensity=_positive(header["intensity"]),
        config=SvrConfig.from_json(header["config"]),
        record=dict(header["record"]),
        error=_error(container),
    )


def _stack(values: Any) -> StackShape:
    return StackShape(
        name=str(values["name"]),
        shape=_shape(values["shape"]),
        affine=_affine(values["affine"]),
        thickness_mm=_positive(values["thickness_mm"]),
        scale=_positive(values["scale"]),
    )


def _check_placements(values: Any, n: int) -> None:
    if len([_affine(matrix) for matrix in values]) != n:
        raise ModelFileError(f"the model must place each of its {n} stacks, got {len(values)} placements.")


def _error(container: Container) -> WorldVolume | None:
    values = container.header["error"]
    if values is None:
        return None
    if container.dtype("error") != "F32" or len(container.shape("error")) != 3:
        raise ModelFileError("the model's map of errors must be F32 with three axes.")
    return WorldVolume(_plausible(container, "error").numpy(), _affine(values["affine"]))


def _plausible(container: Container, name: str) -> torch.Tensor:
    tensor = container.tensor(name)
    if not are_plausible(tensor):
        raise ModelFileError(f"{name} must hold finite numbers within ±{LARGEST:g}.")
    return tensor


def _affine(values: Any) -> AnyArray:
    return check_affine(np.array(values, np.float64), "the model")


def _shape(values: Any) -> tuple[int, int, int]:
    z, y, x = (int(v) for v in values)
    if not all(0 < v <= MAX_SIDE for v in (z, y, x)):
        raise ModelFileError(f"the model declares an impossible shape {values}.")
    return z, y, x


def _positive(value: Any) -> float:
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ModelFileError(f"the model's header holds {value!r} where a positive number is needed.")
    return number
