from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alexnet_server.arrival import Outcome
from alexnet_server.call import Call
from alexnet_server.log_lines import JsonLines
from alexnet_server.metrics import STAGES
from alexnet_server.request_log import SLOW_S, log_request

DOCUMENT = Path(__file__).parents[3] / "docs" / "operations.md"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def strict(line: str) -> dict[str, Any]:
    entry = json.loads(line, parse_constant=pytest.fail)
    assert {"time", "level", "message"} <= entry.keys()
    return entry


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What is logged meanwhile, as it would stand on stderr."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonLines())
    log = logging.getLogger("alexnet_server")
    log.addHandler(handler)
    before = log.level
    log.setLevel(logging.INFO)
    yield lambda: [strict(line) for line in out.getvalue().splitlines()]
    log.removeHandler(handler)
    log.setLevel(before)


def outcome(**changed: Any) -> Outcome:
    made = {
        "method": "POST",
        "route": "/classify",
        "status": 200,
        "code": "",
        "seconds": 0.05,
        "peer": "127.0.0.1",
    }
    return Outcome(**(made | changed))


def test_a_request_is_one_line_that_says_all_of_it(lines: Callable[[], list[dict]]) -> None:
    call = Call(
        5,
        request_id="mine",
        traceparent=f"00-{TRACE}-b7ad6b7169203331-01",
        spans_s={"decode": 0.02, "queue": 0.001, "infer": 0.025},
        facts={"pictures": 2, "views": 20, "in_flight": 3, "batch_views": 32},
    )
    log_request(call, outcome())
    (entry,) = lines()
    assert entry.pop("time").endswith("Z")
    assert 0 < entry.pop("left_ms") <= 5000
    assert entry == {
        "level": "info",
        "message": "request",
        "request_id": "mine",
        "trace_id": TRACE,
        "method": "POST",
        "route": "/classify",
        "status": 200,
        "code": None,
        "peer": "127.0.0.1",
        "ms": {"total": 50.0, "decode": 20.0, "queue": 1.0, "infer": 25.0, "rest": 4.0},
        "pictures": 2,
        "views": 20,
        "in_flight": 3,
        "batch_views": 32,
    }


def test_the_operators_document_names_every_field(lines: Callable[[], list[dict]]) -> None:
    facts = {"pictures": 4, "views": 4, "in_flight": 12, "batch_views": 32}
    log_request(Call(5, spans_s=dict.fromkeys(STAGES, 1.0), facts=facts), outcome(seconds=9))
    try:
        raise ValueError("a fault")
    except ValueError:
        logging.getLogger("alexnet_server").exception("failed")
    table = DOCUMENT.read_text().partition("## Log\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.+?) \|(.*)", table, re.MULTILINE)
    told = [name for names, _ in cells for name in re.findall("`([a-z_]+)`", names)]
    assert sorted(told) == sorted({name for entry in lines() for name in entry})
    (stages,) = (meaning for names, meaning in cells if names == "`ms`")
    assert {"total", *STAGES, "rest"} == set(re.findall("`([a-z_]+)`", stages))


@pytest.mark.parametrize(
    ("status", "level"), [(200, "info"), (404, "info"), (499, "info"), (503, "warning")]
)
def test_the_level_says_whom_it_concerns(
    lines: Callable[[], list[dict]], status: int, level: str
) -> None:
    log_request(Call(5), outcome(status=status))
    log_request(Call(5), outcome(status=500, code="internal_error"))
    assert [entry["level"] for entry in lines()] == [level, "error"]


def test_probes_are_not_logged(lines: Callable[[], list[dict]]) -> None:
    for route in ("/livez", "/readyz"):
        log_request(Call(5), outcome(route=route))
        log_request(Call(5), outcome(route=route, status=503))
    assert lines() == []


@pytest.mark.parametrize(
    ("spans_s", "said"),
    [
        ({"decode": 0.9, "infer": 0.2}, "900 ms of it: decoding 4 pictures"),
        ({"queue": 1.0, "infer": 0.1}, "1,000 ms of it: waiting for the network, 12 requests"),
        ({"queue": 0.1, "infer": 0.8}, "800 ms of it: the network, in a pass of 32 views"),
        ({"search": 1.1}, "1,100 ms of it: comparing"),
        ({"store": 1.0}, "1,000 ms of it: storing"),
        ({}, "1,200 ms of it: reading the form"),
    ],
)
def test_a_slow_request_explains_itself(
    lines: Callable[[], list[dict]], spans_s: dict[str, float], said: str
) -> None:
    facts = {"pictures": 4, "views": 4, "in_flight": 12, "batch_views": 32}
    log_request(Call(5, spans_s=spans_s, facts=facts), outcome(seconds=1.2))
    log_request(Call(5), outcome(seconds=SLOW_S - 0.01))
    slow, quick = lines()
    assert slow["slow"].startswith(said)
    assert "slow" not in quick


def test_a_made_up_method_is_not_repeated(lines: Callable[[], list[dict]]) -> None:
    log_request(Call(5), outcome(method="BREW"))
    assert lines()[0]["method"] == "other"
