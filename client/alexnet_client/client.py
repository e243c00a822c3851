"""The clients: every call of AlexNet Server as a method, blocking or awaited."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from alexnet_client import retry, timeouts
from alexnet_client.awaiting import Awaiting
from alexnet_client.blocking import Blocking
from alexnet_client.calls import AwaitingClient, BlockingClient
from alexnet_client.collection import Collection
from alexnet_client.connection import MAX_CONNECTIONS, MAX_IDLE_CONNECTIONS, Connection
from alexnet_client.nearest import Nearest
from alexnet_client.recognition import Recognition
from alexnet_client.timeouts import Timeouts

DEFAULT_TIMEOUT_S = timeouts.TOTAL_S


class _Calls(Recognition, Nearest, Collection, ABC):
    """What both clients are made with, and all their calls."""

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        timeout_s: float | Timeouts = DEFAULT_TIMEOUT_S,
        max_retries: int = retry.MAX_RETRIES,
        max_connections: int = MAX_CONNECTIONS,
        max_idle_connections: int = MAX_IDLE_CONNECTIONS,
    ) -> None:
        self._connection = Connection(
            url,
            key=key,
            timeouts=Timeouts.of(timeout_s),
            max_retries=max_retries,
            max_connections=max_connections,
            max_idle_connections=max_idle_connections,
        )
        self._connect()

    @abstractmethod
    def _connect(self) -> None: ...

    @property
    def url(self) -> str:
        """The server this client talks to."""
        return self._connection.url


class Client(_Calls, BlockingClient):
    """A connection to one AlexNet Server; may be shared between threads.

    A picture is a path, bytes, a file open in binary mode, a PIL image, or a NumPy array (uint8
    [height, width, 3] or [height, width]). Where several are given, in any iterable, they are
    read and sent a request at a time (at most 64 pictures times views, and 64 MiB), and every
    one has its result, in order: one that cannot be used has its ``error`` set and spoils no
    other. A single picture that cannot be used raises its `BadPicture`.

    Every method raises a `ClientError` (the tree stands in `alexnet_client.errors`) when the
    request fails; failures that may pass have been repeated by then.

    Args:
        url: the server. None: the environment's ALEXNET_SERVER, else http://127.0.0.1:8080.
        key: for a server that asks for one. None: the environment's ALEXNET_KEY, if it holds one.
        timeout_s: seconds until one request gives up, its repeats and waits included; or
            `Timeouts`.
        max_retries: how often a request that failed for a passing reason is repeated. 0: it
            raises at once.
        max_connections: how many requests may be on their way at a time; others wait for one.
        max_idle_connections: how many connections are kept open for the next request.

    Raises:
        ValueError: the URL, the key or a number cannot be meant.
    """

    def _connect(self) -> None:
        self._runner = Blocking(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the pooled connections."""
        self._runner.close()


class AsyncClient(_Calls, AwaitingClient):
    """`Client` for asyncio: the same methods with the same arguments, awaited.

    ``list`` is gone through with ``async for``. Files are read, and pixels turned into files,
    in threads beside the event loop. A call may be cancelled at any time; other calls, under way
    or to come, do not notice. To be used in one event loop. Made with what `Client` is made with.
    """

    def _connect(self) -> None:
        self._runner = Awaiting(self._connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the pooled connections."""
        await self._runner.close()
