from __future__ import annotations

from pathlib import Path

import pytest

from alexnet_export.deploy import Deployment, deploy


@pytest.fixture
def narrow_repository(narrow_checkpoint: Path, tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    deploy(narrow_checkpoint, Deployment(root))
    return root
