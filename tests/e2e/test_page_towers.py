"""The page's drawing of the two towers is what POST /towers answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.visit import Visit, has_predictions

ASKED = re.compile(r"/towers\?")  # and not the module towers.js
pytestmark = pytest.mark.browser


def test_both_towers_are_drawn(visit: Visit, pictures: list[Path]) -> None:
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


def test_each_tower_has_its_device_and_its_bars_one_scale(
    visit: Visit, pictures: list[Path]
) -> None:
    (result,) = visit.send("towers?maps=6", pictures[0])["results"]
    strengths = [one["strength"] for tower in result["towers"] for one in tower["maps"]]
    page = visit.open()
    page.set_input_files("#file", pictures[0])
    expect(page.locator("#towers h3")).to_have_text(["Tower 0 on the CPU", "Tower 1 on the CPU"])
    rows = page.locator("#towers li")
    expect(rows).to_have_count(len(strengths))
    for row, strength in zip(rows.all(), strengths, strict=True):
        assert float(row.locator(".number").inner_text()) == pytest.approx(strength, rel=0.06)
        track, bar = (row.locator(at).bounding_box() for at in (".bar", ".bar span"))
        wanted = max(2.0, track["width"] * strength / max(strengths))
        assert bar["width"] == pytest.approx(wanted, abs=0.5)


def test_without_the_graph_nothing_is_drawn(visit: Visit, pictures: list[Path]) -> None:
    body = '{"code": "no_first_layer", "title": "None", "detail": "none"}'
    page = visit.page
    page.route(ASKED, lambda route: route.fulfill(status=404, body=body))
    visit.open()
    with page.expect_response(ASKED):
        page.set_input_files("#file", pictures[0])
    has_predictions(page, visit.send("classify", pictures[0]))
    expect(page.locator("#status")).to_contain_text("Answered")
    expect(page.locator("#lit")).to_be_hidden()
    expect(page.get_by_role("alert")).to_be_empty()
