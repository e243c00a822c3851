from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from alexnet_client.results import Prediction
from alexnet_client.scoring import line
from alexnet_client.scoring.features_file import FeaturesFile
from alexnet_client.scoring.ledger import Ledger
from alexnet_client.scoring.scorer import Scored
from alexnet_client.scoring.writer import Writer

PATHS = [f"{number}.jpg" for number in range(4)]
LINES = [line.of(path, Scored((Prediction("cat", 1, 0.5),))) for path in PATHS]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "out.jsonl", tmp_path / "again", PATHS)


def test_lines_wait_for_those_before_them(ledger: Ledger, tmp_path: Path) -> None:
    written = []
    with closing(ledger):
        writer = Writer(ledger, None)
        for number in (2, 1, 0, 3):
            writer.put(number, LINES[number], None)
            writer.commit()
            written.append((tmp_path / "out.jsonl").read_bytes())
    whole = list(map(line.encoded, LINES))
    assert written == [b"", b"", b"".join(whole[:3]), b"".join(whole)]


def test_no_line_is_there_before_its_features(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FeaturesFile.create(tmp_path / "f.npy", len(PATHS))
    seen = []

    def sync(features: FeaturesFile) -> None:
        rows = np.load(tmp_path / "f.npy")
        seen.append((rows[:, 0].tolist(), (tmp_path / "out.jsonl").read_bytes()))

    monkeypatch.setattr(FeaturesFile, "sync", sync)
    with closing(ledger), closing(FeaturesFile(tmp_path / "f.npy", len(PATHS))) as features:
        writer = Writer(ledger, features)
        writer.put(0, LINES[0], np.full(4096, 7, np.float32))
        writer.commit()
        assert seen == [([7, 0, 0, 0], b"")]
        assert ledger.done == 1
