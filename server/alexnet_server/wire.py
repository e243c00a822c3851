"""HTTP/1.1 off the sockets: waitress, with the holes of 3.0.2 shut and our form of refusal.

Waitress reads every connection in one thread, so what takes that thread long stops everybody.
Measured with one request of 16 kB: 32 s for a request line with two targets, 1.2 s for a header
of blanks (both in regular expressions that try every way to match); and a chunk's size line or
the trailers may grow to the limit of a body, searched again from the start with each piece.
Other holes: Content-Length beside Transfer-Encoding, or Transfer-Encoding in HTTP/1.0, is taken,
by which two servers in a row can be made to disagree where a request ends (RFC 9112, section
11.2); a body is asked for with 100 Continue though the request was refused; a client that asks
hundreds of times in a row and reads nothing holds a thread, and one that sends a byte a second its
connection, for good.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from http import HTTPStatus
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import BadRequest, build_http_date

from alexnet_server.admission import Admission
from alexnet_server.arrival import ADMISSION, server_timing
from alexnet_server.call import Call
from alexnet_server.errors import RequestError
from alexnet_server.problem import document

# RFC 9112, section 3: method, target, version, a blank between them.  The target is a path, a URL
# or an asterisk, without fragment; bytes above ASCII are let through, as many programs send them.
_REQUEST_LINE = re.compile(
    rb"[A-Z-]{1,20} (?:\*|(?:https?:/)?/[\x21\x22\x24-\x7e\x80-\xff]*) HTTP/1\.[01]"
)
_LONG_GAP = re.compile(rb"[ \t]{256}")
_FOLD = re.compile(rb"\r\n[ \t]")  # RFC 9112, section 5.2
# More than this and the body itself: chunks of one byte end at 65,536 of them.
_MOST_FRAMING_BYTES = 256 * 1024
# Above some 16 MB of answers that a client does not take, a thread of waitress waits for it.
_MOST_IN_A_ROW = 8
_PATIENCE_S = 30
_LEAST_BYTES_PER_S = 8 * 1024
IDENT = "alexnet"
_LAST = "Connection: close\r\n"
_CODES = {
    400: "bad_request",
    413: "request_too_large",
    431: "header_too_large",
    500: "internal_error",
    501: "not_implemented",
}


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """One request as it arrives; refuses what could be read in two ways, or only slowly."""

    completed: bool
    admission: Admission | None = None  # what it was given at the door

    def __init__(self, adj: Any) -> None:  # noqa: ANN401 (waitress has no types)
        super().__init__(adj)
        self.began_s = time.monotonic()

    def received(self, data: bytes) -> int:
        """Take what belongs to this request; returns how many bytes that was."""
        consumed: int = super().received(data)
        if self.chunked and self._framing_bytes() > _MOST_FRAMING_BYTES:
            self.error = BadRequest("the chunks have more framing than content")
            self.completed = True
        if self.completed:
            self.expect_continue = False  # else waitress would wait for a body all the same
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Read request line and headers.  Raises ParsingError, or what waitress raises."""
        line = header_plus.partition(b"\r\n")[0]
        if not _REQUEST_LINE.fullmatch(line):
            raise ParsingError("the request line is not METHOD TARGET HTTP/1.1")
        if _LONG_GAP.search(header_plus) or _FOLD.search(header_plus):
            raise ParsingError("a header is folded or full of blanks")
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # a length of 5,000 digits, http://[::1
            raise ParsingError("the target or a number in the header cannot be read") from error
        if self.version == "1.1" and "," in self.headers.get("HOST", ","):
            raise ParsingError("one Host header is needed")  # RFC 9112, section 3.2
        # RFC 9112, section 6.1: in HTTP/1.1 waitress takes the header away as it reads it.
        if "TRANSFER_ENCODING" in self.headers or (
            self.chunked and "CONTENT_LENGTH" in self.headers
        ):
            raise ParsingError("Transfer-Encoding does not go with Content-Length or HTTP/1.0")

    def is_late(self, now_s: float) -> bool:
        """Whether it comes so slowly that it is not waited for any more."""
        came = self.header_bytes_received + self.body_bytes_received
        return bool(now_s - self.began_s > _PATIENCE_S + came / _LEAST_BYTES_PER_S)

    def _framing_bytes(self) -> int:
        body = len(self.body_rcv)
        return int(self.body_bytes_received) - 2 * body


