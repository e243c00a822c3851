"""A new version under load over HTTP, and an index that belongs to something else."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from pathlib import Path

import httpx

from alexnet_export.checkpoint import load_checkpoint, save_checkpoint
from alexnet_export.deploy import Deployment, deploy
from tests.faults.wire.sent import in_full
from tests.running_server import running_server
from tests.waiting import wait_until


@in_full
def test_a_deploy_under_load_fails_no_request(
    narrow_checkpoint: Path, picture: bytes, tmp_path: Path
) -> None:
    root = tmp_path / "repository"
    deploy(narrow_checkpoint, Deployment(root))
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(narrow_checkpoint / "pictures.npz", other)
    loaded, _ = load_checkpoint(narrow_checkpoint)
    loaded.tensors["fc8.bias"][0] += 1
    save_checkpoint(loaded, other)
    seen: Counter[tuple[int, str]] = Counter()
    is_over = threading.Event()

    def ask(url: str) -> None:
        with httpx.Client(base_url=url, verify=False, timeout=60) as client:
            while not is_over.is_set():
                answer = client.post("/classify", content=picture)
                seen[answer.status_code, answer.json().get("model", answer.json())["version"]] += 1

    with running_server(root, tmp_path / "index.sqlite") as server:
        threads = [threading.Thread(target=ask, args=(server.url,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: seen[200, "1"] > 8)
            for version, run in (("2", other), ("3", narrow_checkpoint)):
                deploy(run, Deployment(root))
                wait_until(lambda version=version: seen[200, version] > 8)
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
    assert {status for status, _ in seen} == {200}
    assert {version for _, version in seen} == {"1", "2", "3"}


@in_full
def test_an_index_of_something_else_is_refused_with_the_way_out(
    narrow: Path, picture: bytes, tmp_path: Path
) -> None:
    index = tmp_path / "index.sqlite"
    index.write_text("someone else's file " * 1_000)
    with (
        running_server(narrow, index) as server,
        httpx.Client(base_url=server.url, verify=False, timeout=60) as client,
    ):
        for _ in range(2):
            assert client.post("/classify", content=picture).status_code == 200
            answer = client.post("/search", content=picture)
            assert (answer.status_code, answer.json()["code"]) == (409, "index_mismatch")
            assert "give --index another path" in answer.json()["detail"]
            assert client.get("/readyz").status_code == 200
    assert index.read_text().startswith("someone else's file")
