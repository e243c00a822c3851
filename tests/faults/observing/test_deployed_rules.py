"""The dashboard and the alarms name what a real server tells, and the operator's document them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from tests.fakes.running_triton import RunningFake
from tests.faults.observing.watched import jpeg, watched
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "alexnet.json"
DOCUMENT = ROOT / "docs" / "operations.md"
Sample = tuple[str, tuple[tuple[str, str], ...]]
NAME = re.compile(r"\b(?:alexnet|process)_[a-z_]+|\bup\b")


@pytest.fixture(scope="module")
def series(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> set[Sample]:
    """Every series that a server tells, with either engine."""
    fake = RunningFake(repository)
    fake.start()
    found: set[Sample] = set()
    try:
        for flags in ((), ("--engine", f"triton://127.0.0.1:{fake.port}")):
            with watched(repository, tmp_path_factory.mktemp("told"), *flags) as server:
                wait_until(lambda: server.operator.get("/readyz").status_code == 200)
                assert server.main.post("/classify", content=jpeg(1)).status_code == 200
                wait_until(lambda: ("alexnet_index_pictures", ()) in server.series())
                found |= server.series().keys()
    finally:
        fake.kill()
    return found


@pytest.fixture(scope="module")
def told(series: set[Sample]) -> set[str]:
    """Their names, and ``up``, which is Prometheus' own."""
    return {name for name, _ in series} | {"up"}


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    return group["rules"]


def panels() -> Iterator[dict[str, Any]]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        if panel["type"] != "row":
            yield panel


def expressions() -> Iterator[tuple[str, str]]:
    """What each panel asks, with Grafana's variables as Grafana fills them in for all servers."""
    for panel in panels():
        for target in panel["targets"]:
            filled = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
            assert "$" not in filled
            yield panel["title"], filled


def test_every_expression_is_one() -> None:
    asked = [(rule["alert"], rule["expr"]) for rule in rules()]
    for name, expression in (*asked, *expressions()):
        try:
            promql_parser.parse(expression)
        except ValueError as error:
            pytest.fail(f"{name}: {error}")


def test_every_alarm_asks_for_what_is_told(told: set[str]) -> None:
    for rule in rules():
        names = set(NAME.findall(rule["expr"]))
        assert names, rule["alert"]
        assert names <= told, rule["alert"]


def test_every_panel_asks_for_what_is_told(told: set[str]) -> None:
    asked: set[str] = set()
    for panel in panels():
        for target in panel["targets"]:
            names = set(NAME.findall(target["expr"]))
            assert names, panel["title"]
            assert names <= told, panel["title"]
            asked |= names
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in told - {"up"}}
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    assert families - shown == set(), "told, and on no panel"


def test_label_values_of_the_rules_are_those_told(series: set[Sample]) -> None:
    values = {pair for _, pairs in series for pair in pairs}
    texts = [rule["expr"] for rule in rules()]
    texts += [target["expr"] for panel in panels() for target in panel["targets"]]
    asked = [
        (label, value)
        for text in texts
        for label, wanted in re.findall(r'(code|stage|state|gate|route)=~?"([^"$]+)"', text)
        for value in wanted.split("|")
    ]
    assert len(asked) > 5
    assert set(asked) <= values


def test_alarms_are_whole_and_documented() -> None:
    section = DOCUMENT.read_text().partition("## Alarms")[2].partition("\n## ")[0]
    told = re.findall(r"^### (Alexnet\w+)\n\n(\w+)\. ", section, re.MULTILINE)
    assert told == [(rule["alert"], rule["labels"]["severity"]) for rule in rules()]
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"].isascii()
        assert re.fullmatch(r"\d+[mh]", rule.get("for", "1m"))
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_the_panels_are_whole() -> None:
    document = json.loads(DASHBOARD.read_text())
    assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in document["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert {x for x, _ in taken} == set(range(24))


def test_prometheus_is_told_where_the_server_listens_by_default(told: set[str]) -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["127.0.0.1:8081"]}]
    assert job["job_name"] == "alexnet"  # the alarms select it
    assert [(PROMETHEUS / name).exists() for name in config["rule_files"]] == [True]


@pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not here (Debian: apt-get install prometheus)",
)
def test_promtool_agrees() -> None:
    done = subprocess.run(
        ["promtool", "check", "config", str(PROMETHEUS / "prometheus.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
