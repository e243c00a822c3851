"""Names as nobody sane gives them: a file's is echoed, an id is refused, none reaches the log."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running_server import RunningServer, running_server
from tests.waiting import WAIT_S, wait_until

MARK = "MARKED"  # in every name, so that the log can be searched for any of them
NAMES = {
    "line feed": f"{MARK}\nlevel=error forged=1\n.jpg",
    "carriage return": f"{MARK}\r\nX-Forged: 1\r\n.jpg",
    "path": f"../../../etc/{MARK}",
    "absolute": f"/etc/{MARK}",
    "windows": f"C:\\{MARK}\\..\\x.jpg",
    "NUL": f"{MARK}\0.jpg",
    "long": MARK + 10_000 * "x",
    "right to left": f"\u202e{MARK}gpj.exe",
    "escape": f"\x1b[2J\x1b[31m{MARK}",
    "quotes": f'"{MARK}"; filename="other.jpg',
    "markup": f"<script>{MARK}</script>",
    "JSON": f'{MARK}", "admin": true, "x": "',
    "no UTF-8": MARK.encode() + b"\xff\xfe\x80",
    "lone surrogate": f"{MARK}\ud800",
    "empty": "",
}
AS_IDS = [name for name in NAMES if name != "empty"]  # an empty field is not said
NO_TEXT = ("no UTF-8", "lone surrogate")  # a form part whose header is not UTF-8 is none
CONTROL = ("line feed", "carriage return", "NUL", "escape")


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("names")
    with running_server(repository, folder / "index.sqlite") as running:
        yield running


def raw(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def quoted(name: bytes) -> bytes:
    """As browsers send it (HTML Living Standard, multipart/form-data encoding)."""
    return name.replace(b"\n", b"%0A").replace(b"\r", b"%0D").replace(b'"', b"%22")


def post(
    server: RunningServer, path: str, filename: bytes, picture: bytes, **fields: bytes
) -> tuple[int, dict]:
    parts = [
        b'--edge\r\nContent-Disposition: form-data; name="image"; filename="'
        + filename
        + b'"\r\n\r\n'
        + picture
    ]
    for name, value in fields.items():
        head = f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
        parts.append(head.encode() + value)
    body = b"\r\n".join([*parts, b"--edge--\r\n"])
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT_S)
    connection.request("POST", path, body, {"Content-Type": "multipart/form-data; boundary=edge"})
    answer = connection.getresponse()
    said = json.loads(answer.read(), parse_constant=pytest.fail)
    assert "X-Forged" not in answer.headers
    connection.close()
    return answer.status, said


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("is_quoted", [True, False], ids=["quoted", "bare"])
def test_a_files_name_is_echoed_or_the_form_refused(
    server: RunningServer, pictures: list[bytes], kind: str, is_quoted: bool
) -> None:
    name = raw(NAMES[kind])
    name = quoted(name) if is_quoted else name
    for path in ("/classify", "/images"):
        status, said = post(server, path, name, pictures[0])
        if status == 200:
            (result,) = said["results"]
            assert isinstance(result["filename"], str | None)
            assert "predictions" in result or "id" in result
        else:  # a header line that ends in the middle of a name is no header
            assert not is_quoted or kind in ("empty", *NO_TEXT), said
            assert (status, said["code"]) in ((400, "missing_picture"), (400, "bad_request"))


@pytest.mark.parametrize("kind", AS_IDS)
def test_an_id_is_refused(server: RunningServer, pictures: list[bytes], kind: str) -> None:
    status, said = post(server, "/images", b"a.jpg", pictures[0], id=raw(NAMES[kind]))
    assert (status, said["code"]) == (400, "bad_id"), said
    assert MARK not in said["detail"]


@pytest.mark.parametrize("kind", AS_IDS)
def test_a_label_is_kept_as_text_or_refused(
    server: RunningServer, pictures: list[bytes], kind: str
) -> None:
    given = raw(NAMES[kind])
    status, said = post(server, "/images", b"a.jpg", pictures[0], id=b"labelled", label=given)
    if kind in CONTROL or kind == "long":
        assert (status, said["code"]) == (400, "bad_metadata"), said
        assert len(said["detail"]) < 200
    else:
        assert status in (200, 400), said
        if status == 200:
            assert said["results"][0]["label"] == given.decode("utf-8", "replace")
    post(server, "/images", b"a.jpg", pictures[0], metadata=json.dumps({"n": repr(given)}).encode())


def test_no_name_reaches_the_log(server: RunningServer, pictures: list[bytes]) -> None:
    """Runs last: every name above was sent to this server."""
    before = len(server.messages)
    post(server, "/classify", quoted(raw(NAMES["line feed"])), pictures[0])
    wait_until(lambda: len(server.messages) > before)  # a line a request
    for line in server.messages:
        assert MARK not in line
        assert "\x1b" not in line
        if line.startswith("{"):
            assert json.loads(line)["request_id"]
    assert all(line.startswith("{") for line in server.messages[before:])
