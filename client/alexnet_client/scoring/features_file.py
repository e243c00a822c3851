"""The features beside the lines: row n is line n, in a .npy file that can be mapped into memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from alexnet_client.names import printable
from alexnet_client.results import FEATURES
from alexnet_client.scoring import durable
from alexnet_client.scoring.errors import Damaged

_ROW_BYTES = 4 * FEATURES


class FeaturesFile:
    """float32 [pictures, 4096], written row by row; a picture without features is NaN.

    It is written with plain writes, not through a map: on a full disk those raise an error where
    a map would kill the process.

    Args:
        path: the file, made by `create`.
        rows: how many it must have; it grows where it has fewer.

    Raises:
        Damaged: it is not as `create` left it, or has more rows.
        OSError: it cannot be opened, or not grow.
    """

    def __init__(self, path: Path, rows: int) -> None:
        self._file = path.open("r+b", buffering=0)
        try:
            self._start = self._grown(path, rows)
        except BaseException:
            self._file.close()
            raise

    @staticmethod
    def create(path: Path, rows: int) -> None:
        """Make the file, with room on the disk for all rows where the system can promise that.

        Raises:
            OSError: it cannot be written, for example as the disk is full; none is left behind.
        """

        def write(file: IO[bytes]) -> None:
            _write_header(file, rows)
            _reserve(file, file.tell(), rows)

        durable.replace(path, write)

    def write(self, row: int, vector: NDArray[np.float32] | None) -> None:
        """Write ``vector`` float32 [4096] into a row; None: NaN."""
        if vector is None:
            vector = np.full(FEATURES, np.nan, np.float32)
        self._file.seek(self._start + row * _ROW_BYTES)
        left = memoryview(vector.astype("<f4").tobytes())
        while left:
            left = left[self._file.write(left) :]

    def sync(self) -> None:
        """Return once what was written outlives a loss of power."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _grown(self, path: Path, rows: int) -> int:
        """Return where the rows begin."""
        try:
            if npy.read_magic(self._file) != (1, 0):
                raise ValueError("another version of .npy")
            shape, by_column, dtype = npy.read_array_header_1_0(self._file)
        except ValueError as error:
            raise _damaged(path, str(error)) from error
        start = self._file.tell()
        if by_column or dtype != np.dtype("<f4") or shape[1:] != (FEATURES,) or shape[0] > rows:
            raise _damaged(path, f"it is {dtype} {shape}, and not float32 ({rows}, {FEATURES})")
        if shape[0] < rows:
            _reserve(self._file, start, rows)
            self._file.seek(0)
            _write_header(self._file, rows)  # NumPy leaves room in it for a longer number
            if self._file.tell() != start:
                raise _damaged(path, "its header has no room for more rows")
        return start


def _write_header(file: IO[bytes], rows: int) -> None:
    about = {"descr": "<f4", "fortran_order": False, "shape": (rows, FEATURES)}
    npy.write_array_header_1_0(file, about)


def _reserve(file: IO[bytes], start: int, rows: int) -> None:
    file.flush()
    end = start + rows * _ROW_BYTES
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, end)
    else:
        file.truncate(end)


def _damaged(path: Path, reason: str) -> Damaged:
    return Damaged(
        f"{printable(str(path))} is not the features of this output: {reason}; give another --out "
        "and --features to begin anew"
    )
