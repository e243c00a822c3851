"""Pages of other sites in a real browser, against a server without keys on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright

from alexnet_client import Client
from tests.e2e.visit import LIMIT_MS, launched
from tests.running_server import RunningServer, running_server

pytestmark = pytest.mark.browser

# Each resolves when the browser has done with the request, and to what the page learned of it.
POST_A_FORM = """async (url) => {
    const body = new FormData();
    body.append("image", new Blob([await (await fetch("/picture")).blob()]), "evil.jpg");
    const reply = await fetch(`${url}/images`, { method: "POST", body, mode: "no-cors" });
    return `${reply.type} ${reply.status}`;
}"""
SUBMIT_A_FORM = """(url) => new Promise((resolve) => {
    const frame = document.createElement("iframe");
    frame.name = "target";
    const form = document.createElement("form");
    Object.assign(form, {
        method: "post", action: `${url}/images/delete`, enctype: "text/plain", target: "target",
    });
    document.body.append(frame, form);
    frame.addEventListener("load", () => resolve("done"));
    form.submit();
})"""
SHOW_A_PICTURE = """(url) => new Promise((resolve) => {
    const image = new Image();
    image.onload = () => resolve("seen");
    image.onerror = () => resolve("refused");
    image.src = `${url}/images/mine/thumbnail`;
})"""
READ_WITH_CORS = """async (url) => {
    try {
        return await (await fetch(`${url}/images`, { headers: { "X-Any": "1" } })).text();
    } catch {
        return "refused";
    }
}"""


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(repository, tmp_path_factory.mktemp("foreign-page") / "index") as started:
        yield started


@pytest.fixture
def stored(server: RunningServer, photos: Path) -> Iterator[Client]:
    with Client(server.url) as client:
        client.add(photos / "flower" / "1.jpg", id="mine")
        yield client


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Every name ending in .test is this machine, as under DNS rebinding."""
    with launched(playwright, "--host-resolver-rules=MAP *.test 127.0.0.1") as started:
        yield started


@pytest.fixture
def foreign(browser: Browser, photos: Path) -> Iterator[Page]:
    """The page of another site, which has a picture."""
    picture = (photos / "flower" / "1.jpg").read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = picture if self.path == "/picture" else b"<!doctype html><title>evil</title>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    site = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(LIMIT_MS)
    page.goto(f"http://evil.test:{site.server_port}/")
    yield page
    context.close()
    site.shutdown()
    site.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("attack", "learned"),
    [
        (POST_A_FORM, "opaque 0"),
        (SUBMIT_A_FORM, "done"),
        (SHOW_A_PICTURE, "refused"),
        (READ_WITH_CORS, "refused"),
    ],
)
def test_another_sites_page_changes_and_sees_nothing(
    server: RunningServer, stored: Client, foreign: Page, attack: str, learned: str
) -> None:
    with foreign.expect_request(lambda request: request.url.startswith(server.url)) as asked:
        assert foreign.evaluate(attack, server.url) == learned
    answer = asked.value.response()
    assert answer is None or answer.status == 403
    assert [picture.id for picture in stored.list()] == ["mine"]


def test_a_rebound_name_reaches_nothing(
    server: RunningServer, stored: Client, browser: Browser
) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        reply = page.goto(f"http://rebound.test:{server.port}/")
        assert (reply.status, reply.json()["code"]) == (403, "foreign_host")
        for method, path in (("GET", "images"), ("POST", "images/delete"), ("GET", "livez")):
            status = page.evaluate(
                "async ([method, path]) => (await fetch(path, { method })).status", [method, path]
            )
            assert status == 403
    assert [picture.id for picture in stored.list()] == ["mine"]
