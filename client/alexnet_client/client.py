"""The client: every call of AlexNet Server as a method."""

from __future__ import annotations

from typing import Self

from alexnet_client import retry
from alexnet_client.collection import Collection
from alexnet_client.connection import Connection
from alexnet_client.nearest import Nearest
from alexnet_client.recognition import Recognition

DEFAULT_TIMEOUT_S = 60.0


class Client(Recognition, Nearest, Collection):
    """A connection to one AlexNet Server; may be shared between threads.

    A picture is a path, bytes, or a file open in binary mode. Where several are given, in any
    iterable, they are read and sent a request at a time (at most 64 pictures times views, and
    64 MiB), and every one has its result, in order: one that cannot be used has its ``error``
    set and spoils no other. A single picture that cannot be used raises its `BadPicture`.

    Every method raises a `ClientError` (the tree stands in `alexnet_client.errors`) when the
    request fails; failures that may pass have been repeated by then.

    Args:
        url: the server. None: the environment's ALEXNET_SERVER, else http://127.0.0.1:8080.
        key: for a server that asks for one. None: the environment's ALEXNET_KEY, if it holds one.
        timeout_s: seconds until one request gives up, its repeats and waits included.
        max_retries: how often a request that failed for a passing reason is repeated.

    Raises:
        ValueError: the URL, the key or a number cannot be meant.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_retries: int = retry.MAX_RETRIES,
    ) -> None:
        self._connection = Connection(url, key=key, timeout_s=timeout_s, max_retries=max_retries)

    @property
    def url(self) -> str:
        """The server this client talks to."""
        return self._connection.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the pooled connections."""
        self._connection.close()
