"""One answer of one server, appended to what has come before (RFC 9110, section 14)."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx

from alexnet_export.importing.part_file import PartFile

_MAX_REDIRECTS = 5
# Answers that another attempt may better: of a server that is busy, or of a proxy before it.
_PASSING = {
    httpx.codes.REQUEST_TIMEOUT,
    httpx.codes.TOO_EARLY,
    httpx.codes.TOO_MANY_REQUESTS,
    httpx.codes.INTERNAL_SERVER_ERROR,
    httpx.codes.BAD_GATEWAY,
    httpx.codes.SERVICE_UNAVAILABLE,
    httpx.codes.GATEWAY_TIMEOUT,
}
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class Unreached(Exception):
    """No connection to the server, or to the proxy before it."""


class Interruption(Exception):
    """The server was reached, and the answer broke off or is one of a busy server."""


class Refusal(Exception):
    """What the server gives is not the file, and will not be the next time."""


def transfer(
    client: httpx.Client, address: str, part: PartFile, progress: Callable[[int], None]
) -> None:
    """Ask ``address`` for what ``part`` lacks and append it; ``progress`` gets the bytes there are.

    Raises Unreached, Interruption and Refusal; what came until then is kept.
    """
    # As they lie on the server: the length and the range speak of the file's own bytes.
    headers = {"Accept-Encoding": "identity"}
    if part.size_bytes:
        headers["Range"] = f"bytes={part.size_bytes}-"
        if tag := part.tag(address):
            headers["If-Range"] = tag
    try:
        response = _answer(client, client.build_request("GET", address, headers=headers))
        try:
            _start(response, address, part)
            progress(part.size_bytes)
            for content in response.iter_raw():
                _append(content, part)
                progress(part.size_bytes)
        finally:
            response.close()
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
        raise Unreached(str(error) or "no connection in time") from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise Refusal(str(error)) from error
    except httpx.TimeoutException as error:
        raise Interruption(f"no byte for {client.timeout.read:g} s") from error
    except httpx.TransportError as error:
        raise Interruption(str(error) or type(error).__name__) from error
    if not part.is_whole:
        raise Interruption(f"the answer ended after {part.size_bytes:,} bytes")


def _answer(client: httpx.Client, request: httpx.Request) -> httpx.Response:
    """The answer at the end of the redirects, none of which leaves HTTP or gives up TLS."""
    allowed = {"https"} if request.url.scheme == "https" else {"http", "https"}
    for _ in range(_MAX_REDIRECTS + 1):
        if request.url.scheme not in allowed:
            raise Refusal(f"leads to {request.url}, which is not {' or '.join(sorted(allowed))}")
        response = client.send(request, stream=True)
        if response.next_request is None:
            return response
        response.close()
        request = response.next_request
    raise Refusal(f"redirects more than {_MAX_REDIRECTS} times")


def _start(response: httpx.Response, address: str, part: PartFile) -> None:
    """Bring ``part`` to where the answer's body begins; raises where there is none for it."""
    if response.status_code == httpx.codes.PARTIAL_CONTENT:
        _require_rest(response, part)
        part.go_on()
    elif response.status_code == httpx.codes.OK:
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) != part.whole_bytes:
            raise Refusal(f"sends {int(length):,} bytes, not {part.whole_bytes:,}: another file")
        part.begin(address, _strong_tag(response))
    elif response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        part.discard()
        raise Interruption("has no such range; starting over")
    elif response.status_code in _PASSING:
        raise Interruption(_status(response))
    else:
        raise Refusal(_status(response))


def _require_rest(response: httpx.Response, part: PartFile) -> None:
    """Raise where a partial answer is not what is missing."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != part.size_bytes:
        part.discard()
        raise Interruption("sends another range than it was asked for; starting over")
    if found[3] != "*" and int(found[3]) != part.whole_bytes:
        raise Refusal(f"has {int(found[3]):,} bytes, not {part.whole_bytes:,}: another file")


def _append(content: bytes, part: PartFile) -> None:
    if part.size_bytes + len(content) > part.whole_bytes:
        part.discard()
        raise Refusal(f"sends more than {part.whole_bytes:,} bytes: another file")
    part.append(content)


def _strong_tag(response: httpx.Response) -> str | None:
    """The entity tag, if it stands for the bytes: RFC 9110, 13.1.5, allows no weak one here."""
    tag: str | None = response.headers.get("ETag")
    return tag if tag and tag.startswith('"') else None


def _status(response: httpx.Response) -> str:
    return f"answers {response.status_code} {response.reason_phrase}".rstrip()
