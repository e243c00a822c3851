"""What is so right now, read when Prometheus asks: gates, line, engine, deploys, index, log."""

from __future__ import annotations

import logging
import platform
import threading
from collections.abc import Callable, Iterator
from importlib import metadata

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from alexnet_server.admission import Gate
from alexnet_server.deployed import Deployed
from alexnet_server.engine.batching import BatchingEngine
from alexnet_server.engine.triton import TritonEngine
from alexnet_server.errors import RequestError
from alexnet_server.index_size import IndexSize
from alexnet_server.readiness import unreadiness
from alexnet_server.served import Served

_DEPLOY_STATES = ("loading", "awaited", "refused")
_log = logging.getLogger(__name__)


class Gauges(Collector):
    """The gauges of ``served``; ``dropped_lines`` says how many log lines were lost."""

    def __init__(self, served: Served, dropped_lines: Callable[[], int]) -> None:
        self._served = served
        self._dropped_lines = dropped_lines
        self._index_size = IndexSize(served)
        self._version = metadata.version("alexnet-server")  # looked up on the disk each time

    def describe(self) -> list[Metric]:
        """Nothing: registering must not read anything yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every gauge; a part that cannot be read is left out and the rest still told."""
        for part in (self._server, self._gates, self._deploy, self._index):
            try:
                yield from list(part())
            except Exception:  # noqa: BLE001 (the boundary of a scrape: the rest must be told)
                _log.exception("a part of the metrics cannot be read")

    def _server(self) -> Iterator[Metric]:
        served = self._served
        yield _gauge("alexnet_ready", "1 where /readyz says 200.", unreadiness(served) is None)
        yield _gauge("alexnet_draining", "1 while the server is stopping.", served.work.is_closed)
        yield _gauge("alexnet_threads", "Threads of the process.", threading.active_count())
        yield CounterMetricFamily(
            "alexnet_log_lines_dropped",
            "Log lines that nobody took off stderr in time.",
            value=self._dropped_lines(),
        )
        yield _info(
            "alexnet_build_info",
            "The software; always 1.",
            {"version": self._version, "python": platform.python_version()},
        )

    def _gates(self) -> Iterator[Metric]:
        gates = {"work": self._served.work, "reading": self._served.reading}
        for name, help_text, read in _OF_A_GATE:
            family = GaugeMetricFamily(name, help_text, labels=("gate",))
            for label, gate in gates.items():
                family.add_metric((label,), read(gate))
            yield family

    def _deploy(self) -> Iterator[Metric]:
        with self._served.deploys.hold() as deployed:
            yield from _engine(deployed)
            shown = ("layout", "precision")
            manifest = deployed.repository.manifest
            labels = deployed.model() | {key: str(manifest[key]) for key in shown}
            yield _info("alexnet_model_info", "The model that answers; always 1.", labels)
        waiting = self._served.deploys.next()
        family = GaugeMetricFamily(
            "alexnet_deploy_waiting",
            "1 where a newer deploy is there and not served, by what it waits for.",
            labels=("state",),
        )
        for state in _DEPLOY_STATES:
            family.add_metric((state,), waiting is not None and waiting["state"] == state)
        yield family

    def _index(self) -> Iterator[Metric]:
        with self._served.deploys.hold() as deployed:
            is_usable = not isinstance(deployed.index, RequestError)
        yield _gauge("alexnet_index_usable", "0 where index requests answer 409 or 507.", is_usable)
        for name, help_text, value in self._index_size.read():
            yield _gauge(name, help_text, value)


_OF_A_GATE: tuple[tuple[str, str, Callable[[Gate], int]], ...] = (
    ("alexnet_gate_requests", "Requests inside.", lambda gate: gate.requests),
    ("alexnet_gate_requests_limit", "The most inside.", lambda gate: gate.most_requests),
    ("alexnet_gate_views", "Pictures times views inside.", lambda gate: gate.views),
    ("alexnet_gate_views_limit", "The most views inside.", lambda gate: gate.most_views),
)


def _engine(deployed: Deployed) -> Iterator[Metric]:
    engine = deployed.engine
    yield _gauge("alexnet_engine_ready", "1 where a picture would be answered.", engine.ready())
    if isinstance(engine, BatchingEngine):
        yield _gauge(
            "alexnet_line_views", "Views that wait for a pass (engine local).", engine.waiting
        )
    if isinstance(engine, TritonEngine):
        yield CounterMetricFamily(
            "alexnet_backend_outages",
            "How often Triton was lost after it had answered.",
            value=engine.triton.losses,
        )


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_text, value=value)


def _info(name: str, help_text: str, labels: dict[str, str]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=tuple(labels))
    family.add_metric(tuple(labels.values()), 1)
    return family
