"""What the page says of the model: its figures, its digest, where its towers run, what is next."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from alexnet_export.deploy import Deployment, deploy
from tests.e2e.visit import Visit
from tests.random_checkpoint import NARROW, write_random_checkpoint
from tests.running_server import running_server
from tests.waiting import wait_until

pytestmark = pytest.mark.browser

TWO_DEVICES = ("cuda:0", "cuda:1")
NO_TRITON = ("--engine", "triton://127.0.0.1:1")  # /model is answered without it


@pytest.fixture
def visit_to(browser: Browser, tmp_path: Path) -> Callable[..., Any]:
    """A visit to a server of its own, started with ``flags``."""

    @contextmanager
    def made(root: Path, *flags: str) -> Iterator[Visit]:
        index = tmp_path / "index"
        with running_server(root, index, *flags) as server, browser.new_context() as context:
            visit = Visit(context.new_page(), server.url)
            yield visit
            assert (visit.foreign, visit.complaints) == ([], [])

    return made


def opened_card(visit: Visit) -> Page:
    page = visit.open()
    page.get_by_text("About this model", exact=True).click()
    expect(page.locator("#whole-digest")).to_be_visible()
    return page


def lines(page: Page) -> dict[str, str]:
    """The card's lines that are shown: what each is about, and what it says."""
    shown = page.locator("#card dl > div:visible").all()
    return {one.locator("dt").inner_text(): one.locator("dd").inner_text() for one in shown}


def test_the_card_says_what_the_server_says(visit: Visit, pictures: list[Path]) -> None:
    visit.send("images", pictures[0])
    model = visit.get("model")
    assert model["metrics"] == {"top1": 0.25, "top5": 0.75, "n": 12}
    said = lines(opened_card(visit))
    digest = said.pop("Digest")
    assert digest.startswith(model["digest"])
    assert said == {
        "Measured": "Top-1 25.0 % (the likeliest label was right), top-5 75.0 % (one of the five "
        "likeliest was), on 12 pictures when it was trained",
        "Network": "narrow",
        "Layout": "Two towers, as in the paper: each has half of every layer but the last",
        "Runs": "Both towers on the CPU, in this server's process",
        "Numbers": "32-bit floating point (fp32)",
        "Index": "1 picture, compared by the Euclidean distance (l2) between their numbers of "
        "fc7; each search compares all of them",
        "Version": model["version"],
    }
    expect(visit.page.locator("#steps")).to_be_hidden()
    expect(visit.page.locator("#next")).to_be_hidden()


def test_the_card_is_closed_and_the_first_line_calm(visit: Visit) -> None:
    page = visit.open()
    expect(page.locator("#whole-digest")).to_be_hidden()
    assert page.locator("#facts div:visible").count() == 3


def test_the_digest_is_copied_by_the_keyboard(visit: Visit) -> None:
    page = visit.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=visit.url)
    opened_card(visit)
    button = page.get_by_role("button", name="Copy the digest")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Copied.", exact=True)).to_have_role("status")
    assert page.evaluate("navigator.clipboard.readText()") == visit.get("model")["digest"]
    expect(button).to_be_focused()


def test_where_there_is_no_clipboard_the_digest_is_selected(visit: Visit) -> None:
    # As on a page that came over plain http from another machine.
    visit.page.add_init_script(
        "Object.defineProperty(navigator, 'clipboard', { value: undefined })"
    )
    page = opened_card(visit)
    page.get_by_role("button", name="Copy the digest").click()
    expect(page.locator("#copied")).to_contain_text("Selected: copy it with Ctrl+C")
    assert page.evaluate("String(getSelection())") == visit.get("model")["digest"]


@pytest.mark.parametrize(
    ("metrics", "line"),
    [
        ({}, None),
        ({"top1": 0.0}, "Top-1 0.0 % (the likeliest label was right)"),
        (
            {"top5": 0.5, "n": 1},
            "Top-5 50.0 % (one of the five likeliest was), on 1 picture when it was trained",
        ),
    ],
)
def test_what_was_not_measured_is_not_shown(
    visit_to: Callable[..., Any], narrow_checkpoint: Path, metrics: dict, line: str | None
) -> None:
    file = narrow_checkpoint / "metrics.json"
    digest = json.loads(file.read_text())["digest"]
    file.write_text(json.dumps({"digest": digest, "history": []} | metrics))
    root = narrow_checkpoint.parent / "repository"
    deploy(narrow_checkpoint, Deployment(root, layout="single"))
    with visit_to(root) as visit:
        assert visit.get("model")["metrics"] == metrics
        page = opened_card(visit)
        said = lines(page)
        assert said.get("Measured") == line
        if "top1" in metrics:
            expect(page.locator("#top1")).to_have_text("0.0 %")
        else:
            expect(page.locator("#top1")).to_be_hidden()
        assert said["Layout"] == "One graph, which holds both towers"
        assert said["Runs"] == "All of it on the CPU, in this server's process"


