"""A whole answer of the server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from alexnet_client.errors import UnexpectedReply

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
            raise self.unexpected(f"not of the shape AlexNet Server gives ({error!r})") from error

    def unexpected(self, reason: str) -> UnexpectedReply:
        """Return the error that says the answer is ``reason``."""
        return UnexpectedReply(
            f"the answer is {reason}: check the URL, and that client and server are of versions "
            "that fit",
            code="unexpected_reply",
            status=self.status,
            request_id=self.request_id,
        )
