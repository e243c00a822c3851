"""What every endpoint works with."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from alexnet_server.deployed import Deployed
from alexnet_server.errors import BackendUnavailable, VersionGone
from alexnet_server.following import Following
from alexnet_server.settings import Settings

_TRIES = 3
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Served:
    """The settings and the deploys, of which each request sees one."""

    settings: Settings
    deploys: Following
    # Guards memory: a legal picture can take 300 MB while it is decoded, so one a core at a time.
    decoding: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(os.cpu_count() or 1)
    )

    def answer(self, work: Callable[[Deployed], Answer]) -> Answer:
        """What ``work`` makes of the deploy of now: model, labels, engine and index of one deploy.

        Where Triton has taken another version meanwhile, ``work`` begins again with that one,
        within the time that its first call had; it must not change anything before that call.
        Raises what ``work`` raises.
        """
        left_s: float | None = None
        for _ in range(_TRIES):
            with self.deploys.hold() as deployed:
                try:
                    return work(deployed if left_s is None else deployed.within(left_s))
                except VersionGone as gone:
                    # Not the exception itself: it keeps its frames, and with them the uploads.
                    stale, said, left_s = deployed, str(gone), gone.left_s
            began = time.monotonic()
            if not self.deploys.renewed(stale, left_s):
                break
            left_s -= time.monotonic() - began
        raise BackendUnavailable(said)
