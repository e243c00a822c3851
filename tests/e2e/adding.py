"""Steps of adding many pictures on the page, and of holding them up on their way."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, Request, Route, expect

from tests.e2e.visit import LIMIT_MS, Visit

STORED = re.compile(r"/images$")  # POST /images, and no other request


def choose(page: Page, files: list[Path], count: str) -> None:
    page.set_input_files("#adding-files", files)
    expect(page.locator("#adding-chosen")).to_have_text(f"{count} chosen.")


def begin(page: Page) -> None:
    page.locator("#adding-begin").click()


def ended(page: Page, words: str) -> None:
    expect(page.locator("#adding-outcome > p")).to_have_text(words)
    expect(page.locator("#adding-progress")).to_be_hidden()


def labels(visit: Visit) -> list[str | None]:
    return sorted((one["label"] for one in visit.get("images?limit=1000")["images"]), key=str)


@contextmanager
def held(page: Page) -> Iterator[list[Route]]:
    """Pictures on their way are stopped in the list, until they are told to go on."""
    routes: list[Route] = []

    def hold(route: Route) -> None:
        routes.append(route)

    page.route(STORED, hold)
    yield routes
    page.unroute(STORED)


def held_up(page: Page, routes: list[Route], count: int) -> None:
    """Wait until so many are held."""
    until = time.monotonic() + LIMIT_MS / 1000
    while len(routes) < count:
        assert time.monotonic() < until, f"{len(routes)} pictures are under way, not {count}"
        page.wait_for_timeout(10)  # lets Playwright hear of them


def requests_of(page: Page) -> list[str]:
    """The addresses of pictures on their way, from now on."""
    sent: list[str] = []

    def note(request: Request) -> None:
        if STORED.search(request.url):
            sent.append(request.url)

    page.on("request", note)
    return sent
