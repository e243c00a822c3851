"""One visit to the page in a real browser, and what the page must then show."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect

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


@contextmanager
def launched(playwright: Playwright, *flags: str) -> Iterator[Browser]:
    """Debian's Chromium; without it the test is skipped, and fails where CI is set."""
    path = shutil.which("chromium")
    if path is None:
        missing = "the page's tests need Debian's chromium: apt-get install chromium"
        if "CI" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    expect.set_options(LIMIT_MS)
    started = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags])
    yield started
    started.close()


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
        parts = {"image": part(picture), **fields}
        return _answer(self.page.request.post(f"{self.url}/{path}", multipart=parts))

    def empty_index(self) -> None:
        ids = [image["id"] for image in self.get("images?limit=1000")["images"]]
        _answer(self.page.request.post(f"{self.url}/images/delete", data={"ids": ids}))


def part(picture: Path) -> dict:
    return {"name": picture.name, "mimeType": "image/jpeg", "buffer": picture.read_bytes()}


def _answer(response) -> dict:
    assert response.ok, response.text()
    return response.json()


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
