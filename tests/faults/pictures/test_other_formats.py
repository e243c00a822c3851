"""What is no JPEG, PNG or WEBP is named so, whatever it is called, and starts nothing."""

from __future__ import annotations

import httpx
import pytest

from tests.faults.pictures.decoding import decoded
from tests.faults.pictures.other_formats import written_by_hand, written_by_pillow
from tests.faults.pictures.pieces import DECODED
from tests.faults.pictures.sources import SOURCES
from tests.running_server import RunningServer


@pytest.fixture(scope="module")
def others() -> dict[str, bytes]:
    return written_by_pillow() | written_by_hand()


def test_others_are_refused_and_start_nothing(others: dict[str, bytes]) -> None:
    assert {"BMP", "EPS", "GIF", "ICO", "JPEG2000", "PDF", "PPM", "TGA", "TIFF"} <= set(others)
    for name, one in decoded(others).items():
        assert (one.outcome, one.events) == ("UnsupportedFormat", []), name


def test_what_is_decoded_opens_no_file() -> None:
    legal = {name: make() for name, make in SOURCES.items()}
    legal["an index of pictures"] = DECODED["JPEG: an index of 4,000 pictures"]()
    for name, one in decoded(legal).items():
        assert (one.outcome, one.events) == ("pixels", []), name


def test_others_named_jpg_answer_415(server: RunningServer, others: dict[str, bytes]) -> None:
    for name, data in others.items():
        files = {"image": ("x.jpg", data, "image/jpeg")}
        answer = httpx.post(f"{server.url}/classify", files=files)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_format"), name
