"""The steps of a call, each done before the next: what `alexnet_client.Client` runs on."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import httpx

from alexnet_client.connection import Connection, Pause, Try
from alexnet_client.reply import Reply
from alexnet_client.steps import Block, Request

T = TypeVar("T")


class Blocking:
    """Does steps in the thread of the caller; may be used from several threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._http = httpx.Client(**connection.pool)

    def run(self, steps: Generator[Any, Any, T]) -> T:
        """Do the steps of a call and return its result; what the call raises is raised here."""
        try:
            step = next(steps)
            while True:
                try:
                    done = self._do(step)
                except BaseException as error:  # noqa: BLE001  the call's to handle or pass on
                    step = steps.throw(error)
                else:
                    step = steps.send(done)
        except StopIteration as end:
            result: T = end.value
            return result

    def close(self) -> None:
        """Close the pooled connections."""
        self._http.close()

    def _do(self, step: Request | Block[Any] | Try | Pause) -> Any:  # noqa: ANN401  as the step has it
        match step:
            case Request():
                return self.run(self._connection.tries(step))
            case Block():
                return step.work()
            case Try():
                return self._try(step)
            case Pause():
                time.sleep(step.seconds)
                return None

    def _try(self, one: Try) -> Reply:
        options = self._connection.options(one)
        with self._connection.failures(), self._http.stream(**options) as response:
            body = self._body(response, one)
        return self._connection.reply(response, body)

    def _body(self, response: httpx.Response, one: Try) -> bytes:
        """Read piece by piece: httpx bounds the wait for each, a slow drip could go on forever."""
        pieces = []
        for piece in response.iter_bytes():
            if not one.left_s:
                raise self._connection.timed_out()
            pieces.append(piece)
        return b"".join(pieces)
