"""Sample pictures, offered with the starter model: one is looked at, all are put into the index."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.axe import violations
from tests.e2e.visit import Visit, has_neighbors, has_predictions
from tests.running_server import running_server

pytestmark = pytest.mark.browser
SAMPLES = Path(__file__).parents[2] / "server" / "alexnet_server" / "page" / "samples"


@pytest.fixture(scope="module")
def starter(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server whose model says that it is the starter."""
    folder = tmp_path_factory.mktemp("starter")
    root = shutil.copytree(repository, folder / "repository", copy_function=os.link)
    manifest = root / "alexnet" / "manifest.json"
    told = json.loads(manifest.read_text()) | {"about": "The starter model: for trying things out."}
    manifest.unlink()  # a link to the shared one
    manifest.write_text(json.dumps(told))
    with running_server(root, folder / "index.sqlite") as server:
        yield server.url


@pytest.fixture
def visit(browser: Browser, starter: str) -> Iterator[Visit]:
    with browser.new_context() as context:
        made = Visit(context.new_page(), starter)
        made.empty_index()
        yield made
        assert (made.foreign, made.complaints) == ([], [])


def shown(page: Page) -> list[str]:
    images = page.locator("#samples li img")
    expect(images).to_have_count(10)
    return [Path(image.get_attribute("src")).name for image in images.all()]


def test_a_sample_is_answered_as_a_picture_of_ones_own(visit: Visit) -> None:
    page = visit.open()
    for name in shown(page):
        image = page.locator(f'#samples img[src$="/{name}"]')
        expect(image).to_have_js_property("naturalWidth", 300)
    page.get_by_role("button", name="Blue hat").click()
    has_predictions(page, visit.send("classify", SAMPLES / "hat.jpg"))
    expect(page.locator("#caption")).to_contain_text("hat.jpg")


def test_it_works_by_keyboard_alone(visit: Visit) -> None:
    page = visit.open()
    shoes = page.get_by_role("button", name="Black shoes")
    page.get_by_role("button", name="Blue hat").focus()
    page.keyboard.press("Tab")
    expect(shoes).to_be_focused()
    page.keyboard.press("Enter")
    has_predictions(page, visit.send("classify", SAMPLES / "shoes.jpg"))


@pytest.mark.parametrize("width", [320, 1200])
def test_axe_finds_nothing_and_nothing_sticks_out(visit: Visit, width: int) -> None:
    visit.page.set_viewport_size({"width": width, "height": 900})
    page = visit.open()
    expect(page.locator("#samples")).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_all_go_into_the_index_under_their_labels(visit: Visit) -> None:
    page = visit.open()
    page.get_by_role("button", name="Add them to the index…").click()
    expect(page.locator("#adding-chosen")).to_have_text("10 pictures chosen.")
    expect(page.locator("#adding-labels")).to_contain_text("shoes (2)")
    assert visit.get("images")["count"] == 0, "nothing is stored before the button is pressed"
    page.get_by_role("button", name="Add 10 pictures").click()
    expect(page.locator("#pictures")).to_have_text("10 pictures")
    stored = visit.get("images?limit=100")["images"]
    assert sorted(one["label"] for one in stored) == sorted(
        [*2 * ["dress", "pants", "shoes", "t-shirt"], "hat", "shorts"]
    )
    page.get_by_role("button", name="Red shoes", exact=True).click()
    found = visit.send("search", SAMPLES / "shoes-red.jpg")["results"][0]["neighbors"]
    assert found[0]["label"] == "shoes"
    has_neighbors(page, found)


def test_a_model_of_ones_own_is_shown_without_them(
    browser: Browser, repository: Path, tmp_path: Path
) -> None:
    with running_server(repository, tmp_path / "index") as server, browser.new_context() as context:
        page = Visit(context.new_page(), server.url).open()
        expect(page.locator("#samples")).to_be_hidden()
