"""The server before a real Triton: the tests of the embedded engine, and what only two can do."""

from __future__ import annotations

import io
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
from deploy.local_triton.running import RunningTriton, running_triton
from PIL import Image
from tritonclient.grpc import service_pb2, service_pb2_grpc

from alexnet_export.cli import main
from alexnet_export.deploy import Deployment, deploy
from alexnet_export.rollback import rollback
from alexnet_pixels.decode import decode
from alexnet_pixels.views import views
from alexnet_repository.files import ENSEMBLE
from alexnet_repository.golden import cosines
from alexnet_repository.repository import open_repository
from tests.conftest import Serving

# The same tests, with the fixture ``serving`` of this file: the engines are interchangeable.
from tests.integration.test_classify_and_features import *  # noqa: F403
from tests.integration.test_classify_and_features import engine, picture  # noqa: F401
from tests.photos import crops
from tests.random_checkpoint import CLASSES
from tests.running_server import RunningServer, running_server
from tests.triton.asking import Answer, Caller, in_process

WAIT_S = 60
RETURN_S = 3.0
QUEUE_TIMEOUT = "default_timeout_microseconds: 50000"
PICTURES = crops(12, seed=31)


@pytest.fixture(scope="module")
def serving(towers_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("front")
    with running_triton(towers_repository, folder / "log") as triton:
        flags = ("--engine", f"triton://{triton.grpc}", "--backend-timeout-s", "60")
        with running_server(towers_repository, folder / "index.sqlite", *flags) as server:
            yield Serving(server.url, CLASSES)


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


PNGS = [png(pixels) for pixels in PICTURES]


def wait_until(condition: Callable[[], bool], limit_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


CENTRES = np.ascontiguousarray(PICTURES[:, 16:240, 16:240])


def known(root: Path) -> Answer:
    """What the graphs in process say of PNGS."""
    return in_process(root, np.concatenate([views(decode(data), 1) for data in PNGS]))


def features(answer: httpx.Response) -> np.ndarray:
    return np.array([one["features"] for one in answer.json()["results"]], np.float32)


def test_features_and_labels_are_those_of_the_embedded_engine(
    serving: Serving, towers_repository: Path
) -> None:
    files = [("image", data) for data in PNGS]
    expected = known(towers_repository)
    found = features(httpx.post(f"{serving.url}/features", files=files, timeout=WAIT_S))
    assert cosines(found, expected.features).min() >= 0.99999
    results = httpx.post(f"{serving.url}/classify", files=files, timeout=WAIT_S).json()["results"]
    labels = [one["predictions"][0]["class_id"] for one in results]
    assert labels == expected.probabilities.argmax(axis=1).tolist()


def test_64_pictures_in_one_request(serving: Serving) -> None:
    files = [("image", PNGS[number % len(PNGS)]) for number in range(64)]
    found = features(httpx.post(f"{serving.url}/features", files=files, timeout=WAIT_S))
    assert found.shape == (64, 4096)
    np.testing.assert_allclose(found[: len(PNGS)], found[len(PNGS) : 2 * len(PNGS)], atol=1e-3)


@dataclass(frozen=True)
class Front:
    root: Path
    triton: RunningTriton
    server: RunningServer

    def ask(self, number: int) -> httpx.Response:
        return httpx.post(f"{self.server.url}/features", content=PNGS[number], timeout=WAIT_S)

    def is_ready(self) -> bool:
        return httpx.get(f"{self.server.url}/readyz").status_code == 200

    def model(self) -> dict:
        return httpx.get(f"{self.server.url}/model").json()


@pytest.fixture
def front(narrow_repository: Path, tmp_path: Path) -> Iterator[Front]:
    root = tmp_path / "model_repository"
    shutil.copytree(narrow_repository, root)
    with running_triton(root, tmp_path / "log", model_control="explicit") as triton:
        flags = ("--engine", f"triton://{triton.grpc}", "--backend-timeout-s", "30")
        with running_server(root, tmp_path / "index.sqlite", *flags) as server:
            yield Front(root, triton, server)


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
    threads = [threading.Thread(target=askers.run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    reload = ["reload", "--triton", front.triton.grpc, "--repository", str(front.root)]
    try:
        askers.wait_for(first)
        for run in narrow_runs[1:]:
            deploy(run, Deployment(front.root))
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
        assert httpx.get(f"{front.server.url}/livez").status_code == 200
        control.RepositoryModelLoad(
            service_pb2.RepositoryModelLoadRequest(model_name=ENSEMBLE), timeout=WAIT_S
        )
    wait_until(front.is_ready, RETURN_S)
    assert front.ask(0).status_code == 200


@pytest.mark.timeout(300)
def test_a_queue_that_is_too_long_is_told_and_forgotten(
    narrow_repository: Path, tmp_path: Path
) -> None:
    root = tmp_path / "limited"
    shutil.copytree(narrow_repository, root)
    limited = 0
    for path in root.glob("s*/config.pbtxt"):
        text, count = re.subn(r"default_timeout_microseconds: \d+", QUEUE_TIMEOUT, path.read_text())
        path.write_text(text)
        limited += count
    assert limited >= 9, "every part limits the time in its queue"
    with running_triton(root, tmp_path / "log") as triton:
        flags = ("--engine", f"triton://{triton.grpc}", "--backend-timeout-s", "60")
        with (
            running_server(narrow_repository, tmp_path / "index.sqlite", *flags) as server,
            grpc.insecure_channel(triton.grpc) as channel,
        ):
            front = Front(narrow_repository, triton, server)
            wait_until(front.is_ready)
            caller = Caller(channel)
            found: list[httpx.Response] = []

            def is_refused() -> bool:
                others = [caller.begin(CENTRES) for _ in range(40)]  # another client's
                found.append(front.ask(0))
                for each in others:
                    each.exception()
                return found[-1].status_code == 503

            wait_until(is_refused)
            codes = {(one.status_code, one.json().get("code", "")) for one in found}
            assert codes <= {(200, ""), (503, "overloaded")}
            assert found[-1].headers["Retry-After"] == "1"
            assert "timeout expired" not in found[-1].text
            assert front.is_ready()
            wait_until(lambda: front.ask(0).status_code == 200)
