"""A tensor as few places that share a few values, and its bytes in a compressed file.

The three steps of "Deep Compression" (Han et al. 2016): places without a value are left out and
told by their distances (section 2), places that are left share up to 256 values (section 3), and
both, distances and indices of values, are Huffman coded (section 4), here by zlib.

docs/compressed.md has the format to the byte.  Nothing is allocated before its size is bounded.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alexnet_export.errors import CheckpointError

MOST_VALUES = 256  # an index is one byte
_SKIP = 255  # a distance of this byte says: go 255 places on, there is no value
_RAW_DEFLATE = -15  # the window of zlib's own, without its header: the whole file has a digest

Tensor = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SharedValues:
    """``codebook`` float32 [k], k up to 256; ``indices`` uint8 [n], which of them a place has.

    ``places`` int64 [n], ascending, of the tensor in C order; None where every place has a value.
    """

    shape: tuple[int, ...]
    codebook: Tensor
    indices: npt.NDArray[np.uint8]
    places: npt.NDArray[np.int64] | None = None

    def dense(self) -> Tensor:
        """The tensor, float32 of ``shape``, with zeros where nothing is kept."""
        if self.places is None:
            return self.codebook[self.indices].reshape(self.shape)
        whole = np.zeros(math.prod(self.shape), dtype=np.float32)
        whole[self.places] = self.codebook[self.indices]
        return whole.reshape(self.shape)


@dataclass(frozen=True)
class Streams:
    """The bytes of a tensor: its codebook as little-endian float32, and two that are Huffman coded.

    ``kept``: places that have a value; ``distances``: bytes of the second before it was coded.
    """

    kept: int
    distances: int
    codebook: bytes
    coded_distances: bytes
    coded_indices: bytes

    @property
    def size(self) -> int:
        """Bytes of the three."""
        return len(self.codebook) + len(self.coded_distances) + len(self.coded_indices)


def coded(shared: SharedValues) -> Streams:
    """The bytes of ``shared``; the same for the same input."""
    steps = b"" if shared.places is None else _distances(shared.places).tobytes()
    return Streams(
        kept=len(shared.indices),
        distances=len(steps),
        codebook=shared.codebook.astype("<f4").tobytes(),
        coded_distances=_huffman(steps) if steps else b"",
        coded_indices=_huffman(shared.indices.tobytes()),
    )


def decoded(shape: tuple[int, ...], streams: Streams) -> SharedValues:
    """What ``coded`` was given.  Raises CheckpointError where the bytes do not say that."""
    size, kept = math.prod(shape), streams.kept
    count, odd = divmod(len(streams.codebook), 4)
    if odd or not 1 <= count <= MOST_VALUES:
        raise CheckpointError(
            f"{count} shared values and {odd} bytes: 1 to {MOST_VALUES} are meant"
        )
    if not 1 <= kept <= size:
        raise CheckpointError(f"{kept:,} values for {size:,} places: 1 to that many are meant")
    codebook = np.frombuffer(streams.codebook, "<f4").astype(np.float32)
    if not np.isfinite(codebook).all():
        raise CheckpointError("a shared value is not finite")
    indices = _unpacked(streams.coded_indices, kept)
    if indices.max() >= count:
        raise CheckpointError(f"a place has shared value {indices.max()}, there are {count}")
    if not streams.distances:
        if kept != size:
            raise CheckpointError(f"{kept:,} values for {size:,} places, and nothing says which")
        return SharedValues(shape, codebook, indices)
    most = kept + size // _SKIP
    if streams.distances > most:
        raise CheckpointError(f"{streams.distances:,} distances: {most:,} reach every place")
    places = _places(_unpacked(streams.coded_distances, streams.distances))
    if len(places) != kept or places[-1] >= size:
        raise CheckpointError(
            f"{len(places):,} places, the last {places[-1:]}: {kept:,} of {size:,} are meant"
        )
    return SharedValues(shape, codebook, indices, places)


def _distances(places: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Places passed over before each, one byte, after a ``_SKIP`` for every 255 of them."""
    passed = np.diff(places, prepend=-1) - 1  # [n]
    skips = passed // _SKIP
    steps = np.full(len(passed) + int(skips.sum()), _SKIP, dtype=np.uint8)
    steps[np.cumsum(skips + 1) - 1] = passed % _SKIP
    return steps


def _places(steps: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    is_place = steps != _SKIP
    ways = steps.astype(np.int64) + is_place
    return np.asarray((np.cumsum(ways) - 1)[is_place])


def _huffman(content: bytes) -> bytes:
    # Neither distances nor indices repeat, so that looking for repetitions would only cost.
    coder = zlib.compressobj(9, zlib.DEFLATED, _RAW_DEFLATE, 9, zlib.Z_HUFFMAN_ONLY)
    return coder.compress(content) + coder.flush()


def _unpacked(content: bytes, count: int) -> npt.NDArray[np.uint8]:
    """Exactly ``count`` bytes, uint8 [count]; no more than one beyond them is ever made."""
    decoder = zlib.decompressobj(_RAW_DEFLATE)
    try:
        plain = decoder.decompress(content, count + 1)
    except zlib.error as error:
        raise CheckpointError(
            f"a stream of {len(content):,} bytes cannot be read: {error}"
        ) from error
    if len(plain) != count or not decoder.eof or decoder.unused_data:
        raise CheckpointError(
            f"a stream of {len(content):,} bytes does not hold the {count:,} that it is said to"
        )
    return np.frombuffer(plain, np.uint8)
