"""Deploys, reloads and a rollback under a server that is asked all the while."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from alexnet_export.cli import main
from alexnet_export.deploy import Deployment, deploy
from alexnet_export.rollback import rollback
from alexnet_repository.files import ENSEMBLE
from alexnet_repository.repository import open_repository
from tests.triton.asking import Answer
from tests.triton.front import PNGS, Front, features, known, running_front
from tests.triton.short_lived import short_lived_triton
from tests.waiting import WAIT_S, wait_until

RETURN_S = 3.0
THREADS = 4
PAUSE_S = 0.03  # the rate of the load: up to 130 a second, and cores left for what happens


@pytest.fixture
def front(narrow_runs: tuple[Path, ...], tmp_path: Path) -> Iterator[Front]:
    """In one graph, which Triton loads sooner; test_reload does the same to towers."""
    root = tmp_path / "model_repository"
    deploy(narrow_runs[0], Deployment(root, layout="single"))
    with (
        short_lived_triton(root, tmp_path / "log", model_control="explicit") as triton,
        running_front(root, triton, tmp_path / "index.sqlite", timeout_s=30) as running,
    ):
        yield running


@dataclass
class Askers:
    """Threads that never stop asking; every answer is compared with its version's own."""

    front: Front
    known: dict[str, tuple[dict[str, str], Answer]]
    answered: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    is_over: bool = False

    def learn(self) -> str:
        repository = open_repository(self.front.root)
        self.known[repository.version] = repository.manifest["model"], known(self.front.root)
        return repository.version

    def run(self, number: int) -> None:
        while not self.is_over:
            time.sleep(PAUSE_S)
            number = (number + 1) % len(PNGS)
            answer = self.front.ask(number)
            if answer.status_code != 200:
                self.wrong.append(answer.text)
                continue
            model = answer.json()["model"]
            of_manifest, expected = self.known.get(model["version"], ({}, None))
            if model.items() <= of_manifest.items() and np.allclose(
                features(answer)[0], expected.features[number], rtol=1e-4, atol=1e-5
            ):
                self.answered.append(model["version"])
            else:
                self.wrong.append(f"{model}: not the answer of its version")

    def wait_for(self, version: str) -> None:
        enough = self.answered.count(version) + 20
        wait_until(lambda: self.answered.count(version) >= enough or bool(self.wrong))


@pytest.mark.timeout(300)
def test_deploy_reload_and_rollback_under_load_fail_no_request(
    front: Front, narrow_runs: tuple[Path, ...]
) -> None:
    askers = Askers(front, {})
    first = askers.learn()
    threads = [threading.Thread(target=askers.run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    reload = ["reload", "--triton", front.triton.grpc, "--repository", str(front.root)]
    try:
        askers.wait_for(first)
        for run in narrow_runs[1:]:
            deploy(run, Deployment(front.root, layout="single"))
            version = askers.learn()
            wait_until(lambda version=version: front.model()["next"] == awaited(version))
            assert main(reload) == 0
            askers.wait_for(version)
        rollback(front.root, to=1)
        assert main(reload) == 0
        askers.wait_for(first)
    finally:
        askers.is_over = True
        for thread in threads:
            thread.join()
    assert askers.wrong == []
    assert set(askers.answered) == {"1", "2", "3"}
    assert front.model()["next"] is None


def awaited(version: str) -> dict[str, str]:
    return {"version": version, "state": "awaited"}


@pytest.mark.timeout(300)
def test_a_model_taken_away_and_brought_back(front: Front) -> None:
    assert front.ask(0).status_code == 200
    with grpc.insecure_channel(front.triton.grpc) as channel:
        control = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        control.RepositoryModelUnload(
            service_pb2.RepositoryModelUnloadRequest(model_name=ENSEMBLE), timeout=WAIT_S
        )
        wait_until(lambda: front.ask(0).status_code != 200)
        refused = front.ask(0)
        assert (refused.status_code, refused.json()["code"]) == (503, "backend_unavailable")
        assert "unknown model" not in refused.text
        assert not front.is_ready()
        assert front.client.get("/livez").status_code == 200
        control.RepositoryModelLoad(
            service_pb2.RepositoryModelLoadRequest(model_name=ENSEMBLE), timeout=WAIT_S
        )
    wait_until(front.is_ready, RETURN_S)
    assert front.ask(0).status_code == 200
