from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from alexnet_repository.files import deployed
from alexnet_repository.repository import Repository
from alexnet_server.arrival import Outcome
from alexnet_server.call import Call
from alexnet_server.deployed import Deployed, open_deployed
from alexnet_server.engine import Engine
from alexnet_server.engine.channel import Triton
from alexnet_server.engine.triton import triton_engine
from alexnet_server.errors import StorageFailed
from alexnet_server.following import Following
from alexnet_server.gauges import Gauges
from alexnet_server.index.opening import Indexes
from alexnet_server.index.pictures import PictureIndex
from alexnet_server.metrics import FAILED, SHED, Metrics
from alexnet_server.served import Served
from alexnet_server.settings import Settings
from tests.local_engine import local_engine
from tests.narrow_repository import deploy_narrow
from tests.waiting import wait_until

DOCUMENT = Path(__file__).parents[3] / "docs" / "operations.md"
Scrape = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deploy_narrow(tmp_path_factory.mktemp("narrow"))


def following(repository: Path, index: Path, engine_of: object = local_engine) -> Following:
    return Following(
        partial(open_deployed, repository, engine_of, Indexes(index)),
        partial(deployed, repository),
    )


def served(deploys: Following, index: Path) -> Served:
    return Served.of(Settings(index=f"sqlite:///{index}"), deploys)


@pytest.fixture
def serving(repository: Path, tmp_path: Path) -> Iterator[Served]:
    index = tmp_path / "index.sqlite"
    deploys = following(repository, index)
    yield served(deploys, index)
    deploys.close()


def outcome(status: int, code: str = "", method: str = "POST", seconds: float = 0.03) -> Outcome:
    return Outcome(method, "/classify", status, code, seconds, "127.0.0.1")


def scrape(metrics: Metrics) -> Scrape:
    text = generate_latest(metrics.registry).decode()
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def watching(serving: Served) -> Metrics:
    metrics = Metrics()
    metrics.registry.register(Gauges(serving, lambda: 7))
    return metrics


def test_a_request_is_counted_once_under_what_is_known_of_it() -> None:
    metrics = Metrics()
    call = Call(5, spans_s={"decode": 0.02, "infer": 0.2}, facts={"pictures": 2, "views": 20})
    metrics.observe(call, outcome(200, seconds=0.3))
    metrics.observe(Call(5), outcome(404, "not_found", "BREW"))
    metrics.observe(Call(5), outcome(503, "overloaded"))
    metrics.observe(Call(5), outcome(507, "storage_failed"))
    found = scrape(metrics)
    assert found["alexnet_http_requests_total", ("POST", "/classify", "200")] == 1
    assert found["alexnet_http_requests_total", ("other", "/classify", "404")] == 1
    name = "alexnet_http_request_duration_seconds"
    assert found[f"{name}_sum", ("/classify", "2xx")] == pytest.approx(0.3)
    assert found[f"{name}_bucket", ("0.25", "/classify", "2xx")] == 0
    assert found[f"{name}_bucket", ("0.5", "/classify", "2xx")] == 1
    assert found["alexnet_stage_duration_seconds_sum", ("infer",)] == pytest.approx(0.2)
    assert found["alexnet_stage_duration_seconds_count", ("store",)] == 0
    shed = {code: found["alexnet_shed_requests_total", (code,)] for code in SHED}
    assert shed == dict.fromkeys(SHED, 0) | {"overloaded": 1}
    failed = {code: found["alexnet_failed_requests_total", (code,)] for code in FAILED}
    assert failed == dict.fromkeys(FAILED, 0) | {"storage_failed": 1}
    assert "internal_error" in FAILED
    assert found["alexnet_answered_pictures_total", ()] == 2
    assert found["alexnet_answered_views_total", ()] == 20


def test_a_pass_is_counted_in_views_and_seconds() -> None:
    metrics = Metrics()
    metrics.count_pass(10, 0.2)
    found = scrape(metrics)
    assert found["alexnet_pass_views_bucket", ("8.0",)] == 0
    assert found["alexnet_pass_views_bucket", ("16.0",)] == 1
    assert found["alexnet_pass_duration_seconds_sum", ()] == pytest.approx(0.2)


