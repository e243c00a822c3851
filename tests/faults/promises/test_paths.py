"""No path that is sent touches a file: refused or stored as text, and nothing outside is opened."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from alexnet_server.errors import StorageFailed
from alexnet_server.index.database import Database
from tests.faults.promises.watching import Watch, watch
from tests.running_server import RunningServer, running_server
from tests.waiting import WAIT_S

CANARY = "the canary outside"
# As they stand in a request line: whatever decodes them, decodes them in the server.
IDS = (
    *("../x", "../../canary", "..", ".", "%2e%2e", "%2e%2e/", "%2e%2e%2fcanary", "..%2fcanary"),
    *("%2e%2e%5ccanary", "..%5ccanary", "%252e%252e%252fcanary", "....//canary", "..;/canary"),
    *("/etc/passwd", "%2fetc%2fpasswd", "//etc/passwd", "C:%5cwindows", "file:%2f%2f%2fetc"),
    *("canary%00", "canary%00.jpg", "~", "~root", "$HOME", "%c0%ae%c0%ae%2fcanary", "con|canary"),
    *("%E2%80%AE", "x" * 129, "index.sqlite%2f..%2f..%2fcanary", "evil%2fcanary", "link/canary"),
)
PLACES = (
    ("PUT", "/images/{}"),
    ("GET", "/images/{}"),
    ("GET", "/images/{}/thumbnail"),
    ("GET", "/images/{}/similar"),
    ("DELETE", "/images/{}"),
    ("GET", "/page/{}"),
    ("GET", "/page/samples/{}"),
    ("GET", "/{}"),
)
CHANGES = ("open", "os.remove", "os.rename", "os.mkdir", "os.link", "os.symlink", "os.truncate")


@dataclass(frozen=True)
class Place:
    """A server whose data folder has links that lead out of it, and what lies outside."""

    server: RunningServer
    outside: Path
    data: Path
    events: Watch

    def ask(self, method: str, target: str, body: bytes = b"") -> tuple[int, dict]:
        """Send ``target`` as it is: a client library would tidy it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=WAIT_S)
        connection.putrequest(method, target, skip_accept_encoding=True)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        is_json = "json" in answer.headers.get("Content-Type", "")
        return answer.status, json.loads(said) if is_json else {}

    def require_untouched(self) -> None:
        """What lies outside is as it was, and the server opened and changed nothing there."""
        assert {path.name: path.read_text() for path in self.outside.iterdir()} == {
            "canary": CANARY,
            "canary.jpg": CANARY,
        }
        touched = [
            event
            for event in self.events.seen(*CHANGES)
            if "canary" in str(event) or "/etc/" in str(event) or str(self.outside) in str(event)
        ]
        assert touched == []


@pytest.fixture(scope="module")
def place(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("paths")
    outside, data = folder / "outside", folder / "data"
    outside.mkdir()
    data.mkdir()
    for name in ("canary", "canary.jpg"):
        (outside / name).write_text(CANARY)
    (data / "link").symlink_to(outside)
    (data / "x").symlink_to(outside / "canary")
    (folder / "canary").symlink_to(outside / "canary")
    with pytest.MonkeyPatch.context() as patch:
        events = watch(patch, folder)
        kept = ("--originals", str(data / "originals"))
        with running_server(repository, data / "index.sqlite", *kept) as server:
            made = Place(server, outside, data, events)
            made.ask("GET", "/")  # the page's folder, and what is imported late
            assert events.seen("open"), "the server is not watched"
            yield made


@pytest.mark.parametrize(("method", "path"), PLACES)
def test_an_id_in_the_path_is_no_path(
    place: Place, method: str, path: str, pictures: list[bytes]
) -> None:
    for given in IDS:
        status, said = place.ask(method, path.format(given), pictures[0] * (method == "PUT"))
        assert status in (400, 404), (method, path.format(given), status, said)
        assert said["code"] in ("bad_id", "not_found", "picture_not_found", "bad_request")
        assert "canary outside" not in json.dumps(said)
    place.require_untouched()


def test_an_id_in_a_form_or_a_body_is_no_path(place: Place, pictures: list[bytes]) -> None:
    texts = ("../x", "../../canary", "/etc/passwd", "..", ".", "a/b", "a\\b", "x\0", "\u202ecanary")
    with httpx.Client(base_url=place.server.url, timeout=WAIT_S, verify=False) as client:
        for text in texts:
            stored = client.post("/images", files={"image": pictures[0]}, data={"id": text})
            assert (stored.status_code, stored.json()["code"]) == (400, "bad_id"), stored.text
            gone = client.post("/images/delete", json={"ids": [text]})
            assert (gone.status_code, gone.json()["code"]) == (400, "bad_id"), gone.text
            page = client.get("/images", params={"cursor": text})
            assert page.status_code in (200, 400), page.text
            kept = client.put(
                "/images/kept",
                files={"image": (text, pictures[0])},
                data={"metadata": json.dumps({"path": text})},
            )
            assert kept.json()["metadata"] == {"path": text}  # as data, and no more
    place.require_untouched()
    names = {path.name for path in place.data.iterdir()}
    own = {f"index.sqlite{suffix}" for suffix in ("", "-wal", "-shm", ".g1.lock")}
    assert names <= {"link", "x", "originals"} | own
    originals = [path for path in (place.data / "originals").rglob("*") if path.is_file()]
    assert [path.name for path in originals] == [hashlib.sha256(pictures[0]).hexdigest()]


@pytest.mark.parametrize("suffix", ["-wal", "-journal", "-shm"])
def test_a_link_in_place_of_sqlites_own_files_leads_nowhere(tmp_path: Path, suffix: str) -> None:
    canary = tmp_path / "canary"
    canary.write_text(CANARY)
    data = tmp_path / "data"
    data.mkdir()
    (data / f"index.sqlite{suffix}").symlink_to(canary)
    with contextlib.suppress(StorageFailed):  # refusing is as good as going on without it
        Database(data / "index.sqlite").close()
    assert canary.read_text() == CANARY


def test_only_the_operators_paths_are_opened() -> None:
    """The routes and what reads requests open no file at all, whatever they were sent."""
    root = Path(__file__).parents[3] / "server" / "alexnet_server"
    files = [*root.glob("routes/*.py"), root / "uploads.py", root / "storing.py"]
    assert len(files) > 5
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name.rpartition(".")[2] not in ("open", "write_bytes", "write_text"), path