def test_top_5_of_few_classes_is_not_shown_and_the_metric_is_named(
    visit_to: Callable[..., Any], narrow_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.random_checkpoint.CLASSES", ("hat", "shirt", "shoes"))
    write_random_checkpoint(NARROW, narrow_checkpoint)
    root = narrow_checkpoint.parent / "repository"
    deploy(narrow_checkpoint, Deployment(root))
    with visit_to(root, "--metric", "cosine") as visit:
        said = lines(opened_card(visit))
        assert said["Measured"] == (
            "Top-1 25.0 % (the likeliest label was right), on 12 pictures when it was trained"
        )
        assert said["Index"].startswith("0 pictures, compared by the angle (cosine) between")


def test_two_towers_on_two_devices_and_a_deploy_that_is_awaited(
    visit_to: Callable[..., Any], narrow_checkpoint: Path, tmp_path: Path
) -> None:
    root = tmp_path / "repository"
    deploy(narrow_checkpoint, Deployment(root, devices=TWO_DEVICES))
    with visit_to(root, *NO_TRITON) as visit:
        page = opened_card(visit)
        assert lines(page)["Runs"] == (
            "Tower 0 on cuda:0, tower 1 on cuda:1; fc8, which reads both, on cuda:0, in a Triton"
        )
        rows = [row.locator("th, td").all_inner_texts() for row in page.locator("#steps tr").all()]
        both = list(TWO_DEVICES)
        assert rows == [
            ["Layers", "Tower 0", "Tower 1"],
            ["conv1, conv2", *both],
            ["conv3, conv4, conv5", *both],
            ["fc6", *both],
            ["fc7", *both],
            ["fc8", "cuda:0"],
        ]
        write_random_checkpoint(NARROW, narrow_checkpoint, seed=7)
        deploy(narrow_checkpoint, Deployment(root, devices=TWO_DEVICES))
        wait_until(lambda: visit.get("model")["next"] == {"version": "2", "state": "awaited"})
        visit.open()
        note = page.locator("#next")
        expect(note).to_have_text(
            re.compile(r"^Version 2 has been deployed\. Triton does not have it yet .* version 1")
        )


def test_a_network_of_other_stages_is_spelt_out(visit: Visit) -> None:
    stages = ("s1_conv12", "s2_norm2", "s3_norm3_conv45", "s4_fc6")
    steps = {f"{stage}_tower{n}": f"cuda:{n}" for stage in stages for n in (0, 1)}
    model = visit.get("model") | {"dialect": "torchvision", "steps": steps | {"s5_fc8": "cuda:0"}}
    visit.page.route("**/model", lambda route: route.fulfill(json=model))
    page = opened_card(visit)
    assert lines(page)["Network"] == "AlexNet of 2014, as torchvision has it (torchvision)"
    layers = ["conv1, conv2", "norm2", "norm3, conv4, conv5", "fc6", "fc8"]
    expect(page.locator("#steps tbody th")).to_have_text(layers)


def test_a_deploy_that_is_refused_is_named(
    visit_to: Callable[..., Any], narrow_checkpoint: Path, tmp_path: Path
) -> None:
    root = tmp_path / "repository"
    deploy(narrow_checkpoint, Deployment(root))
    with visit_to(root) as visit:
        file = root / "alexnet" / "manifest.json"
        manifest = json.loads(file.read_text())
        manifest["files"]["alexnet/labels.txt"] = "0" * 64
        file.write_text(json.dumps(manifest))
        wait_until(lambda: (visit.get("model")["next"] or {}).get("state") == "refused")
        page = visit.open()
        expect(page.locator("#next")).to_contain_text("It was refused, and the server's log says")


def test_the_reference_is_linked(visit: Visit) -> None:
    page = visit.open()
    page.get_by_role("link", name="Reference").click()
    expect(page).to_have_url(f"{visit.url}/docs")
    expect(page.locator("#errors")).to_be_visible()