class Answering(WSGITask):  # type: ignore[misc]
    """The answer of the application; the last of its connection once the server is stopping."""

    wrote_header: bool

    def get_environment(self) -> dict[str, Any]:
        """What the application is told."""
        environ: dict[str, Any] = super().get_environment()
        # The length is known, of chunks too.  Told otherwise, Werkzeug reads a form of exactly the
        # limit once more at its end, and refuses it for that.
        environ.pop("wsgi.input_terminated", None)
        environ[ADMISSION] = self.request.admission
        return environ

    def write(self, data: bytes) -> None:
        """Send a part of the body; a whole one goes with its head, in one call of the system."""
        if data and not self.wrote_header and self.has_body and self.content_length == len(data):
            head = self.build_response_header()
            self.wrote_header = True
            self.content_bytes_written = len(data)
            self.channel.write_soon(head + data)
        else:
            super().write(data)

    def build_response_header(self) -> bytes:
        """Status line and headers."""
        if self.channel.server.is_stopping:
            self.request.headers["CONNECTION"] = "close"
        head: bytes = super().build_response_header()
        return head


class Refusing(ErrorTask):  # type: ignore[misc]
    """What could not be read, answered as the application would (RFC 9457)."""

    def execute(self) -> None:
        """Write the answer; the connection is closed after it."""
        error = self.request.error
        code = _CODES.get(error.code, "bad_request")
        # waitress quotes the header that it refuses, which may hold a key
        detail, request_id = error.body.partition('"')[0].rstrip(), uuid.uuid4().hex
        body = _body(error.code, code, error.reason, detail, request_id)
        self.status = f"{error.code} {error.reason}"
        self.response_headers += [
            ("Content-Type", "application/problem+json"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Request-Id", request_id),
        ]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


def refusal(error: RequestError, call: Call, is_last: bool) -> bytes:
    """The whole answer to a request that is not let in; ``is_last``: of its connection.

    Waitress' own way costs several times as much, and there may be a thousand a second.
    """
    body = _body(error.status, error.code, error.title, str(error), call.request_id)
    head = (
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n"
        f"{_LAST if is_last else ''}"
        f"Content-Length: {len(body)}\r\n"
        "Content-Type: application/problem+json\r\n"
        f"Date: {build_http_date(time.time())}\r\n"
        f"Retry-After: {error.retry_after_s}\r\n"
        f"Server: {IDENT}\r\n"
        f"Server-Timing: {server_timing(call, 0.0)}\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        f"X-Request-Id: {call.request_id}\r\n"
        "\r\n"
    )
    return head.encode("ascii") + body


def _body(status: int, code: str, title: str, detail: str, request_id: str) -> bytes:
    return f"{json.dumps(document(status, code, title, detail, request_id))}\n".encode()


class Connection(HTTPChannel):  # type: ignore[misc]
    """One connection."""

    parser_class = Parser
    task_class = Answering
    error_task_class = Refusing

    def is_idle_since(self, since_s: float) -> bool:
        """Whether it only waits for its next request, having had one answered before then."""
        return bool(
            self.request is None
            and not self.requests
            and not self.total_outbufs_len
            and self.creation_time < self.last_activity < since_s
        )

    def received(self, data: bytes) -> bool:
        """Take what came; of many requests in a row, the first few, and close behind them."""
        is_taken: bool = super().received(data)
        with self.requests_lock:
            if len(self.requests) > _MOST_IN_A_ROW:
                for one in self.requests[_MOST_IN_A_ROW:]:
                    one.close()
                del self.requests[_MOST_IN_A_ROW:]
                self.requests[-1].headers["CONNECTION"] = "close"
        return is_taken
