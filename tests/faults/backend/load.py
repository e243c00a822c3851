"""Requests that never stop while Triton goes and comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.faults.backend.front import TIMEOUT_S, Front, connected

SLACK_S = 0.1
LOAD_THREADS = 4


class Seen(NamedTuple):
    """One answer: ``moment`` is when it came, ``seconds`` how long it took."""

    status: int
    code: str
    seconds: float
    moment: float


@dataclass
class Load:
    """Requests that never stop, and beside them a look at /livez, which waits for nothing."""

    front: Front
    picture: bytes
    seen: list[Seen] = field(default_factory=list)
    alive: list[Seen] = field(default_factory=list)
    is_over: bool = False

    def classify(self) -> None:
        self._keep_asking("POST", "/features", self.seen, content=self.picture)

    def look(self) -> None:
        self._keep_asking("GET", "/livez", self.alive)

    def count(self, status: int, after: float = 0) -> int:
        return sum(1 for one in self.seen if one.status == status and one.moment > after)

    def first(self, status: int, after: float) -> float:
        """The moment of the first such answer."""
        return min(one.moment for one in self.seen if one.status == status and one.moment > after)

    def require_only_in_time(self) -> None:
        """Right answers and refusals; none later than the deadline, but for a busy machine."""
        assert {(one.status, one.code) for one in self.seen} <= {
            (200, ""),
            (503, "backend_unavailable"),
        }
        assert {one.status for one in self.alive} == {200}
        busy_s = max(one.seconds for one in self.alive)  # before the wait, and after it
        assert max(one.seconds for one in self.seen) <= TIMEOUT_S + SLACK_S + 2 * busy_s

    def _keep_asking(self, method: str, path: str, seen: list[Seen], **body: bytes) -> None:
        with connected(self.front.server.url) as client:
            while not self.is_over:
                began = time.monotonic()
                answer = client.request(method, path, **body)
                now = time.monotonic()
                seen.append(
                    Seen(answer.status_code, answer.json().get("code", ""), now - began, now)
                )
                time.sleep(0.05)  # the rate of the load: 4 threads, up to 80 a second


@contextmanager
def load(front: Front, picture: bytes) -> Iterator[Load]:
    made = Load(front, picture)
    work = [made.classify] * LOAD_THREADS + [made.look]
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        made.is_over = True
        for thread in threads:
            thread.join()
