"""An index of enough pictures for codes, over HTTP: what ``exact`` asks for and what it says."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from alexnet_repository.repository import open_repository
from alexnet_server.index.opening import Indexes
from alexnet_server.index.records import Record, StoredPicture
from tests.narrow_repository import deploy_narrow
from tests.running_server import running_server
from tests.waiting import wait_until

COUNT = 6_000  # more than are always searched exactly
QUERIES = 30


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(11).normal(size=(COUNT, 32)).astype(np.float32)


@pytest.fixture(scope="module")
def http(features: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("exact")
    repository = deploy_narrow(folder)
    indexes = Indexes(folder / "index.sqlite")
    index = indexes.of(open_repository(repository).digest, features.shape[1])
    about = [
        StoredPicture(f"p{n:04}", "0" * 64, None, {"n": n}, "2026-11-22T06:00:00+00:00", 1)
        for n in range(COUNT)
    ]
    records = [Record(one, b"small", row) for one, row in zip(about, features, strict=True)]
    for start in range(0, COUNT, 500):
        index.restore(records[start : start + 500])
    index.close()
    indexes.close()
    with (
        running_server(repository, folder / "index.sqlite") as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        wait_until(lambda: client.get("/model").json()["index"]["coder"] is not None)
        yield client


def found(http: httpx.Client, row: np.ndarray, **params: object) -> tuple[list[str], bool]:
    """The ids of the 10 nearest, and whether the server says that all were compared."""
    body = {"features": row.tolist()}
    answer = http.post("/search", json=body, params=params).raise_for_status().json()
    (result,) = answer["results"]
    return [neighbor["id"] for neighbor in result["neighbors"]], answer["search"]["exact"]


def test_exact_compares_with_every_picture(http: httpx.Client, features: np.ndarray) -> None:
    queries = np.random.default_rng(12).normal(size=(QUERIES, 32)).astype(np.float32)
    by_codes = 0
    for row in queries:
        nearest = np.argsort(np.linalg.norm(features - row, axis=1))[:10]
        expected = [f"p{n:04}" for n in nearest]
        assert found(http, row, exact="true") == (expected, True)
        ids, is_exact = found(http, row)
        assert is_exact is False
        by_codes += ids != expected
    assert by_codes > 0  # of points in no order 32 bits miss some: ``exact`` made the difference


def test_few_that_pass_a_filter_are_all_compared(http: httpx.Client, features: np.ndarray) -> None:
    row = features[17]
    near = np.argsort(np.linalg.norm(features[:200] - row, axis=1))[:10]
    ids, _ = found(http, row, where='{"n": {"lt": 200}}')
    assert ids == [f"p{n:04}" for n in near]


def test_the_model_says_what_codes_there_are(http: httpx.Client) -> None:
    said = http.get("/model").json()["index"]
    assert said["coder"] == {"kind": "mean", "bytes": 4, "fitted_on": said["coder"]["fitted_on"]}
    assert said["coder"]["fitted_on"] >= 5_000
    assert (said["pictures"], said["state"]) == (COUNT, "live")
