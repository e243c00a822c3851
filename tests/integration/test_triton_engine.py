"""The server beside a Triton that lies, fails, hangs, dies and comes back (tests/fakes)."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image

from alexnet_export.deploy import Deployment, deploy
from alexnet_export.layers import DIALECTS
from alexnet_pixels.decode import decode
from alexnet_pixels.views import views
from tests.fakes.running_triton import RunningFake
from tests.fakes.triton_v2 import QUEUE_FULL, SECRET, answers
from tests.fakes.wire import Wire
from tests.photos import crops
from tests.random_checkpoint import CLASSES, NARROW, write_random_checkpoint
from tests.running_server import RunningServer, running_server

UNITS = 32  # fc7 of the narrow network
TIMEOUT_S = 1.0
SLACK_S = 0.1
RETURN_S = 3.0  # from Triton's return to the first answer
WAIT_S = 60
LOAD_THREADS = 4
CYCLES = 30


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("narrow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DIALECTS, NARROW.name, NARROW)
        write_random_checkpoint(NARROW, folder)
        deploy(folder, Deployment(folder / "repository"))
    return folder / "repository"


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    return [jpeg(pixels) for pixels in crops(64, seed=21)]


def jpeg(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG")
    return out.getvalue()


@dataclass
class Front:
    """A server, the fake Triton behind it, and the wire between the two."""

    fake: RunningFake
    wire: Wire
    server: RunningServer

    def ask(self, picture: bytes, path: str = "/features") -> httpx.Response:
        named = {"X-Request-Id": "test"}  # one made of random digits could hold a port
        return httpx.post(
            f"{self.server.url}{path}", content=picture, headers=named, timeout=WAIT_S
        )

    def is_ready(self) -> bool:
        return httpx.get(f"{self.server.url}/readyz", timeout=WAIT_S).status_code == 200

    def log(self) -> str:
        return "".join(self.server.messages)


@contextmanager
def front(
    repository: Path, folder: Path, timeout_s: float = TIMEOUT_S, is_up: bool = True
) -> Iterator[Front]:
    fake = RunningFake(repository)
    fake.start()
    wire = Wire(fake.port)
    if not is_up:
        fake.kill()
    flags = ("--engine", f"triton://127.0.0.1:{wire.port}", "--threads", "32")
    index = folder / "index.sqlite"
    try:
        with running_server(
            repository, index, *flags, "--backend-timeout-s", str(timeout_s)
        ) as server:
            yield Front(fake, wire, server)
    finally:
        wire.close()
        fake.kill()


@pytest.fixture(scope="module")
def shared(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A patient server, for what is not about time."""
    with front(repository, tmp_path_factory.mktemp("shared"), timeout_s=30) as made:
        yield made


@pytest.fixture
def quick(repository: Path, tmp_path: Path) -> Iterator[Front]:
    """A server that waits for Triton only a second."""
    with front(repository, tmp_path) as made:
        assert made.is_ready()
        yield made


