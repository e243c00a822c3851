"""No program of ours reports to anybody: ONNX Runtime would, from its import on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What the program imports is imported for real; a wrong argument ends it before it does anything.
WATCHED = """
import sys
from {module} import main
main({arguments})
import onnxruntime
"""


def written_by(code: str, home: Path) -> list[Path]:
    """Files below the home folder of a process that runs ``code`` and opted out of nothing."""
    home.mkdir()
    subprocess.run(
        [sys.executable, "-c", code],
        env={"HOME": str(home), "PATH": os.defpath, "MPLCONFIGDIR": str(home.parent)},
        cwd=home,
        capture_output=True,
        check=True,
    )
    return [path for path in home.rglob("*") if path.is_file()]


def test_onnxruntime_would_report(tmp_path: Path) -> None:
    """Where this fails, it no longer does, and ``keep_silent`` can go."""
    assert written_by("import onnxruntime", tmp_path / "home")


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("alexnet_export.cli", ["verify", "--repository", "nowhere"]),
        ("alexnet_server.cli", ["serve", "--repository", "nowhere"]),
        ("alexnet_training.cli", ["report", "nowhere"]),
    ],
)
def test_a_program_of_ours_reports_nothing(
    tmp_path: Path, module: str, arguments: list[str]
) -> None:
    code = WATCHED.format(module=module, arguments=arguments)
    assert written_by(code, tmp_path / "home") == []
