from __future__ import annotations

import csv
import os
from pathlib import Path

import pyarrow.parquet
import pytest

from alexnet_client.errors import BadPicture
from alexnet_client.results import Prediction
from alexnet_client.scoring import line, table
from alexnet_client.scoring.scorer import Scored

LATIN = os.fsdecode(b"caf\xe9.jpg")
TWO = (Prediction("hat, felt", 1, 0.5), Prediction('"shoe"\n', 2, 0.25))
LINES = [
    line.of("line\nbreak.jpg", Scored(TWO)),
    line.of(LATIN, Scored(TWO), "other-model"),
    line.of_error("b.jpg", BadPicture("no picture", code="undecodable_picture")),
]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"".join(map(line.encoded, LINES)))
    return path


def test_csv(ledger: Path, tmp_path: Path) -> None:
    table.write(ledger, tmp_path / "out.csv", top_k=3)
    with (tmp_path / "out.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as f:
        rows = list(csv.DictReader(f))
    assert [row["path"] for row in rows] == [one["path"] for one in LINES]
    first, second, third = rows
    assert (first["label_1"], first["class_id_1"], first["probability_1"]) == (
        "hat, felt",
        "1",
        "0.5",
    )
    assert first["label_2"] == '"shoe"\n'
    assert first["label_3"] == first["error_code"] == first["model"] == ""
    assert second["model"] == "other-model"
    assert third["label_1"] == ""
    assert (third["error_code"], third["error_detail"]) == ("undecodable_picture", "no picture")
    assert b"caf\xe9.jpg" in (tmp_path / "out.csv").read_bytes()


def test_parquet(ledger: Path, tmp_path: Path) -> None:
    table.write(ledger, tmp_path / "out.parquet", top_k=3)
    first, second, third = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert first["path"] == "line\nbreak.jpg"
    assert first["path_bytes"] is None
    assert first["predictions"] == LINES[0]["predictions"]
    assert first["error"] is None
    # A name that is no UTF-8 is there as its bytes.
    assert os.fsdecode(second["path_bytes"]) == LATIN
    assert second["path"] == "caf\\udce9.jpg"
    assert second["model"] == "other-model"
    assert third["predictions"] is None
    assert third["error"]["code"] == "undecodable_picture"


def test_what_fails_leaves_what_was_there(ledger: Path, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("before")
    ledger.write_bytes(ledger.read_bytes() + b"no line\n")
    with pytest.raises(ValueError):
        table.write(ledger, tmp_path / "out.csv", top_k=3)
    assert (tmp_path / "out.csv").read_text() == "before"
    assert not (tmp_path / "out.csv.part").exists()
