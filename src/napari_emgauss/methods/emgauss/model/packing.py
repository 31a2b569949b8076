"""Rounded models as the tensors of a file: each number as what is left of it once it is predicted from others.

- Where Gaussians lie on a jittered grid, row after row, a centre is predicted by the grid that fits its set best.
- Log-scales are predicted by the median of their set; stretch and intensity by 0.
- Motion is smooth: a node is predicted by its neighbours, as the one to the left plus the one above less the one
  between them. Motion down is predicted by the reverse of motion up.

Predictions are made of whole numbers and of what the file itself holds, so that nothing is lost by them. What is left
is small, and packed by `io.integers`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_emgauss.errors import ModelFileError
from napari_emgauss.forward import SectionModel
from napari_emgauss.io.integers import MOST_PER_BYTE, IntArray, fits, packed_integers, unpacked_integers
from napari_emgauss.methods.emgauss.config import AnchoredModelConfig, EmgaussConfig
from napari_emgauss.methods.emgauss.model.rounding import LARGEST_CODE, Codes, Steps
from napari_emgauss.methods.emgauss.model.state import AnchoredLayout, BlockShape, model_from_state

SETS = "sets"
"""Tensor of the grid of each set: columns, first y and x, pitch along y and x, log-scale; all but columns in steps."""
PER_GAUSSIAN = {"position": 2, "log_scale": 1, "stretch": 2, "intensity": 1}
"""Packed tensors, and the numbers in each for every Gaussian; `motion` has its own for every node."""
_TableArray = NDArray[np.float32]


def packed_state(model: SectionModel, steps: Steps) -> dict[str, Tensor]:
    """Return the tensors by which a file holds an anchored model.

    Raises
    ------
    ModelFileError
        The model holds numbers that are not finite, or absurdly far from 0.
    """
    field = model.anchored
    assert field is not None
    codes = Codes.of(model, steps)
    table = _table(codes, field.offsets)
    position, log_scale = _predicted(table, field.offsets)
    up, down = codes.motion
    left = {
        "position": (codes.position - position).T,
        "log_scale": codes.log_scale - log_scale,
        "stretch": codes.stretch.T,
        "intensity": codes.intensity,
        "motion": np.diff(np.diff(np.stack([up, up + down]), axis=-1, prepend=0), axis=-2, prepend=0),
    }
    return {
        "background": model.state_dict()["background"].cpu(),
        SETS: torch.from_numpy(table),
        **{name: _bytes(packed_integers(values)) for name, values in left.items()},
    }


def unpacked_model(
    config: EmgaussConfig, block: BlockShape, tensors: Mapping[str, Tensor], values: Mapping[str, Any], steps: Steps
) -> SectionModel:
    """Rebuild a model from its `packed_state`, whose sizes were checked.

    Raises
    ------
    FileFormatError
        What is packed is damaged, or the numbers are not those of a model with these settings.
    """
    layout = _layout(config, block, values)
    table = tensors[SETS].numpy()
    if not (np.abs(table) <= LARGEST_CODE).all() or not (table[:, 0] >= 1).all():
        raise ModelFileError(f"{SETS} must hold finite grids of at least one column.")

    def read(name: str, *shape: int) -> IntArray:
        return unpacked_integers(tensors[name].numpy().tobytes(), math.prod(shape)).reshape(shape)

    n = layout.offsets[-1]
    position, log_scale = _predicted(table, layout.offsets)
    up, both = read("motion", 2, *layout.motion_shape).cumsum(-1).cumsum(-2)
    codes = Codes(
        position=position + read("position", 2, n).T,
        log_scale=log_scale + read("log_scale", n),
        stretch=read("stretch", 2, n).T,
        intensity=read("intensity", n),
        motion=np.stack([up, both - up]),
    )
    codes.check()
    return model_from_state(config, block, {**codes.tensors(steps), "background": tensors["background"]}, values)


def check_packed(
    config: EmgaussConfig, block: BlockShape, held: Mapping[str, tuple[str, tuple[int, ...]]], values: Mapping[str, Any]
) -> int:
    """Return the number of Gaussians of a block whose tensors can hold a model; reads none of them.

    Raises
    ------
    ModelFileError
        They are of other types or shapes, or too small for the model that they are said to hold.
    """
    layout = _layout(config, block, values)
    n_sets, n = len(layout.anchors), layout.offsets[-1]
    exact = {"background": ("F32", ()), SETS: ("F32", (n_sets, 6))}
    packed = {name: columns * n for name, columns in PER_GAUSSIAN.items()}
    packed["motion"] = 2 * math.prod(layout.motion_shape)
    for name in sorted({*exact, *packed, *held}):
        if name not in held:
            raise ModelFileError(f"the model lacks {name}.")
        dtype, shape = held[name]
        if name not in packed:
            if held[name] != exact.get(name):
                raise ModelFileError(f"{name} is {dtype} {shape}; expected {exact.get(name, 'no such tensor')}.")
        elif dtype != "U8" or len(shape) != 1:
            raise ModelFileError(f"{name} is {dtype} {shape}; expected bytes, U8 (n,).")
        elif not fits(packed[name], shape[0]):
            raise ModelFileError(
                f"{name} has {shape[0]} bytes for {packed[name]} numbers; a byte can hold {MOST_PER_BYTE} at most."
            )
    return n


def _bytes(data: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(data, np.uint8).copy())


def _layout(config: EmgaussConfig, block: BlockShape, values: Mapping[str, Any]) -> AnchoredLayout:
    if not isinstance(config.model, AnchoredModelConfig):
        raise ModelFileError(f"models with field={config.model.field!r} are not counted in steps.")
    return AnchoredLayout.of(config.model, block, values)


def _table(codes: Codes, offsets: Sequence[int]) -> _TableArray:
    """Grids of the sets (sets, 6) as in `SETS`."""
    rows: list[list[float]] = []
    columns: dict[int, int] = {}
    for start, stop in pairwise(offsets):
        n = stop - start
        if n == 0:
            rows.append([1, 0, 0, 0, 0, 0])
            continue
        position = codes.position[start:stop]
        # Sets of equal size are laid out alike, or it costs bytes.
        if n not in columns:
            columns[n] = _columns(position)
        grid = position.reshape(-1, columns[n], 2)
        (y, pitch_y), (x, pitch_x) = _line(np.median(grid[..., 0], 1)), _line(np.median(grid[..., 1], 0))
        rows.append([columns[n], y, x, pitch_y, pitch_x, float(np.median(codes.log_scale[start:stop]))])
    table = np.array(rows, np.float32)
    table[:, 1:] = np.clip(table[:, 1:], -LARGEST_CODE, LARGEST_CODE)
    return table


def _columns(position: IntArray) -> int:
    """Return the number of columns with which positions (n, 2), row after row, are most like a grid."""
    n = len(position)

    def spread(columns: int) -> float:
        grid = position.reshape(-1, columns, 2)
        return float(grid[..., 0].std(1).mean() + grid[..., 1].std(0).mean())

    divisors = {d for k in range(1, math.isqrt(n) + 1) if n % k == 0 for d in (k, n // k)}
    return min(sorted(divisors), key=spread)


def _line(values: NDArray[np.float64]) -> tuple[float, float]:
    """Start and slope of the straight line through ``values``."""
    if len(values) == 1:
        return float(values[0]), 0.0
    slope, start = np.polyfit(np.arange(len(values)), values, 1)
    return float(start), float(slope)


def _predicted(table: _TableArray, offsets: Sequence[int]) -> tuple[IntArray, IntArray]:
    """Positions (N, 2) and log-scales (N,) that the grids of the sets predict, in steps."""
    position, log_scale = np.zeros((offsets[-1], 2)), np.zeros(offsets[-1])
    for (columns, y, x, pitch_y, pitch_x, typical), (start, stop) in zip(
        table.astype(np.float64), pairwise(offsets), strict=True
    ):
        row, column = np.divmod(np.arange(stop - start), int(columns))
        position[start:stop] = np.stack([y + pitch_y * row, x + pitch_x * column], -1)
        log_scale[start:stop] = typical
    return np.rint(position).astype(np.int64), np.rint(log_scale).astype(np.int64)
