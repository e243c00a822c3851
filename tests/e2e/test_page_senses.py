"""The page by the keyboard alone, by ear, without motion, in own colours, in large text."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.visit import Visit, has_neighbors, has_predictions

pytestmark = pytest.mark.browser

LABELS = ("building", "flower", "building", "flower")
# What has the focus, and whether that is to be seen: the file field is drawn by its label.
FOCUS = """() => {
    const focused = document.activeElement;
    const drawn = focused.id === "file" ? document.querySelector(".button") : focused;
    const { outlineStyle, outlineWidth } = getComputedStyle(drawn);
    const box = drawn.getBoundingClientRect();
    return {
        isBody: focused === document.body,
        isSeen: outlineStyle === "solid" && parseFloat(outlineWidth) >= 2 && box.width > 1 &&
            box.top >= 0 && box.bottom <= innerHeight,
        html: drawn.outerHTML,
    };
}"""
# What a screen reader is told: news in a live region, which it may pass over while that is busy.
LISTEN = """
    window.heard = [];
    new MutationObserver((changes) => {
        for (const { target } of changes) {
            const element = target.nodeType === 1 ? target : target.parentElement;
            const region = element?.closest("[role=status], [role=alert]");
            const isTold = region?.checkVisibility() && !region.closest("[aria-busy=true]");
            if (isTold && region.textContent) window.heard.push(region.textContent);
        }
    }).observe(document, { childList: true, characterData: true, subtree: true });
"""


@pytest.fixture
def stored(visit: Visit, pictures: list[Path]) -> Visit:
    """Four pictures in the index, none of them the fifth."""
    for picture, label in zip(pictures, LABELS, strict=False):
        visit.send("images", picture, label=label)
    return visit


def tab_to(page: Page, place: str) -> None:
    """Press Tab until ``place`` has the focus, which must be seen wherever it is."""
    for _ in range(40):
        page.keyboard.press("Tab")
        focus = page.evaluate(FOCUS)
        assert focus["isBody"] or focus["isSeen"], focus["html"]
        if page.evaluate("place => document.activeElement.matches(place)", place):
            return
    pytest.fail(f"Tab never reached {place}")


def answered(page: Page) -> None:
    expect(page.locator("#status")).to_contain_text("Answered")


def test_the_whole_way_by_the_keyboard(stored: Visit, pictures: list[Path]) -> None:
    # Listened to from the start: Playwright may begin to intercept only after the key was pressed.
    stored.page.on("filechooser", lambda chooser: chooser.set_files(pictures[4]))
    page = stored.open()
    tab_to(page, "#card summary")
    page.keyboard.press("Enter")
    tab_to(page, "#copy-digest")
    tab_to(page, "#file")
    page.keyboard.press("Enter")
    has_predictions(page, stored.send("classify", pictures[4]))
    (found,) = stored.send("search?k=12", pictures[4])["results"]
    has_neighbors(page, found["neighbors"])
    answered(page)
    tab_to(page, "#neighbors a")
    page.keyboard.press("Enter")
    nearest = found["neighbors"][0]
    has_neighbors(page, stored.get(f"images/{nearest['id']}/similar?k=12")["neighbors"])
    expect(page.locator("#shown")).to_be_focused()
    answered(page)
    page.go_back()
    has_neighbors(page, found["neighbors"])
    answered(page)
    tab_to(page, "#only")
    page.keyboard.type("flower")
    page.keyboard.press("Enter")
    flowers = [one["distance"] for one in found["neighbors"] if one["label"] == "flower"]
    expect(page.locator("#neighbors a")).to_have_text([f"flower{one:.2f}" for one in flowers])
    tab_to(page, "#all-labels")
    page.keyboard.press("Enter")
    has_neighbors(page, found["neighbors"])
    expect(page.locator("#only")).to_be_focused()
    tab_to(page, "#label")
    page.keyboard.type("mine")
    tab_to(page, "#add button")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("Added to the index.")
    assert "mine" in [one["label"] for one in stored.get("images")["images"]]


def test_what_happens_is_told(stored: Visit, pictures: list[Path]) -> None:
    page = stored.page
    page.add_init_script(LISTEN)
    stored.open()
    page.set_input_files("#file", pictures[4])
    answered(page)
    page.get_by_label("Only this label").fill("flower")
    page.keyboard.press("Enter")
    expect(page.locator("#neighbors li")).to_have_count(2)
    page.set_input_files("#file", pictures[0].parent.parent / "flower" / "broken.jpg")
    expect(page.get_by_role("alert").locator("strong")).to_be_visible()
    page.set_input_files("#adding-files", pictures[4:6])
    page.locator("#adding-begin").click()
    expect(page.locator("#adding-outcome")).to_contain_text("2 added")
    heard = "\n".join(page.evaluate("window.heard"))
    for news in ("Working …", "Answered in", "2 pictures with the label “flower”", "2 added"):
        assert news in heard
    assert page.get_by_role("alert").inner_text().splitlines()[0] in heard


def test_links_and_drawings_say_where_they_lead(stored: Visit, pictures: list[Path]) -> None:
    page = stored.open()
    page.set_input_files("#file", pictures[1])
    answered(page)
    nearest = page.locator("#neighbors a").first
    expect(nearest).to_have_accessible_name("flower, distance 0.00")
    expect(page.get_by_role("img", name="What kernel").first).to_be_visible()
    expect(page.get_by_role("region", name="Nearest stored pictures")).to_be_visible()
    levels = page.locator("h1, h2, h3").evaluate_all(
        "all => all.filter((one) => one.checkVisibility()).map((one) => Number(one.tagName[1]))"
    )
    assert levels == [1, 2, 2, 2, 3, 3, 2]


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_nothing_moves_where_no_motion_is_wanted(
    stored: Visit, pictures: list[Path], motion: str
) -> None:
    page = stored.page
    page.emulate_media(reduced_motion=motion)
    stored.open()
    page.route("**/classify?*", lambda route: None)  # no answer yet
    page.set_input_files("#file", pictures[0])
    expect(page.locator("#status")).to_have_text("Working …")
    assert (page.evaluate("document.getAnimations().length") == 0) == (motion == "reduce")


def test_in_the_systems_colours_bars_and_the_middle_square_are_seen(
    stored: Visit, pictures: list[Path]
) -> None:
    page = stored.page
    page.emulate_media(forced_colors="active")
    stored.open()
    page.set_input_files("#file", pictures[0])
    answered(page)
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('i'), { id: 'marked' }));"
        "document.getElementById('marked').style.cssText ="
        " 'background: Highlight; forced-color-adjust: none'"
    )
    marked, fill, bar = (
        page.locator(place).first.evaluate("one => getComputedStyle(one).backgroundColor")
        for place in ("#marked", "#predictions .bar span", "#predictions .bar")
    )
    assert fill == marked != bar
    square = page.locator("#frame").evaluate(
        "frame => getComputedStyle(frame, '::after').outlineStyle"
    )
    assert square == "solid"


def test_text_of_twice_the_size_stays_within_the_window(
    stored: Visit, pictures: list[Path]
) -> None:
    page = stored.page
    page.set_viewport_size({"width": 640, "height": 800})
    stored.open()
    page.set_input_files("#file", pictures[0])
    answered(page)
    page.get_by_text("About this model", exact=True).click()
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate("document.documentElement.scrollWidth") == 640
