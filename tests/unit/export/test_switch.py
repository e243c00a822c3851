"""What must be on the disk before two folders are exchanged, and what after."""

from __future__ import annotations

from pathlib import Path

import pytest

from alexnet_export import switch as switching
from alexnet_export.switch import switch
from alexnet_repository.durable import sync


def test_everything_reaches_the_disk_before_the_exchange_and_the_exchange_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that loses power keeps the one root or the other, and the new one whole."""
    stage, root = tmp_path / "stage", tmp_path / "root"
    (stage / "model" / "1").mkdir(parents=True)
    (stage / "model" / "1" / "model.onnx").write_bytes(b"new")
    (stage / "model" / "config.pbtxt").write_bytes(b"new")
    root.mkdir()
    synced: list[tuple[Path, bool]] = []

    def recording(place: Path) -> None:
        sync(place)
        synced.append((place, (root / "model").exists()))

    monkeypatch.setattr(switching, "sync", recording)
    staged = {stage, *stage.rglob("*")}
    switch(stage, root)
    assert {place for place, is_switched in synced if not is_switched} == staged
    assert [place for place, is_switched in synced if is_switched] == [tmp_path]
    assert (root / "model" / "1" / "model.onnx").read_bytes() == b"new"
