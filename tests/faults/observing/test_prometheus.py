"""A real Prometheus scrapes real servers: every alarm and panel is evaluated on what they tell.

Debian's package prometheus has both programs. Without them these are skipped, and
test_deployed_rules.py reads every expression with a parser of the same language.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.fakes.running_triton import RunningFake
from tests.faults.observing.running_prometheus import RunningPrometheus, running_prometheus
from tests.faults.observing.test_deployed_rules import expressions, rules
from tests.faults.observing.watched import Watched, jpeg, watched
from tests.waiting import wait_until

ALARMS = Path(__file__).with_name("alarms.yml")

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="Prometheus and promtool are not here (Debian: apt-get install prometheus)",
)


@dataclass(frozen=True)
class Observed:
    """Two servers that Prometheus scrapes, of which one has lost its Triton."""

    prometheus: RunningPrometheus
    local: Watched
    lost: Watched

    def instance(self, server: Watched) -> str:
        return server.operator.base_url.netloc.decode()


@pytest.fixture(scope="module")
def observed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    folders = [tmp_path_factory.mktemp(name) for name in ("local", "lost", "prometheus")]
    fake = RunningFake(repository)
    fake.start()
    try:
        with (
            watched(repository, folders[0]) as local,
            watched(repository, folders[1], "--engine", f"triton://127.0.0.1:{fake.port}") as lost,
        ):
            both = (local, lost)
            targets = [one.operator.base_url.netloc.decode() for one in both]
            wait_until(lambda: all(one.operator.get("/readyz").is_success for one in both))
            with running_prometheus(folders[2], targets) as prometheus:
                for one in both:
                    assert one.main.post("/classify", content=jpeg(1)).status_code == 200
                    assert one.main.post("/classify", content=b"").status_code == 422
                # Twice scraped, or nothing has a rate.
                counted = 'rate(alexnet_http_requests_total{route="/classify",status="422"}[1m])'
                wait_until(lambda: len(prometheus.asked(counted)) == 2)
                fake.kill()
                wait_until(lambda: lost.main.post("/classify", content=jpeg(2)).status_code == 503)
                counted = 'rate(alexnet_http_requests_total{route="/classify",status="503"}[1m])'
                wait_until(lambda: len(prometheus.asked(counted)) == 1)
                yield Observed(prometheus, local, lost)
    finally:
        fake.kill()


@needs_prometheus
def test_every_alarm_is_evaluated_and_only_the_right_one_comes(observed: Observed) -> None:
    def lost_is_noticed() -> bool:
        return observed.prometheus.rules()["AlexnetNotReady"]["state"] == "pending"

    wait_until(lost_is_noticed)
    found = observed.prometheus.rules()
    assert list(found) == [rule["alert"] for rule in rules()]
    for name, rule in found.items():
        assert (rule["health"], rule.get("lastError", "")) == ("ok", ""), name
    assert {name for name, rule in found.items() if rule["state"] != "inactive"} == {
        "AlexnetNotReady"
    }
    (alert,) = found["AlexnetNotReady"]["alerts"]
    assert alert["labels"]["instance"] == observed.instance(observed.lost)
    assert alert["annotations"]["summary"] == f"{alert['labels']['instance']} answers no picture"


@needs_prometheus
def test_every_panel_shows_something(observed: Observed) -> None:
    for title, expression in expressions():
        assert observed.prometheus.asked(expression), (title, expression)


@needs_prometheus
def test_each_alarm_comes_when_it_should_and_not_before() -> None:
    done = subprocess.run(
        ["promtool", "test", "rules", ALARMS.name],
        cwd=ALARMS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alarm_is_tried() -> None:
    tests = yaml.safe_load(ALARMS.read_text())["tests"]
    came = {
        case["alertname"]
        for test in tests
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }
    assert came == {rule["alert"] for rule in rules()}
