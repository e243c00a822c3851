"""One request on its way through the server: until when, for whom, and what took how long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from alexnet_server.admission import Admission
from alexnet_server.errors import ClientGone, DeadlineExceeded, RequestError


def _always() -> bool:
    return True


@dataclass
class Call:
    """A request as the network and the index see it; written by the thread that serves it alone.

    ``timeout_s`` counts from the moment the Call is made.  ``spans_s`` holds the seconds spent in
    each of ``decode``, ``queue``, ``infer``, ``search`` and ``store``; ``facts`` are numbers for
    the log: ``pictures``, ``views``, ``batch_views``, ``in_flight``.  ``traceparent`` is the
    sender's (W3C Trace Context, section 3.2), None where there is none or it is malformed.
    """

    timeout_s: float
    request_id: str = ""
    traceparent: str | None = None
    is_connected: Callable[[], bool] = _always
    admission: Admission | None = None
    began_s: float = field(default_factory=time.monotonic)
    spans_s: dict[str, float] = field(default_factory=dict)
    facts: dict[str, int] = field(default_factory=dict)

    def take(self, pictures: int, views: int) -> None:
        """Say how many pictures it holds, and views of each.  Raises Overloaded."""
        self.facts |= {"pictures": pictures, "views": pictures * views}
        if self.admission is not None:
            self.admission.take(pictures * views)

    def left_s(self) -> float:
        """Seconds until the deadline; below 0 after it."""
        return self.began_s + self.timeout_s - time.monotonic()

    def is_wanted(self) -> bool:
        """Whether an answer would still be in time, and anybody there to read it."""
        return self.left_s() > 0 and self.is_connected()

    def require_wanted(self) -> None:
        """Raise ClientGone or DeadlineExceeded where the work would be in vain."""
        if not self.is_wanted():
            raise self.refusal()

    def refusal(self) -> RequestError:
        """Why it is not answered any more: nobody is there, else the deadline."""
        if not self.is_connected():
            return ClientGone("the client closed the connection before its answer was ready")
        return DeadlineExceeded(
            f"the request was not answered within {self.timeout_s:g} s: send it again later, or "
            "fewer pictures at a time"
        )

    def add(self, name: str, seconds: float) -> None:
        """Count ``seconds`` towards the span ``name``."""
        self.spans_s[name] = self.spans_s.get(name, 0.0) + seconds

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Count the time of the block towards the span ``name``."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.add(name, time.monotonic() - began)
