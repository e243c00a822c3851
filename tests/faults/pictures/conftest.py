from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.narrow_repository import deploy_narrow
from tests.running_server import RunningServer, running_server


@pytest.fixture(scope="session")
def narrow_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deploy_narrow(tmp_path_factory.mktemp("narrow"))


@pytest.fixture(scope="session")
def server(
    narrow_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server of a narrow network, which all tests of pictures share."""
    index = tmp_path_factory.mktemp("index") / "index.sqlite"
    with running_server(narrow_repository, index, "--request-timeout-s", "60") as running:
        yield running
