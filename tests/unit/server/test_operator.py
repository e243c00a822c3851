from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from alexnet_repository.files import deployed
from alexnet_server.deployed import open_deployed
from alexnet_server.engine.batching import BatchingEngine
from alexnet_server.following import Following
from alexnet_server.gauges import Gauges
from alexnet_server.index.opening import Indexes
from alexnet_server.metrics import Metrics
from alexnet_server.operator import OperatorServer
from alexnet_server.served import Served
from alexnet_server.settings import Settings
from tests.local_engine import local_engine
from tests.narrow_repository import deploy_narrow
from tests.waiting import WAIT_S


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deploy_narrow(tmp_path_factory.mktemp("narrow"))


@pytest.fixture
def serving(repository: Path, tmp_path: Path) -> Iterator[Served]:
    index = tmp_path / "index.sqlite"
    deploys = Following(
        partial(open_deployed, repository, local_engine, Indexes(index)),
        partial(deployed, repository),
    )
    yield Served.of(Settings(index=f"sqlite:///{index}", metrics_port=0), deploys)
    deploys.close()


@pytest.fixture
def operator(serving: Served) -> Iterator[httpx.Client]:
    metrics = Metrics()
    metrics.registry.register(Gauges(serving, lambda: 0))
    server = OperatorServer(serving, metrics.registry)
    server.start()
    url = f"http://127.0.0.1:{server.effective_port}"
    with httpx.Client(base_url=url, timeout=WAIT_S, verify=False) as client:
        yield client
    server.close()
    assert not [one for one in threading.enumerate() if one.name == "operator"]


def test_a_name_that_dns_could_answer_for_is_refused(operator: httpx.Client) -> None:
    for path in ("/metrics", "/livez", "/readyz"):
        assert operator.get(path, headers={"Host": "rebound.example:8081"}).status_code == 403
        assert operator.get(path, headers={"Host": "localhost:8081"}).status_code == 200


def test_three_paths_and_no_other(operator: httpx.Client) -> None:
    assert operator.get("/livez").json() == {"status": "alive"}
    assert operator.get("/readyz").json() == {"status": "ready"}
    metrics = operator.get("/metrics")
    assert metrics.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "\nalexnet_ready 1.0\n" in metrics.text
    for path in ("/", "/classify", "/metrics/", "/model", "/images/x"):
        assert operator.get(path).status_code == 404
    for path in ("/livez", "/readyz", "/metrics"):
        assert operator.post(path).status_code == 405


def test_ready_is_over_when_the_engine_or_the_server_is(
    operator: httpx.Client, serving: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(BatchingEngine, "ready", lambda _engine: False)
        answer = operator.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (
            503,
            "the engine does not answer yet",
        )
        assert operator.get("/livez").status_code == 200
    assert operator.get("/readyz").status_code == 200
    serving.work.close()
    answer = operator.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "the server is stopping")


def test_half_a_request_on_every_thread_holds_up_nobody(operator: httpx.Client) -> None:
    port = operator.base_url.port
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    try:
        for one in slow:
            one.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
        assert operator.get("/livez").status_code == 200
    finally:
        for one in slow:
            one.close()


def test_what_is_no_http_is_refused_like_on_the_main_port(operator: httpx.Client) -> None:
    with socket.create_connection(("127.0.0.1", operator.base_url.port), WAIT_S) as one:
        one.sendall(b"GET /metrics HTTP/1.1 x\r\n\r\n")
        answer = http.client.HTTPResponse(one)
        answer.begin()
        assert answer.status == 400
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_taken_port_is_a_clear_error(serving: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings = Settings(metrics_port=port)
        taken = Served.of(settings, serving.deploys)
        with pytest.raises(OSError, match=rf"127\.0\.0\.1:{port} .*in use.*--metrics-port"):
            OperatorServer(taken, Metrics().registry)
    elsewhere = Served.of(Settings(metrics_host="192.0.2.1"), serving.deploys)
    with pytest.raises(OSError, match=r"cannot assign .*--metrics-host"):
        OperatorServer(elsewhere, Metrics().registry)


def test_one_that_never_started_closes(serving: Served) -> None:
    server = OperatorServer(serving, Metrics().registry)
    server.close()
    with socket.create_server(("127.0.0.1", server.effective_port)):
        pass  # the port is free again


@pytest.mark.parametrize(
    ("port", "metrics_port", "expected"),
    [(8080, None, 8081), (0, None, 0), (8080, 9000, 9000), (0, 9000, 9000), (8080, 0, 0)],
)
def test_which_port_it_is(port: int, metrics_port: int | None, expected: int) -> None:
    assert Settings(port=port, metrics_port=metrics_port).operator_port == expected
