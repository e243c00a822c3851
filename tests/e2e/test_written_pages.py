"""The pages that commands write, opened from the disk in a browser."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from alexnet_client import page as written
from alexnet_client.duplicates import DuplicateGroup
from alexnet_client.duplicates_page import duplicates_page
from alexnet_client.evaluation.accuracy import Answer, Evaluation
from alexnet_client.evaluation.outcome import Outcome
from alexnet_client.evaluation.page import evaluation_page
from alexnet_client.evaluation.retrieval import Found, Retrieval
from alexnet_client.results import ModelCard, Prediction, StoredPicture
from alexnet_client.thumbnail import image_source
from alexnet_training.evaluation.answers import Answers
from alexnet_training.evaluation.scores import scores
from alexnet_training.report import Shown, write_report
from tests.e2e.axe import violations
from tests.narrow_dialects import random_import
from tests.photos import crops
from tests.random_checkpoint import CLASSES, NARROW

pytestmark = pytest.mark.browser

LABELS = ("a class of a long name", "boot", "café <b>", "dress", "hat", "shirt")

# The least contrast of any text with what is behind it (WCAG 2.2, 1.4.3: 4.5), by canvas because
# the colours come from light-dark() and color-mix().
LEAST_CONTRAST = """() => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const painted = (colors) => {
        canvas.globalCompositeOperation = 'source-over';
        for (const color of colors) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); }
        const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => {
            const share = part / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    };
    const probe = document.createElement('i');
    probe.style.color = 'var(--mark)';
    document.body.append(probe);
    const mark = getComputedStyle(probe).color;
    probe.remove();
    let least = 99;
    for (const element of document.querySelectorAll('body *')) {
        const own = [...element.childNodes].filter((node) => node.nodeType === 3);
        if (!own.some((node) => node.data.trim())) continue;
        const behind = [];
        for (let at = element; at; at = at.parentElement) {
            behind.unshift(getComputedStyle(at).backgroundColor);
            if (getComputedStyle(at).backgroundImage !== 'none') behind.push(mark);
        }
        const ground = painted(behind);
        const text = painted([...behind, getComputedStyle(element).color]);
        const [low, high] = [ground, text].sort((one, other) => one - other);
        least = Math.min(least, (high + 0.05) / (low + 0.05));
    }
    return least;
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every page, and the pictures that the first one links."""
    root = tmp_path_factory.mktemp("pages")
    names = [root / "photos" / f"a: {number} %#?.jpg" for number in range(4)]
    names[0].parent.mkdir()
    for name, pixels in zip(names, crops(4), strict=True):
        Image.fromarray(pixels).save(name)
    written.write(root / "evaluation.html", _evaluation(names, root / "evaluation.html"))
    written.write(root / "duplicates.html", _duplicates(names[0].read_bytes()))
    _report(root)
    return root


def _evaluation(names: list[Path], out: Path) -> Iterator[str]:
    def said(number: int) -> tuple[Prediction, ...]:
        order = LABELS[number:] + LABELS[:number]
        shares = (0.9, 0.05, 0.03, 0.015, 0.005)
        return tuple(Prediction(one, 0, p) for one, p in zip(order[:5], shares, strict=True))

    answers = [Answer(str(name), LABELS[0], said(number)) for number, name in enumerate(names)]
    card = ModelCard("alexnet", "1", "d" * 64, "d", "towers", "fp32", LABELS, "", {}, {})
    found = {metric: Found({1: 0.5, 10: None}, 0.25) for metric in ("l2", "cosine")}
    outcome = Outcome("photos", "http://127.0.0.1:1", card, 1)
    outcome.unknown = Counter({"shoe": 2})
    outcome.failed = {"broken.jpg": "cut short"}
    outcome.passed_over = 1
    outcome.evaluation = Evaluation.of(answers)
    outcome.retrieval = Retrieval(4, 4, 0, 0.5, found)

    def source(name: str) -> str:
        # One as a copy in the page, the others as links, as without Pillow.
        path = Path(name)
        return image_source(path, out) if path == names[1] else _linked(path, out)

    return evaluation_page(outcome, 100, source)


def _linked(path: Path, out: Path) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "PIL", None)
        return image_source(path, out)


def _duplicates(jpeg: bytes) -> Iterator[str]:
    stored = [
        StoredPicture(id, "hat", {"path": f"hat/<{id}>.jpg"}, "2026-11-22T06:00:00+00:00", 5)
        for id in "abc"
    ]
    groups = [DuplicateGroup.of(stored[:2]), DuplicateGroup.of(stored[1:])]
    return duplicates_page(groups, 4.0, lambda one: None if one.id == "c" else jpeg)


def _report(root: Path) -> None:
    checkpoint, count = random_import(NARROW), 12
    chance, labels = np.random.default_rng(0), np.arange(count) % len(CLASSES)
    answers = Answers(
        chance.dirichlet(np.ones(len(CLASSES)), count).astype(np.float32),
        chance.random((count, 32), dtype=np.float32),
    )
    names = [f"photo {number}" for number in range(count)]
    shown = Shown("drawn", crops(count), labels, answers, scores(answers, labels, names, CLASSES))
    rates = (1e-2, 1e-2, 1e-3, 1e-3)
    history = [
        {"epoch": n, "loss": 2 / n, "learning_rate": rate, "top1": 0.2 * n, "top5": 1.0}
        for n, rate in enumerate(rates, start=1)
    ]
    metrics = {"digest": "d" * 64, "training_photos": 40, "history": history}
    write_report(root, checkpoint, metrics | {"recipe": {"epochs": 4, "seed": 0}}, shown)


@pytest.fixture(params=["evaluation", "duplicates", "report"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=["light", "dark"])
def shown(
    browser: Browser, folder: Path, name: str, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """The page as a phone shows it; nothing may be asked of anywhere but the disk."""
    context = browser.new_context(
        color_scheme=request.param, viewport={"width": 390, "height": 844}
    )
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto((folder / f"{name}.html").as_uri())
    yield page
    context.close()
    assert [one for one in asked if not one.startswith(("data:", folder.as_uri()))] == []
    assert complaints == []


def test_pictures_show_text_is_legible_and_nothing_sticks_out(shown: Page, name: str) -> None:
    for picture in shown.locator("img").all():
        picture.scroll_into_view_if_needed()
        shown.wait_for_function("one => one.complete", arg=picture.element_handle())
        assert picture.evaluate("one => one.naturalWidth") > 0
        assert picture.get_attribute("alt")
    assert shown.locator("img").count() == (6 if name == "report" else 3)
    assert shown.evaluate(LEAST_CONTRAST) >= 4.5
    assert shown.evaluate("document.documentElement.scrollWidth") <= 390
    dark = shown.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    ground = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)")


def test_the_keyboard_reaches_all_that_scrolls_and_parts_have_names(shown: Page, name: str) -> None:
    reached = []
    for _ in range(1 + shown.locator(".scroll").count()):
        shown.keyboard.press("Tab")
        reached.append(
            shown.evaluate(
                "[document.activeElement.className, document.activeElement.ariaLabel,"
                " getComputedStyle(document.activeElement).outlineStyle]"
            )
        )
    assert reached[0][0] == "skip"
    assert all(label for kind, label, _ in reached[1:])
    assert {kind for kind, *_ in reached[1:]} <= {"scroll"}
    assert {outline for *_, outline in reached} == {"solid"}
    if name == "evaluation":
        assert len(reached) == 6
    levels = shown.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(one => one.tagName)")
    assert levels[0] == "H1"
    assert levels.count("H1") == 1
    assert shown.locator("html").get_attribute("lang") == "en"
    for table in shown.locator("table").all():
        assert table.locator("caption").count() == 1
        assert table.locator("th:not([scope])").count() == 0


def test_axe_finds_nothing(shown: Page, name: str) -> None:
    assert violations(shown) == []
    shown.set_viewport_size({"width": 1280, "height": 800})
    assert violations(shown) == []
