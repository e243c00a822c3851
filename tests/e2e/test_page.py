"""The page in a real browser, against a real server: what it shows is what the server answers."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect, sync_playwright

from tests.running_server import RunningServer, running_server

pytestmark = pytest.mark.browser

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
REFUSED = "Failed to load resource"  # how Chromium's console names any answer that is not 2xx
LIMIT_MS = 20_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        missing = "the page's tests need Debian's chromium: apt-get install chromium"
        if "CI" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    expect.set_options(LIMIT_MS)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def server(
    towers_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    with running_server(towers_repository, tmp_path_factory.mktemp("page") / "index") as started:
        yield started


@dataclass
class Visit:
    """The page of one server, in a profile of its own, and what went wrong on it."""

    page: Page
    url: str
    foreign: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(LIMIT_MS)
        self.page.on("request", lambda request: self._see(request.url))
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _see(self, address: str) -> None:
        if not address.startswith((f"{self.url}/", f"blob:{self.url}/")):
            self.foreign.append(address)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            refused = message.text.startswith(REFUSED)
            (self.refusals if refused else self.complaints).append(message.text)

    def open(self, fragment: str = "") -> Page:
        self.page.goto(f"{self.url}/{fragment}")
        expect(self.page.locator("#facts")).to_be_visible()
        return self.page

    def get(self, path: str) -> dict:
        return _answer(self.page.request.get(f"{self.url}/{path}"))

    def send(self, path: str, picture: Path, **fields: str) -> dict:
        parts = {"image": _part(picture), **fields}
        return _answer(self.page.request.post(f"{self.url}/{path}", multipart=parts))

    def empty_index(self) -> None:
        ids = [image["id"] for image in self.get("images?limit=1000")["images"]]
        _answer(self.page.request.post(f"{self.url}/images/delete", data={"ids": ids}))


def _part(picture: Path) -> dict:
    return {"name": picture.name, "mimeType": "image/jpeg", "buffer": picture.read_bytes()}


def _answer(response) -> dict:
    assert response.ok, response.text()
    return response.json()


@pytest.fixture
def visit(browser: Browser, server: RunningServer) -> Iterator[Visit]:
    """A visit to an empty index; at its end nothing may have left the server or complained."""
    context = browser.new_context()
    made = Visit(context.new_page(), server.url)
    made.empty_index()
    yield made
    context.close()
    assert made.foreign == []
    assert made.complaints == []


@pytest.fixture
def pictures(photos: Path) -> list[Path]:
    return sorted(path for path in photos.glob("*/*.jpg") if path.name != "broken.jpg")


def percent(probability: float) -> str:
    if 0 < probability < 0.001:
        return "< 0.1 %"
    return "> 99.9 %" if 0.999 < probability < 1 else f"{100 * probability:.1f} %"


def has_predictions(page: Page, answer: dict) -> None:
    """Wait until the bars are those of an answer of POST /classify."""
    predictions = answer["results"][0]["predictions"]
    rows = page.locator("#predictions li")
    lines = [f"{one['label']}{percent(one['probability'])}" for one in predictions]
    expect(rows).to_have_text(lines)
    for row, one in zip(rows.all(), predictions, strict=True):
        track, bar = (row.locator(at).bounding_box() for at in (".bar", ".bar span"))
        # A bar is at least 2 px wide, so that a small share is still seen.
        wanted = max(2.0, one["probability"] * track["width"])
        assert bar["width"] == pytest.approx(wanted, abs=0.5)


def has_neighbors(page: Page, neighbors: list[dict]) -> None:
    """Wait until the grid is exactly these neighbours, in order, with their loaded thumbnails."""
    links = page.locator("#neighbors a")
    expect(links).to_have_text([f"{one['label']}{one['distance']:.2f}" for one in neighbors])
    thumbnails = page.locator("#neighbors img")
    for number, one in enumerate(neighbors):
        expect(links.nth(number)).to_have_attribute("href", f"#images/{one['id']}")
        source = f"images/{one['id']}/thumbnail"
        expect(thumbnails.nth(number)).to_have_attribute("src", source)
    page.wait_for_function(
        "count => [...document.querySelectorAll('#neighbors img')]"
        ".filter(one => one.complete && one.naturalWidth > 0).length === count",
        arg=len(neighbors),
    )


def test_what_the_model_knows_is_shown(visit: Visit):
    model = visit.get("model")
    page = visit.open()
    expect(page.locator("#about")).to_have_text(model["about"])
    expect(page.locator("#digest")).to_have_text(model["digest"][:12])
    expect(page.locator("#pictures")).to_have_text("0 pictures")
    expect(page.locator("#top1")).to_have_text("25.0 %")
    page.get_by_text(f"{len(model['classes'])} classes", exact=True).click()
    expect(page.locator("#classes li")).to_have_text(model["classes"])
    for note in ("#starter", "#index-note"):
        expect(page.locator(note)).to_be_hidden()


def test_bars_are_what_classify_answers(visit: Visit, pictures: list[Path]):
    page = visit.open()
    page.set_input_files("#file", pictures[0])
    has_predictions(page, visit.send("classify", pictures[0]))
    assert page.locator("#predictions li").count() == min(5, len(visit.get("model")["classes"]))
    assert page.locator("#preview").evaluate("image => image.naturalWidth") == 256
    assert visit.refusals == []


def test_the_button_works_from_the_keyboard(visit: Visit, pictures: list[Path]):
    # Listened to from the start: Playwright may begin to intercept only after the key was pressed.
    visit.page.on("filechooser", lambda chooser: chooser.set_files(pictures[0]))
    page = visit.open()
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.id") != "file":
        assert page.evaluate("document.activeElement !== document.body"), "Tab never reached it"
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    has_predictions(page, visit.send("classify", pictures[0]))


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_picture_can_be_dropped_and_pasted(visit: Visit, pictures: list[Path], event: str):
    page = visit.open()
    transfer = page.evaluate_handle(
        """bytes => {
            const transfer = new DataTransfer();
            const file = new File([new Uint8Array(bytes)], "given.jpg", { type: "image/jpeg" });
            transfer.items.add(file);
            return transfer;
        }""",
        list(pictures[1].read_bytes()),
    )
    if event == "drop":
        page.dispatch_event("#zone", "dragover", {"dataTransfer": transfer})
        expect(page.locator("#zone")).to_have_class("over")
        page.dispatch_event("#zone", "drop", {"dataTransfer": transfer})
        expect(page.locator("#zone")).not_to_have_class("over")
    else:
        page.evaluate(
            "clipboardData => document.body.dispatchEvent("
            "new ClipboardEvent('paste', { clipboardData, bubbles: true }))",
            transfer,
        )
    has_predictions(page, visit.send("classify", pictures[1]))
    expect(page.locator("#caption")).to_have_text("given.jpg")


def test_neighbours_are_what_search_answers(visit: Visit, pictures: list[Path]):
    for picture in pictures[:4]:
        visit.send("images", picture, label=picture.parent.name)
    page = visit.open()
    expect(page.locator("#pictures")).to_have_text("4 pictures")
    page.set_input_files("#file", pictures[2])
    (found,) = visit.send("search?k=12", pictures[2])["results"]
    assert len(found["neighbors"]) == 4
    has_neighbors(page, found["neighbors"])


def test_a_neighbour_leads_on_and_back(visit: Visit, pictures: list[Path]):
    for picture in pictures[:4]:
        visit.send("images", picture, label=picture.parent.name)
    page = visit.open()
    page.set_input_files("#file", pictures[2])
    (found,) = visit.send("search?k=12", pictures[2])["results"]
    has_neighbors(page, found["neighbors"])
    second = found["neighbors"][1]
    page.locator("#neighbors a").nth(1).click()
    similar = visit.get(f"images/{second['id']}/similar?k=12")["neighbors"]
    assert len(similar) == 3
    has_neighbors(page, similar)
    expect(page.locator("#preview")).to_have_attribute("src", f"images/{second['id']}/thumbnail")
    expect(page.locator("#caption")).to_have_text(f"Stored picture: {second['label']}")
    expect(page.locator("#shown")).to_be_focused()
    expect(page.locator("#seen")).to_be_hidden()
    expect(page.locator("#add")).to_be_hidden()
    page.reload()
    has_neighbors(page, similar)
    page.set_input_files("#file", pictures[0])
    has_predictions(page, visit.send("classify", pictures[0]))
    page.go_back()
    has_neighbors(page, similar)


def test_a_picture_can_be_added_to_an_empty_index(visit: Visit, pictures: list[Path]):
    page = visit.open()
    page.set_input_files("#file", pictures[0])
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator("#empty")).to_contain_text("The index holds no pictures yet.")
    expect(page.locator("#fill")).to_have_text(f"alexnet --server {visit.url} add path/to/folders")
    page.get_by_label("Label").fill("my house")
    page.get_by_role("button", name="Add this picture to the index").click()
    expect(page.locator("#status")).to_have_text("Added to the index.")
    (stored,) = visit.get("images")["images"]
    assert stored["label"] == "my house"
    has_neighbors(page, [{"id": stored["id"], "label": "my house", "distance": 0.0}])
    expect(page.locator("#empty")).to_be_hidden()
    expect(page.locator("#pictures")).to_have_text("1 picture")


def test_a_label_is_text_whatever_it_holds(visit: Visit, pictures: list[Path]):
    label = "<img src=x onerror=\"document.title='taken'\"><b>bold</b>"
    visit.send("images", pictures[0], label=label)
    page = visit.open()
    page.set_input_files("#file", pictures[0])
    expect(page.locator("#neighbors .label")).to_have_text(label)
    page.locator("#neighbors a").click()
    expect(page.locator("#caption")).to_have_text(f"Stored picture: {label}")
    assert page.locator("#caption *").count() == 0
    expect(page).to_have_title("AlexNet Server")


def test_a_broken_picture_shows_the_servers_words(visit: Visit, photos: Path, pictures: list[Path]):
    broken = photos / "flower" / "broken.jpg"
    reply = visit.page.request.post(f"{visit.url}/classify", multipart={"image": _part(broken)})
    assert not reply.ok
    page = visit.open()
    page.set_input_files("#file", pictures[0])
    has_predictions(page, visit.send("classify", pictures[0]))
    page.set_input_files("#file", broken)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(reply.json()["title"])
    expect(alert).to_contain_text(reply.json()["detail"])
    expect(page.locator("#seen")).to_be_hidden()
    expect(page.locator("#found")).to_be_hidden()
    page.set_input_files("#file", pictures[0])
    has_predictions(page, visit.send("classify", pictures[0]))
    expect(alert).to_be_empty()


def test_a_file_too_large_for_the_server_is_named_so(visit: Visit, tmp_path: Path):
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(68 * 2**20)  # past the limit of the HTTP layer, before Flask
    page = visit.open()
    page.set_input_files("#file", large)
    expect(page.get_by_role("alert")).to_contain_text("Request Entity Too Large")
    expect(page.get_by_role("alert")).to_contain_text("Make the picture smaller")


def test_a_server_out_of_reach_can_be_tried_again(visit: Visit, pictures: list[Path]):
    page = visit.open()
    page.context.set_offline(True)
    page.set_input_files("#file", pictures[0])
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(f"{urlsplit(visit.url).netloc} does not answer")
    page.context.set_offline(False)
    alert.get_by_role("button", name="Try again").click()
    has_predictions(page, visit.send("classify", pictures[0]))
    expect(alert).to_be_empty()


def test_the_second_picture_wins(visit: Visit, pictures: list[Path]):
    page = visit.open()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile("/classify"), hold, times=1)
    with page.expect_request(re.compile("/classify")) as first:
        page.set_input_files("#file", pictures[0])
    expect(page.locator("#status")).to_have_text("Working …")
    expect(page.locator("main")).to_have_attribute("aria-busy", "true")
    with page.expect_event("requestfailed", lambda request: request == first.value):
        page.set_input_files("#file", pictures[1])
    has_predictions(page, visit.send("classify", pictures[1]))
    expect(page.locator("#status")).to_have_text(re.compile(r"Answered in \d+ ms\."))
    expect(page.get_by_role("alert")).to_be_empty()
    held[0].abort()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_window_needs_no_sideways_scrolling(
    visit: Visit, pictures: list[Path], scheme: str
):
    visit.page.set_viewport_size({"width": 320, "height": 640})
    visit.page.emulate_media(color_scheme=scheme)
    page = visit.open()
    page.set_input_files("#file", pictures[0])
    expect(page.locator("#fill")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    ink, ground = page.evaluate(
        "['color', 'backgroundColor'].map(name =>"
        " Number(getComputedStyle(document.body)[name].match(/\\d+/)[0]))"
    )
    assert (ink < ground) == (scheme == "light")


def test_a_starter_model_and_an_unusable_index_are_named(
    browser: Browser, towers_repository: Path, pictures: list[Path], tmp_path: Path
):
    root = tmp_path / "model_repository"
    shutil.copytree(towers_repository, root, copy_function=os.link)
    manifest = root / "alexnet" / "manifest.json"
    described = json.loads(manifest.read_text()) | {
        "about": "The starter model, for trying things out.",
        "metrics": {"top1": 0.9137},
    }
    manifest.unlink()  # a link to the shared one
    manifest.write_text(json.dumps(described))
    index = tmp_path / "index.sqlite"
    index.write_text("not a database, but a text of a person's own " * 40)
    with running_server(root, index) as server, browser.new_context() as context:
        visit = Visit(context.new_page(), server.url)
        page = visit.open()
        expect(page.locator("#starter")).to_be_visible()
        expect(page.locator("#starter")).to_contain_text("make serve DATA=path/to/folders")
        expect(page.locator("#top1")).to_have_text("91.4 %")
        detail = page.request.get(f"{server.url}/images").json()["detail"]
        expect(page.locator("#index-note")).to_be_visible()
        expect(page.locator("#index-note")).to_contain_text(detail)
        page.set_input_files("#file", pictures[0])
        has_predictions(page, visit.send("classify", pictures[0]))
        expect(page.locator("#status")).to_have_text(re.compile("Answered"))
        expect(page.locator("#found")).to_be_hidden()
        expect(page.get_by_role("alert")).to_be_empty()
        assert (visit.foreign, visit.complaints) == ([], [])
