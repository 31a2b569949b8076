"""Parts of a shard: that they lie in its file, and unpack to what they should."""

from __future__ import annotations

import os
from typing import Any, BinaryIO

import numpy as np
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec, ShardingCodecIndexLocation

from napari_emgauss.io.guard import array_bytes, check_decoded_size
from napari_emgauss.units import format_bytes

_NOT_THERE = 2**64 - 1
_CHECKSUM_BYTES = 4


class ShardParts:
    """What is known of the parts of an array's shards before one is read.

    Zarr reads a part that lies outside of its file as the fill value, and one that unpacks to any size.

    Parameters
    ----------
    array
        A Zarr array with shards.

    Raises
    ------
    ValueError
        Shards within shards, or an index that is packed.
    """

    def __init__(self, array: Any) -> None:
        (*_, sharding) = array.metadata.codecs
        if not isinstance(sharding, ShardingCodec) or any(isinstance(c, ShardingCodec) for c in sharding.codecs):
            raise ValueError("its shards are changed once more, or consist of shards, which is not accepted")
        order, *rest = sharding.index_codecs
        if not isinstance(order, BytesCodec) or not all(isinstance(codec, Crc32cCodec) for codec in rest):
            raise ValueError("the index of its shards is packed, which is not accepted")
        self._order = ">u8" if order.endian is not None and order.endian.value == "big" else "<u8"
        self._n_parts = array_bytes(array.shards, 1) // array_bytes(sharding.chunk_shape, 1)
        self._n_bytes = 16 * self._n_parts + _CHECKSUM_BYTES * len(rest)
        self._is_first = sharding.index_location is ShardingCodecIndexLocation.start
        self._at_most = 2 * array_bytes(sharding.chunk_shape, np.dtype(array.dtype).itemsize)

    def check(self, file: BinaryIO, packing: str | None) -> None:
        """Raise ``ValueError`` if a part of a shard lies outside of its file, or unpacks to more than it should.

        Parameters
        ----------
        file
            The shard.
        packing
            Name of the codec that packs a part; None where none does.
        """
        size = os.fstat(file.fileno()).st_size
        if size < self._n_bytes:
            raise ValueError(f"a shard of it has {format_bytes(size)}, less than its index takes")
        file.seek(0 if self._is_first else size - self._n_bytes)
        index = np.frombuffer(file.read(16 * self._n_parts), self._order).reshape(-1, 2)
        for offset, n_bytes in index[(index != _NOT_THERE).any(axis=1)].tolist():
            if n_bytes == 0 or offset + n_bytes > size:
                raise ValueError(f"a part of a shard ({n_bytes} bytes from byte {offset} on) lies outside of its file")
            if packing is not None:
                file.seek(offset)
                check_decoded_size(file, n_bytes, packing, at_most=self._at_most)
