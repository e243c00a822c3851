from __future__ import annotations

from pathlib import Path

import pytest

from tests.narrow_repository import deploy_narrow


@pytest.fixture(scope="session")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of the narrow network; no test changes it."""
    return deploy_narrow(tmp_path_factory.mktemp("narrow"))


@pytest.fixture(scope="session")
def picture(photos: Path) -> bytes:
    return (photos / "flower" / "1.jpg").read_bytes()
