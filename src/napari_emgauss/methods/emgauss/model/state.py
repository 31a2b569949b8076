"""Models of blocks as tensors and plain numbers, and back; files are not trusted, so everything is checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_emgauss.blocks import Block, Plan
from napari_emgauss.errors import ModelFileError
from napari_emgauss.forward import AnchoredField, DeformationField, SectionModel
from napari_emgauss.gaussians import Gaussians
from napari_emgauss.gaussians.planar import PARAMETER_NAMES
from napari_emgauss.methods.emgauss.config import AnchoredModelConfig, EmgaussConfig, MlpModelConfig
from napari_emgauss.methods.emgauss.model.building import mlp_field, motion_grid_shape

GAUSSIAN_COLUMNS = {"mean_px": (2,), "log_scale": (2,), "angle_rad": (), "opacity_logit": (), "intensity": ()}


@dataclass(frozen=True)
class BlockShape:
    """Place of a block's model: coordinates of its observed sections, and its size."""

    z: tuple[float, ...]
    shape: tuple[int, int]
    """(Y, X) in pixels."""

    @classmethod
    def of(cls, plan: Plan, block: Block, observed: Sequence[int]) -> BlockShape:
        """Return the place of a block of ``plan``, which counts the ``observed`` sections."""
        y0, y1, x0, x1 = plan.region(block)
        return cls(tuple(float(i) for i in observed[slice(*plan.z[block.z])]), (y1 - y0, x1 - x0))


@dataclass(frozen=True)
class AnchoredLayout:
    """What the settings and the numbers of an anchored block say of its tensors."""

    anchors: list[float]
    """Coordinates of its sets of Gaussians: its sections, and pseudo-sections between them."""
    offsets: list[int]
    """First Gaussian of each set, and the number of Gaussians."""
    motion_shape: tuple[int, int, int, int]
    """Shape (gaps, 2, gy, gx) of the motion up, and of the motion down."""

    @classmethod
    def of(cls, config: AnchoredModelConfig, block: BlockShape, values: Mapping[str, Any]) -> AnchoredLayout:
        """Return the layout of a block; raises `ModelFileError` for ``values`` that no block has."""
        anchors = [float(v) for v in values.get("anchors") or block.z]
        rises = all(math.isfinite(v) for v in anchors) and all(above > below for below, above in pairwise(anchors))
        if anchors[0] != block.z[0] or anchors[-1] != block.z[-1] or not rises:
            raise ModelFileError("the model's anchors do not rise from a block's first section to its last.")
        offsets = [int(v) for v in values.get("offsets") or []]
        if len(offsets) != len(anchors) + 1 or offsets[0] != 0 or sorted(offsets) != offsets:
            raise ModelFileError("the model's assignment of Gaussians to sections is inconsistent.")
        return cls(anchors, offsets, (len(anchors) - 1, 2, *motion_grid_shape(config, block.shape)))


def plan_of(config: EmgaussConfig, n_observed: int, shape: tuple[int, int]) -> Plan:
    """Return how ``n_observed`` sections (Y, X) are cut into blocks."""
    c = config.blocks
    return Plan.of(
        (n_observed, *shape),
        bundle_sections=c.bundle_sections,
        bundle_overlap=c.bundle_overlap,
        tile_px=c.tile_px,
        tile_overlap_px=c.tile_overlap_px,
    )


def model_state(model: SectionModel) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return a model's tensors on the CPU, and the numbers that belong to them, as JSON values."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    return tensors, model_values(model)


def model_values(model: SectionModel) -> dict[str, Any]:
    """Return the numbers that belong to a model's tensors: coordinates and ranges of its sets of Gaussians."""
    field = model.field.anchored
    if field is None:
        return {}
    return {"anchors": list(field.z_anchors), "offsets": list(field.offsets)}


def model_from_state(
    config: EmgaussConfig, block: BlockShape, tensors: Mapping[str, Tensor], values: Mapping[str, Any]
) -> SectionModel:
    """Rebuild a model from its `model_state`.

    Raises
    ------
    ModelFileError
        A tensor is missing, or its type, shape or values are not those of a model with these settings.
    """
    check_shapes(config, block, {name: tuple(t.shape) for name, t in tensors.items()}, values)
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32 or not bool(torch.isfinite(tensor).all()):
            raise ModelFileError(f"tensor {name} must hold finite float32 numbers.")
    field: DeformationField
    if isinstance(config.model, MlpModelConfig):
        field = mlp_field(config.model, (block.z[0], block.z[-1]), block.shape, np.random.default_rng(0))
    else:
        layout = AnchoredLayout.of(config.model, block, values)
        up, down = tensors["field.up"], tensors["field.down"]
        field = AnchoredField(layout.anchors, layout.offsets, block.shape, up, down)
    gaussians = Gaussians({name: tensors[f"gaussians.{name}"] for name in PARAMETER_NAMES})
    model = SectionModel(gaussians, field, block.shape, mode=config.model.compositing)
    model.load_state_dict(dict(tensors), strict=True)
    return model.requires_grad_(requires_grad=False)


def check_shapes(
    config: EmgaussConfig, block: BlockShape, shapes: Mapping[str, tuple[int, ...]], values: Mapping[str, Any]
) -> None:
    """Raise `ModelFileError` unless a model with these settings has tensors of these shapes; reads none of them."""
    n = (*shapes.get("gaussians.mean_px", ()), 0)[0]
    expected = {f"gaussians.{name}": (n, *columns) for name, columns in GAUSSIAN_COLUMNS.items()} | {"background": ()}
    if isinstance(config.model, AnchoredModelConfig):
        layout = AnchoredLayout.of(config.model, block, values)
        if layout.offsets[-1] != n:
            raise ModelFileError("the model's assignment of Gaussians to sections is inconsistent.")
        expected |= {"field.up": layout.motion_shape, "field.down": layout.motion_shape}
    else:
        # Declared without memory: the network is allocated only once the file is known to hold its weights.
        with torch.device("meta"):
            network = mlp_field(config.model, (block.z[0], block.z[-1]), block.shape, np.random.default_rng(0))
        expected |= {f"field.{name}": tuple(weights.shape) for name, weights in network.state_dict().items()}
    for name in sorted({*expected, *shapes}):
        if shapes.get(name) != expected.get(name):
            held, wanted = (f"shape {of[name]}" if name in of else "no value" for of in (shapes, expected))
            raise ModelFileError(f"{name} has {held}; expected {wanted}.")
