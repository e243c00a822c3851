"""What the sender says of a request reaches Triton: its name, and the trace it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults.api.heard import Ear, Heard, listening
from tests.faults.api.narrow_document import data_urls, pictures
from tests.running_server import running_server
from tests.waiting import WAIT_S, wait_until

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PICTURE = pictures()["image/png"]


@pytest.fixture(scope="module")
def ear(repository: Path) -> Iterator[Ear]:
    with listening(repository) as made:
        yield made


@pytest.fixture(scope="module")
def client(
    ear: Ear, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    index = tmp_path_factory.mktemp("passed_on") / "index.sqlite"
    engine = ("--engine", f"triton://127.0.0.1:{ear.port}")
    with (
        running_server(repository, index, *engine) as server,
        httpx.Client(base_url=server.url, timeout=WAIT_S) as client,
    ):
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client


def heard_of(ear: Ear, name: str) -> Heard:
    (heard,) = [one for one in ear.calls if one.id == name]
    return heard


@pytest.mark.parametrize("path", ["/classify", "/features", "/search", "/images"])
def test_the_request_id_and_the_trace_reach_triton(
    client: httpx.Client, ear: Ear, path: str
) -> None:
    name = f"of-{path[1:]}"
    headers = {"X-Request-Id": name, "traceparent": TRACE}
    answer = client.post(path, content=PICTURE, headers=headers)
    assert (answer.status_code, answer.headers["X-Request-Id"]) == (200, name)
    assert heard_of(ear, name).metadata["traceparent"] == TRACE


def test_embeddings_pass_them_on_too(client: httpx.Client, ear: Ear) -> None:
    headers = {"X-Request-Id": "of-embeddings", "traceparent": TRACE}
    client.post("/v1/embeddings", json={"input": data_urls()}, headers=headers).raise_for_status()
    assert heard_of(ear, "of-embeddings").metadata["traceparent"] == TRACE


@pytest.mark.parametrize(
    "other",
    [
        "",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        TRACE.upper(),
        f"{TRACE}-more",
    ],
)
def test_a_trace_of_another_form_is_left_out(client: httpx.Client, ear: Ear, other: str) -> None:
    name = f"odd-{len(ear.calls)}"
    headers = {"X-Request-Id": name, "traceparent": other}
    client.post("/classify", content=PICTURE, headers=headers).raise_for_status()
    assert "traceparent" not in heard_of(ear, name).metadata
