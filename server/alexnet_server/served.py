"""What every endpoint works with."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field

from alexnet_repository.repository import Repository
from alexnet_server.engine import Engine
from alexnet_server.errors import RequestError
from alexnet_server.index.pictures import PictureIndex
from alexnet_server.settings import Settings


@dataclass(frozen=True)
class Served:
    """One model, one engine, one index.

    ``index`` is the reason instead, where the index file cannot be used: classification goes on.
    """

    settings: Settings
    repository: Repository
    engine: Engine
    index: PictureIndex | RequestError
    # Guards memory: a legal picture can take 300 MB while it is decoded, so one a core at a time.
    decoding: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(os.cpu_count() or 1)
    )

    def pictures(self) -> PictureIndex:
        """The index.  Raises what kept it from opening (IndexMismatch or StorageFailed)."""
        if isinstance(self.index, RequestError):
            # A new one each time: a raised exception keeps its frames, and with them the uploads.
            raise type(self.index)(str(self.index))
        return self.index

    def model(self) -> dict[str, str]:
        """Which model answered: ``name``, ``version``, ``digest``."""
        model = self.repository.manifest["model"]
        return {key: model[key] for key in ("name", "version", "digest")}
