"""Whatever is sent, the number of series stays, and no word of it is told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.faults.observing.watched import Hostile, Watched
from tests.faults.size import sized
from tests.running_server import clean_environment, command
from tests.waiting import wait_until

REQUESTS = sized(500, 10_000)
SEED = 20


@pytest.mark.timeout(600)
def test_random_paths_methods_and_keys_make_no_series(locked: Watched, key: str) -> None:
    hostile = Hostile(locked.server.port, SEED)
    for request in hostile.every_kind(key):
        hostile.send(*request)
    locked.operator.get("/metrics")  # so that the index was counted once
    wait_until(lambda: ("alexnet_index_pictures", ()) in locked.series())
    before = locked.series().keys()
    statuses: dict[int, int] = {}
    sent = 0
    while sent < REQUESTS:
        for request in hostile.every_kind(key):
            status = hostile.send(*request)
            statuses[status] = statuses.get(status, 0) + 1
            sent += 1
    hostile.close()
    assert locked.series().keys() == before
    assert {404, 401, 400, 200} <= statuses.keys()
    assert not any(status >= 500 for status in statuses)
    text = locked.operator.get("/metrics").text
    for secret in (Hostile.MARK, "ZQ", key):
        assert secret not in text
        assert secret not in locked.log()


def test_labels_are_few_and_known(locked: Watched, key: str) -> None:
    """Written down, so that a new label is a decision."""
    hostile = Hostile(locked.server.port, SEED)
    hostile.send("GET", "/images/" + hostile.word(), key)
    hostile.close()
    labels: dict[str, set[str]] = {}
    for name, pairs in locked.series():
        for label, value in pairs:
            labels.setdefault(label, set()).add(value)
            assert len(value) <= 64, name
    assert labels.keys() <= {
        *("route", "method", "status", "status_class", "stage", "code", "gate", "state", "le"),
        *("name", "version", "digest", "layout", "precision", "python", "implementation"),
    }
    assert "/images/<picture_id>" in labels["route"]
    assert labels["method"] <= {
        *("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "other")
    }


def test_metrics_are_on_their_own_port_alone(locked: Watched, key: str) -> None:
    with_key = {"Authorization": f"Bearer {key}"}
    assert locked.main.get("/metrics", headers=with_key).status_code == 404
    assert locked.operator.get("/classify").status_code == 404
    assert locked.operator.base_url.host == "127.0.0.1"


def test_a_taken_metrics_port_ends_the_start_with_one_clear_line(
    locked: Watched, repository: Path, tmp_path: Path
) -> None:
    port = str(locked.operator.base_url.port)
    done = subprocess.run(
        [
            *(command("alexnet-server"), "serve", "--repository", str(repository)),
            *("--index", f"sqlite:///{tmp_path}/index.sqlite"),
            *("--port", "0", "--metrics-port", port),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment(),
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"alexnet-server: cannot listen on 127.0.0.1:{port} for /metrics: address already in "
        "use; choose another --metrics-port (0 takes a free one; it is --port + 1 where none is "
        "given) or --metrics-host\n"
    )
