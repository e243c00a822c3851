"""What an open loop saw: how many of each status, how long they took, and how the server fared."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import NamedTuple

from tests.load.process_series import ProcessSeries


class Answer(NamedTuple):
    """``began_s`` is when it was sent, ``seconds`` how long its answer took."""

    status: int
    code: str
    began_s: float
    seconds: float


@dataclass(frozen=True)
class Times:
    """How long the answers of one status took, in milliseconds."""

    n: int
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True)
class Report:
    """``times`` and ``codes`` by status ("503 overloaded"), ``watched`` by address.

    ``accepted_per_s`` counts what was answered with 200, from the first request sent to the last
    answer.  ``last_refusal_s`` is when, after the first request, the last one was sent that was not
    answered with 200.  ``rss_mb``, ``threads`` and ``descriptors`` are the server's, at the begin,
    at the most and at the end.  ``lag_p99_ms`` is how late the generator itself was.
    """

    seconds: float
    accepted_per_s: float
    last_refusal_s: float
    times: dict[str, Times]
    watched: dict[str, Times]
    watched_statuses: list[int]
    rss_mb: tuple[float, float, float]
    threads: tuple[float, float, float]
    descriptors: tuple[float, float, float]
    server_cpu_s: float
    generator_cpu_s: float
    lag_p99_ms: float


@dataclass(frozen=True)
class Spent:
    """How long a run took, what of it the generator used of a core, and how late it sent each."""

    seconds: float
    cpu_s: float
    lags_s: list[float]


def percentile(values: list[float], share: float) -> float:
    """The smallest of ``values`` that at least ``share`` of them do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def times(seconds: list[float]) -> Times:
    """Of at least one answer."""
    return Times(
        n=len(seconds),
        p50_ms=round(1000 * percentile(seconds, 0.5), 1),
        p99_ms=round(1000 * percentile(seconds, 0.99), 1),
        max_ms=round(1000 * max(seconds), 1),
    )


def summary(
    answers: list[Answer],
    watched: dict[str, list[Answer]],
    series: ProcessSeries,
    spent: Spent,
) -> Report:
    """The report of one run."""
    by_status: dict[str, list[float]] = defaultdict(list)
    for one in answers:
        by_status[f"{one.status} {one.code}".strip()].append(one.seconds)
    first_s = min(one.began_s for one in answers)
    refused = [one.began_s - first_s for one in answers if one.status != 200]
    accepted = Counter(one.status for one in answers)[200]
    return Report(
        seconds=round(spent.seconds, 2),
        accepted_per_s=round(accepted / spent.seconds, 1),
        last_refusal_s=round(max(refused, default=0.0), 2),
        times={status: times(found) for status, found in sorted(by_status.items())},
        watched={url: times([one.seconds for one in seen]) for url, seen in watched.items()},
        watched_statuses=sorted({one.status for seen in watched.values() for one in seen}),
        rss_mb=series.span("rss_mb"),
        threads=series.span("threads"),
        descriptors=series.span("descriptors"),
        server_cpu_s=round(series.cpu_s(), 2),
        generator_cpu_s=round(spent.cpu_s, 2),
        lag_p99_ms=round(1000 * percentile(spent.lags_s or [0.0], 0.99), 1),
    )
