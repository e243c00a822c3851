"""No answer holds a NaN or an infinity, whatever a number of ours became."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest
from flask import Flask

from alexnet_repository.files import deployed
from alexnet_server.app import create_app
from alexnet_server.deployed import open_deployed
from alexnet_server.following import Following
from alexnet_server.index.opening import Indexes
from alexnet_server.served import Served
from alexnet_server.settings import Settings
from tests.faults.api.answers import strict
from tests.faults.api.narrow_document import UNITS, pictures
from tests.local_engine import local_engine
from tests.running_server import RunningServer
from tests.waiting import WAIT_S


@pytest.fixture
def app(repository: Path, tmp_path: Path) -> Iterator[Flask]:
    index = tmp_path / "index.sqlite"
    deploys = Following(
        partial(open_deployed, repository, local_engine, Indexes(index)),
        partial(deployed, repository),
    )
    chosen = Settings(repository=repository, index=f"sqlite:///{index}")
    yield create_app(Served.of(chosen, deploys))
    deploys.close()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_json_does_not_have_is_a_fault_of_ours(
    app: Flask, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.add_url_rule("/broken", view_func=lambda: {"distance": float(value)})
    monkeypatch.setattr(app.logger, "disabled", True)  # it says so loudly, as it should
    answer = app.test_client().get("/broken")
    assert answer.status_code == 500
    assert answer.content_type == "application/problem+json"
    assert strict(httpx.Response(500, content=answer.data))["code"] == "internal_error"


def test_the_largest_features_have_finite_distances(server: RunningServer) -> None:
    with httpx.Client(base_url=server.url, timeout=WAIT_S) as client:
        stored = client.put("/images/far", content=pictures()["image/png"])
        assert stored.status_code == 201
        for value in (1e15, -1e15, 1e-45, 0.0):
            answer = client.post("/search", json={"features": [value] * UNITS})
            (result,) = strict(answer)["results"]
            assert np.isfinite(result["neighbors"][0]["distance"])
