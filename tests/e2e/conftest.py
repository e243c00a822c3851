"""A real browser, a real server, and pictures to show it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.e2e.visit import Visit, launched
from tests.running_server import RunningServer, running_server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as started:
        yield started


@pytest.fixture(scope="module")
def server(
    towers_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    with running_server(towers_repository, tmp_path_factory.mktemp("page") / "index") as started:
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
