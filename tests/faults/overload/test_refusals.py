"""A refusal waits for nothing: not for those inside, and not for its own body to be read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import httpx
import pytest

from tests.faults.backend.front import Front, connected, front
from tests.narrow_repository import deploy_narrow
from tests.waiting import wait_until

GATE = 16
TOGETHER = 48  # as many threads as the server has besides those inside the gate
AT_ONCE_S = 5  # of a busy machine; those inside take a minute


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, photos: list[Path]) -> Iterator[Front]:
    """A server whose gate is full of requests that its backend takes a minute for."""
    folder = tmp_path_factory.mktemp("full")
    repository = deploy_narrow(folder)
    picture = photos[0].read_bytes()
    with (
        ThreadPoolExecutor(GATE) as pool,
        front(repository, folder, timeout_s=60, max_requests=GATE) as made,
    ):
        wait_until(made.is_ready)
        made.fake.switch(latency_s=60)
        inside = [pool.submit(let_in, made, picture) for _ in range(GATE)]
        wait_until(lambda: one_request(made, b"no picture").json()["code"] == "overloaded")
        yield made
        assert not wait(inside, timeout=0).done
        made.fake.kill()
        assert {one.result().json()["code"] for one in inside} == {"backend_unavailable"}


def let_in(made: Front, picture: bytes) -> httpx.Response:
    """The answer to a request that is sent until it is let in."""
    while (answer := one_request(made, picture)).json().get("code") == "overloaded":
        continue
    return answer


def one_request(made: Front, body: bytes) -> httpx.Response:
    with connected(made.server.url) as client:
        return client.post("/classify", content=body)


def test_refusals_come_at_once_and_say_when_to_come_again(full: Front) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(TOGETHER) as pool:
        refused = list(pool.map(lambda _: one_request(full, b"no picture"), range(2 * TOGETHER)))
    assert time.monotonic() - began < AT_ONCE_S
    assert {one.status_code for one in refused} == {503}
    assert {one.json()["code"] for one in refused} == {"overloaded"}
    assert {one.headers["Retry-After"] for one in refused} == {"1"}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/classify", {"Content-Type": "multipart/form-data; boundary=x"}),
        ("/features?views=3", {}),
        ("/images", {"Content-Type": "multipart/form-data"}),
        ("/search", {"Content-Type": "application/json"}),
    ],
)
def test_what_is_refused_is_not_read(full: Front, path: str, headers: dict[str, str]) -> None:
    """Each of these is wrong, and none is told so: nobody looked."""
    answer = full.client.post(path, content=b"}" * 9_000_000, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/", "/openapi.json", "/images", "/model"])
def test_what_asks_no_network_is_answered_beside_a_full_gate(full: Front, path: str) -> None:
    began = time.monotonic()
    assert full.client.get(path).status_code == 200
    assert time.monotonic() - began < AT_ONCE_S
