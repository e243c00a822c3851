"""Pictures in formats that the server does not read: drawn anew by the browser, then sent."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e.given_and_sent import give, keep_sent_files, sent_file
from tests.e2e.visit import Visit, has_predictions
from tests.photos import crops

pytestmark = pytest.mark.browser


@pytest.fixture
def page(visit: Visit) -> Page:
    keep_sent_files(visit.page)
    return visit.open()


def photo(width: int = 400, height: int = 300) -> Image.Image:
    return Image.fromarray(crops(1)[0]).resize((width, height))


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def has_answer_of(visit: Visit, data: bytes) -> None:
    parts = {"image": {"name": "same.png", "mimeType": "image/png", "buffer": data}}
    reply = visit.page.request.post(f"{visit.url}/classify", multipart=parts)
    assert reply.ok, reply.text()
    has_predictions(visit.page, reply.json())


def off_by(sent: Image.Image, image: Image.Image) -> float:
    """The mean difference of two pictures of one size, in grey levels."""
    assert sent.size == image.size
    one, other = (np.asarray(each.convert("RGB"), np.float32) for each in (sent, image))
    return float(np.abs(one - other).mean())


@pytest.mark.parametrize("kind", ["GIF", "BMP"])
def test_a_converted_picture_is_the_same_to_the_model(visit: Visit, page: Page, kind: str):
    data = encoded(photo(), kind)
    give(page, f"mine.{kind.lower()}", data)
    expect(page.locator("#status")).to_contain_text("Answered")
    same = Image.open(io.BytesIO(data)).convert("RGB")
    has_answer_of(visit, encoded(same, "PNG"))
    converted = f"mine.png, converted from {kind} by this browser"
    expect(page.locator("#caption")).to_have_text(converted)
    for path in ("classify", "search"):
        sent = sent_file(page, path)
        assert (sent.name, sent.type, sent.image.format) == ("mine.png", "image/png", "PNG")
        assert off_by(sent.image, same) == 0
    assert page.locator("#preview").evaluate("image => image.naturalWidth") == 400


def test_a_converted_picture_can_be_added(visit: Visit, page: Page):
    give(page, "mine.bmp", encoded(photo(), "BMP"))
    expect(page.locator("#status")).to_contain_text("Answered")
    page.locator("#add button[type=submit]").click()
    expect(page.locator("#pictures")).to_have_text("1 picture")
    assert sent_file(page, "images").type == "image/png"


def test_a_turned_avif_under_another_name_is_upright(visit: Visit, page: Page):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    data = encoded(photo(), "AVIF", quality=90, exif=exif.tobytes())
    give(page, "IMG_0001.JPG", data)
    expect(page.locator("#status")).to_contain_text("Answered")
    expect(page.locator("#caption")).to_have_text(
        "IMG_0001.png, converted from AVIF by this browser"
    )
    sent = sent_file(page)
    assert sent.image.size == (300, 400)
    assert off_by(sent.image, photo().transpose(Image.Transpose.ROTATE_270)) < 3
    has_answer_of(visit, sent.data)


def test_transparency_is_laid_over_white_as_the_server_does(visit: Visit, page: Page):
    image = photo().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 200, 300))
    data = encoded(image, "GIF")
    give(page, "half.gif", data)
    expect(page.locator("#status")).to_contain_text("Answered")
    assert sent_file(page).image.getpixel((10, 10)) == (255, 255, 255)
    has_answer_of(visit, encoded(Image.open(io.BytesIO(data)).convert("RGBA"), "PNG"))


def test_of_an_animation_the_first_picture_is_sent(visit: Visit, page: Page):
    frames = [Image.new("RGB", (300, 300), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=20)
    give(page, "moving.gif", data)
    expect(page.locator("#status")).to_contain_text("Answered")
    assert sent_file(page).image.getpixel((150, 150)) == (255, 0, 0)


def test_a_large_picture_is_converted_to_a_jpeg_of_its_size(visit: Visit, page: Page):
    large = photo(1300, 1000)
    give(page, "large.bmp", encoded(large, "BMP"))
    expect(page.locator("#status")).to_contain_text("Answered")
    sent = sent_file(page)
    assert (sent.name, sent.type, sent.image.format) == ("large.jpg", "image/jpeg", "JPEG")
    assert off_by(sent.image, large) < 3
    has_answer_of(visit, sent.data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_what_the_server_reads_goes_as_it_is(visit: Visit, page: Page, kind: str):
    data = encoded(photo(), kind)
    give(page, "mine.heic", data)
    expect(page.locator("#status")).to_contain_text("Answered")
    has_answer_of(visit, data)
    assert sent_file(page).data == data
    expect(page.locator("#caption")).to_have_text("mine.heic")


def test_a_later_picture_is_not_overtaken_by_one_being_converted(visit: Visit, page: Page):
    data = encoded(photo(), "JPEG")
    page.evaluate(
        "() => { const real = window.createImageBitmap;"
        " window.createImageBitmap = async (file) => {"
        " const bitmap = await real(file);"
        " await new Promise((resolve) => { window.goOn = resolve; });"
        " return bitmap; } }"
    )
    give(page, "slow.gif", encoded(photo(), "GIF"))
    page.wait_for_function("() => window.goOn")
    give(page, "later.jpg", data)
    has_answer_of(visit, data)
    page.evaluate("async () => { window.goOn(); await new Promise(requestAnimationFrame); }")
    expect(page.locator("#caption")).to_have_text("later.jpg")
    page.locator("#add button[type=submit]").click()
    expect(page.locator("#pictures")).to_have_text("1 picture")
    assert sent_file(page, "images").name == "later.jpg"


def test_an_image_copied_from_a_page_is_pasted(visit: Visit, page: Page):
    data = encoded(photo(), "PNG")
    page.evaluate(
        """bytes => {
            const clipboardData = new DataTransfer();
            const file = new File([new Uint8Array(bytes)], "image.png", { type: "image/png" });
            clipboardData.items.add(file);
            clipboardData.setData("text/html", "<img src='https://example.org/cat.png'>");
            const paste = new ClipboardEvent("paste", { clipboardData, bubbles: true });
            document.body.dispatchEvent(paste);
        }""",
        list(data),
    )
    has_answer_of(visit, data)
    assert sent_file(page).data == data
