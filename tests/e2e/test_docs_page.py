"""The page /docs in a real browser: all of /openapi.json, and lines that do what they say."""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.e2e.visit import LIMIT_MS
from tests.photos import crops
from tests.running_server import RunningServer, running_server
from tests.waiting import WAIT_S

pytestmark = pytest.mark.browser

DOCUMENT = json.loads(resources.files("alexnet_server").joinpath("openapi.json").read_text())
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method != "parameters"
}
CODES = DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("docs")
    with running_server(repository, folder / "index.sqlite") as started:
        yield started


@pytest.fixture
def page(browser: Browser, server: RunningServer) -> Iterator[Page]:
    """The page, which asks no other host for anything and complains of nothing."""
    asked: list[str] = []
    complaints: list[str] = []
    with browser.new_context() as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
        page = context.new_page()
        page.set_default_timeout(LIMIT_MS)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(f"{server.url}/docs")
        expect(page.locator("#errors")).to_be_visible()
        yield page
        assert f"{server.url}/openapi.json" in asked
        assert [url for url in asked if not url.startswith(f"{server.url}/")] == []
        assert complaints == []


def refused(responses: dict[str, Any]) -> dict[str, set[str]]:
    """The codes of each status, as the document has them."""
    found = {}
    for status, response in responses.items():
        name = response.get("$ref", "").rpartition("/")[2]
        content = DOCUMENT["components"]["responses"].get(name, response).get("content", {})
        if "application/problem+json" in content:
            schema = content["application/problem+json"]["schema"]
            found[status] = set(schema["properties"]["code"]["enum"])
    return found


def test_every_operation_is_there_with_its_parameters_and_answers(page: Page) -> None:
    assert page.locator("section[id]:not(#errors)").count() == len(OPERATIONS)
    for name, (method, path, operation) in OPERATIONS.items():
        section = page.locator(f"section#{name}")
        expect(section.locator("h2")).to_have_text(f"{method} {path}")
        shown = section.locator("tr td:first-child code").all_inner_texts()
        given = [one["$ref"].rpartition("/")[2] for one in operation.get("parameters", [])]
        known = [DOCUMENT["components"]["parameters"][one]["name"] for one in given]
        assert set(known) <= set(shown)
        assert set(operation["responses"]) <= set(shown)
        for status, codes in refused(operation["responses"]).items():
            row = section.locator("tr", has=page.get_by_text(status, exact=True)).last
            assert set(row.locator("a").all_inner_texts()) == codes
        link = page.locator(f'nav a[href="#{name}"]')
        expect(link).to_have_text(f"{method} {path}")


def test_every_error_code_is_there_with_its_meaning(page: Page) -> None:
    rows = [row.locator("td").all_inner_texts() for row in page.locator("#errors tbody tr").all()]
    meanings = CODES["x-meanings"]
    assert rows == [
        [code, str(said["status"]), said["when"], said["do"]] for code, said in meanings.items()
    ]
    assert list(meanings) == CODES["enum"]


def test_every_curl_line_works(page: Page, server: RunningServer) -> None:
    out = io.BytesIO()
    Image.fromarray(crops(1, seed=8)[0]).save(out, "JPEG")
    with httpx.Client(timeout=WAIT_S) as client:
        for name in sorted(OPERATIONS, key=lambda name: name.startswith("delete")):
            client.put(f"{server.url}/images/china-1", content=out.getvalue())
            line = page.locator(f"section#{name} .call code").inner_text()
            answer = client.request(**request_of(line, out.getvalue()))
            assert answer.is_success, f"{line}: {answer.text}"
            method, path, _ = OPERATIONS[name]
            asked = answer.request
            assert (asked.method, asked.url.path) == (method, path.format(id="china-1"))


def request_of(line: str, picture: bytes) -> dict[str, Any]:
    """What curl would send, as httpx has it; a flag that curl's lines do not use is a KeyError."""
    words = iter(shlex.split(line))
    assert next(words) == "curl"
    method, made = None, {"headers": {}}
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, value = next(words).split(": ")
            made["headers"][name] = value
        elif word == "-d":
            made["content"] = next(words)
        elif word == "-F":
            assert next(words) == "image=@picture.jpg"
            made["files"] = {"image": picture}
        elif word == "-o":
            next(words)
        else:
            assert not word.startswith("-"), word
            made["url"] = word
    usual = "POST" if made.keys() & {"content", "files"} else "GET"
    return made | {"method": method or usual}


def test_a_line_is_copied_by_the_keyboard_alone(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the endpoints")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    button = page.get_by_role("button", name=re.compile("^Copy")).first
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("Copied.")
    line = page.locator(".call code").first.inner_text()
    assert page.evaluate("navigator.clipboard.readText()") == line


def test_where_no_page_may_copy_the_line_is_selected(page: Page) -> None:
    page.context.clear_permissions()
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.get_by_role("button", name=re.compile("^Copy")).first.click()
    expect(page.locator("#status")).to_contain_text("press Ctrl+C")
    line = page.locator(".call code").first.inner_text()
    assert page.evaluate("String(getSelection())") == line


def test_links_lead_to_a_section_and_to_a_code(page: Page) -> None:
    page.locator('nav a[href="#classify"]').click()
    expect(page.locator("section#classify")).to_be_in_viewport()
    page.locator("section#classify").get_by_role("link", name="too_many_pictures").click()
    expect(page.locator("#error-too_many_pictures")).to_be_in_viewport()
    page.reload()
    expect(page.locator("#error-too_many_pictures")).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_window_needs_no_sideways_scrolling(page: Page, scheme: str) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    page.emulate_media(color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_the_policy_and_the_files(server: RunningServer) -> None:
    page = httpx.get(f"{server.url}/docs")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for name in re.findall(r'(?:src|href)="(docs/[^"]+)"', page.text):
        assert httpx.get(f"{server.url}/{name}").status_code == 200
    for name in ("__init__.py", "index.html", "..%2fserve.py", "none.css"):
        assert httpx.get(f"{server.url}/docs/{name}").json()["code"] == "not_found"
    folder = Path(str(resources.files("alexnet_server").joinpath("docs_page")))
    for file in folder.glob("*.*"):
        assert not re.search(r"https?://", file.read_text()), file
