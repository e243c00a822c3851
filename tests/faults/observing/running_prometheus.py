"""A real Prometheus in a process of its own, with the deployed configuration."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.waiting import WAIT_S, wait_until

DEPLOYED = Path(__file__).parents[3] / "deploy" / "prometheus"


@dataclass(frozen=True)
class RunningPrometheus:
    api: httpx.Client

    def asked(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now, each with its ``metric`` and ``value``."""
        answer = self.api.get("/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", answer
        series: list[dict[str, Any]] = answer["data"]["result"]
        return series

    def rules(self) -> dict[str, dict[str, Any]]:
        """The alarms by name, as they were last evaluated."""
        (group,) = self.api.get("/api/v1/rules").json()["data"]["groups"]
        return {rule["name"]: rule for rule in group["rules"]}


@contextmanager
def running_prometheus(folder: Path, targets: list[str]) -> Iterator[RunningPrometheus]:
    """Scrapes ``targets`` (``HOST:PORT``) and evaluates the alarms every second."""
    config = yaml.safe_load((DEPLOYED / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(DEPLOYED / name) for name in config["rule_files"]]
    (job,) = config["scrape_configs"]
    job["scrape_timeout"] = "1s"
    job["static_configs"] = [{"targets": targets}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen(
        [
            *("prometheus", f"--config.file={folder}/prometheus.yml"),
            *(f"--storage.tsdb.path={folder}/data", f"--web.listen-address={address}"),
            "--log.level=error",
        ]
    )
    try:
        with httpx.Client(base_url=f"http://{address}", timeout=WAIT_S) as api:
            wait_until(lambda: process.poll() is not None or _is_ready(api))
            assert process.poll() is None, "Prometheus did not start"
            yield RunningPrometheus(api)
    finally:
        process.terminate()
        process.wait(WAIT_S)


def _is_ready(api: httpx.Client) -> bool:
    try:
        return api.get("/-/ready").status_code == 200
    except httpx.TransportError:
        return False
