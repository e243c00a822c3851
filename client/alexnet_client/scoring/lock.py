"""A lock that its holder's death releases: the kernel's own, on an open file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO, Self

from alexnet_client.names import printable
from alexnet_client.scoring.errors import InUse


class Lock:
    """Held while it is entered.

    Args:
        path: a file for it, made where it is missing and left behind.

    Raises:
        InUse: (on entering) another process holds it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        file = self._path.open("ab")
        try:
            _take(file)
        except OSError as error:
            file.close()
            raise InUse(
                f"another process is writing this output (it holds {printable(str(self._path))}): "
                "wait for it, or give another --out"
            ) from error
        self._file = file
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
