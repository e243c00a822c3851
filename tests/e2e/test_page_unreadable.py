"""Files that neither the browser nor the server can read: the page says what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.given_and_sent import give, keep_sent_files
from tests.e2e.visit import Visit

pytestmark = pytest.mark.browser


def box(*brands: str) -> bytes:
    """An ``ftyp`` box of a major brand and those it is compatible with, and nothing to see."""
    major, *others = (brand.encode() for brand in brands)
    body = b"ftyp" + major + bytes(4) + b"".join(others)
    return (len(body) + 4).to_bytes(4, "big") + body + b"\0\0\0\x08mdat"


HEADS = {
    "JPEG": b"\xff\xd8\xff\xe1",
    "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "WEBP": b"RIFF\x10\0\0\0WEBPVP8 ",
    "GIF": b"GIF89a",
    "BMP": b"BM\x46\0\0\0\0\0\0\0",
    "TIFF": b"MM\0*",
    "ICO": b"\0\0\1\0",
    "JPEG XL": b"\xff\x0a",
    "PDF": b"%PDF-1.7",
    "SVG": b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- made --><svg xmlns="">',
    "video": box("isom", "iso2", "mp41"),
    "AVIF": box("mif1", "miaf", "avif"),
    "HEIC": box("mif1", "MiHB", "heic"),
    "HEIF": box("mif1", "miaf"),
    "RAW": box("crx ", "isom"),
}


@pytest.fixture
def page(visit: Visit) -> Page:
    keep_sent_files(visit.page)
    return visit.open()


def test_formats_are_told_by_the_first_bytes(page: Page):
    told = page.evaluate(
        "async (heads) => {"
        ' const { formatOf } = await import("./page/format.js");'
        " return heads.map((head) => formatOf(new Uint8Array(head))); }",
        [list(head) for head in HEADS.values()],
    )
    assert told == list(HEADS)


@pytest.mark.parametrize(
    "head", [b"", b"a", b"BMW and others", b"<html><svg>", b"ftyp", b"\0\0\0\x08ftyp", bytes(64)]
)
def test_other_bytes_are_no_picture(page: Page, head: bytes):
    told = page.evaluate(
        'async (head) => (await import("./page/format.js")).formatOf(new Uint8Array(head))',
        list(head),
    )
    # What names no brand of a picture is taken for a film.
    assert told == ("video" if head[4:8] == b"ftyp" else None)


@pytest.mark.parametrize(
    ("name", "data", "title", "advice"),
    [
        ("IMG_1.HEIC", HEADS["HEIC"], "cannot open HEIC", "Formats > Most Compatible"),
        ("IMG_1.JPG", HEADS["HEIC"], "cannot open HEIC", "open this page in Safari"),
        ("a.heif", HEADS["HEIF"], "cannot open HEIF", "heif-convert photo.heic photo.jpg"),
        ("a.avif", HEADS["AVIF"], "cannot open AVIF", "Save it as JPEG, PNG or WEBP first"),
        ("a.cr3", HEADS["RAW"], "cannot open RAW", "Save it as JPEG, PNG or WEBP first"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "A drawing", "Export it as PNG"),
        ("a.pdf", HEADS["PDF"], "A document", "take a screenshot"),
        ("a.mov", box("qt  "), "A video", "take a screenshot"),
        ("a.webm", b"\x1aE\xdf\xa3\x01", "A video", "take a screenshot"),
    ],
    ids=["HEIC", "HEIC-named-JPG", "HEIF", "AVIF", "RAW", "SVG", "PDF", "MOV", "WEBM"],
)
def test_what_cannot_be_drawn_is_named(page: Page, name: str, data: bytes, title: str, advice: str):
    give(page, name, data)
    alert = page.get_by_role("alert")
    for words in (title, name, advice):
        expect(alert).to_contain_text(words)
    expect(page.locator("#status")).to_be_empty()
    expect(page.locator("#seen")).to_be_hidden()
    assert page.evaluate("window.sent") == []


@pytest.mark.parametrize(
    ("name", "data"), [("notes.txt", b"no picture at all"), ("empty.jpg", b"")]
)
def test_what_nobody_knows_gets_the_servers_words(visit: Visit, page: Page, name: str, data: bytes):
    parts = {"image": {"name": name, "mimeType": "image/jpeg", "buffer": data}}
    answer = page.request.post(f"{visit.url}/classify", multipart=parts).json()
    give(page, name, data)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(answer["title"])
    expect(alert).to_contain_text(answer["detail"])


def test_a_dropped_folder_is_named(page: Page, tmp_path: Path):
    (tmp_path / "holidays").mkdir()
    devtools = page.context.new_cdp_session(page)
    at = page.locator("#zone").bounding_box()
    items = {"items": [], "files": [str(tmp_path / "holidays")], "dragOperationsMask": 1}
    for step in ("dragEnter", "dragOver", "drop"):
        where = {"x": at["x"] + 50, "y": at["y"] + 50}
        devtools.send("Input.dispatchDragEvent", {"type": step, **where, "data": items})
    expect(page.get_by_role("alert")).to_contain_text("The file cannot be read")
    expect(page.get_by_role("alert")).to_contain_text("holidays")
    expect(page.get_by_role("alert")).to_contain_text("not a folder")


def test_a_file_that_is_gone_is_named(page: Page, pictures: list[Path], tmp_path: Path):
    mine = shutil.copy(pictures[0], tmp_path / "mine.jpg")
    page.context.set_offline(True)
    page.set_input_files("#file", mine)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("does not answer")
    mine.unlink()
    page.context.set_offline(False)
    alert.get_by_role("button", name="Try again").click()
    expect(alert).to_contain_text("The file cannot be read")
    expect(alert).to_contain_text("changed since, choose again")


def test_a_dropped_link_is_told_what_to_do(page: Page):
    page.evaluate(
        "() => { const dataTransfer = new DataTransfer();"
        " dataTransfer.setData('text/uri-list', 'https://example.org/cat.jpg');"
        " const drop = new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true });"
        " document.body.dispatchEvent(drop); }"
    )
    expect(page.get_by_role("alert")).to_contain_text("Save the picture as a file")
