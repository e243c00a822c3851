"""The door: whether a request finds a place is decided where it arrives, before a thread has it.

An application that refuses needs a thread and the interpreter for it, and those inside wait for
both: with four times the load that a backend of 200 pictures a second can bear, the answers fell
to 0.62 of what it could do and a refusal took 106 ms at the 99th percentile (two cores).  Here a
refusal is some text, sent by the thread that reads the sockets.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Any

from waitress.channel import ClientDisconnected
from waitress.task import ThreadedTaskDispatcher

from alexnet_server.access import Access
from alexnet_server.admission import Gate
from alexnet_server.arrival import Observer, Outcome, named
from alexnet_server.errors import Overloaded, RequestError, ShuttingDown
from alexnet_server.wire import Connection, refusal


class Door(ThreadedTaskDispatcher):  # type: ignore[misc]
    """Lets requests in by ``gate`` and hands them to threads; the others are refused.

    It asks only who POSTs to one of ``paths``: every other request goes to the application.  So
    does one without the key that ``access`` asks for, which must not take a place.  ``observers``
    hear of the refusals, for the application does not.  ``trusted_proxy`` is the address whose
    X-Forwarded-For counts.
    """

    def __init__(
        self,
        gate: Gate,
        paths: Iterable[str],
        access: Access,
        observers: tuple[Observer, ...] = (),
        trusted_proxy: str | None = None,
    ) -> None:
        super().__init__()
        self._gate = gate
        self._paths = frozenset(paths)
        self._access = access
        self._observers = observers
        self._trusted_proxy = trusted_proxy

    def add_task(self, task: Entering) -> None:
        """Take a connection whose first request is complete."""
        request = task.requests[0]
        if request.error is None and request.command == "POST" and request.path in self._paths:
            try:
                if self._access.knows(_header(request, "Authorization")):
                    request.admission = self._gate.enter()
            except (Overloaded, ShuttingDown) as error:
                task.refused_with = error
                return
        super().add_task(task)

    def refuse(self, task: Entering, request: Any, error: RequestError) -> None:  # noqa: ANN401
        """Answer ``request`` on its connection, and have those who observe hear of it."""
        call = named(lambda name: _header(request, name), 0.0)
        call.facts["in_flight"] = self._gate.requests
        task.answer(request, lambda is_last: refusal(error, call, is_last))
        peer = str(task.addr[0])
        if peer == self._trusted_proxy:
            peer = _header(request, "X-Forwarded-For").rpartition(",")[2].strip() or peer
        seconds = time.monotonic() - call.began_s
        outcome = Outcome("POST", request.path, error.status, error.code, seconds, peer)
        for observe in self._observers:
            observe(call, outcome)


class Entering(Connection):
    """A connection whose requests come in by a ``Door``."""

    # Why its first request is not let in; the thread that has just handed it over answers it.
    refused_with: RequestError | None = None

    def received(self, data: bytes) -> bool:
        """Take what came; a request that is refused at the door is answered at once."""
        is_taken = super().received(data)
        self._refuse()
        return is_taken

    def service(self) -> None:
        """Answer the first of its requests; a thread's work."""
        request = self.requests[0]
        try:
            super().service()
        finally:
            if request.admission is not None:
                request.admission.leave()  # also where the application never saw it
        if self._refuse():  # the next, which came meanwhile
            self.server.pull_trigger()

    def answer(self, request: Any, text_of: Callable[[bool], bytes]) -> None:  # noqa: ANN401
        """Send ``text_of(is_last)`` for the first of its requests, and hand over the next."""
        asked = _header(request, "Connection").lower()
        is_last = request.version != "1.1" or asked == "close" or self.server.is_stopping
        with contextlib.suppress(ClientDisconnected):
            self.write_soon(text_of(is_last))
        with self.requests_lock:
            done = len(self.requests) if is_last else 1
            for one in self.requests[:done]:
                one.close()
            del self.requests[:done]
            self.close_when_flushed = is_last
            if self.requests and self.connected:
                self.server.add_task(self)

    def _refuse(self) -> bool:
        is_any = False
        while (error := self._refused()) is not None:
            is_any = True
            self.server.task_dispatcher.refuse(self, self.requests[0], error)
        return is_any

    def _refused(self) -> RequestError | None:
        """Why the first request is not let in; only one thread is told."""
        if self.refused_with is None:
            return None
        with self.requests_lock:
            error, self.refused_with = self.refused_with, None
        return error


def _header(request: Any, name: str) -> str:  # noqa: ANN401
    found: str = request.headers.get(name.upper().replace("-", "_"), "")
    return found
