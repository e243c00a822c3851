"""A call as a generator of steps, so that it is written once and runs blocking or awaited.

A call yields what it needs from the world outside, a `Request` or some work that may `Block`,
and is sent what came of it. `alexnet_client.blocking` does each step at once,
`alexnet_client.awaiting` awaits it; what failed is raised inside the call, at its ``yield``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar, cast

import httpx

from alexnet_client.reply import Reply

T = TypeVar("T")

# What is read or put together in a few milliseconds.
_QUICK_BYTES = 2**18  # of JSON
_QUICK_FORM_BYTES = 2**22


@dataclass(frozen=True)
class Request:
    """A request to the server.

    ``body`` goes to httpx: params, headers, json, content (bytes, so that a repeat sends the same
    again).
    """

    method: str
    path: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Block(Generic[T]):
    """Work that may hold up its thread: reading files, or turning much into bytes and back."""

    work: Callable[[], T]


Steps: TypeAlias = Generator[Request | Block[Any], Any, T]


def send(method: str, path: str, **content: Any) -> Steps[Reply]:  # noqa: ANN401  httpx's own
    """Send a request and return its answer.

    Raises:
        ClientError: it failed, and was repeated where a repeat may help.
    """
    if "files" in content:
        size_bytes = sum(len(file) for _, (_, file, _) in content["files"])
        encode = partial(_form, **content)
        content = encode() if size_bytes <= _QUICK_FORM_BYTES else (yield from block(encode))
    return cast(Reply, (yield Request(method, path, content)))


def block(work: Callable[[], T]) -> Steps[T]:
    """Return ``work()``, done where it holds up nobody else. It must not raise StopIteration."""
    return cast(T, (yield Block(work)))


def read(reply: Reply, build: Callable[[Any], T]) -> Steps[T]:
    """Return ``reply.read(build)``; a long answer is read where it holds up nobody else.

    Raises:
        UnexpectedReply: see `Reply.read`.
    """
    if len(reply.body) <= _QUICK_BYTES:
        return reply.read(build)
    return (yield from block(lambda: reply.read(build)))


def _form(
    *,
    files: list[tuple[str, tuple[str, bytes, str]]],
    data: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    **others: Any,  # noqa: ANN401  httpx's own
) -> dict[str, Any]:
    """Return what is sent with the form as one piece.

    httpx would write four pieces a picture; at 16 small ones a request, that was most of its work.
    """
    form = httpx.Request("POST", "http://form", files=files, data=data)
    sent = {**(headers or {}), "content-type": form.headers["content-type"]}
    return {**others, "headers": sent, "content": form.read()}
