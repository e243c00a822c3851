"""The page of a server that asks for a key, in a real browser."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from alexnet_client import Client
from tests.e2e.visit import Visit
from tests.running_server import RunningServer, running_server

pytestmark = pytest.mark.browser

READ, WRITE, UNKNOWN = (
    hashlib.sha256(name).hexdigest() for name in (b"read", b"write", b"unknown")
)
COUNT_BLOBS = """
    window.blobs = new Set();
    const create = URL.createObjectURL, revoke = URL.revokeObjectURL;
    URL.createObjectURL = (blob) => { const made = create(blob); blobs.add(made); return made; };
    URL.revokeObjectURL = (address) => { blobs.delete(address); revoke(address); };
"""


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("page-key")
    keys = folder / "keys"
    keys.write_text(f"read {READ}\nwrite {WRITE}\n")
    with running_server(repository, folder / "index", "--keys", str(keys)) as started:
        yield started


@pytest.fixture
def stored(server: RunningServer, pictures: list[Path]) -> Iterator[Client]:
    """The first four pictures in the index, as ``0`` to ``3``, and nothing else."""
    with Client(server.url, key=WRITE) as client:
        client.delete_where(ids=[picture.id for picture in client.list()])
        client.add_many(pictures[:4], ids=list("0123"), labels=list("abcd"))
        yield client


@pytest.fixture
def visit(browser: Browser, server: RunningServer) -> Iterator[Visit]:
    """A visit; no request may name a key in its address, and none may go elsewhere."""
    context = browser.new_context()
    context.add_init_script(COUNT_BLOBS)
    made = Visit(context.new_page(), server.url)
    addresses: list[str] = []
    made.page.on("request", lambda request: addresses.append(request.url))
    made.page.on("framenavigated", lambda frame: addresses.append(frame.url))
    yield made
    context.close()
    assert addresses
    assert not [one for one in addresses if READ in one or WRITE in one or UNKNOWN in one]
    assert made.foreign == []
    assert made.complaints == []


def arrive(visit: Visit, fragment: str = "") -> Page:
    visit.page.goto(f"{visit.url}/{fragment}")
    expect(visit.page.get_by_role("dialog")).to_be_visible()
    return visit.page


def enter(page: Page, key: str) -> None:
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Use this key").click()


def has_thumbnails(page: Page, count: int) -> None:
    expect(page.locator("#neighbors img")).to_have_count(count)
    page.wait_for_function(
        "count => [...document.querySelectorAll('#neighbors img')].filter(one =>"
        " one.src.startsWith('blob:') && one.complete && one.naturalWidth > 0).length === count",
        arg=count,
    )


def test_a_key_is_asked_for_until_it_is_known(visit: Visit) -> None:
    page = arrive(visit)
    dialog = page.get_by_role("dialog", name="This server asks for a key")
    expect(dialog).to_contain_text("Enter one that you were given.")
    field = dialog.get_by_label("Key", exact=True)
    expect(field).to_be_focused()
    expect(field).to_have_attribute("type", "password")
    page.keyboard.type(UNKNOWN)
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("It does not know this key.")
    expect(field).to_have_value("")
    page.keyboard.type("two words")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("A key is one word")
    field.fill(f" {READ} ")  # as it may be pasted
    page.keyboard.press("Enter")
    expect(page.locator("#facts")).to_be_visible()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("alert")).to_be_empty()
    expect(page.locator("#key")).to_have_value("")
    assert page.evaluate("Object.values(sessionStorage)") == [READ]
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    assert page.url == f"{visit.url}/"


def test_the_key_lasts_as_long_as_the_tab(visit: Visit) -> None:
    page = arrive(visit)
    enter(page, READ)
    expect(page.locator("#facts")).to_be_visible()
    page.reload()
    expect(page.locator("#facts")).to_be_visible()
    expect(page.get_by_role("dialog")).to_be_hidden()
    other = page.context.new_page()
    other.goto(f"{visit.url}/")
    expect(other.get_by_role("dialog")).to_be_visible()


def test_who_has_no_key_may_leave_the_dialog(visit: Visit) -> None:
    page = arrive(visit)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Use this key")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Without one, this server shows nothing.")
    alert.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    alert.get_by_role("button", name="Try again").click()
    enter(page, READ)
    expect(page.locator("#facts")).to_be_visible()
    expect(alert).to_be_empty()


def test_a_read_key_searches_and_a_write_key_adds(
    visit: Visit, stored: Client, pictures: list[Path]
) -> None:
    page = arrive(visit)
    enter(page, READ)
    expect(page.locator("#pictures")).to_have_text("4 pictures")
    page.set_input_files("#file", pictures[4])
    has_thumbnails(page, 4)
    expect(page.locator("#predictions li").first).to_be_visible()
    page.get_by_label("Label, if you like").fill("mine")
    page.get_by_role("button", name="Add this picture to the index").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("may classify and search, but not change the index")
    assert len(list(stored.list())) == 4
    alert.get_by_role("button", name="Use another key").click()
    enter(page, WRITE)
    expect(page.locator("#status")).to_have_text("Added to the index.")
    expect(alert).to_be_empty()
    has_thumbnails(page, 5)
    assert sorted(picture.label for picture in stored.list()) == ["a", "b", "c", "d", "mine"]


def test_blobs_are_given_back(visit: Visit, stored: Client, pictures: list[Path]) -> None:
    page = arrive(visit)
    enter(page, READ)
    page.set_input_files("#file", pictures[0])
    has_thumbnails(page, 4)
    page.locator("#neighbors a").nth(1).click()
    has_thumbnails(page, 3)
    expect(page.locator("#preview")).to_have_attribute("src", re.compile("^blob:"))
    expect(page.locator("#frame")).to_be_visible()  # it has loaded
    page.wait_for_function("blobs.size <= 1")  # that of the picture on show


def test_a_link_to_a_stored_picture_waits_for_the_key(visit: Visit, stored: Client) -> None:
    page = arrive(visit, "#images/2")
    enter(page, READ)
    expect(page.locator("#caption")).to_have_text("Stored picture: c")
    expect(page.locator("#frame")).to_be_visible()
    has_thumbnails(page, 3)
    assert page.url == f"{visit.url}/#images/2"


def test_the_key_can_be_forgotten(visit: Visit, stored: Client, pictures: list[Path]) -> None:
    page = arrive(visit)
    expect(page.locator("#held")).to_be_hidden()
    enter(page, READ)
    page.set_input_files("#file", pictures[0])
    has_thumbnails(page, 4)
    page.get_by_role("button", name="Forget the key").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0
    for shown in ("#held", "#facts", "#seen", "#found", "#shown"):
        expect(page.locator(shown)).to_be_hidden()


def test_an_exchanged_key_is_asked_for_again(
    visit: Visit, stored: Client, pictures: list[Path]
) -> None:
    """As when the operator takes the key out: the work goes on with the new one."""
    page = arrive(visit)
    enter(page, READ)
    expect(page.locator("#facts")).to_be_visible()
    page.evaluate("key => sessionStorage.setItem('alexnet-key', key)", UNKNOWN)
    page.reload()
    expect(page.get_by_role("dialog")).to_contain_text("It does not know this key.")
    enter(page, WRITE)
    page.set_input_files("#file", pictures[0])
    has_thumbnails(page, 4)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_dialog_fits_a_narrow_window(visit: Visit, scheme: str) -> None:
    visit.page.set_viewport_size({"width": 320, "height": 480})
    visit.page.emulate_media(color_scheme=scheme)
    page = arrive(visit)
    box = page.get_by_role("dialog").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 320
    assert box["y"] + box["height"] <= 480
    ink, ground = page.get_by_role("dialog").evaluate(
        "shown => ['color', 'backgroundColor'].map(name =>"
        " Number(getComputedStyle(shown)[name].match(/\\d+/)[0]))"
    )
    assert (ink < ground) == (scheme == "light")
