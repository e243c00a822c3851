"""One server: its address, a pool of connections, deadlines and repeats."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from alexnet_client import keys, retry
from alexnet_client.errors import (
    ClientError,
    ServerUnreachable,
    Timeout,
    UnexpectedReply,
    from_reply,
)

DEFAULT_URL = "http://127.0.0.1:8080"
URL_VARIABLE = "ALEXNET_SERVER"
CONNECT_TIMEOUT_S = 5.0
MAX_TIMEOUT_S = 86_400.0  # a day; sockets take no infinity
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

T = TypeVar("T")


@dataclass(frozen=True)
class Reply:
    """A whole 2xx answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def request_id(self) -> str | None:
        """What the server's log calls this request, where it says so."""
        return self.headers.get("x-request-id")

    def read(self, build: Callable[[Any], T]) -> T:
        """Return ``build(the JSON of the body)``.

        Raises:
            UnexpectedReply: the body is no JSON, or not of the shape ``build`` reads.
        """
        try:
            return build(json.loads(self.body))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UnexpectedReply(
                f"the answer is not of the shape AlexNet Server gives ({error!r}): check the URL, "
                "and that client and server are of versions that fit",
                code="unexpected_reply",
                status=self.status,
                request_id=self.request_id,
            ) from error


class Connection:
    """Sends requests to one server; may be used from several threads.

    Args:
        url: http:// or https://, with a path where the server stands behind a prefix. None:
            the environment's ALEXNET_SERVER, else http://127.0.0.1:8080.
        key: sent with every request, to this server alone: no redirect is followed. None: the
            environment's ALEXNET_KEY, if it holds one.
        timeout_s: seconds until a request gives up, its repeats and waits included.
        max_retries: how often a request that failed for a passing reason is repeated.

    Raises:
        ValueError: the URL, the key or a number cannot be meant.
    """

    def __init__(
        self, url: str | None, *, key: str | None, timeout_s: float, max_retries: int
    ) -> None:
        self.url = _checked_url(url or os.environ.get(URL_VARIABLE) or DEFAULT_URL)
        if not 0 < timeout_s <= MAX_TIMEOUT_S:
            raise ValueError(
                f"the timeout is {timeout_s} s; it must be above 0 and at most {MAX_TIMEOUT_S:g}"
            )
        if max_retries < 0:
            raise ValueError(f"max_retries is {max_retries}; it must be 0 or more")
        self._timeout_s = timeout_s
        self._max_retries = max_retries
        headers = keys.headers(key)
        self._sends_key = bool(headers)
        parsed = httpx.URL(self.url)
        if self._sends_key and parsed.userinfo:
            raise ValueError("give a key, or a name and password in the URL; not both at once")
        # A proxy from the environment cannot reach this machine's own loopback address.
        loopback = parsed.host in _LOOPBACK
        self._http = httpx.Client(
            base_url=self.url, headers=headers, trust_env=not loopback, follow_redirects=False
        )

    def close(self) -> None:
        """Close the pooled connections."""
        self._http.close()

    def request(self, method: str, path: str, **content: Any) -> Reply:  # noqa: ANN401  httpx's own
        """Send a request, repeating it as `alexnet_client.retry` tells.

        ``content`` goes to httpx: params, headers, json, data, files (bytes, so that a repeat
        sends the same again).

        Raises:
            ClientError: the one that the last try ended in.
        """
        deadline = time.monotonic() + self._timeout_s
        tries = 0
        while True:
            tries += 1
            try:
                return self._once(deadline, method, path, content)
            except ClientError as error:
                pause_s = retry.wait_s(error, tries)
                out_of_time = time.monotonic() + pause_s >= deadline
                if not error.retryable or tries > self._max_retries or out_of_time:
                    raise
            time.sleep(pause_s)

    def _once(self, deadline: float, method: str, path: str, content: dict[str, Any]) -> Reply:
        left_s = deadline - time.monotonic()
        timeout = httpx.Timeout(left_s, connect=min(left_s, CONNECT_TIMEOUT_S))
        try:
            with self._http.stream(method, path, timeout=timeout, **content) as response:
                body = self._body(response, deadline)
        except (httpx.ConnectTimeout, httpx.ConnectError) as error:
            raise ServerUnreachable(
                f"no server answers at {self.url} ({error}): start one with 'alexnet-server "
                f"serve', or name another with --server URL or {URL_VARIABLE}",
                code="server_unreachable",
            ) from error
        except httpx.TimeoutException as error:
            raise self._timed_out() from error
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
        if not response.is_success:
            refusal = from_reply(response.status_code, response.headers, body)
            refusal.advise(keys.advice(refusal.code, self._sends_key))
            raise refusal
        return Reply(response.status_code, response.headers, body)

    def _body(self, response: httpx.Response, deadline: float) -> bytes:
        """Read piece by piece: httpx bounds the wait for each, a slow drip could go on forever."""
        pieces = []
        for piece in response.iter_bytes():
            if time.monotonic() >= deadline:
                raise self._timed_out()
            pieces.append(piece)
        return b"".join(pieces)

    def _timed_out(self) -> Timeout:
        return Timeout(
            f"{self.url} gave no whole answer within {self._timeout_s:g} s: send fewer pictures "
            "at once, or allow more time",
            code="timeout",
        )


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
