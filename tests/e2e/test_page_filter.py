"""Neighbours on the page can be narrowed to those of one label."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.visit import Visit, has_neighbors, has_predictions

ODD = '50 % off & more? #1/2 <b>b</b> "é" 🙂 a+b=c'
SEARCHED = re.compile(r"/search\?|/similar\?")
pytestmark = pytest.mark.browser


@pytest.fixture
def labelled(visit: Visit, pictures: list[Path]) -> list[Path]:
    """Six stored pictures: three of one class, two of another, and one of an odd label."""
    for picture in pictures[:5]:
        visit.send("images", picture, label=picture.parent.name)
    visit.send("images", pictures[5], label=ODD)
    return pictures


def field(page: Page):
    return page.get_by_label("Only this label")


def narrow(page: Page, label: str) -> None:
    field(page).fill(label)
    field(page).press("Enter")


def similar(visit: Visit, id_: str, **filters: str) -> list[dict]:
    return visit.get(f"images/{id_}/similar?{urlencode({'k': 12, **filters})}")["neighbors"]


def nearest(visit: Visit, picture: Path, **filters: str) -> list[dict]:
    (found,) = visit.send(f"search?{urlencode({'k': 12, **filters})}", picture)["results"]
    return found["neighbors"]


def shows(page: Page, neighbors: list[dict], label: str) -> None:
    """Wait until the grid is exactly these, each leading on under the same filter."""
    query = f"?{urlencode({'label': label})}" if label else ""
    links = page.locator("#neighbors a")
    expect(links).to_have_text([f"{one['label']}{one['distance']:.2f}" for one in neighbors])
    for number, one in enumerate(neighbors):
        expect(links.nth(number)).to_have_attribute("href", f"#images/{one['id']}{query}")
    expect(field(page)).to_have_value(label)
    expect(page.get_by_role("button", name="All labels")).to_be_visible(visible=bool(label))


def test_a_given_pictures_neighbours_are_narrowed(visit: Visit, labelled: list[Path]) -> None:
    page = visit.open()
    page.set_input_files("#file", labelled[4])
    has_neighbors(page, nearest(visit, labelled[4]))
    expect(page.locator("#status")).to_contain_text("Answered")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    narrow(page, "building")
    wanted = nearest(visit, labelled[4], label="building")
    assert [one["label"] for one in wanted] == ["building"] * 3
    shows(page, wanted, "building")
    expect(field(page)).to_be_focused()
    expect(page.locator("#narrowed")).to_have_text("Shown: 3 pictures with the label “building”.")
    has_predictions(page, visit.send("classify", labelled[4]))
    assert not [one for one in asked if "/classify" in one or "/towers" in one]
    page.get_by_role("button", name="All labels").click()
    has_neighbors(page, nearest(visit, labelled[4]))
    shows(page, nearest(visit, labelled[4]), "")
    expect(field(page)).to_be_focused()
    expect(page.locator("#narrowed")).to_be_empty()
    assert page.url == f"{visit.url}/"


def test_the_filter_holds_from_neighbour_to_neighbour_and_back(
    visit: Visit, labelled: list[Path]
) -> None:
    page = visit.open()
    page.set_input_files("#file", labelled[4])
    has_neighbors(page, nearest(visit, labelled[4]))
    narrow(page, "building")
    buildings = nearest(visit, labelled[4], label="building")
    shows(page, buildings, "building")
    first = buildings[0]["id"]
    page.locator("#neighbors a").first.click()
    of_first = similar(visit, first, label="building")
    assert len(of_first) == 2
    shows(page, of_first, "building")
    assert page.url == f"{visit.url}/#images/{first}?label=building"
    second = of_first[0]["id"]
    page.locator("#neighbors a").first.click()
    shows(page, similar(visit, second, label="building"), "building")
    page.reload()
    shows(page, similar(visit, second, label="building"), "building")
    page.get_by_role("button", name="All labels").click()
    shows(page, similar(visit, second), "")
    assert page.url == f"{visit.url}/#images/{second}"
    page.go_back()
    shows(page, similar(visit, second, label="building"), "building")
    page.go_back()
    shows(page, of_first, "building")
    expect(page.locator("#caption")).to_have_text("Stored picture: building")


def test_going_back_to_a_given_picture_shows_the_filter_of_then(
    visit: Visit, labelled: list[Path]
) -> None:
    page = visit.open()
    page.set_input_files("#file", labelled[4])
    has_neighbors(page, nearest(visit, labelled[4]))
    narrow(page, "flower")
    flowers = nearest(visit, labelled[4], label="flower")
    shows(page, flowers, "flower")
    page.locator("#neighbors a").last.click()
    shows(page, similar(visit, flowers[-1]["id"], label="flower"), "flower")
    page.go_back()
    shows(page, flowers, "flower")
    page.go_back()
    shows(page, nearest(visit, labelled[4]), "")
    page.go_forward()
    shows(page, flowers, "flower")
    page.reload()
    expect(page.locator("#facts")).to_be_visible()
    expect(page.locator("#found")).to_be_hidden()
    page.set_input_files("#file", labelled[0])
    shows(page, nearest(visit, labelled[0]), "")


def test_going_back_to_the_beginning_shows_nothing(visit: Visit, labelled: list[Path]) -> None:
    page = visit.open()
    first = visit.get("images")["images"][0]["id"]
    page.evaluate("address => { location.hash = address; }", f"images/{first}?label=building")
    shows(page, similar(visit, first, label="building"), "building")
    page.go_back()
    expect(page.locator("#found")).to_be_hidden()
    expect(page.locator("#shown")).to_be_hidden()
    page.go_forward()
    shows(page, similar(visit, first, label="building"), "building")


@pytest.mark.parametrize("label", [ODD, " ", "100%", "%zz", "?label=x&label=y"])
def test_a_label_may_hold_anything(visit: Visit, pictures: list[Path], label: str) -> None:
    for picture in pictures[:2]:
        visit.send("images", picture, label=label)
    visit.send("images", pictures[2], label="other")
    page = visit.open()
    page.set_input_files("#file", pictures[0])
    has_neighbors(page, nearest(visit, pictures[0]))
    narrow(page, label)
    wanted = nearest(visit, pictures[0], label=label)
    assert len(wanted) == 2
    expect(page.locator("#narrowed")).to_have_text(f"Shown: 2 pictures with the label “{label}”.")
    page.locator("#neighbors a").first.click()
    expect(page.locator("#narrowed")).to_have_text(f"Shown: 1 picture with the label “{label}”.")
    page.reload()
    expect(page.locator("#narrowed")).to_have_text(f"Shown: 1 picture with the label “{label}”.")
    expect(field(page)).to_have_value(label)
    assert page.locator("#narrowed *").count() == 0


def test_none_found_names_the_label(visit: Visit, labelled: list[Path]) -> None:
    page = visit.open()
    page.set_input_files("#file", labelled[0])
    has_neighbors(page, nearest(visit, labelled[0]))
    narrow(page, "shirt")
    words = page.locator("#narrowed")
    expect(words).to_have_text("No stored picture has the label “shirt”.")
    expect(page.locator("#neighbors a")).to_have_count(0)
    expect(page.locator("#empty")).to_be_hidden()
    expect(page.locator("#measure")).to_be_hidden()
    narrow(page, ODD)
    shows(page, nearest(visit, labelled[0], label=ODD), ODD)
    page.locator("#neighbors a").click()  # the only one
    expect(words).to_have_text(f"No other stored picture has the label “{ODD}”.")
    expect(page.locator("#empty")).to_be_hidden()
    page.get_by_role("button", name="All labels").click()
    expect(page.locator("#neighbors a")).to_have_count(5)


def test_the_field_suggests_classes_and_labels_seen(visit: Visit, labelled: list[Path]) -> None:
    page = visit.open()
    page.set_input_files("#file", labelled[0])
    has_neighbors(page, nearest(visit, labelled[0]))
    classes = visit.get("model")["classes"]
    offered = page.locator("#labels option").evaluate_all("all => all.map(one => one.value)")
    assert offered == sorted({*classes, "building", "flower", ODD})


def test_an_empty_index_has_nothing_to_narrow(visit: Visit, pictures: list[Path]) -> None:
    page = visit.open()
    page.set_input_files("#file", pictures[0])
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator("#filter")).to_be_hidden()


def test_a_refused_search_shows_no_neighbours_of_another_filter(
    visit: Visit, labelled: list[Path]
) -> None:
    page = visit.open()
    page.set_input_files("#file", labelled[0])
    has_neighbors(page, nearest(visit, labelled[0]))
    expect(page.locator("#status")).to_contain_text("Answered")
    body = '{"code": "overloaded", "title": "Too much to do right now", "detail": "for programs"}'
    answer = {"status": 503, "body": body, "headers": {"Retry-After": "4"}}
    page.route(SEARCHED, lambda route: route.fulfill(**answer), times=1)
    narrow(page, "building")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Too much to do right now")
    expect(alert).to_contain_text("as much as it can at a time")
    expect(alert).to_contain_text("Try again in 4 s.")
    expect(alert).not_to_contain_text("for programs")
    expect(page.locator("#neighbors a")).to_have_count(0)
    alert.get_by_role("button", name="Try again").click()
    shows(page, nearest(visit, labelled[0], label="building"), "building")
    expect(alert).to_be_empty()


def test_the_last_filter_wins(visit: Visit, labelled: list[Path]) -> None:
    page = visit.open()
    page.set_input_files("#file", labelled[0])
    has_neighbors(page, nearest(visit, labelled[0]))
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(SEARCHED, hold, times=1)
    with page.expect_request(SEARCHED) as first:
        narrow(page, "building")
    with page.expect_event("requestfailed", lambda request: request == first.value):
        narrow(page, "flower")
    shows(page, nearest(visit, labelled[0], label="flower"), "flower")
    held[0].abort()


def test_the_filter_works_from_the_keyboard_in_a_narrow_window(
    visit: Visit, labelled: list[Path]
) -> None:
    visit.page.set_viewport_size({"width": 320, "height": 640})
    page = visit.open(f"#images/{visit.get('images')['images'][0]['id']}")
    expect(page.locator("#neighbors a")).to_have_count(5)
    expect(page.locator("#shown")).to_be_focused()
    while page.evaluate("document.activeElement.id") != "only":
        assert page.evaluate("document.activeElement !== document.body"), "Tab never reached it"
        page.keyboard.press("Tab")
    page.keyboard.type("building")
    page.keyboard.press("Enter")
    expect(page.locator("#narrowed")).to_contain_text("with the label “building”")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="All labels")).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.keyboard.press("Enter")
    expect(page.locator("#neighbors a")).to_have_count(5)
    expect(field(page)).to_be_focused()
