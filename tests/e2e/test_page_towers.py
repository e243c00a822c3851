"""The page's drawing of the two towers is what POST /towers answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from alexnet_export.deploy import Deployment, deploy
from alexnet_export.dialects import CAFFE, DIALECTS
from tests.e2e.visit import Visit, has_predictions
from tests.narrow_dialects import narrowed, write_random_import
from tests.running_server import running_server

# As many kernels as torchvision's network has, on views of 227 as Caffe's takes them.
OTHER = narrowed(CAFFE, {"conv1": 64, "conv2": 16, "conv3": 12, "conv4": 12, "conv5": 8}, "wide")
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


def test_another_network_has_other_kernels_and_views(
    browser: Browser, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DIALECTS, OTHER.name, OTHER)
    write_random_import(OTHER, tmp_path)
    root = tmp_path / "repository"
    deploy(tmp_path, Deployment(root, layout="single"))
    with running_server(root, tmp_path / "index") as server, browser.new_context() as context:
        visit = Visit(context.new_page(), server.url)
        (result,) = visit.send("towers?maps=12", pictures[0])["results"]
        kernels = [[one["kernel"] for one in tower["maps"]] for tower in result["towers"]]
        assert [{kernel // 32 for kernel in own} for own in kernels] == [{0}, {1}]
        assert [len(set(own)) for own in kernels] == [12, 12]
        page = visit.open()
        page.set_input_files("#file", pictures[0])
        shown = [f"Kernel {kernel}" for own in kernels for kernel in own[:6]]
        expect(page.locator("#towers .kernel-number")).to_have_text(shown)
        sides = "all => all.map(one => [one.naturalWidth, one.naturalHeight])"
        assert page.locator("#towers img.map").evaluate_all(sides) == [[55, 55]] * 12
        assert page.locator("#towers img.kernel").evaluate_all(sides) == [[11, 11]] * 12
        has_predictions(page, visit.send("classify", pictures[0]))
        assert (visit.foreign, visit.complaints) == ([], [])


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
