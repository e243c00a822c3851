"""One server: its address, what goes with every request, deadlines and repeats.

What sends is in `alexnet_client.blocking` and `alexnet_client.awaiting`; what both do alike
stands here, once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypedDict

import httpx

from alexnet_client import keys, retry
from alexnet_client.errors import (
    ClientError,
    ServerUnreachable,
    Timeout,
    UnexpectedReply,
    from_reply,
)
from alexnet_client.reply import Reply
from alexnet_client.steps import Request
from alexnet_client.timeouts import Timeouts

DEFAULT_URL = "http://127.0.0.1:8080"
URL_VARIABLE = "ALEXNET_SERVER"
MAX_CONNECTIONS = 100
MAX_IDLE_CONNECTIONS = 20
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Try:
    """One try of a request, to be over at ``deadline_s`` of `time.monotonic`."""

    request: Request
    deadline_s: float

    @property
    def left_s(self) -> float:
        """Seconds until the deadline, never less than none."""
        return max(0.0, self.deadline_s - time.monotonic())


@dataclass(frozen=True)
class Pause:
    """A wait between two tries."""

    seconds: float


class Pool(TypedDict):
    """What httpx.Client and httpx.AsyncClient are made with."""

    base_url: str
    headers: dict[str, str]
    limits: httpx.Limits
    trust_env: bool
    follow_redirects: bool


class Connection:
    """How to talk to one server; it sends nothing itself.

    Args:
        url: http:// or https://, with a path where the server stands behind a prefix. None:
            the environment's ALEXNET_SERVER, else http://127.0.0.1:8080.
        key: sent with every request, to this server alone: no redirect is followed. None: the
            environment's ALEXNET_KEY, if it holds one.
        timeouts: until a request gives up.
        max_retries: how often a request that failed for a passing reason is repeated.
        max_connections: at most this many at a time; a request beyond them waits for one.
        max_idle_connections: how many of them are kept open for the next request.

    Raises:
        ValueError: the URL, the key or a number cannot be meant.
    """

    def __init__(
        self,
        url: str | None,
        *,
        key: str | None,
        timeouts: Timeouts,
        max_retries: int,
        max_connections: int,
        max_idle_connections: int,
    ) -> None:
        self.url = _checked_url(url or os.environ.get(URL_VARIABLE) or DEFAULT_URL)
        if max_retries < 0:
            raise ValueError(f"max_retries is {max_retries}; it must be 0 or more")
        if max_connections < 1 or max_idle_connections < 0:
            raise ValueError(
                f"max_connections is {max_connections} and max_idle_connections "
                f"{max_idle_connections}; they must be 1 or more and 0 or more"
            )
        self._timeouts = timeouts
        self._max_retries = max_retries
        self._headers = keys.headers(key)
        self._limits = httpx.Limits(
            max_connections=max_connections, max_keepalive_connections=max_idle_connections
        )
        if self._headers and httpx.URL(self.url).userinfo:
            raise ValueError("give a key, or a name and password in the URL; not both at once")

    @property
    def pool(self) -> Pool:
        """What to make the pool of connections with."""
        return Pool(
            base_url=self.url,
            headers=self._headers,
            limits=self._limits,
            # A proxy from the environment cannot reach this machine's own loopback address.
            trust_env=httpx.URL(self.url).host not in _LOOPBACK,
            follow_redirects=False,
        )

    def tries(self, request: Request) -> Generator[Try | Pause, Any, Reply]:
        """Yield the tries of a request, repeated as `alexnet_client.retry` tells.

        It is sent the `Reply` of each try, or has its error raised inside.

        Raises:
            ClientError: the one that the last try ended in.
        """
        deadline_s = time.monotonic() + self._timeouts.total_s
        tries = 0
        while True:
            tries += 1
            try:
                reply: Reply = yield Try(request, deadline_s)
            except ClientError as error:
                pause_s = retry.wait_s(error, tries)
                out_of_time = time.monotonic() + pause_s >= deadline_s
                if not error.retryable or tries > self._max_retries or out_of_time:
                    raise
            else:
                return reply
            yield Pause(pause_s)

    def options(self, one: Try) -> dict[str, Any]:
        """Return what httpx's ``stream`` is called with for a try."""
        left_s = one.left_s
        timeout = httpx.Timeout(left_s, connect=min(left_s, self._timeouts.connect_s))
        request = one.request
        return {
            "method": request.method,
            "url": request.path,
            "timeout": timeout,
            **request.body,
        }

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Turn what httpx raises inside into errors of this package."""
        try:
            yield
        except (httpx.ConnectTimeout, httpx.ConnectError) as error:
            raise ServerUnreachable(
                f"no server answers at {self.url} ({error}): start one with 'alexnet-server "
                f"serve', or name another with --server URL or {URL_VARIABLE}",
                code="server_unreachable",
            ) from error
        except httpx.TimeoutException as error:
            raise self.timed_out() from error
        except httpx.TransportError as error:
            raise ServerUnreachable(
                f"the connection to {self.url} broke before the answer ({error})",
                code="connection_lost",
            ) from error
        except httpx.DecodingError as error:
            raise UnexpectedReply(
                f"the answer of {self.url} cannot be decompressed ({error})",
                code="unexpected_reply",
            ) from error

    def timed_out(self) -> Timeout:
        """Return the error of an answer that is not whole when its time is up."""
        return Timeout(
            f"{self.url} gave no whole answer within {self._timeouts.total_s:g} s: send fewer "
            "pictures at once, or allow more time",
            code="timeout",
        )

    def reply(self, response: httpx.Response, body: bytes) -> Reply:
        """Return a whole answer as a value.

        Raises:
            ClientError: it is a refusal.
        """
        if not response.is_success:
            refusal = from_reply(response.status_code, response.headers, body)
            refusal.advise(keys.advice(refusal.code, bool(self._headers)))
            raise refusal
        return Reply(response.status_code, response.headers, body)


def _checked_url(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{url!r} is not a URL ({error}); write {DEFAULT_URL}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(
            f"{url!r} is not the URL of a server; it starts with http:// or https://, "
            f"as {DEFAULT_URL}"
        )
    return url.rstrip("/")
