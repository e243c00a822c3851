"""What every endpoint works with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from alexnet_server.access import Access
from alexnet_server.admission import Gate
from alexnet_server.call import Call
from alexnet_server.deployed import Deployed
from alexnet_server.errors import BackendUnavailable, StorageFailed, VersionGone
from alexnet_server.following import Following
from alexnet_server.originals import Originals
from alexnet_server.settings import Settings

_TRIES = 3
# How often a request that waits for its turn looks whether its client is still there.
_LOOK_S = 0.1
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Served:
    """The settings and the deploys, of which each request sees one."""

    settings: Settings
    deploys: Following
    access: Access
    work: Gate  # what asks the network, compares features or changes the index
    reading: Gate  # what looks at stored pictures
    decoding: threading.Semaphore  # guards memory: as many pictures are decoded at a time
    originals: Originals | None = None

    @classmethod
    def of(cls, settings: Settings, deploys: Following, access: Access | None = None) -> Served:
        """The gates as ``settings`` have them; everybody may do everything without ``access``.

        Raises SettingsError where the folder of the originals cannot be used.
        """
        most = settings.max_requests, settings.max_views_at_a_time
        turns = threading.Semaphore(settings.decoding_turns)
        originals = None if settings.originals is None else Originals(settings.originals)
        access = access or Access()
        return cls(settings, deploys, access, Gate(*most), Gate(*most), turns, originals)

    @contextmanager
    def turn_to_decode(self, call: Call) -> Iterator[None]:
        """Wait for a turn, no longer than the call does.  Raises DeadlineExceeded or ClientGone."""
        while not self.decoding.acquire(timeout=max(0.0, min(_LOOK_S, call.left_s()))):
            call.require_wanted()
        try:
            call.require_wanted()
            yield
        finally:
            self.decoding.release()

    def answer(self, call: Call, work: Callable[[Deployed], Answer]) -> Answer:
        """What ``work`` makes of the deploy of now: model, labels, engine and index of one deploy.

        Where Triton has taken another version meanwhile, ``work`` begins again with that one,
        within the time that ``call`` has left; it must not change anything before that call.
        Raises what ``work`` raises.
        """
        for _ in range(_TRIES):
            with self.deploys.hold() as deployed:
                try:
                    return work(deployed)
                except VersionGone as gone:
                    # Not the exception itself: it keeps its frames, and with them the uploads.
                    stale, said = deployed, str(gone)
                except StorageFailed:
                    call.require_wanted()  # it may be the deadline that cut a wait short
                    raise
            if not self.deploys.renewed(stale, call.left_s()):
                break
        raise BackendUnavailable(said)
