"""Whole numbers as compressed bytes: those near 0 are short.

A number is folded (0, -1, 1, -2, … become 0, 1, 2, 3, …) and written as a byte; those of 255 and more as the byte 255,
with their four bytes behind the bytes of all. The bytes are written in Huffman codes (deflate without matches). A code
has at least one bit, so nothing unfolds to more than eight times its size: what a file asks to allocate is known from
what it holds.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from napari_emgauss.errors import FileFormatError

IntArray = NDArray[np.int64]

MOST_PER_BYTE = 8
"""Most numbers that a byte can hold."""
LARGEST = 2**30
"""Largest number, either side of 0."""
_ESCAPE = 255
_RAW_DEFLATE = -zlib.MAX_WBITS


def packed_integers(values: IntArray) -> bytes:
    """Return integers of any shape, up to `LARGEST` away from 0, as bytes.

    Raises
    ------
    ValueError
        A number is larger.
    """
    flat = values.ravel()
    if flat.size and not -LARGEST <= flat.min() <= flat.max() <= LARGEST:
        raise ValueError(f"numbers must be within ±{LARGEST}, got {flat.min()} and {flat.max()}.")
    folded = np.where(flat < 0, -2 * flat - 1, 2 * flat)
    far = folded >= _ESCAPE
    data = np.where(far, _ESCAPE, folded).astype(np.uint8).tobytes() + folded[far].astype("<u4").tobytes()
    # memLevel 9: the codes are made anew for every 32 Ki bytes.
    packer = zlib.compressobj(9, zlib.DEFLATED, _RAW_DEFLATE, 9, zlib.Z_HUFFMAN_ONLY)
    return packer.compress(data) + packer.flush()


def fits(n: int, n_bytes: int) -> bool:
    """Whether ``n_bytes`` can hold ``n`` integers at all."""
    return n <= MOST_PER_BYTE * n_bytes


def unpacked_integers(data: bytes, n: int) -> IntArray:
    """Inverse of `packed_integers`: ``n`` integers; ``data`` need not be trusted.

    Raises
    ------
    FileFormatError
        ``data`` does not hold exactly ``n`` integers, or is no such bytes. Never more than a fixed multiple of the size
        of ``data`` is allocated.
    """
    if not fits(n, len(data)):
        raise FileFormatError(f"{len(data)} bytes cannot hold {n} numbers.")
    unpacker = zlib.decompressobj(_RAW_DEFLATE)
    try:
        raw = unpacker.decompress(data, MOST_PER_BYTE * len(data))
    except zlib.error as error:
        raise FileFormatError(f"compressed numbers are damaged: {error}.") from error
    if not unpacker.eof or unpacker.unused_data:
        raise FileFormatError(f"{len(data)} bytes of compressed numbers are truncated, or hold too much.")
    folded = np.frombuffer(raw[:n], np.uint8).astype(np.int64)
    far = folded == _ESCAPE
    if len(folded) != n or len(raw) != n + 4 * np.count_nonzero(far):
        raise FileFormatError(f"compressed data unfold to {len(raw)} bytes, which are not {n} numbers.")
    folded[far] = np.frombuffer(raw[n:], "<u4")
    return np.where(folded & 1, -(folded >> 1) - 1, folded >> 1)
