"""`make serve` with somebody's own photos, and with what came of them."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.newcomer.make_serve import make_serve


def test_own_folders_and_own_checkpoint(photos: Path, tmp_path: Path) -> None:
    """DATA= trains on class folders, CHECKPOINT= serves what came of it elsewhere."""
    for made in make_serve(tmp_path, f"DATA={photos}", "FIT=--epochs 1 --batch-size 2"):
        assert "broken.jpg" in made.messages
        model = httpx.get(f"{made.url}/model").json()
        assert model["classes"] == ["building", "flower"]
    other = tmp_path / "other"
    for made in make_serve(other, f"CHECKPOINT={tmp_path / 'runs' / photos.name}"):
        assert httpx.get(f"{made.url}/model").json()["digest"] == model["digest"]
