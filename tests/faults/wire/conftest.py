from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.narrow_repository import deploy_narrow
from tests.running_server import RunningServer, running_server


@pytest.fixture(scope="session")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of the narrow network."""
    return deploy_narrow(tmp_path_factory.mktemp("narrow"))


@pytest.fixture(scope="session")
def server(narrow: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that all share, and that must have logged no error at the end."""
    index = tmp_path_factory.mktemp("index") / "index.sqlite"
    with running_server(narrow, index) as running:
        yield running
    log = "".join(running.messages)
    assert running.process.returncode == 0
    assert "raceback" not in log and '"level": "error"' not in log, log


@pytest.fixture(scope="session")
def picture(photos: Path) -> bytes:
    return (photos / "flower" / "1.jpg").read_bytes()
