"""What is counted and timed, for Prometheus; docs/operations.md says what each number means.

Labels are the route's rule, known methods, the status, our own codes and the stages of a request:
nothing that a sender chooses, so the number of series is bounded.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

from alexnet_server.arrival import Outcome
from alexnet_server.call import Call
from alexnet_server.errors import (
    BackendFailed,
    BackendUnavailable,
    BadModelOutput,
    ClientGone,
    DeadlineExceeded,
    Overloaded,
    RequestError,
    ShuttingDown,
    StorageFailed,
)

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"))
STAGES = ("decode", "queue", "infer", "search", "store")
# Requests without fault that got no answer: those given up in favour of others ...
SHED = tuple(error.code for error in (Overloaded, ShuttingDown, DeadlineExceeded, ClientGone))
# ... and those that met something broken; RequestError itself is internal_error.
FAILED = tuple(
    error.code
    for error in (BackendUnavailable, BackendFailed, BadModelOutput, StorageFailed, RequestError)
)
# Seconds. A picture takes some 10 to 100 ms; a request may take 5 s unless told otherwise.
_REQUEST_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 4, 5, 10)
_STAGE_BUCKETS_S = (0.001, 0.0025, *_REQUEST_BUCKETS_S)
_VIEWS_BUCKETS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The numbers of one server, in a ``registry`` of their own; safe to use from many threads."""

    def __init__(self) -> None:
        # They would double the series and say when the process began.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "alexnet_http_requests",
            "Requests that were answered, also with an error.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._request_s = Histogram(
            "alexnet_http_request_duration_seconds",
            "From the moment a thread takes a whole request to its answer.",
            ("route", "status_class"),
            registry=self.registry,
            buckets=_REQUEST_BUCKETS_S,
        )
        self._stage_s = Histogram(
            "alexnet_stage_duration_seconds",
            "What a request spent in one stage.",
            ("stage",),
            registry=self.registry,
            buckets=_STAGE_BUCKETS_S,
        )
        self._shed = Counter(
            "alexnet_shed_requests",
            "Requests refused or given up because of too much to do, their time, or a stop.",
            ("code",),
            registry=self.registry,
        )
        self._failed = Counter(
            "alexnet_failed_requests",
            "Requests that failed because something is broken.",
            ("code",),
            registry=self.registry,
        )
        self._count_pictures()
        for stage in STAGES:  # a series that is there from the start has a rate from the start
            self._stage_s.labels(stage)
        for code in SHED:
            self._shed.labels(code)
        for code in FAILED:
            self._failed.labels(code)

    def _count_pictures(self) -> None:
        self._pictures = Counter(
            "alexnet_answered_pictures",
            "Pictures in requests that were answered without an error.",
            registry=self.registry,
        )
        self._views = Counter(
            "alexnet_answered_views",
            "Pictures times views in requests that were answered without an error.",
            registry=self.registry,
        )
        self._pass_views = Histogram(
            "alexnet_pass_views",
            "Views that went through the network together (engine local).",
            registry=self.registry,
            buckets=_VIEWS_BUCKETS,
        )
        self._pass_s = Histogram(
            "alexnet_pass_duration_seconds",
            "One pass through the network (engine local).",
            registry=self.registry,
            buckets=_STAGE_BUCKETS_S,
        )

    def observe(self, call: Call, outcome: Outcome) -> None:
        """Count a request that has ended (an Observer)."""
        route, status = outcome.route, outcome.status
        self._requests.labels(route, known_method(outcome.method), str(status)).inc()
        self._request_s.labels(route, f"{status // 100}xx").observe(outcome.seconds)
        for stage, seconds in call.spans_s.items():
            self._stage_s.labels(stage).observe(seconds)
        if outcome.code in SHED:
            self._shed.labels(outcome.code).inc()
        elif outcome.code in FAILED:
            self._failed.labels(outcome.code).inc()
        if status < 400:
            self._pictures.inc(call.facts.get("pictures", 0))
            self._views.inc(call.facts.get("views", 0))

    def count_pass(self, views: int, seconds: float) -> None:
        """Count one pass of ``views`` through the network (BatchingEngine's ``on_pass``)."""
        self._pass_views.observe(views)
        self._pass_s.observe(seconds)


def known_method(method: str) -> str:
    """The method where it is a common one, else ``other``: a sender may make up any."""
    return method if method in METHODS else "other"
