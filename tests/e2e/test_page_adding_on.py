"""Adding many pictures takes time: how far it is, how to stop it, and what a server may refuse."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from alexnet_client import Client
from tests.e2e.adding import STORED, begin, choose, ended, held, held_up, requests_of
from tests.e2e.visit import Visit, has_predictions
from tests.running_server import running_server

READ, WRITE = (hashlib.sha256(name).hexdigest() for name in (b"read", b"write"))
pytestmark = pytest.mark.browser


def refused(status: int, code: str, **headers: str) -> dict:
    """What `route.fulfill` takes for an error of the server."""
    body = f'{{"code": "{code}", "title": "Title of {code}", "detail": "detail of {code}"}}'
    return {"status": status, "body": body, "headers": headers}


def test_progress_is_shown_and_a_picture_looked_at_meanwhile(
    visit: Visit, pictures: list[Path]
) -> None:
    page = visit.open()
    choose(page, pictures, "6 pictures")
    with held(page) as routes:
        begin(page)
        held_up(page, routes, 4)
        bar = page.get_by_role("progressbar")
        expect(bar).to_have_attribute("max", "6")
        expect(bar).to_have_js_property("value", 0)
        expect(page.locator("#adding-far")).to_have_text("0 of 6")
        expect(page.locator("#adding-far")).to_be_focused()
        expect(page.locator("#adding-ways")).to_be_hidden()
        routes[0].continue_()
        expect(bar).to_have_js_property("value", 1)
        expect(page.locator("#adding-far")).to_contain_text("1 of 6")
        held_up(page, routes, 5)
        assert len(routes) == 5, "no more than four are under way"
        page.set_input_files("#file", pictures[5])
        has_predictions(page, visit.send("classify", pictures[5]))
        expect(page.locator("#status")).to_contain_text("Answered")
        expect(bar).to_have_js_property("value", 1)
        for route in routes[1:]:
            route.continue_()
        held_up(page, routes, 6)
        routes[5].continue_()
        ended(page, "6 added, 0 there already, 0 not added.")


def test_how_long_it_takes_is_said(visit: Visit, pictures: list[Path]) -> None:
    page = visit.page
    page.clock.install()
    visit.open()
    choose(page, pictures, "6 pictures")
    with held(page) as routes:
        begin(page)
        held_up(page, routes, 4)
        page.clock.fast_forward(12_000)
        routes[0].continue_()
        expect(page.locator("#adding-far")).to_have_text(re.compile(r"^1 of 6, about 6\d s left$"))
        held_up(page, routes, 5)
        page.get_by_role("button", name="Stop").click()
        for route in routes[1:]:
            route.continue_()
        expect(page.locator("#adding-outcome > p")).to_contain_text("Stopped")


def test_stop_counts_what_was_stored_and_the_others_can_follow(
    visit: Visit, pictures: list[Path]
) -> None:
    page = visit.open()
    choose(page, pictures, "6 pictures")
    with held(page) as routes:
        begin(page)
        held_up(page, routes, 4)
        page.get_by_role("button", name="Stop").click()
        expect(page.locator("#adding-far")).to_have_text("0 of 6, stopping …")
        for route in routes:
            route.continue_()
        ended(
            page,
            "Stopped. What was added stays. 4 added, 0 there already, 0 not added, 2 not sent.",
        )
    assert visit.get("images")["count"] == 4
    expect(page.locator("#pictures")).to_have_text("4 pictures")
    page.get_by_role("button", name="Add the other 2").click()
    ended(page, "6 added, 0 there already, 0 not added.")
    assert visit.get("images")["count"] == 6


def test_stop_waits_no_longer_than_the_server_may(visit: Visit, pictures: list[Path]) -> None:
    page = visit.page
    page.clock.install()
    visit.open()
    choose(page, pictures, "6 pictures")
    with held(page) as routes:
        begin(page)
        held_up(page, routes, 4)
        page.get_by_role("button", name="Stop").click()
        page.clock.fast_forward(5_000)
        expect(page.locator("#adding-outcome > p")).to_contain_text("0 added")
        expect(page.locator("#adding-outcome > p")).to_contain_text("6 not sent")
        for route in routes:
            route.abort()


def test_a_busy_server_is_waited_for(visit: Visit, pictures: list[Path]) -> None:
    page = visit.page
    page.clock.install()
    visit.open()
    answer = refused(503, "overloaded", **{"Retry-After": "30"})
    page.route(STORED, lambda route: route.fulfill(**answer), times=1)
    sent = requests_of(page)
    choose(page, pictures[:1], "1 picture")
    begin(page)
    words = "0 of 1. Title of overloaded: it is tried again."
    expect(page.locator("#adding-far")).to_have_text(words)
    page.clock.pause_at(page.evaluate("Date.now() / 1000 + 5"))
    page.clock.run_for(15_000)
    assert visit.get("images")["count"] == 0
    assert len(sent) == 1, "it is sent again before the 30 seconds are over"
    with page.expect_response(STORED):
        page.clock.run_for(12_000)
    ended(page, "1 added, 0 there already, 0 not added.")


def test_a_server_that_went_away_is_waited_for_and_asked_again(
    visit: Visit, pictures: list[Path]
) -> None:
    page = visit.page
    page.clock.install()
    visit.open()
    choose(page, pictures[:2], "2 pictures")
    page.context.set_offline(True)
    begin(page)
    expect(page.locator("#adding-far")).to_contain_text("No answer: it is tried again.")
    page.clock.fast_forward(61_000)
    ended(page, "0 added, 0 there already, 0 not added, 2 not sent.")
    outcome = page.locator("#adding-outcome")
    expect(outcome).to_contain_text("does not answer")
    page.context.set_offline(False)
    outcome.get_by_role("button", name="Try again").click()
    ended(page, "2 added, 0 there already, 0 not added.")


def test_what_may_succeed_is_tried_again(visit: Visit, pictures: list[Path], photos: Path) -> None:
    page = visit.open()
    answer = refused(500, "internal_error")
    page.route(STORED, lambda route: route.fulfill(**answer), times=1)
    choose(page, [*pictures[:2], photos / "flower" / "broken.jpg"], "3 pictures")
    begin(page)
    ended(page, "1 added, 0 there already, 2 not added.")
    expect(page.locator("#adding-refused li")).to_have_count(2)
    page.get_by_role("button", name="Try the failed ones again").click()
    ended(page, "2 added, 0 there already, 1 not added.")
    expect(page.locator("#adding-refused strong")).to_have_text("broken.jpg")


def test_who_leaves_while_it_runs_is_asked(visit: Visit, pictures: list[Path]) -> None:
    page = visit.open()
    choose(page, pictures[:1], "1 picture")
    asked: list[str] = []

    def stay(dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    with held(page) as routes:
        begin(page)
        held_up(page, routes, 1)
        with page.expect_event("dialog"):
            page.evaluate("location.reload()")
        assert asked == ["beforeunload"]
        routes[0].continue_()
        ended(page, "1 added, 0 there already, 0 not added.")
    page.reload()
    expect(page.locator("#pictures")).to_have_text("1 picture")
    assert asked == ["beforeunload"]


def test_a_read_key_is_refused_once_and_a_write_key_goes_on(
    browser: Browser, repository: Path, pictures: list[Path], tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"read {READ}\nwrite {WRITE}\n")
    with (
        running_server(repository, tmp_path / "index", "--keys", str(keys)) as server,
        Client(server.url, key=WRITE) as client,
        browser.new_context() as context,
    ):
        page = Visit(context.new_page(), server.url).page
        page.goto(f"{server.url}/")
        enter(page, READ)
        choose(page, pictures, "6 pictures")
        sent = requests_of(page)
        begin(page)
        outcome = page.locator("#adding-outcome")
        expect(outcome).to_contain_text("may classify and search, but not change the index")
        ended(page, "0 added, 0 there already, 0 not added, 6 not sent.")
        assert len(sent) <= 4, "it stops at the first refusal"
        outcome.get_by_role("button", name="Use another key").click()
        enter(page, WRITE)
        ended(page, "6 added, 0 there already, 0 not added.")
        assert client.count() == 6


def enter(page: Page, key: str) -> None:
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Use this key").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
