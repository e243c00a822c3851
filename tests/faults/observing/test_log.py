"""One line of strict JSON a request, whatever its names are, and none of them in it."""

from __future__ import annotations

import http.client
import socket

import pytest

from tests.faults.observing.watched import Watched, jpeg

ODD_NAMES = {
    "newline": b"a\\nb\nc",
    "nul": b"a\0b",
    "rtl": "a\u202egpj.exe".encode(),
    "long": b"n" * 10_000,
    "json": b'","level":"error","x":"',
    "escape": b"\x1b[2J\x1b[31m",
    "latin": b"\xe4\xff\xfe",
    "parent": b"../../etc/passwd",
}
BOUNDARY = b"zq-boundary"


def form(name: bytes, picture: bytes) -> bytes:
    quoted = name.replace(b'"', b'\\"')
    return b"\r\n".join(
        [
            b"--" + BOUNDARY,
            b'Content-Disposition: form-data; name="image"; filename="' + quoted + b'"',
            b"",
            picture,
            b"--" + BOUNDARY + b"--",
            b"",
        ]
    )


def posted(watched: Watched, key: str, path: str, body: bytes, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", watched.server.port, timeout=60)
    connection.request(
        "POST",
        path,
        body,
        {
            "Authorization": f"Bearer {key}",
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}",
            **headers,
        },
    )
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("kind", ODD_NAMES)
@pytest.mark.parametrize("path", ["/classify", "/images"])
def test_a_name_breaks_no_line_and_is_in_none(
    locked: Watched, key: str, kind: str, path: str
) -> None:
    request_id = f"{kind}.{path[1:]}"
    before = len(locked.log().splitlines())
    body = form(ODD_NAMES[kind], jpeg(1))
    status = posted(locked, key, path, body, **{"X-Request-Id": request_id})
    entry = locked.entry(request_id)
    assert (entry["status"], entry["route"]) == (status, path)
    added = locked.log().splitlines()[before:]
    assert len(added) == 1
    for hidden in ("gpj", "nnnnnnnnnnnn", "2J", "passwd", key):
        assert hidden not in added[0]
    assert added[0].isascii()


def test_an_odd_request_id_is_replaced_and_not_repeated(locked: Watched, key: str) -> None:
    for sent in ('a"b', "x" * 65, "\u202e", "a b"):
        answer = locked.main.get(
            "/model",
            headers={"Authorization": f"Bearer {key}", "X-Request-Id": sent.encode("utf-8")},
        )
        assert locked.entry(answer.headers["X-Request-Id"])["route"] == "/model"
        assert "x" * 65 not in locked.log()


def test_a_senders_trace_is_named(locked: Watched, key: str) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"Authorization": f"Bearer {key}", "X-Request-Id": "traced"}
    locked.main.get("/model", headers=headers | {"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    assert locked.entry("traced")["trace_id"] == trace
    headers["X-Request-Id"] = "untraced"
    locked.main.get("/model", headers=headers | {"traceparent": f"00-{trace}-\t-01"})
    assert locked.entry("untraced")["trace_id"] is None


def test_forged_addresses_change_no_line(locked: Watched, key: str) -> None:
    forged = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Host": "zq.example",
        "X-Forwarded-Proto": "https",
        "Forwarded": "for=203.0.113.9;host=zq.example",
        "X-Real-Ip": "203.0.113.9",
        "Host": f"localhost:{locked.server.port}",
        "Authorization": f"Bearer {key}",
        "X-Request-Id": "forged",
    }
    answer = locked.main.get("/model", headers=forged)
    assert answer.status_code == 200
    assert locked.entry("forged")["peer"] == "127.0.0.1"
    assert "203.0.113.9" not in locked.log() + answer.text + str(answer.headers)
    assert "zq.example" not in locked.log() + answer.text + str(answer.headers)


def test_what_is_no_request_is_no_line_and_breaks_none(locked: Watched, key: str) -> None:
    with socket.create_connection(("127.0.0.1", locked.server.port), 60) as one:
        one.sendall(b"GET /images/zq-hidden\n\x00 HTTP/9\r\nX: \xff\r\n\r\n")
        assert one.recv(12).startswith(b"HTTP/1.")
    headers = {"Authorization": f"Bearer {key}", "X-Request-Id": "after"}
    locked.main.get("/model", headers=headers)
    locked.entry("after")
    assert all("message" in entry for entry in locked.entries())
    assert "zq-hidden" not in locked.log()


def test_probes_write_nothing(locked: Watched) -> None:
    before = locked.log()
    for client in (locked.main, locked.operator):
        for path in ("/livez", "/readyz"):
            assert client.get(path, headers={"X-Request-Id": "probe"}).status_code == 200
    answer = locked.main.get("/model", headers={"X-Request-Id": "last"})
    assert locked.entry("last")["status"] == answer.status_code
    added = locked.log()[len(before) :]
    assert "probe" not in added
    assert len(added.splitlines()) == 1
