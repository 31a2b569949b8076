"""Type aliases shared by all layers."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
"""float32 array of any shape."""

AnyArray = npt.NDArray[Any]
"""NumPy array of any type and shape."""

Triple = tuple[float, float, float]
"""Three numbers in (z, y, x) order."""

Region = tuple[int, int, int, int]
"""Half-open pixel box (y0, y1, x0, x1) on a section."""


@runtime_checkable
class ArrayLike3D(Protocol):
    """Protocol of a volume's data: a NumPy array, a zarr array, or planes computed on demand."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Array shape (Z, Y, X)."""
        ...

    @property
    def dtype(self) -> Any:
        """NumPy data type."""
        ...

    def __getitem__(self, key: Any, /) -> Any: ...
