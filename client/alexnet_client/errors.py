"""Everything that can go wrong between a picture and its answer.

::

    ClientError
    ├── ServerUnreachable    no connection, or it broke before the answer; a
    │                        502 that a proxy in front gives of itself           retryable
    ├── Timeout              no whole answer within timeout_s (or 408, 504)      retryable
    ├── UnexpectedReply      what answers at this URL does not talk like AlexNet Server
    ├── BadRequest           400 and other 4xx: an option is out of range
    ├── NotAllowed           401, 403: no key, one not known, or one that may only read
    ├── NotFound             404: no picture has this id
    ├── Conflict             409: the index belongs to another model, or another process has it
    ├── BadPicture           413, 415, 422, or a file that cannot be read here
    ├── Overloaded           429, 503: too much to do right now                  retryable
    └── ServerFault          other 5xx: the fault is the server's

``retryable`` says whether the same request may succeed later with nothing changed. The client
repeats those by itself (see `alexnet_client.retry`); what reaches the caller has been repeated.
"""

from __future__ import annotations

import email.utils
import json
import math
import time
from collections.abc import Mapping
from typing import Any

from alexnet_client.names import printable

_LONGEST_TEXT_SHOWN = 200  # characters of a reply that is no problem+json


class ClientError(Exception):
    """The base of all errors this package raises for what happens outside the caller's code.

    Attributes:
        retryable: whether the same request may succeed later, unchanged.
        code: a short name of the cause, stable, for programs (``"unsupported_format"``).
        title: what kind of error this is, in a few words.
        detail: one sentence for people.
        status: the HTTP status, or None where there was no answer.
        request_id: what the server's log calls this request, or None.
        retry_after_s: how long the server asks to wait before the next try, or None.
        filename: the picture this is about (`BadPicture`), or None.
    """

    retryable = False

    def __init__(
        self,
        detail: str,
        *,
        code: str,
        title: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        filename: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.title = title or code.replace("_", " ").capitalize()
        self.status = status
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.filename = filename

    def advise(self, advice: str) -> None:
        """Add to the detail what the user of this package can do."""
        if advice:
            self.detail = f"{self.detail}; {advice}"

    def __str__(self) -> str:
        """Name the picture, the cause, and the request to look up in the server's log."""
        picture = f"{printable(self.filename)}: " if self.filename else ""
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{picture}{self.detail} [{self.code}]{request}"


class ServerUnreachable(ClientError):
    """No connection, or it broke before the whole answer was here."""

    retryable = True


class Timeout(ClientError):
    """No whole answer within the time given."""

    retryable = True


class UnexpectedReply(ClientError):
    """Something answers at this URL, but not in the words of AlexNet Server."""


class BadRequest(ClientError):
    """The server refuses the request itself: an option is unknown or out of range."""


class NotAllowed(ClientError):
    """The server wants a key, or another one; `detail` says what to do."""


class NotFound(ClientError):
    """No stored picture has this id."""


class Conflict(ClientError):
    """The index was made by another model than the one served now, or another process has it."""


class BadPicture(ClientError):
    """This picture cannot be used, now or later: too large, no picture, broken, unreadable."""


class Overloaded(ClientError):
    """The server has more to do than it accepts, or its engine is away for the moment."""

    retryable = True


class ServerFault(ClientError):
    """The server failed; its log has the cause under the request id."""


_BY_STATUS: dict[int, type[ClientError]] = {
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    408: Timeout,
    409: Conflict,
    413: BadPicture,
    415: BadPicture,
    422: BadPicture,
    429: Overloaded,
    503: Overloaded,
    504: Timeout,
}


def from_reply(status: int, headers: Mapping[str, str], body: bytes) -> ClientError:
    """Return the error that an HTTP answer other than 2xx stands for.

    Understands RFC 9457 problem+json, and the plain text or HTML that a web server or a proxy
    in front sends by itself (413 above its own limit, 502, 503).
    """
    problem = _problem(headers.get("content-type", ""), body)
    request_id = _text(problem.get("request_id")) or headers.get("x-request-id")
    if not problem and (status < 400 or status in (404, 405)):
        return UnexpectedReply(
            f"HTTP {status} with no explanation: is this the URL of an AlexNet Server?",
            code="unexpected_reply",
            status=status,
            request_id=request_id,
        )
    kind = _BY_STATUS.get(status, ServerFault if status >= 500 else BadRequest)
    if status == 502 and not problem:  # the server's own says why, and a repeat is of no use
        kind = ServerUnreachable
    plain = printable(" ".join(body.decode("utf-8", "replace").split()))[:_LONGEST_TEXT_SHOWN]
    detail = _text(problem.get("detail")) or _text(problem.get("title")) or plain
    return kind(
        detail or f"HTTP {status}",
        code=_text(problem.get("code")) or f"http_{status}",
        title=_text(problem.get("title")),
        status=status,
        request_id=request_id,
        retry_after_s=_retry_after_s(headers.get("retry-after")),
    )


def from_item(error: Mapping[str, Any], request_id: str | None) -> BadPicture:
    """Return the error of one picture among others: ``{"code", "title", "detail"}``.

    Raises:
        KeyError: it lacks one of them.
    """
    return BadPicture(
        printable(str(error["detail"])),
        code=printable(str(error["code"])),
        title=printable(str(error["title"])),
        request_id=request_id,
    )


def _problem(content_type: str, body: bytes) -> dict[str, Any]:
    if content_type.partition(";")[0].strip().lower() != "application/problem+json":
        return {}
    try:
        problem = json.loads(body)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _text(value: object) -> str | None:
    return printable(value) if isinstance(value, str) and value else None


def _retry_after_s(value: str | None) -> float | None:
    """Seconds from now, from either form of Retry-After (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
