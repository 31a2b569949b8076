"""Models of EMGauss in files; everything in them is checked before it is used."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from napari_emgauss.blocks import Plan
from napari_emgauss.errors import ConfigError, ModelFileError, VolumeError
from napari_emgauss.forward import SectionModel
from napari_emgauss.io.container import Container
from napari_emgauss.methods.emgauss.config import EmgaussConfig
from napari_emgauss.methods.emgauss.model import (
    BlockShape,
    Steps,
    StoredModels,
    check_packed,
    model_from_state,
    plan_of,
    unpacked_model,
)
from napari_emgauss.methods.emgauss.model.state import check_shapes
from napari_emgauss.methods.emgauss.reconstruction import UNCERTAINTY, Reconstruction
from napari_emgauss.methods.emgauss.uncertainty_map import UncertaintyMap
from napari_emgauss.resampling.scaling import Scaling
from napari_emgauss.settings import from_json
from napari_emgauss.volume import SUPPORTED_DTYPES, check_stack_shape, check_voxel_size

FLAT_SETTINGS = 3
"""Last version whose settings were one flat list, and whose anchors and offsets were lists beside it."""
EXACT = 4
"""Last version whose models were all kept as they were trained, as float32."""
MAX_SIDE = 2**20
"""Largest plausible number of voxels along an axis."""


def load(container: Container) -> Reconstruction:
    """Return the reconstruction in a model file; the models of its blocks are read when they are drawn.

    Raises
    ------
    ModelFileError
        The file is inconsistent; a ``ValueError``. Numbers within a block's tensors are checked when they are read.
    """
    try:
        return _parse(container)
    except (ConfigError, VolumeError, ModelFileError) as error:
        raise ModelFileError(f"{container.path} is not a usable model: {error}") from error
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, RuntimeError, RecursionError) as error:
        raise ModelFileError(
            f"{container.path} is not a usable model: its header is inconsistent ({error!r})."
        ) from error


def _parse(container: Container) -> Reconstruction:
    header = container.header
    shape = _shape(header["shape"])
    dtype = np.dtype(_one_of(SUPPORTED_DTYPES, header["dtype"]))
    check_stack_shape(shape, dtype)
    flat = container.version <= FLAT_SETTINGS
    config = EmgaussConfig.from_flat(_object(header["config"])) if flat else EmgaussConfig.from_json(header["config"])
    observed = [int(v) for v in header["observed"]]
    if len(observed) < 2 or observed[0] != 0 or observed[-1] != shape[0] - 1 or sorted(set(observed)) != observed:
        raise ModelFileError("the model's list of observed sections is inconsistent with its shape.")
    plan = plan_of(config, len(observed), (shape[1], shape[2]))
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
        models=_models(container, config, plan, observed),
        record=_plain(header["record"]),
        uncertainty_map=_uncertainty(container, len(observed) - 1, (shape[1], shape[2])),
    )


def _models(container: Container, config: EmgaussConfig, plan: Plan, observed: list[int]) -> StoredModels:
    """Models of all blocks, whose tensors are known to have the right shapes, or sizes that can hold them."""
    blocks, steps = _block_values(container), _steps(container)
    # Counted before they are listed: a tampered header can ask for billions.
    n_blocks = len(plan.z) * len(plan.y) * len(plan.x)
    if len(blocks) != n_blocks:
        raise ModelFileError(f"the model has {len(blocks)} blocks; its shape and settings need {n_blocks}.")
    held: list[dict[str, tuple[str, tuple[int, ...]]]] = [{} for _ in range(n_blocks)]
    for name in container.names:
        number, _, own_name = name.partition("/")
        if name == UNCERTAINTY:
            continue
        if not number.isdecimal() or int(number) >= n_blocks:
            raise ModelFileError(f"the model holds a tensor {name!r} that belongs to no block.")
        held[int(number)][own_name] = container.dtype(name), container.shape(name)
    places = [BlockShape.of(plan, block, observed) for block in plan.blocks]
    counts = [
        _check(config, place, own, values, steps) for place, own, values in zip(places, held, blocks, strict=True)
    ]

    def read(block: int) -> SectionModel:
        tensors = container.under(f"{block}/")
        try:
            if steps is None:
                return model_from_state(config, places[block], tensors, blocks[block])
            return unpacked_model(config, places[block], tensors, blocks[block], steps)
        except (ModelFileError, KeyError, ValueError, RuntimeError) as error:
            raise ModelFileError(f"block {block + 1} of {container.path} is not usable: {error}") from error

    return StoredModels(read, counts, blocks)


def _check(
    config: EmgaussConfig,
    place: BlockShape,
    held: dict[str, tuple[str, tuple[int, ...]]],
    values: dict[str, Any],
    steps: Steps | None,
) -> int:
    """Return the number of Gaussians of a block whose tensors can be those of a model with these settings."""
    if steps is not None:
        return check_packed(config, place, held, values)
    for name, (dtype, _) in held.items():
        if dtype != "F32":
            raise ModelFileError(f"tensor {name} must hold float32 numbers, got {dtype}.")
    check_shapes(config, place, {name: shape for name, (_, shape) in held.items()}, values)
    return held["gaussians.mean_px"][1][0]


def _steps(container: Container) -> Steps | None:
    """What the numbers of the models are counted in; None if they are as they were trained."""
    value = None if container.version <= EXACT else container.header["steps"]
    return None if value is None else from_json(Steps, value)


def _block_values(container: Container) -> list[dict[str, Any]]:
    """Numbers of every block's model beside its tensors."""
    header = container.header
    if container.version > FLAT_SETTINGS:
        return [_object(values) for values in header["blocks"]]
    # The first version had no pseudo-sections: its anchors were the observed sections. Networks have neither.
    anchors = header.get("anchors") or [None] * len(header["offsets"])
    named = [{"anchors": own, "offsets": offsets} for own, offsets in zip(anchors, header["offsets"], strict=True)]
    return [{name: value for name, value in values.items() if value is not None} for values in named]


def _uncertainty(container: Container, n_gaps: int, shape: tuple[int, int]) -> UncertaintyMap | None:
    """The map, if the model has one."""
    values = container.header.get(UNCERTAINTY)
    if values is None and UNCERTAINTY not in container.names:
        return None
    if values is None or UNCERTAINTY not in container.names:
        raise ModelFileError("the model holds one half of its uncertainty, the map or how it is read.")
    return UncertaintyMap.from_header(_object(values), container.tensor(UNCERTAINTY).numpy(), n_gaps, shape)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ModelFileError(f"the model's header holds {value!r} where an object is needed.")
    return value


def _one_of(allowed: tuple[str, ...], value: Any) -> str:
    if value not in allowed:
        raise ModelFileError(f"the model's header holds {value!r} where one of {', '.join(allowed)} is needed.")
    return str(value)


def _shape(values: Any) -> tuple[int, int, int]:
    z, y, x = (int(v) for v in values)
    if not all(0 < v <= MAX_SIDE for v in (z, y, x)):
        raise ModelFileError(f"the model declares an impossible shape {values}.")
    return z, y, x


def _plain(record: Any) -> dict[str, Any]:
    """Return a record that volumes made of the model can carry on: without infinity and NaN, which are no JSON."""
    json.dumps(record, allow_nan=False)
    return dict(record)


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ModelFileError(f"the model's header holds {value!r} where a finite number is needed.")
    return number
