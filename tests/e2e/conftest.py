"""A real browser, a real server, and pictures to show it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.e2e.visit import Visit, launched
from tests.narrow_repository import deploy_narrow
from tests.running_server import RunningServer, running_server


# No longer than a module: while it lasts an event loop runs in this thread, and others need theirs.
@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    with launched(playwright) as started:
        yield started


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A narrow network, which no test changes."""
    return deploy_narrow(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="session")
def server(repository: Path) -> Iterator[RunningServer]:
    with running_server(repository, repository.parent / "index") as started:
        yield started


@pytest.fixture
def visit(browser: Browser, server: RunningServer) -> Iterator[Visit]:
    """A visit to an empty index; at its end nothing may have left the server or complained."""
    context = browser.new_context()
    made = Visit(context.new_page(), server.url)
    made.empty_index()
    yield made
    context.close()
    assert made.foreign == []
    assert made.complaints == []


@pytest.fixture
def pictures(photos: Path) -> list[Path]:
    return sorted(path for path in photos.glob("*/*.jpg") if path.name != "broken.jpg")
