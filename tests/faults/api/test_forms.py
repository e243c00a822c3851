"""Requests of an odd shape: too many parts, fields, levels and names; other methods and paths."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.faults.api.answers import code_of, quickly, strict
from tests.faults.api.narrow_document import data_urls, pictures
from tests.running_server import RunningServer
from tests.waiting import WAIT_S

PICTURE = pictures()["image/png"]
TAKING_PICTURES = ("/classify", "/features", "/search", "/images")
TAKING_JSON = ("/search", "/images/delete", "/v1/embeddings")
JSON = {"Content-Type": "application/json"}
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")
URLS = (
    *("/", "/page/page.js", "/docs", "/docs/docs.js", "/openapi.json", "/model", "/livez"),
    *("/readyz", "/classify", "/features", "/search", "/v1/embeddings", "/images"),
    *("/images/delete", "/images/a", "/images/a/thumbnail", "/images/a/similar"),
    *("/images/a/b/c", "/v2/models/alexnet/infer", "/%00//..%2f"),
)


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=WAIT_S) as client:
        yield client


@pytest.mark.parametrize("path", TAKING_PICTURES)
def test_1001_parts_are_too_many(client: httpx.Client, path: str) -> None:
    for name in ("image", "label"):
        files = [(name, (None, b"x"))] * 1001
        answer = quickly(client, "POST", path, files=files)
        assert (answer.status_code, code_of(answer)) == (413, "request_too_large")


@pytest.mark.parametrize("path", TAKING_PICTURES)
def test_a_text_field_of_501_kb_is_too_long(client: httpx.Client, path: str) -> None:
    files = {"image": PICTURE}
    answer = quickly(client, "POST", path, files=files, data={"metadata": "x" * 501_000})
    assert (answer.status_code, code_of(answer)) == (413, "request_too_large")


@pytest.mark.parametrize("shape", ["lists", "objects", "endless"])
@pytest.mark.parametrize("path", TAKING_JSON)
def test_json_of_100_levels_is_refused(client: httpx.Client, path: str, shape: str) -> None:
    field = {"/search": "features", "/images/delete": "ids", "/v1/embeddings": "input"}[path]
    levels = {
        "lists": "[" * 100 + "]" * 100,
        "objects": '{"a":' * 100 + "1" + "}" * 100,
        "endless": "[" * 1_000_000,
    }[shape]
    body = f'{{"{field}": {levels}}}'
    answer = quickly(client, "POST", path, content=body, headers=JSON)
    assert (answer.status_code, code_of(answer)) == (400, "bad_request")


def test_metadata_of_100_levels_is_refused(client: httpx.Client) -> None:
    deep = '{"a":' * 100 + "1" + "}" * 100
    files, data = {"image": PICTURE}, {"metadata": deep}
    answer = quickly(client, "POST", "/images", files=files, data=data)
    assert (answer.status_code, code_of(answer)) == (400, "bad_metadata")


@pytest.mark.parametrize("name", ["id", "label", "metadata"])
@pytest.mark.parametrize(("method", "path"), [("POST", "/images"), ("PUT", "/images/twice")])
def test_a_field_twice_for_one_picture_is_refused(
    client: httpx.Client, method: str, path: str, name: str
) -> None:
    data = {name: ["{}", "{}"]}
    answer = quickly(client, method, path, files={"image": PICTURE}, data=data)
    assert (answer.status_code, code_of(answer)) == (400, "bad_request")
    assert client.get("/images/twice").status_code == 404


@pytest.mark.parametrize("path", TAKING_JSON)
def test_more_values_than_any_request_needs_are_not_parsed(client: httpx.Client, path: str) -> None:
    body = b"[" + b"0," * 20_001 + b"0]"
    answer = quickly(client, "POST", path, content=body, headers=JSON)
    assert (answer.status_code, code_of(answer)) == (400, "bad_request")
    assert "commas" in strict(answer)["detail"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000])
def test_numbers_that_json_does_not_have_are_refused(client: httpx.Client, number: str) -> None:
    bodies = {
        "/search": f'{{"features": [{number}]}}',
        "/images/delete": f'{{"ids": [{number}]}}',
        "/v1/embeddings": f'{{"input": {json.dumps(data_urls()[0])}, "dimensions": {number}}}',
    }
    for path, body in bodies.items():
        answer = quickly(client, "POST", path, content=body, headers=JSON)
        assert (answer.status_code, code_of(answer)) == (400, "bad_request")


@pytest.mark.parametrize("method", METHODS)
def test_8_methods_times_20_urls(client: httpx.Client, method: str) -> None:
    assert len(URLS) == 20
    for url in URLS:
        answer = client.request(method, url)
        assert answer.status_code < 500, f"{method} {url}: {answer.text}"
        assert answer.headers["X-Request-Id"]
        if method == "HEAD":
            assert answer.content == b""
        elif answer.is_error:
            assert code_of(answer), f"{method} {url}"


def test_a_method_nobody_knows(client: httpx.Client) -> None:
    for url in URLS[:-3]:
        answer = client.request("BREW", url)
        assert (answer.status_code, code_of(answer)) == (405, "method_not_allowed")
        assert answer.headers["Allow"]
