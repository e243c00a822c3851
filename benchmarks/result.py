"""A benchmark's result: what it was measured on, and the JSON file that keeps it."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """What it was measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }


def measured_on(*distributions: str) -> dict[str, Any]:
    """``machine`` and ``versions``, with which a result begins."""
    return {"machine": machine(), "versions": {name: version(name) for name in distributions}}


def heading(result: dict[str, Any], *more: str) -> str:
    """The line above a table: what it was measured on."""
    described = result["machine"]
    versions = [f"{name} {number}" for name, number in result["versions"].items()]
    cores, python = f"{described['cores']} cores", f"Python {described['python']}"
    return ", ".join([described["processor"], cores, *more, python, *versions])


def keep(result: dict[str, Any], path: Path) -> None:
    """Write it as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
