"""Whatever the server refuses, the page says in words what a person can do."""

from __future__ import annotations

import importlib.resources
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.visit import Visit

# The first opens the dialog for a key (test_page_key.py), the second nobody hears.
UNHEARD = ("key_missing", "client_gone")
CLASSIFIED = re.compile(r"/classify\?")
pytestmark = pytest.mark.browser


def statuses() -> dict[str, int]:
    """The status of every code, as the reference says; not those that no page hears."""
    text = importlib.resources.files("alexnet_server").joinpath("openapi.json").read_text()
    code = json.loads(text)["components"]["schemas"]["Problem"]["properties"]["code"]
    known = {name: meaning["status"] for name, meaning in code["x-meanings"].items()}
    return {name: status for name, status in known.items() if name not in UNHEARD}


def answered(visit: Visit, picture: Path, status: int, answer: str, **headers: str) -> list[str]:
    """The paragraphs that the page says of such an answer: the detail, and what to do."""
    page = visit.page

    def refuse(route: Route) -> None:
        route.fulfill(status=status, body=answer, headers={"X-Request-Id": "named", **headers})

    page.route(CLASSIFIED, refuse, times=1)
    with page.expect_response(CLASSIFIED):
        page.set_input_files("#file", picture)
    alert = page.get_by_role("alert")
    expect(alert.locator("strong")).to_be_visible()
    return alert.locator("p").all_text_contents()


def test_every_refusal_says_what_to_do(visit: Visit, pictures: list[Path]) -> None:
    visit.open()
    for code, status in statuses().items():
        problem = json.dumps({"code": code, "title": f"Title of {code}", "detail": "the detail"})
        paragraphs = answered(visit, pictures[0], status, problem)
        assert len(paragraphs) == 2, (code, paragraphs)
        detail, advice = paragraphs
        assert detail
        assert len(advice) > 10, code
        may_repeat = status >= 500 or code == "index_in_use"
        again = visit.page.get_by_role("button", name="Try again")
        expect(again).to_have_count(int(may_repeat))
        assert "Retry-After" not in detail + advice, code
        if status == 503:
            assert advice == "Try again in 1 s.", code
            assert detail != "the detail", f"{code}: these words are for programs"
        elif status >= 500:
            assert advice.endswith("tell whoever runs this server of request named."), code


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("7", "in 7 s."),
        ("100", "in 100 s."),
        ("121", "in 3 min."),
        ("0", "in 1 s."),
        ("Wed, 21 Oct 2026 07:28:00 GMT", "in 1 s."),
    ],
)
def test_when_to_try_again_is_said(
    visit: Visit, pictures: list[Path], header: str, words: str
) -> None:
    visit.open()
    headers = {"Retry-After": header}
    for status in (429, 503):
        said = answered(visit, pictures[0], status, "<h1>of a proxy</h1>", **headers)
        assert said[1] == f"Try again {words}"
