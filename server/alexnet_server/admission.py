"""The gate: what is let in is answered in time, what is not is told so at once."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from alexnet_server.errors import Overloaded, ShuttingDown


class Gate:
    """Lets in ``most_requests`` requests, which hold ``most_views`` views together; never waits.

    Waiting in line is what makes an overloaded server useless: the line grows until every answer
    comes too late.  A request is counted when it arrives, its views once they are known.
    """

    def __init__(self, most_requests: int, most_views: int) -> None:
        self.most_requests, self.most_views = most_requests, most_views
        self._lock = threading.Lock()  # guards the three below
        self._requests = 0
        self._views = 0
        self._is_closed = False

    @property
    def requests(self) -> int:
        """Requests inside now."""
        return self._requests

    @property
    def views(self) -> int:
        """Pictures times views inside now."""
        return self._views

    @property
    def is_closed(self) -> bool:
        """Whether nobody is let in any more."""
        return self._is_closed

    def enter(self) -> Admission:
        """Let a request in; whoever is let in must ``leave``.

        Raises Overloaded where the gate is full, ShuttingDown once it is closed.
        """
        with self._lock:
            if self._is_closed:
                raise ShuttingDown("the server is stopping: send the request again")
            if self._requests >= self.most_requests:
                raise Overloaded(
                    f"{self._requests} requests are being answered, the most at a time: send the "
                    "request again after Retry-After seconds"
                )
            self._requests += 1
        return Admission(self)

    def close(self) -> None:
        """Let nobody in any more; those inside stay."""
        with self._lock:
            self._is_closed = True

    def _take(self, views: int) -> None:
        with self._lock:
            if self._views + views > self.most_views:
                raise Overloaded(
                    f"{self._views} views are being answered and the request has {views} more; the "
                    f"most at a time is {self.most_views}: send it again after Retry-After seconds"
                )
            self._views += views

    def _leave(self, views: int) -> None:
        with self._lock:
            self._requests -= 1
            self._views -= views


@dataclass
class Admission:
    """One request inside the gate, and the views it was let in with."""

    gate: Gate
    views: int = 0
    is_inside: bool = True

    def take(self, views: int) -> None:
        """Count ``views`` (pictures times views) of the request.  Raises Overloaded."""
        self.gate._take(views)
        self.views += views

    def leave(self) -> None:
        """Make room; a second time changes nothing."""
        if self.is_inside:
            self.is_inside = False
            self.gate._leave(self.views)
