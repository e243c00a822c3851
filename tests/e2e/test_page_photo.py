"""Taking a photo on the page, with the browser's own stand-in for a camera."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Playwright, expect

from tests.e2e.axe import violations
from tests.e2e.given_and_sent import keep_sent_files, sent_file
from tests.e2e.visit import Visit, has_predictions, launched
from tests.running_server import RunningServer, running_server

TWO_CAMERAS = "--use-fake-device-for-media-stream=device-count=2"
# Chromium for phones has the attribute `capture`; with this, Chromium for computers too.
CAPTURE = "--enable-blink-features=MediaCapture"
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
STREAMS = """
window.streams = [];
const cameras = navigator.mediaDevices;
const real = cameras?.getUserMedia.bind(cameras);
if (real) cameras.getUserMedia = async (wishes) => {
    const stream = await real(wishes);
    window.streams.push(stream);
    return stream;
};
"""
LIVE = """() => window.streams.flatMap((stream) => stream.getTracks())
    .filter((track) => track.readyState === "live").map((track) => track.getSettings())"""
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("page-photo")
    # Not for this machine alone, so that it may be asked for under another name.
    with running_server(repository, folder / "index", "--insecure") as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """On a computer with two cameras."""
    with launched(playwright, TWO_CAMERAS) as started:
        yield started


@contextmanager
def visiting(browser: Browser, url: str, **options) -> Iterator[Page]:
    """The page, in a profile of its own; at the end nothing may have complained."""
    with browser.new_context(**options) as context:
        visit = Visit(context.new_page(), url)
        visit.page.add_init_script(STREAMS)
        keep_sent_files(visit.page)
        yield visit.open()
        assert (visit.foreign, visit.complaints) == ([], [])


@pytest.fixture
def page(browser: Browser, server: RunningServer) -> Iterator[Page]:
    """The page, which may use the cameras."""
    with visiting(browser, server.url, permissions=["camera"]) as opened:
        yield opened


def ready(page: Page) -> Locator:
    page.get_by_role("button", name="Take a photo").click()
    shutter = page.get_by_role("button", name="Take it")
    expect(shutter).to_be_focused()
    return shutter


def has_stopped(page: Page) -> None:
    expect(page.locator("#camera")).to_be_hidden()
    page.wait_for_function(f"() => ({LIVE})().length === 0")
    assert page.evaluate("window.streams.length") > 0
    assert page.locator("#video").evaluate("video => video.srcObject") is None
    expect(page.locator("#take")).to_be_focused()


def classified(page: Page, url: str, data: bytes) -> None:
    parts = {"image": {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": data}}
    has_predictions(page, page.request.post(f"{url}/classify", multipart=parts).json())


def test_a_photo_is_taken_from_the_keyboard_and_classified(page: Page, server: RunningServer):
    page.locator("#take").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#shutter")).to_be_focused()
    (settings,) = page.evaluate(LIVE)
    page.keyboard.press("Enter")
    expect(page.locator("#caption")).to_have_text("photo.jpg")
    has_stopped(page)
    expect(page.locator("#status")).to_contain_text("Answered")
    photo = sent_file(page)
    assert (photo.name, photo.type, photo.image.format) == ("photo.jpg", "image/jpeg", "JPEG")
    assert photo.image.size == (settings["width"], settings["height"]) == (1920, 1080)
    # The stand-in draws on plain green.
    assert photo.image.getpixel((5, photo.image.height - 5))[1] > 100
    classified(page, server.url, photo.data)


@pytest.mark.parametrize("way", ["cancel", "escape", "hidden"])
def test_every_way_out_stops_the_camera(page: Page, way: str):
    ready(page)
    assert len(page.evaluate(LIVE)) == 1
    if way == "cancel":
        page.get_by_role("button", name="Cancel").click()
    elif way == "escape":
        page.keyboard.press("Escape")
    else:  # a window without a screen is never hidden
        page.evaluate(
            "Object.defineProperty(document, 'hidden', { value: true });"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
    has_stopped(page)
    expect(page.locator("#shown")).to_be_hidden()
    assert page.evaluate("window.sent") == []


def test_a_camera_that_comes_after_the_dialog_was_closed_is_stopped(page: Page):
    page.evaluate(
        "() => { const real = navigator.mediaDevices.getUserMedia;"
        "navigator.mediaDevices.getUserMedia = async (wishes) => {"
        "  const stream = await real(wishes);"
        "  await new Promise((resolve) => { window.allow = resolve; });"
        "  return stream; } }"
    )
    page.locator("#take").click()
    page.wait_for_function("() => window.allow")
    expect(page.locator("#camera-status")).to_have_text("Waiting for the camera …")
    expect(page.locator("#shutter")).to_be_disabled()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#camera")).to_be_hidden()
    page.evaluate("window.allow()")
    has_stopped(page)
    expect(page.get_by_role("alert")).to_be_empty()


def test_of_several_cameras_one_can_be_chosen(page: Page):
    ready(page)
    which = page.get_by_label("Camera", exact=True)
    expect(which.locator("option")).to_have_count(2)
    first, second = which.locator("option").evaluate_all("all => all.map(one => one.value)")
    assert [one["deviceId"] for one in page.evaluate(LIVE)] == [first]
    expect(which).to_have_value(first)
    which.select_option(second)
    page.wait_for_function(
        f"id => ({LIVE})().length === 1 && ({LIVE})()[0].deviceId === id", arg=second
    )
    expect(page.locator("#shutter")).to_be_enabled()
    expect(which).to_have_value(second)
    page.locator("#shutter").click()
    expect(page.locator("#caption")).to_have_text("photo.jpg")
    has_stopped(page)


@pytest.mark.parametrize(("width", "height"), [(320, 640), (1280, 720), (640, 320)])
def test_the_frame_shows_the_middle_square(page: Page, width: int, height: int):
    page.set_viewport_size({"width": width, "height": height})
    ready(page)
    square = page.locator("#viewfinder").evaluate(
        "one => { const { width, height } = getComputedStyle(one, '::after');"
        "return [width, height].map(parseFloat); }"
    )
    box = page.locator("#viewfinder").bounding_box()
    (settings,) = page.evaluate(LIVE)
    ratio = settings["width"] / settings["height"]
    assert box["width"] / box["height"] == pytest.approx(ratio, rel=0.02)
    assert square == pytest.approx([min(box["width"], box["height"])] * 2, abs=1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    below = page.locator("#viewfinder ~ .hint").bounding_box()
    assert box["y"] + box["height"] < below["y"]
    assert page.locator("#camera").evaluate("one => one.scrollWidth <= one.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_dialog_can_be_used_by_everybody(page: Page, scheme: str):
    page.emulate_media(color_scheme=scheme)
    ready(page)
    assert violations(page) == []


def test_a_refused_camera_is_named_and_can_be_tried_again(browser: Browser, server: RunningServer):
    with visiting(browser, server.url, permissions=[]) as page:
        page.locator("#take").click()
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("The camera is not allowed")
        expect(alert).to_contain_text("Allow it at the sign beside the address")
        expect(page.locator("#camera")).to_be_hidden()
        expect(page.locator("#take")).to_be_focused()
        page.context.grant_permissions(["camera"])
        alert.get_by_role("button", name="Try again").click()
        expect(page.locator("#shutter")).to_be_focused()
        expect(alert).to_be_empty()
        page.keyboard.press("Escape")
        has_stopped(page)


def test_without_a_camera_the_page_says_so(playwright: Playwright, server: RunningServer):
    none = "--use-fake-device-for-media-stream=device-count=0"
    with (
        launched(playwright, none) as browser,
        visiting(browser, server.url, permissions=["camera"]) as page,
    ):
        page.locator("#take").click()
        expect(page.get_by_role("alert")).to_contain_text("No camera was found")
        expect(page.locator("#camera")).to_be_hidden()


def test_a_camera_in_use_is_named(page: Page):
    # The stand-in is never in use.
    page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = async () => {"
        " throw new DOMException('Could not start video source', 'NotReadableError'); } }"
    )
    page.locator("#take").click()
    expect(page.get_by_role("alert")).to_contain_text("The camera does not answer")
    expect(page.get_by_role("alert")).to_contain_text("End the video call")


def test_an_unplugged_camera_is_named(page: Page):
    ready(page)
    page.evaluate("window.streams[0].getTracks()[0].dispatchEvent(new Event('ended'))")
    expect(page.get_by_role("alert")).to_contain_text("No camera was found")
    has_stopped(page)


def elsewhere(server: RunningServer) -> tuple[str, str]:
    """The server's address as another machine, and the flag that leads a browser there."""
    return f"http://camera.test:{server.port}", "--host-resolver-rules=MAP camera.test 127.0.0.1"


def test_over_plain_http_a_computer_offers_no_camera(playwright: Playwright, server: RunningServer):
    url, leading = elsewhere(server)
    with (
        launched(playwright, TWO_CAMERAS, leading) as browser,
        visiting(browser, url) as page,
    ):
        assert page.evaluate("navigator.mediaDevices === undefined")
        expect(page.locator("#take")).to_be_hidden()
        expect(page.get_by_text("Choose a picture")).to_be_visible()


def test_a_phone_uses_its_own_camera_everywhere(
    playwright: Playwright, server: RunningServer, pictures: list[Path]
):
    url, leading = elsewhere(server)
    with (
        launched(playwright, CAPTURE, leading) as browser,
        visiting(browser, url, **PHONE) as page,
    ):
        with page.expect_file_chooser() as asked:
            page.get_by_role("button", name="Take a photo").tap()
        asker = asked.value.element
        assert asker.get_attribute("capture") == "environment"
        assert asker.get_attribute("accept") == "image/*"
        asked.value.set_files(pictures[0])
        expect(page.locator("#caption")).to_have_text(pictures[0].name)
        classified(page, server.url, pictures[0].read_bytes())
        expect(page.locator("#camera")).to_be_hidden()
