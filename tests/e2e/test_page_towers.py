"""The page's drawing of the two towers is what POST /towers answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e import test_page
from tests.narrow_repository import deploy_narrow
from tests.running_server import RunningServer, running_server

ASKED = re.compile(r"/towers\?")  # and not the module towers.js
pytestmark = pytest.mark.browser

browser = test_page.browser
pictures = test_page.pictures
visit = test_page.visit


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("page-towers")
    with running_server(deploy_narrow(folder), folder / "index") as started:
        yield started


def test_both_towers_are_drawn(visit: test_page.Visit, pictures: list[Path]) -> None:
    (result,) = visit.send("towers?maps=6", pictures[0])["results"]
    maps = [one for tower in result["towers"] for one in tower["maps"]]
    assert [one["kernel"] // 4 for one in maps] == [0] * 4 + [1] * 4
    page = visit.open()
    page.set_input_files("#file", pictures[0])
    drawn = page.locator("#towers img.map")
    expect(drawn).to_have_count(len(maps))
    for shown, one in zip(drawn.all(), maps, strict=True):
        expect(shown).to_have_attribute("src", one["map_png"])
    assert page.locator("#towers img").evaluate_all(
        "all => all.every(one => one.complete && one.naturalWidth > 0 && one.alt)"
    )
    page.set_input_files("#file", pictures[1])
    expect(drawn.first).not_to_have_attribute("src", maps[0]["map_png"])


def test_without_the_graph_nothing_is_drawn(visit: test_page.Visit, pictures: list[Path]) -> None:
    body = '{"code": "no_first_layer", "title": "None", "detail": "none"}'
    page = visit.page
    page.route(ASKED, lambda route: route.fulfill(status=404, body=body))
    visit.open()
    with page.expect_response(ASKED):
        page.set_input_files("#file", pictures[0])
    test_page.has_predictions(page, visit.send("classify", pictures[0]))
    expect(page.locator("#status")).to_contain_text("Answered")
    expect(page.locator("#lit")).to_be_hidden()
    expect(page.get_by_role("alert")).to_be_empty()
