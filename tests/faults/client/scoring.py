"""The command ``alexnet score`` in a process of its own, and what must be true of its output."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.client.small_server import features_of, predicted
from tests.faults.size import sized
from tests.running_server import clean_environment, command
from tests.waiting import WAIT_S

# 1,000 pictures of which three of four are refused took 165 s on a busy machine.
RUN_LIMIT_S = sized(WAIT_S, 10 * WAIT_S)


@dataclass(frozen=True)
class Scoring:
    """A run of the command, again and again on the same output."""

    url: str
    source: Path
    out: Path
    flags: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def ledger(self) -> Path:
        if self.out.suffix == ".jsonl":
            return self.out
        return self.out.with_name(f"{self.out.name}.run") / "lines.jsonl"

    def start(self, *flags: str, **popen: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                *(command("alexnet"), "score", str(self.source), "--out", str(self.out)),
                *("--server", self.url, *self.flags, *flags),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment() | self.environment,
            **popen,
        )

    def run(self, *flags: str, **popen: Any) -> subprocess.CompletedProcess[str]:
        process = self.start(*flags, **popen)
        try:
            out, err = process.communicate(timeout=RUN_LIMIT_S)
        finally:
            process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def written(self) -> int:
        """Lines there are."""
        return self.ledger.read_bytes().count(b"\n") if self.ledger.exists() else 0

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.out.read_bytes().splitlines()]


def write_named(folder: Path, count: int) -> list[Path]:
    """``count`` files that the small server takes for pictures, no two alike."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number:05}.jpg" for number in range(count)]
    for path in paths:
        path.write_bytes(f"picture {path.name}".encode())
    return paths


def assert_right(lines: list[dict[str, Any]], paths: Sequence[Path]) -> None:
    """Each path exactly once, in order, with the labels of its own bytes."""
    assert [line["path"] for line in lines] == [str(path) for path in paths]
    for line in lines:
        assert line["predictions"] == [predicted(Path(line["path"]).read_bytes())]


def assert_rows(features: Path, paths: Sequence[Path]) -> None:
    """Row n is that of picture n."""
    rows = np.load(features, mmap_mode="r")
    assert rows.shape == (len(paths), 4096)
    assert rows.dtype == np.float32
    for row, path in zip(rows, paths, strict=True):
        np.testing.assert_array_equal(row, features_of(path.read_bytes()))
