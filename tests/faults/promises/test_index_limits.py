"""What one answer of the index costs: no search past its deadline, no page past its size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alexnet_server.app import create_app
from alexnet_server.index.records import NewPicture
from alexnet_server.served import Served
from alexnet_server.settings import Settings
from tests.faults.promises.app_in_process import application


def test_a_search_ends_at_its_deadline(repository: Path, path: Path) -> None:
    """P2, also where no picture is decoded and no network asked."""
    with application(repository, path) as (client, deploys), deploys.hold() as now:
        late = create_app(Served.of(Settings(request_timeout_s=1e-6), deploys)).test_client()
        body = {"features": now.pictures().features("p0").tolist()}
        for method, url, sent in (
            ("POST", "/search", {"json": body}),
            ("GET", "/images/p0/similar", {}),
        ):
            answer = late.open(url, method=method, **sent)
            assert (answer.status_code, answer.get_json()["code"]) == (503, "deadline_exceeded")
            assert client.open(url, method=method, **sent).status_code == 200


def test_a_page_of_large_metadata_is_small(repository: Path, path: Path) -> None:
    text = "x" * (Settings().limits.max_metadata_bytes - 16)
    with application(repository, path) as (client, deploys), deploys.hold() as now:
        index = now.pictures()
        features = np.zeros(index.binding.units, np.float32)
        rows = [
            NewPicture(f"q{number:04d}", "sha", None, {"text": text}, b"jpeg", features)
            for number in range(1000)
        ]
        index.upsert(rows)
        seen: list[str] = []
        query = {"limit": 1000}
        while True:
            answer = client.get("/images", query_string=query)
            assert len(answer.data) < 5e6
            page = answer.get_json()
            seen += [one["id"] for one in page["images"]]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
    assert seen == [f"p{number}" for number in range(6)] + [row.id for row in rows]