def wait_until(condition: Callable[[], bool], limit_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


def expected(picture: bytes) -> np.ndarray:
    (view,) = views(decode(picture), 1)
    return answers(view, UNITS, len(CLASSES))[0]


def features(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.array(answer.json()["results"][0]["features"], np.float32)


def strict(answer: httpx.Response) -> dict:
    return json.loads(answer.content, parse_constant=pytest.fail)


def test_answers_are_tritons(shared: Front, pictures: list[bytes]) -> None:
    assert np.array_equal(features(shared.ask(pictures[0])), expected(pictures[0]))
    model = httpx.get(f"{shared.server.url}/model").json()
    assert (model["engine"], model["next"], len(model["steps"])) == ("triton", None, 9)


def test_64_threads_get_their_own_answers(shared: Front, pictures: list[bytes]) -> None:
    known = [expected(picture) for picture in pictures]

    def ask(number: int) -> list[int]:
        with httpx.Client(base_url=shared.server.url, timeout=WAIT_S) as client:
            places = [(number + step) % len(pictures) for step in range(50)]
            found = [client.post("/features", content=pictures[place]) for place in places]
        pairs = zip(places, found, strict=True)
        return [place for place, one in pairs if not np.array_equal(features(one), known[place])]

    with ThreadPoolExecutor(64) as pool:
        assert [place for wrong in pool.map(ask, range(64)) for place in wrong] == []


FAULTS = {
    **dict.fromkeys(
        ("nan", "inf", "shape", "dtype", "short", "missing"), (500, "bad_model_output")
    ),
    **dict.fromkeys(
        (
            *("INVALID_ARGUMENT", "INTERNAL", "UNKNOWN", "PERMISSION_DENIED", "UNAUTHENTICATED"),
            *("FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED", "ABORTED", "ALREADY_EXISTS"),
        ),
        (502, "backend_failed"),
    ),
    **dict.fromkeys(("queue", "RESOURCE_EXHAUSTED"), (503, "overloaded")),
    **dict.fromkeys(("UNAVAILABLE", "NOT_FOUND", "CANCELLED"), (503, "backend_unavailable")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_tritons_is_never_the_clients(
    shared: Front, pictures: list[bytes], fault: str
) -> None:
    wait_until(shared.is_ready)
    shared.fake.switch(fault=fault)
    try:
        refused = [shared.ask(pictures[0]) for _ in range(3)]
        refused.append(shared.ask(pictures[1], "/images"))
    finally:
        shared.fake.switch(fault="")
    for answer in refused:
        body = strict(answer)
        assert (answer.status_code, body["code"]) == FAULTS[fault]
        assert ("Retry-After" in answer.headers) == (answer.status_code == 503)
        for secret in (SECRET, QUEUE_FULL, "/srv", "queue size", "unknown model", "127.0.0.1"):
            assert secret not in answer.text
        assert str(shared.wire.port) not in answer.text
    if FAULTS[fault][0] == 502:
        assert SECRET in shared.log()
    assert httpx.get(f"{shared.server.url}/images").json()["count"] == 0
    wait_until(lambda: shared.ask(pictures[0]).status_code == 200)


def test_a_full_queue_opens_no_breaker(shared: Front, pictures: list[bytes]) -> None:
    wait_until(shared.is_ready)
    shared.fake.switch(fault="queue")
    codes = [strict(shared.ask(pictures[0]))["code"] for _ in range(12)]
    shared.fake.switch(fault="")
    assert codes == ["overloaded"] * 12
    assert shared.ask(pictures[0]).status_code == 200


class Seen(NamedTuple):
    """One answer: ``moment`` is when it came, ``seconds`` how long it took."""

    status: int
    code: str
    seconds: float
    moment: float


@dataclass
class Load:
    """Requests that never stop, and beside them a look at /livez, which waits for nothing."""

    front: Front
    picture: bytes
    seen: list[Seen] = field(default_factory=list)
    alive: list[Seen] = field(default_factory=list)
    is_over: bool = False

    def classify(self) -> None:
        self._keep_asking("POST", "/features", self.seen, content=self.picture)

    def look(self) -> None:
        self._keep_asking("GET", "/livez", self.alive)

    def count(self, status: int, after: float = 0) -> int:
        return sum(1 for one in self.seen if one.status == status and one.moment > after)

    def require_only_in_time(self) -> None:
        """Right answers and refusals; none later than the deadline, but for a busy machine."""
        assert {(one.status, one.code) for one in self.seen} <= {
            (200, ""),
            (503, "backend_unavailable"),
        }
        assert {one.status for one in self.alive} == {200}
        busy_s = max(one.seconds for one in self.alive)  # before the wait, and after it
        assert max(one.seconds for one in self.seen) <= TIMEOUT_S + SLACK_S + 2 * busy_s

    def _keep_asking(self, method: str, path: str, seen: list[Seen], **body: bytes) -> None:
        with httpx.Client(base_url=self.front.server.url, timeout=WAIT_S) as client:
            while not self.is_over:
                began = time.monotonic()
                answer = client.request(method, path, **body)
                now = time.monotonic()
                seen.append(
                    Seen(answer.status_code, answer.json().get("code", ""), now - began, now)
                )
                time.sleep(0.05)  # the rate of the load: 4 threads, up to 80 a second


@contextmanager
def load(front: Front, picture: bytes) -> Iterator[Load]:
    made = Load(front, picture)
    work = [made.classify] * LOAD_THREADS + [made.look]
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        made.is_over = True
        for thread in threads:
            thread.join()


def kill(fake: RunningFake) -> None:
    fake.kill()


def stop(fake: RunningFake) -> None:
    fake.send(signal.SIGSTOP)


def go_on(fake: RunningFake) -> None:
    fake.send(signal.SIGCONT)


@pytest.mark.parametrize(
    ("take", "bring"), [(kill, RunningFake.start), (stop, go_on)], ids=["killed", "stopped"]
)
def test_triton_goes_and_comes_back_under_load(
    quick: Front,
    pictures: list[bytes],
    take: Callable[[RunningFake], None],
    bring: Callable[[RunningFake], None],
) -> None:
    with load(quick, pictures[0]) as asked:
        wait_until(lambda: asked.count(200) > 20)
        take(quick.fake)
        gone = time.monotonic()
        wait_until(lambda: asked.count(503, gone) > 100)
        assert not quick.is_ready()
        assert httpx.get(f"{quick.server.url}/livez").status_code == 200
        assert httpx.get(f"{quick.server.url}/images").status_code == 200
        bring(quick.fake)
        back = time.monotonic()
        wait_until(lambda: asked.count(200, back) > 20)
    asked.require_only_in_time()
    first = min(one.moment for one in asked.seen if one.status == 200 and one.moment > back)
    assert first <= back + RETURN_S


@pytest.mark.parametrize("mode", ["reset", "half", "drip", "stall"])
def test_a_wire_that_breaks(quick: Front, pictures: list[bytes], mode: str) -> None:
    with load(quick, pictures[0]) as asked:
        wait_until(lambda: asked.count(200) > 20)
        quick.wire.mode = mode
        broken = time.monotonic()
        wait_until(lambda: asked.count(503, broken) > 20)
        quick.wire.mode = "pass"
        whole = time.monotonic()
        wait_until(lambda: asked.count(200, whole) > 20)
    asked.require_only_in_time()


def test_the_server_starts_before_its_triton(
    repository: Path, tmp_path: Path, pictures: list[bytes]
) -> None:
    with front(repository, tmp_path, is_up=False) as early:
        assert "not ready: pictures get 503 until it is" in early.log()
        assert httpx.get(f"{early.server.url}/livez").status_code == 200
        unready = httpx.get(f"{early.server.url}/readyz")
        assert (unready.status_code, unready.json()["code"]) == (503, "not_ready")
        answer = early.ask(pictures[0])
        assert (answer.status_code, answer.json()["code"]) == (503, "backend_unavailable")
        early.fake.start()
        wait_until(early.is_ready, RETURN_S)
        assert np.array_equal(features(early.ask(pictures[0])), expected(pictures[0]))


def test_another_model_in_tritons_place_is_never_served(
    quick: Front, pictures: list[bytes]
) -> None:
    with load(quick, pictures[0]) as asked:
        wait_until(lambda: asked.count(200) > 5)
        quick.fake.kill()
        gone = time.monotonic()
        wait_until(lambda: asked.count(503, gone) > 5)
        other = time.monotonic()
        quick.fake.start()
        quick.fake.switch(is_wrong=True)
        wait_until(lambda: "does not give the known answers" in quick.log())
        assert not quick.is_ready()
        seen = time.monotonic()
        wait_until(lambda: asked.count(503, seen) > 20)
        assert asked.count(200, other) == 0
        assert "feature cosine" in quick.log()
        quick.fake.switch(is_wrong=False)
        wait_until(lambda: asked.count(200) > 20)


def test_nothing_leaks_while_triton_comes_and_goes(quick: Front, pictures: list[bytes]) -> None:
    process = psutil.Process(quick.server.process.pid)

    def cycle() -> None:
        quick.wire.close()
        wait_until(lambda: quick.ask(pictures[0]).status_code == 503)
        quick.wire.open()
        wait_until(lambda: quick.ask(pictures[0]).status_code == 200)

    for _ in range(5):
        cycle()
    before = process.num_fds(), process.num_threads()
    for _ in range(CYCLES):
        cycle()
    # What a cycle left would be there 30 times; a connection that is just ending may be there once.
    wait_until(lambda: process.num_fds() <= before[0] + 3)
    wait_until(lambda: process.num_threads() <= before[1] + 3)


SERVE_WITHOUT_RUNTIME = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "onnxruntime":
            raise ModuleNotFoundError(f"{name} must not be needed beside a Triton")
sys.meta_path.insert(0, Refuse())
from alexnet_server.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_beside_a_triton_no_onnxruntime_is_needed(repository: Path, tmp_path: Path) -> None:
    flags = ("serve", "--repository", str(repository), "--port", "0")
    index = ("--index", f"sqlite:///{tmp_path}/index.sqlite")
    command = [sys.executable, "-c", SERVE_WITHOUT_RUNTIME, *flags, *index]
    with subprocess.Popen(
        [*command, "--engine", "triton://127.0.0.1:1"], stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for = iter(process.stderr.readline, "")
        assert any(line.startswith("serving") for line in wait_for)
        process.terminate()
    assert process.returncode == 0
    local = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "must not be needed" in local.stderr
