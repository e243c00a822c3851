"""Many pictures are added on the page: which of them, under which label, and what came of each."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from alexnet_client.folder import walk
from tests.e2e.adding import begin, choose, ended, held, held_up, labels, requests_of
from tests.e2e.visit import Visit, has_neighbors, has_predictions
from tests.running_server import running_server

pytestmark = pytest.mark.browser


@pytest.fixture
def folder(photos: Path, tmp_path: Path) -> Path:
    """Six pictures in two folders, one more beside these, a broken one, and three that are none."""
    made = tmp_path / "things"
    shutil.copytree(photos, made)
    shutil.copy(made / "building" / "0.jpg", made / "loose.jpg")
    with (made / "loose.jpg").open("ab") as file:
        file.write(b"another picture than 0.jpg, as to its bytes")
    (made / "flower" / "notes.txt").write_text("not a picture")
    (made / "flower" / "._1.jpg").write_bytes(b"what macOS notes about 1.jpg")
    (made / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    return made


def dropped(page: Page, files: list[Path]) -> None:
    content = [[file.name, list(file.read_bytes())] for file in files]
    transfer = page.evaluate_handle(
        """files => {
            const transfer = new DataTransfer();
            for (const [name, bytes] of files) {
                const type = name.endsWith(".jpg") ? "image/jpeg" : "";
                transfer.items.add(new File([new Uint8Array(bytes)], name, { type }));
            }
            return transfer;
        }""",
        content,
    )
    page.dispatch_event("#zone", "drop", {"dataTransfer": transfer})


def test_pictures_are_added_and_others_named(
    visit: Visit, pictures: list[Path], folder: Path
) -> None:
    page = visit.open()
    notes, broken = folder / "flower" / "notes.txt", folder / "flower" / "broken.jpg"
    choose(page, [*pictures, notes, broken], "7 pictures")
    expect(page.locator("#adding-chosen")).to_be_focused()
    page.get_by_text("1 file left out: no pictures, or hidden").click()
    expect(page.locator("#adding-left-out li")).to_have_text(["notes.txt"])
    page.get_by_label("One label for all, if you like").fill(" mine ")
    assert visit.get("images")["count"] == 0, "nothing is stored before the button is pressed"
    page.get_by_role("button", name="Add 7 pictures").click()
    ended(page, "6 added, 0 there already, 1 not added.")
    assert labels(visit) == ["mine"] * 6
    line = page.get_by_role("list", name="Not added").get_by_role("listitem")
    expect(line).to_contain_text("broken.jpg")
    expect(line).to_contain_text("Open it in a picture program and save it again")
    expect(page.locator("#adding-outcome").get_by_role("button")).to_have_count(0)
    expect(page.locator("#adding-outcome")).to_have_attribute("role", "status")
    expect(page.locator("#adding-outcome")).to_be_focused()
    expect(page.locator("#pictures")).to_have_text("6 pictures")


def test_a_folders_name_is_the_label_as_with_the_command(visit: Visit, folder: Path) -> None:
    page = visit.open()
    page.set_input_files("#adding-folder", folder)
    expect(page.locator("#adding-chosen")).to_have_text("8 pictures chosen.")
    for words in ("building (3)", "flower (4)", "no label (1)"):
        expect(page.locator("#adding-labels")).to_contain_text(words)
    page.get_by_text("3 files left out").click()
    left_out = page.locator("#adding-left-out li").all_text_contents()
    others = (".DS_Store", "flower/._1.jpg", "flower/notes.txt")
    assert sorted(left_out) == [f"things/{name}" for name in others]
    begin(page)
    ended(page, "7 added, 0 there already, 1 not added.")
    expect(page.locator("#adding-refused strong")).to_have_text("things/flower/broken.jpg")
    assert labels(visit) == [None, *["building"] * 3, *["flower"] * 3]
    by_command = [one.label for one in walk(folder) if one.path.name != "broken.jpg"]
    assert labels(visit) == sorted(by_command, key=str)


def test_a_folder_of_pictures_alone_offers_its_name(visit: Visit, folder: Path) -> None:
    page = visit.open()
    page.set_input_files("#adding-folder", folder / "building")
    field = page.get_by_label("One label for all")
    expect(field).to_have_value("building")
    page.set_input_files("#adding-folder", folder)
    expect(field).to_have_value("")
    page.set_input_files("#adding-folder", folder / "building")
    begin(page)
    ended(page, "3 added, 0 there already, 0 not added.")
    assert labels(visit) == ["building"] * 3


def test_one_label_goes_before_those_of_the_folders(visit: Visit, folder: Path) -> None:
    page = visit.open()
    page.set_input_files("#adding-folder", folder)
    page.get_by_label("One label for all").fill("all")
    expect(page.locator("#adding-labels")).to_be_empty()
    begin(page)
    ended(page, "7 added, 0 there already, 1 not added.")
    assert labels(visit) == ["all"] * 7


def test_the_same_pictures_again_are_there_already(visit: Visit, pictures: list[Path]) -> None:
    page = visit.open()
    choose(page, pictures[:4], "4 pictures")
    begin(page)
    ended(page, "4 added, 0 there already, 0 not added.")
    choose(page, pictures, "6 pictures")
    begin(page)
    ended(page, "2 added, 4 there already, 0 not added.")


def test_a_picture_too_large_is_not_sent(visit: Visit, pictures: list[Path], tmp_path: Path):
    large = tmp_path / "large.jpg"
    shutil.copy(pictures[0], large)
    with large.open("ab") as file:
        file.truncate(11 * 2**20)
    page = visit.open()
    sent = requests_of(page)
    choose(page, [large], "1 picture")
    begin(page)
    ended(page, "0 added, 0 there already, 1 not added.")
    expect(page.locator("#adding-refused")).to_contain_text("11 MiB; the server takes 10 MiB")
    assert sent == []


def test_several_dropped_are_offered_and_one_is_looked_at(
    visit: Visit, pictures: list[Path]
) -> None:
    page = visit.open()
    dropped(page, pictures[:3])
    expect(page.locator("#adding-chosen")).to_have_text("3 pictures chosen.")
    expect(page.locator("#adding-chosen")).to_be_focused()
    expect(page.locator("#shown")).to_be_hidden()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#adding-form")).to_be_hidden()
    expect(page.get_by_role("button", name="Add pictures…")).to_be_focused()
    assert visit.get("images")["count"] == 0
    dropped(page, pictures[:1])
    has_predictions(page, visit.send("classify", pictures[0]))
    expect(page.locator("#adding-form")).to_be_hidden()
    dropped(page, pictures[:2])
    with held(page) as routes:
        begin(page)
        held_up(page, routes, 2)
        dropped(page, pictures[:3])
        expect(page.locator("#adding-outcome")).to_contain_text("Others are being added")
        expect(page.locator("#adding-form")).to_be_hidden()
        for route in routes:
            route.continue_()
    ended(page, "2 added, 0 there already, 0 not added.")


def test_an_empty_index_is_no_longer_called_so(visit: Visit, pictures: list[Path]) -> None:
    page = visit.open()
    page.set_input_files("#file", pictures[0])
    expect(page.locator("#empty")).to_be_visible()
    choose(page, pictures[:3], "3 pictures")
    page.get_by_label("One label for all").fill("house")
    begin(page)
    ended(page, "3 added, 0 there already, 0 not added.")
    (found,) = visit.send("search?k=12", pictures[0])["results"]
    assert len(found["neighbors"]) == 3
    has_neighbors(page, found["neighbors"])
    expect(page.locator("#empty")).to_be_hidden()


def test_it_works_from_the_keyboard_in_a_narrow_window(visit: Visit, pictures: list[Path]) -> None:
    visit.page.set_viewport_size({"width": 320, "height": 640})
    visit.page.on("filechooser", lambda chooser: chooser.set_files(pictures[:2]))
    page = visit.open()
    opener = page.get_by_role("button", name="Add pictures…")
    page.keyboard.press("Tab")
    while not opener.evaluate("button => button === document.activeElement"):
        assert page.evaluate("document.activeElement !== document.body"), "Tab never reached it"
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#adding-chosen")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("typed")
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.keyboard.press("Enter")
    ended(page, "2 added, 0 there already, 0 not added.")
    assert labels(visit) == ["typed"] * 2
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_without_a_usable_index_nothing_is_offered(
    browser: Browser, repository: Path, pictures: list[Path], tmp_path: Path
) -> None:
    index = tmp_path / "index.sqlite"
    index.write_text("not a database, but a text of a person's own " * 40)
    with running_server(repository, index) as server, browser.new_context() as context:
        visit = Visit(context.new_page(), server.url)
        page = visit.open()
        expect(page.locator("#index-note")).to_be_visible()
        expect(page.locator("#adding")).to_be_hidden()
        dropped(page, pictures[:2])
        has_predictions(page, visit.send("classify", pictures[0]))
