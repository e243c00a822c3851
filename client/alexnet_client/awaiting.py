"""The steps of a call, each awaited: what `alexnet_client.AsyncClient` runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any, TypeVar

import httpx

from alexnet_client.connection import Connection, Pause, Try
from alexnet_client.reply import Reply
from alexnet_client.steps import Block, Request

T = TypeVar("T")


class Awaiting:
    """Does steps in one asyncio event loop, and what may block in a thread beside it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._http = httpx.AsyncClient(**connection.pool)

    async def run(self, steps: Generator[Any, Any, T]) -> T:
        """Do the steps of a call and return its result; what the call raises is raised here."""
        try:
            step = next(steps)
            while True:
                try:
                    done = await self._do(step)
                except BaseException as error:  # noqa: BLE001  the call's to handle or pass on
                    step = steps.throw(error)
                else:
                    step = steps.send(done)
        except StopIteration as end:
            result: T = end.value
            return result

    async def close(self) -> None:
        """Close the pooled connections."""
        await self._http.aclose()

    async def _do(self, step: Request | Block[Any] | Try | Pause) -> Any:  # noqa: ANN401  as the step has it
        match step:
            case Request():
                return await self.run(self._connection.tries(step))
            case Block():
                return await asyncio.to_thread(step.work)
            case Try():
                return await self._try(step)
            case Pause():
                await asyncio.sleep(step.seconds)
                return None

    async def _try(self, one: Try) -> Reply:
        try:
            # httpx bounds the wait for each piece; a slow drip could go on forever.
            async with asyncio.timeout(one.left_s):
                with self._connection.failures():
                    async with self._http.stream(**self._connection.options(one)) as response:
                        body = await response.aread()
        except TimeoutError as error:
            raise self._connection.timed_out() from error
        return self._connection.reply(response, body)
