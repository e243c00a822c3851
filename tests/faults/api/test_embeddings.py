"""POST /v1/embeddings: what OpenAI's clients send and read, and what is refused in words."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from alexnet_server.settings import Limits
from tests.faults.api.answers import code_of, strict
from tests.faults.api.narrow_document import UNITS, data_urls, pictures
from tests.running_server import RunningServer
from tests.waiting import WAIT_S

PATH = "/v1/embeddings"
URL = data_urls()[0]
MIB = 1024 * 1024
CUT = b"\xff\xd8\xff\xe0 cut"


def url_of(data: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=WAIT_S) as client:
        yield client


def test_base64_is_of_the_same_numbers(client: httpx.Client) -> None:
    asked = {"input": data_urls(), "model": "alexnet", "user": "somebody", "dimensions": UNITS}
    numbers = strict(client.post(PATH, json=asked | {"encoding_format": "float"}))
    packed = strict(client.post(PATH, json=asked | {"encoding_format": "base64"}))
    assert numbers.keys() == packed.keys() == {"object", "data", "model", "usage"}
    assert numbers["usage"] == {"prompt_tokens": 0, "total_tokens": 0}
    features = client.post("/features", files=[("image", one) for one in pictures().values()])
    for one, other, whole in zip(
        numbers["data"], packed["data"], strict(features)["results"], strict=True
    ):
        values = np.frombuffer(base64.b64decode(other["embedding"]), "<f4")
        assert values.tolist() == one["embedding"]
        np.testing.assert_allclose(values, whole["features"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "given",
    [
        "a cat on a mat",
        "https://example.org/cat.jpg",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "data:image/jpeg,not-base64",
        [URL, "gopher://127.0.0.1:70/"],
        [[1, 2, 3]],
        7,
        [None],
        {"url": URL},
    ],
)
def test_what_is_no_data_url_is_refused_and_nothing_is_fetched(
    client: httpx.Client, given: object
) -> None:
    refused = client.post(PATH, json={"input": given, "model": "alexnet"})
    assert (refused.status_code, code_of(refused)) == (400, "bad_request")
    assert "the server fetches nothing" in strict(refused)["detail"]


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        ({"input": []}, 400, "missing_picture", "data URL"),
        ({}, 400, "missing_picture", "data URL"),
        ({"input": None}, 400, "missing_picture", "data URL"),
        ({"input": URL, "colour": "red"}, 400, "bad_request", "'colour' is unknown"),
        ({"input": URL, "model": 1}, 400, "bad_request", "model must be text"),
        ({"input": URL, "user": None}, 400, "bad_request", "user must be text"),
        ({"input": URL, "encoding_format": "int8"}, 400, "bad_request", "float or base64"),
        ({"input": URL, "encoding_format": []}, 400, "bad_request", "float or base64"),
        ({"input": URL, "dimensions": UNITS - 1}, 400, "bad_request", f"must be {UNITS}"),
        ({"input": URL, "dimensions": True}, 400, "bad_request", f"must be {UNITS}"),
        ({"input": "data:image/png;base64,=="}, 400, "bad_request", "input 0 is not base64"),
        ({"input": "data:image/png;base64,AA A"}, 400, "bad_request", "input 0 is not base64"),
        ({"input": "data:;base64,\u00e4\u00f6"}, 400, "bad_request", "input 0 is not base64"),
        ({"input": [URL, "data:;base64,"]}, 422, "empty_picture", "input 1: "),
        ({"input": [URL, "data:;base64,AAAA"]}, 415, "unsupported_format", "input 1: "),
        (
            {"input": [URL, URL, url_of(CUT)]},
            422,
            "undecodable_picture",
            "input 2",
        ),
        ({"input": [URL] * 65}, 413, "too_many_pictures", "65 pictures"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_refusal_says_what_is_wrong_and_where(
    client: httpx.Client, body: dict, status: int, code: str, words: str
) -> None:
    refused = client.post(PATH, json=body)
    assert (refused.status_code, code_of(refused)) == (status, code)
    assert words in strict(refused)["detail"]


def test_64_pictures_are_answered(client: httpx.Client) -> None:
    answer = client.post(PATH, json={"input": [URL] * 64})
    assert len(strict(answer)["data"]) == 64


def test_a_picture_of_10_mib_fits_and_a_byte_more_is_named(client: httpx.Client) -> None:
    picture = pictures()["image/png"]
    largest = picture + b"\0" * (Limits().max_picture_bytes - len(picture))
    assert client.post(PATH, json={"input": url_of(largest)}).status_code == 200
    refused = client.post(PATH, json={"input": [URL, url_of(largest + b"\0")]})
    assert (refused.status_code, code_of(refused)) == (413, "picture_too_large")
    assert "input 1: " in strict(refused)["detail"]


def test_a_body_of_16_mib_and_no_more(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    start = f'{{"input": "{URL}", "user": "'.encode()
    for size, status in ((16 * MIB, 200), (16 * MIB + 1, 413)):
        body = start + b"x" * (size - len(start) - 2) + b'"}'
        assert client.post(PATH, content=body, headers=headers).status_code == status


def test_another_content_type_is_refused(client: httpx.Client) -> None:
    for headers in ({}, {"Content-Type": "text/plain"}):
        refused = client.post(PATH, content=b'{"input": "x"}', headers=headers)
        assert (refused.status_code, code_of(refused)) == (415, "unsupported_media_type")
