"""Known vulnerabilities of the versions in constraints.txt, as far as they can be asked for.

    .venv/bin/python -m tests.audit

pip-audit by itself is content where it could ask nothing: behind an index that has no list of
vulnerabilities every package is "skipped" and none is "found".  What was not asked is said here.
Exit codes: 0 none known, or nobody to ask; 1 some are known, and named.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_FLAGS = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json")


def audit(pinned: Path) -> int:
    """Ask about every pinned version; returns the exit code, having said why."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        words = ["-m", "pip_audit", *_FLAGS, "--requirement", str(pinned), "--output", str(answer)]
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
        if not answer.is_file():
            why = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
            print(f"{pinned.name} was not audited: {why}")
            return 0
        return report(pinned.name, json.loads(answer.read_bytes())["dependencies"])


def report(name: str, dependencies: list[dict[str, Any]]) -> int:
    """Say what is known of them; returns the exit code."""
    asked = [one for one in dependencies if "skip_reason" not in one]
    known = [(one, found) for one in asked for found in one["vulns"]]
    for one, found in known:
        mended = ", ".join(found["fix_versions"]) or "no version yet"
        print(f"{one['name']} {one['version']}: {found['id']}, mended in {mended}")
    print(
        f"{name}: {len(asked)} of {len(dependencies)} versions audited, {len(known)} faults known"
    )
    return 1 if known else 0


if __name__ == "__main__":
    sys.exit(audit(ROOT / "constraints.txt"))
