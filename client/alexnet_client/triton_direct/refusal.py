"""What an error of a Triton's gRPC means in this package's tree of errors."""

from __future__ import annotations

from alexnet_client.errors import (
    ClientError,
    NotAllowed,
    Overloaded,
    ServerFault,
    ServerUnreachable,
    Timeout,
    UnexpectedReply,
)
from alexnet_client.names import printable

VERSION_GONE = "backend_unavailable"  # the server's code for the same
_LONGEST_TEXT_SHOWN = 300  # characters of Triton's own words
_AWAY = (ServerUnreachable, "server_unreachable", "does not answer")
_LOCKED = (NotAllowed, "forbidden", "wants a key, which cannot be given")
_STRANGE = (
    UnexpectedReply,
    "unexpected_reply",
    "does not take the pictures: does it serve a repository of alexnet-export?",
)
# gRPC status -> the error, its code, and what is said of Triton.
_KINDS: dict[str, tuple[type[ClientError], str, str]] = {
    "NOT_FOUND": (Overloaded, VERSION_GONE, "does not have the model, or not this version of it"),
    "RESOURCE_EXHAUSTED": (Overloaded, "overloaded", "has too much to do right now"),
    "DEADLINE_EXCEEDED": (
        Timeout,
        "timeout",
        "gave no answer in time: send fewer pictures at once, or allow more time",
    ),
    "UNAVAILABLE": _AWAY,
    "CANCELLED": _AWAY,
    "UNAUTHENTICATED": _LOCKED,
    "PERMISSION_DENIED": _LOCKED,
    "INVALID_ARGUMENT": _STRANGE,
    "UNIMPLEMENTED": _STRANGE,
}
# Triton tells these apart by their text alone; all are UNAVAILABLE.
_QUEUE_TEXTS = ("maximum queue size", "timeout expired")
_VERSION_TEXTS = ("unknown model", "not at ready state", "no available versions")


def refusal(url: str, status: str, text: str) -> ClientError:
    """The error for a gRPC ``status`` (``StatusCode.UNAVAILABLE``) with Triton's ``text``."""
    code = status.removeprefix("StatusCode.")
    said = printable(text)[:_LONGEST_TEXT_SHOWN]
    if code == "UNAVAILABLE" and any(part in text for part in _VERSION_TEXTS):
        code = "NOT_FOUND"
    elif code == "UNAVAILABLE" and any(part in text for part in _QUEUE_TEXTS):
        code = "RESOURCE_EXHAUSTED"
    kind, name, what = _KINDS.get(code, (ServerFault, "backend_failed", f"failed with {code}"))
    return kind(f"the Triton at {url} {what} ({said})", code=name)
