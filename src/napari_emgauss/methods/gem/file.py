"""Maps of Gaussians in model files; everything in them is checked before it is used."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from napari_emgauss._types import FloatArray
from napari_emgauss.errors import ConfigError, ModelFileError
from napari_emgauss.gaussians.solid import LARGEST, are_plausible
from napari_emgauss.io.container import Container
from napari_emgauss.io.guard import array_bytes, check_room_in_memory
from napari_emgauss.methods.gem.config import GemConfig
from napari_emgauss.methods.gem.model import PREFIX, HalfModel, model_from_state
from napari_emgauss.methods.gem.reconstruction import HALVES, PLAIN, VIEWS, VOXELS, GaussianMap
from napari_emgauss.methods.gem.symmetry import symmetry_operators

LARGEST_BOX_PX = 2048
LARGEST_FACTOR = 1e9
N_VIEW_PARAMETERS = 6


def load(container: Container) -> GaussianMap:
    """Return the map of Gaussians in a model file.

    Raises
    ------
    ModelFileError
        The file is inconsistent; a ``ValueError``.
    """
    try:
        return _parse(container)
    except (ConfigError, ModelFileError) as error:
        raise ModelFileError(f"{container.path} is not a usable model: {error}") from error
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, RuntimeError, RecursionError) as error:
        raise ModelFileError(
            f"{container.path} is not a usable model: its header is inconsistent ({error!r})."
        ) from error


def _parse(container: Container) -> GaussianMap:
    header = container.header
    config = GemConfig.from_json(header["config"])
    pixel = float(header["pixel_size_angstrom"])
    if not (math.isfinite(pixel) and pixel > 0):
        raise ModelFileError(f"the model declares a pixel size of {pixel} Å.")
    operators = symmetry_operators(config.symmetry)
    first, second = (_model(container, number, header["models"][number], operators) for number in (0, 1))
    box = first.box_px
    if second.box_px != box:
        raise ModelFileError("the halves of the model have boxes of different sizes.")
    factors = np.array(header["factors"], np.float64)
    if factors.shape != (2, box // 2 + 1):
        raise ModelFileError(f"the model holds factors of shape {factors.shape}; its box needs (2, {box // 2 + 1}).")
    if not (np.abs(factors) <= LARGEST_FACTOR).all():
        raise ModelFileError(f"the model holds factors that are not finite, or beyond {LARGEST_FACTOR:g}.")
    halves = container.tensor(HALVES).numpy()
    if halves.ndim != 1 or halves.dtype != np.uint8 or (halves > 1).any():
        raise ModelFileError("the model's split into halves holds something else than 0 and 1.")
    mixed_in = VOXELS if f"0/{VOXELS}" in container.names else PLAIN  # files of before mixed in the plain ones
    return GaussianMap(
        pixel_size_angstrom=pixel,
        config=config,
        models=(first, second),
        factors=factors,
        plain=(_half_map(container, 0, PLAIN, box), _half_map(container, 1, PLAIN, box)),
        voxels=(_half_map(container, 0, mixed_in, box), _half_map(container, 1, mixed_in, box)),
        halves=halves.astype(np.int64),
        view_changes=_view_changes(container, len(halves)),
        record=dict(header["record"]),
    )


def _model(container: Container, number: int, values: dict[str, Any], operators: np.ndarray) -> HalfModel:
    tensors = container.under(f"{number}/{PREFIX}")
    model = model_from_state({PREFIX + name: tensor for name, tensor in tensors.items()}, values, operators)
    return model.requires_grad_(requires_grad=False)


def _view_changes(container: Container, n: int) -> npt.NDArray[np.float64] | None:
    if VIEWS not in container.names:
        return None
    if container.shape(VIEWS) != (n, N_VIEW_PARAMETERS) or container.dtype(VIEWS) != "F64":
        raise ModelFileError(f"the model holds changes of views of shape {container.shape(VIEWS)} for {n} particles.")
    values: npt.NDArray[np.float64] = container.tensor(VIEWS).numpy()
    if not np.isfinite(values).all():
        raise ModelFileError("the model has changes of views that hold numbers that are not finite.")
    return values


def _half_map(container: Container, number: int, kind: str, box: int) -> FloatArray:
    name = f"{number}/{kind}"
    if box > LARGEST_BOX_PX or container.shape(name) != (box, box, box) or container.dtype(name) != "F32":
        raise ModelFileError(f"the model holds a half map of shape {container.shape(name)}; its box has {box}³ voxels.")
    check_room_in_memory(array_bytes((box,) * 3, 4), what="a half map", remedy="Close other programs.")
    values: FloatArray = container.tensor(name).numpy()
    if not are_plausible(torch.from_numpy(values)):
        raise ModelFileError(f"the model's half maps hold numbers that are not finite, or beyond {LARGEST:g}.")
    return values
