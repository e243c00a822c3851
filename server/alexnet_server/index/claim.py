"""One process keeps the pictures of one generation: what it holds in memory would else be stale.

The system lets go of a claim when its process ends, however that ends (flock(2)).
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
from pathlib import Path

from alexnet_server.errors import IndexInUse

_log = logging.getLogger(__name__)


class Claim:
    """A generation of an index file, this process's until ``release``."""

    def __init__(self, path: Path, generation: int) -> None:
        """Claim it.  Raises IndexInUse where another has it, OSError."""
        lock = path.with_name(f"{path.name}.g{generation}.lock")
        self._descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            process, _, host = (
                os.read(self._descriptor, 256).decode(errors="replace").partition(" ")
            )
            os.close(self._descriptor)
            _log.warning("process %s on %s has %s", process, host.strip(), lock)
            raise IndexInUse(
                f"another process, {process[:20]}, has the index of this model: stop it, or ask it"
            ) from None
        except OSError:
            os.close(self._descriptor)
            raise
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)

    def release(self) -> None:
        """Let go; the file stays, because another process may be about to claim it."""
        os.close(self._descriptor)
