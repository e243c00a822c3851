"""The page in a real browser, against a real server: what it shows is what the server answers."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.e2e.visit import Visit, has_neighbors, has_predictions, part
from tests.running_server import running_server

pytestmark = pytest.mark.browser


def test_what_the_model_knows_is_shown(visit: Visit):
    model = visit.get("model")
    page = visit.open()
    expect(page.locator("#about")).to_have_text(model["about"])
    expect(page.locator("#digest")).to_have_text(model["digest"][:12])
    expect(page.locator("#pictures")).to_have_text("0 pictures")
    expect(page.locator("#top1")).to_have_text("25.0 %")
    page.get_by_text(f"{len(model['classes'])} classes", exact=True).click()
    expect(page.locator("#classes li")).to_have_text(model["classes"])
    for note in ("#starter", "#index-note"):
        expect(page.locator(note)).to_be_hidden()


def test_bars_are_what_classify_answers(visit: Visit, pictures: list[Path]):
    page = visit.open()
    page.set_input_files("#file", pictures[0])
    has_predictions(page, visit.send("classify", pictures[0]))
    assert page.locator("#predictions li").count() == min(5, len(visit.get("model")["classes"]))
    assert page.locator("#preview").evaluate("image => image.naturalWidth") == 256
    assert visit.refusals == []


def test_the_button_works_from_the_keyboard(visit: Visit, pictures: list[Path]):
    # Listened to from the start: Playwright may begin to intercept only after the key was pressed.
    visit.page.on("filechooser", lambda chooser: chooser.set_files(pictures[0]))
    page = visit.open()
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.id") != "file":
        assert page.evaluate("document.activeElement !== document.body"), "Tab never reached it"
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    has_predictions(page, visit.send("classify", pictures[0]))


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_picture_can_be_dropped_and_pasted(visit: Visit, pictures: list[Path], event: str):
    page = visit.open()
    transfer = page.evaluate_handle(
        """bytes => {
            const transfer = new DataTransfer();
            const file = new File([new Uint8Array(bytes)], "given.jpg", { type: "image/jpeg" });
            transfer.items.add(file);
            return transfer;
        }""",
        list(pictures[1].read_bytes()),
    )
    if event == "drop":
        page.dispatch_event("#zone", "dragover", {"dataTransfer": transfer})
        expect(page.locator("#zone")).to_have_class("over")
        page.dispatch_event("#zone", "drop", {"dataTransfer": transfer})
        expect(page.locator("#zone")).not_to_have_class("over")
    else:
        page.evaluate(
            "clipboardData => document.body.dispatchEvent("
            "new ClipboardEvent('paste', { clipboardData, bubbles: true }))",
            transfer,
        )
    has_predictions(page, visit.send("classify", pictures[1]))
    expect(page.locator("#caption")).to_have_text("given.jpg")


def test_neighbours_are_what_search_answers(visit: Visit, pictures: list[Path]):
    for picture in pictures[:4]:
        visit.send("images", picture, label=picture.parent.name)
    page = visit.open()
    expect(page.locator("#pictures")).to_have_text("4 pictures")
    page.set_input_files("#file", pictures[2])
    (found,) = visit.send("search?k=12", pictures[2])["results"]
    assert len(found["neighbors"]) == 4
    has_neighbors(page, found["neighbors"])


def test_a_neighbour_leads_on_and_back(visit: Visit, pictures: list[Path]):
    for picture in pictures[:4]:
        visit.send("images", picture, label=picture.parent.name)
    page = visit.open()
    page.set_input_files("#file", pictures[2])
    (found,) = visit.send("search?k=12", pictures[2])["results"]
    has_neighbors(page, found["neighbors"])
    second = found["neighbors"][1]
    page.locator("#neighbors a").nth(1).click()
    similar = visit.get(f"images/{second['id']}/similar?k=12")["neighbors"]
    assert len(similar) == 3
    has_neighbors(page, similar)
    expect(page.locator("#preview")).to_have_attribute("src", f"images/{second['id']}/thumbnail")
    expect(page.locator("#caption")).to_have_text(f"Stored picture: {second['label']}")
    expect(page.locator("#shown")).to_be_focused()
    expect(page.locator("#seen")).to_be_hidden()
    expect(page.locator("#add")).to_be_hidden()
    page.reload()
    has_neighbors(page, similar)
    page.set_input_files("#file", pictures[0])
    has_predictions(page, visit.send("classify", pictures[0]))
    page.go_back()
    has_neighbors(page, similar)


def test_a_picture_can_be_added_to_an_empty_index(visit: Visit, pictures: list[Path]):
    page = visit.open()
    page.set_input_files("#file", pictures[0])
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator("#empty")).to_contain_text("The index holds no pictures yet.")
    expect(page.locator("#fill")).to_have_text(f"alexnet --server {visit.url} add path/to/folders")
    page.get_by_label("Label, if you like").fill("my house")
    page.get_by_role("button", name="Add this picture to the index").click()
    expect(page.locator("#status")).to_have_text("Added to the index.")
    (stored,) = visit.get("images")["images"]
    assert stored["label"] == "my house"
    has_neighbors(page, [{"id": stored["id"], "label": "my house", "distance": 0.0}])
    expect(page.locator("#empty")).to_be_hidden()
    expect(page.locator("#pictures")).to_have_text("1 picture")


def test_a_label_is_text_whatever_it_holds(visit: Visit, pictures: list[Path]):
    label = "<img src=x onerror=\"document.title='taken'\"><b>bold</b>"
    visit.send("images", pictures[0], label=label)
    page = visit.open()
    page.set_input_files("#file", pictures[0])
    expect(page.locator("#neighbors .label")).to_have_text(label)
    page.locator("#neighbors a").click()
    expect(page.locator("#caption")).to_have_text(f"Stored picture: {label}")
    assert page.locator("#caption *").count() == 0
    expect(page).to_have_title("AlexNet Server")


def test_a_broken_picture_shows_the_servers_words(visit: Visit, photos: Path, pictures: list[Path]):
    broken = photos / "flower" / "broken.jpg"
    reply = visit.page.request.post(f"{visit.url}/classify", multipart={"image": part(broken)})
    assert not reply.ok
    page = visit.open()
    page.set_input_files("#file", pictures[0])
    has_predictions(page, visit.send("classify", pictures[0]))
    page.set_input_files("#file", broken)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(reply.json()["title"])
    expect(alert).to_contain_text(reply.json()["detail"])
    expect(page.locator("#seen")).to_be_hidden()
    expect(page.locator("#found")).to_be_hidden()
    page.set_input_files("#file", pictures[0])
    has_predictions(page, visit.send("classify", pictures[0]))
    expect(alert).to_be_empty()


def test_a_file_too_large_for_the_server_is_named_so(visit: Visit, tmp_path: Path):
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(68 * 2**20)  # past the limit of the HTTP layer, before Flask
    page = visit.open()
    page.set_input_files("#file", large)
    expect(page.get_by_role("alert")).to_contain_text("Request Entity Too Large")
    expect(page.get_by_role("alert")).to_contain_text("Make the picture smaller")


def test_a_server_out_of_reach_can_be_tried_again(visit: Visit, pictures: list[Path]):
    page = visit.open()
    page.context.set_offline(True)
    page.set_input_files("#file", pictures[0])
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(f"{urlsplit(visit.url).netloc} does not answer")
    page.context.set_offline(False)
    alert.get_by_role("button", name="Try again").click()
    has_predictions(page, visit.send("classify", pictures[0]))
    expect(alert).to_be_empty()


def test_the_second_picture_wins(visit: Visit, pictures: list[Path]):
    page = visit.open()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile("/classify"), hold, times=1)
    with page.expect_request(re.compile("/classify")) as first:
        page.set_input_files("#file", pictures[0])
    expect(page.locator("#status")).to_have_text("Working …")
    with page.expect_event("requestfailed", lambda request: request == first.value):
        page.set_input_files("#file", pictures[1])
    has_predictions(page, visit.send("classify", pictures[1]))
    expect(page.locator("#status")).to_have_text(re.compile(r"Answered in \d+ ms\."))
    expect(page.get_by_role("alert")).to_be_empty()
    held[0].abort()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_window_needs_no_sideways_scrolling(
    visit: Visit, pictures: list[Path], scheme: str
):
    visit.page.set_viewport_size({"width": 320, "height": 640})
    visit.page.emulate_media(color_scheme=scheme)
    page = visit.open()
    page.set_input_files("#file", pictures[0])
    expect(page.locator("#fill")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    ink, ground = page.evaluate(
        "['color', 'backgroundColor'].map(name =>"
        " Number(getComputedStyle(document.body)[name].match(/\\d+/)[0]))"
    )
    assert (ink < ground) == (scheme == "light")


def test_a_starter_model_and_an_unusable_index_are_named(
    browser: Browser, repository: Path, pictures: list[Path], tmp_path: Path
):
    root = tmp_path / "model_repository"
    shutil.copytree(repository, root, copy_function=os.link)
    manifest = root / "alexnet" / "manifest.json"
    described = json.loads(manifest.read_text()) | {
        "about": "The starter model, for trying things out.",
        "metrics": {"top1": 0.9137},
    }
    manifest.unlink()  # a link to the shared one
    manifest.write_text(json.dumps(described))
    index = tmp_path / "index.sqlite"
    index.write_text("not a database, but a text of a person's own " * 40)
    with running_server(root, index) as server, browser.new_context() as context:
        visit = Visit(context.new_page(), server.url)
        page = visit.open()
        expect(page.locator("#starter")).to_be_visible()
        expect(page.locator("#starter")).to_contain_text("make serve DATA=path/to/folders")
        expect(page.locator("#top1")).to_have_text("91.4 %")
        detail = page.request.get(f"{server.url}/images").json()["detail"]
        expect(page.locator("#index-note")).to_be_visible()
        expect(page.locator("#index-note")).to_contain_text(detail)
        page.set_input_files("#file", pictures[0])
        has_predictions(page, visit.send("classify", pictures[0]))
        expect(page.locator("#status")).to_have_text(re.compile("Answered"))
        expect(page.locator("#found")).to_be_hidden()
        expect(page.get_by_role("alert")).to_be_empty()
        assert (visit.foreign, visit.complaints) == ([], [])