def test_gauges_say_what_is_so_now(serving: Served) -> None:
    metrics = watching(serving)
    admission = serving.work.enter()
    admission.take(3)
    found = scrape(metrics)
    assert found["alexnet_gate_requests", ("work",)] == 1
    assert found["alexnet_gate_views", ("work",)] == 3
    assert found["alexnet_gate_views_limit", ("reading",)] == serving.reading.most_views
    assert found["alexnet_ready", ()] == found["alexnet_engine_ready", ()] == 1
    assert found["alexnet_draining", ()] == found["alexnet_line_views", ()] == 0
    assert found["alexnet_log_lines_dropped_total", ()] == 7
    assert found["alexnet_index_usable", ()] == 1
    with serving.deploys.hold() as now:
        model = now.model()
    (labels,) = (labels for name, labels in found if name == "alexnet_model_info")
    assert labels == (model["digest"], "towers", model["name"], "fp32", model["version"])
    assert found["alexnet_threads", ()] >= 2
    serving.work.close()
    found = scrape(metrics)
    assert (found["alexnet_ready", ()], found["alexnet_draining", ()]) == (0, 1)


def test_an_index_that_cannot_be_used_is_told(repository: Path, tmp_path: Path) -> None:
    index = tmp_path / "index.sqlite"
    index.write_text("something else than an index, and longer than SQLite's header is" * 10)
    deploys = following(repository, index)
    found = scrape(watching(served(deploys, index)))
    deploys.close()
    assert found["alexnet_index_usable", ()] == 0
    assert ("alexnet_index_pictures", ()) not in found


def test_counting_that_hangs_holds_up_no_scrape(
    serving: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()

    def hang(_index: PictureIndex) -> int:
        goes_on.wait()
        return 5

    monkeypatch.setattr(PictureIndex, "count", hang)
    metrics = watching(serving)
    try:
        for _ in range(3):
            found = scrape(metrics)
            assert ("alexnet_index_pictures", ()) not in found
            assert found["alexnet_ready", ()] == 1
        assert sum(one.name == "index-size" for one in threading.enumerate()) == 1
    finally:
        goes_on.set()
    wait_until(lambda: scrape(metrics).get(("alexnet_index_pictures", ())) == 5)
    assert scrape(metrics)["alexnet_index_bytes", ()] > 0


def test_an_index_that_fails_fails_no_scrape(
    serving: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_index: PictureIndex) -> int:
        raise StorageFailed("the disk is gone")

    monkeypatch.setattr(PictureIndex, "count", fail)
    metrics = watching(serving)
    wait_until(lambda: ("alexnet_index_bytes", ()) in scrape(metrics))
    assert ("alexnet_index_pictures", ()) not in scrape(metrics)


def test_what_cannot_be_read_hides_nothing_else(
    serving: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_deployed: Deployed) -> dict[str, str]:
        raise ValueError("broken")

    monkeypatch.setattr(Deployed, "model", fail)
    found = scrape(watching(serving))
    assert not [name for name, _ in found if name == "alexnet_model_info"]
    assert found["alexnet_gate_requests", ("work",)] == 0
    assert "cannot be read" in caplog.text


@pytest.fixture
def beside_triton(repository: Path, tmp_path: Path) -> Iterator[Served]:
    triton = Triton("127.0.0.1:1", 0.1)  # nobody is there

    def engine_of(repository: Repository) -> Engine:
        return triton_engine(triton, repository)

    index = tmp_path / "index.sqlite"
    deploys = following(repository, index, engine_of)
    yield served(deploys, index)
    deploys.close()
    triton.close()


def names(metrics: Metrics) -> set[str]:
    """The names as Prometheus knows families: counters with _total, histograms without suffix."""
    text = generate_latest(metrics.registry).decode()
    return set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))


def test_the_operators_document_names_every_metric_and_no_other(
    serving: Served, beside_triton: Served
) -> None:
    one, other = watching(serving), watching(beside_triton)
    wait_until(lambda: "alexnet_index_pictures" in names(one))
    table = DOCUMENT.read_text().partition("## Metrics")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE)
    assert sorted(told) == sorted(names(one) | names(other))
    assert "alexnet_backend_outages_total" in names(other) - names(one)
