"""No URL that is sent is ever fetched: refused, and no socket of the server goes anywhere."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.faults.promises.watching import Watch, watch
from tests.running_server import running_server
from tests.waiting import WAIT_S

ROOT = Path(__file__).parents[3]
URLS = (
    "http://169.254.169.254/",
    "http://169.254.169.254/latest/meta-data/iam/",
    "http://[::ffff:169.254.169.254]/",
    "https://127.0.0.1:1/cat.jpg",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "ftp://127.0.0.1/cat.jpg",
    "jar:http://127.0.0.1!/",
    "//127.0.0.1/cat.jpg",
)
PICTURES = ("/classify", "/features", "/search", "/images")
BODIES = ("/search", "/images/delete", "/v1/embeddings", *PICTURES)
OUTWARD = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
FETCHES = ("urllib.", "http.client.", "ftplib.", "subprocess.", "os.system", "os.exec", "os.posix_")
# Modules that fetch what a URL names, or start what could.
FETCHERS = {
    *("urllib.request", "http.client", "ftplib", "telnetlib", "smtplib", "xmlrpc.client"),
    *("requests", "httpx", "urllib3", "aiohttp", "pycurl", "fsspec", "subprocess"),
}
CONNECTS = {"connect", "connect_ex", "create_connection", "urlopen", "system"}


@dataclass(frozen=True)
class Watched:
    client: httpx.Client
    events: Watch


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    with pytest.MonkeyPatch.context() as patch:
        events = watch(patch, folder)
        with (
            running_server(repository, folder / "index.sqlite") as running,
            httpx.Client(base_url=running.url, timeout=WAIT_S, verify=False) as client,
        ):
            assert client.get("/readyz").status_code == 200
            # Werkzeug and others import what they need at the first request.
            client.post("/classify", files={"image": b"no picture"})
            assert events.seen("socket.bind"), "the server is not watched"
            yield Watched(client, events)


def shapes(url: str) -> Iterator[dict]:
    """A URL as every API that takes one would take it."""
    yield {"url": url}
    yield {"image": url}
    yield {"image_url": {"url": url}}
    yield {"input": url}
    yield {"input": [url]}
    yield {"input": {"url": url}, "model": "alexnet"}
    yield {"input": [{"type": "image_url", "image_url": {"url": url}}], "model": "alexnet"}
    yield {"features": url}
    yield {"ids": [url]}


def refused(answer: httpx.Response) -> None:
    assert 400 <= answer.status_code < 500, (answer.request.url, answer.text)
    assert answer.json()["code"]


def test_no_url_is_fetched(server: Watched) -> None:
    sent = 0
    for url in URLS:
        for path in BODIES:
            for body in shapes(url):
                refused(server.client.post(path, json=body))
                sent += 1
        for path in PICTURES:
            refused(server.client.post(path, content=url))  # as if it were the picture
            refused(server.client.post(path, data={"image": url}))
            refused(server.client.post(path, data={"url": url}, files={"image": b"x"}))
            refused(server.client.post(path, files={"image": (url, url.encode(), "text/plain")}))
            refused(server.client.post(path, params={"url": url}, files={"image": b"x"}))
            sent += 5
        for path in ("/model", "/readyz", "/images", "/images/x/similar", "/openapi.json", "/"):
            asked = server.client.get(path, params={"url": url, "image": url})
            if path != "/":
                refused(asked)
            sent += 1
    assert sent >= 500
    assert server.events.seen(*OUTWARD, *FETCHES) == []


def test_a_url_in_a_field_of_text_is_text(server: Watched, pictures: list[bytes]) -> None:
    url = URLS[0]
    answer = server.client.put(
        "/images/linked",
        files={"image": (url, pictures[0])},
        data={"label": url, "metadata": json.dumps({"url": url})},
    )
    assert answer.status_code == 201, answer.text
    headers = {"Referer": url, "X-Forwarded-Host": "169.254.169.254", "Link": f"<{url}>"}
    stored = server.client.get("/images/linked", headers=headers).json()
    assert (stored["label"], stored["metadata"]) == (url, {"url": url})
    assert server.events.seen(*OUTWARD, *FETCHES) == []


@pytest.mark.parametrize("package", ["alexnet_server", "alexnet_pixels", "alexnet_repository"])
def test_nothing_that_fetches_is_imported_or_called(package: str) -> None:
    for path in sorted((ROOT / "server" / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = set()
            if isinstance(node, ast.Import):
                names = {one.name for one in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {f"{node.module}.{one.name}" for one in node.names} | {node.module or ""}
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in CONNECTS, f"{path}:{node.lineno} connects"
            found = {name for name in names if name in FETCHERS or name.split(".")[0] in FETCHERS}
            assert not found, f"{path} imports {found}"
