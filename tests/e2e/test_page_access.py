"""Every state of the page for a screen reader, the keyboard alone, a small screen and own colours.

What axe-core cannot tell is in test_page_senses.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from tests.e2e.axe import violations
from tests.e2e.visit import Visit, launched
from tests.running_server import RunningServer, running_server

pytestmark = pytest.mark.browser

KEY = "0123456789abcdef" * 4
LABELS = ("building", "flower", "building", "flower")
# 1280 pixels magnified four times are 320 (WCAG 1.4.10).
SIGHTS = {1280: "light", 320: "dark"}

# Live regions that a screen reader does not know of before there is something to say.
UNKNOWN = """() => [...document.querySelectorAll("[role=status], [role=alert]")]
    .filter((one) => !one.closest("[hidden], dialog:not([open]), details:not([open])"))
    .filter((one) => getComputedStyle(one).display === "none").map((one) => one.id)"""

Walk = Callable[[Visit, list[Path]], None]


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    camera = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with launched(playwright, *camera) as started:
        yield started


@pytest.fixture(scope="module")
def keyed_server(repository: Path) -> Iterator[RunningServer]:
    keys = repository.parent / "keys"
    keys.write_text(f"write {KEY}\n")
    index = repository.parent / "keyed"
    with running_server(repository, index, "--keys", str(keys)) as started:
        yield started


@pytest.fixture
def stored(visit: Visit, pictures: list[Path]) -> Visit:
    for picture, label in zip(pictures, LABELS, strict=False):
        visit.send("images", picture, label=label)
    return visit


def answered(page: Page) -> None:
    expect(page.locator("#status")).to_contain_text("Answered")
    expect(page.locator("#towers img.map")).not_to_have_count(0)
    page.wait_for_function("() => [...document.images].every((image) => image.complete)")


def nothing_given(visit: Visit, pictures: list[Path]) -> None:
    visit.open()


def opened_about(visit: Visit, pictures: list[Path]) -> None:
    page = visit.open()
    page.get_by_text("About this model", exact=True).click()
    page.locator("#classes summary").click()


def neighbors(visit: Visit, pictures: list[Path]) -> None:
    visit.open().set_input_files("#file", pictures[2])
    answered(visit.page)


def empty_index(visit: Visit, pictures: list[Path]) -> None:
    visit.empty_index()
    neighbors(visit, pictures)


def stored_picture(visit: Visit, pictures: list[Path]) -> None:
    neighbors(visit, pictures)
    visit.page.locator("#neighbors a").nth(1).click()
    expect(visit.page.locator("#caption")).to_contain_text("Stored picture: ")


def broken_picture(visit: Visit, pictures: list[Path]) -> None:
    page = visit.open()
    page.set_input_files("#file", pictures[0].parent.parent / "flower" / "broken.jpg")
    expect(page.get_by_role("alert").locator("strong")).to_be_visible()


def no_answer(visit: Visit, pictures: list[Path]) -> None:
    page = visit.open()
    page.context.set_offline(True)
    page.set_input_files("#file", pictures[0])
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def no_such_label(visit: Visit, pictures: list[Path]) -> None:
    neighbors(visit, pictures)
    visit.page.get_by_label("Only this label").fill("no such label")
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("#narrowed")).to_contain_text("no such label")
    expect(visit.page.locator("#neighbors li")).to_have_count(0)


def chosen_to_add(visit: Visit, pictures: list[Path]) -> None:
    broken = pictures[0].parent.parent / "flower" / "broken.jpg"
    page = visit.open()
    page.set_input_files("#adding-files", [*pictures[:2], broken, Path(__file__)])
    page.locator("#adding-left-out summary").click()
    expect(page.locator("#adding-begin")).to_have_text("Add 3 pictures")


def being_added(visit: Visit, pictures: list[Path]) -> None:
    chosen_to_add(visit, pictures)
    visit.page.route("**/images", lambda route: None)  # no answer yet
    visit.page.locator("#adding-begin").click()
    bar = visit.page.get_by_role("progressbar", name="Pictures that have an answer")
    expect(bar).to_be_visible()  # axe asks neither <progress> nor <dialog> for a name


def added_in_part(visit: Visit, pictures: list[Path]) -> None:
    chosen_to_add(visit, pictures)
    visit.page.locator("#adding-begin").click()
    expect(visit.page.get_by_role("list", name="Not added")).to_contain_text("broken.jpg")


def camera(visit: Visit, pictures: list[Path]) -> None:
    page = visit.open()
    page.get_by_role("button", name="Take a photo").click()
    expect(page.get_by_role("button", name="Take it")).to_be_enabled()
    expect(page.get_by_role("dialog", name="Take a photo")).to_be_visible()


def reference(visit: Visit, pictures: list[Path]) -> None:
    visit.page.goto(f"{visit.url}/docs")
    expect(visit.page.locator("#errors")).to_be_visible()


WALKS = (
    nothing_given,
    opened_about,
    neighbors,
    empty_index,
    stored_picture,
    broken_picture,
    no_answer,
    no_such_label,
    chosen_to_add,
    being_added,
    added_in_part,
    camera,
    reference,
)


def is_open_to_all(page: Page) -> None:
    """axe finds nothing, in light and in dark, and at no width is there sideways scrolling."""
    assert page.evaluate(UNKNOWN) == []
    for width, scheme in SIGHTS.items():
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert violations(page) == [], f"{scheme}, {width} wide"


@pytest.mark.parametrize("walk", WALKS)
def test_axe_finds_nothing_and_nothing_sticks_out(
    stored: Visit, pictures: list[Path], walk: Walk
) -> None:
    walk(stored, pictures)
    is_open_to_all(stored.page)


def test_so_in_the_dialog_that_asks_for_a_key(
    browser: Browser, keyed_server: RunningServer
) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(keyed_server.url)
        expect(page.get_by_role("dialog", name="This server asks for a key")).to_be_visible()
        is_open_to_all(page)
        page.get_by_label("Key", exact=True).fill("two words")
        page.keyboard.press("Enter")
        expect(page.get_by_label("Key", exact=True)).to_have_accessible_description(
            "A key is one word of letters, digits and signs, as it was made."
        )
        is_open_to_all(page)
        page.get_by_label("Key", exact=True).fill(KEY)
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Forget the key")).to_be_visible()
        is_open_to_all(page)
